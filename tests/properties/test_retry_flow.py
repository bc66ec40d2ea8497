"""However a retry stands, what begins next keeps to its window, its drip, its money and its sample."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops_core.domain.retry_flow import AHEAD, Sample, Standing, portion
from ops_core.domain.retry_options import Options

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CODES = ("foursquare", "google_places", "wikimedia_commons")
PRICES = st.fixed_dictionaries(
    {code: st.sampled_from([Decimal(0), Decimal("0.007"), Decimal("0.02")]) for code in CODES}
)
BEGUN = st.dictionaries(st.sampled_from(CODES), st.integers(0, 2 * AHEAD))


@given(BEGUN, PRICES)
def test_a_plain_retry_fills_each_provider_s_window_whatever_the_others_hold(begun, prices):
    part = portion(Standing(options=Options(), begun=begun, prices=prices), NOW)
    assert part.rooms == {code: max(0, AHEAD - begun.get(code, 0)) for code in CODES}
    assert part.total == sum(part.rooms.values())
    assert (part.only_sample, part.stop, part.drip_after(5)) == (False, None, None)


@settings(deadline=None, max_examples=50)
@given(
    per_hour=st.integers(1, 5000),
    looks=st.lists(st.tuples(st.floats(0, 900), st.integers(0, 500)), min_size=1, max_size=40),
)
def test_no_hour_sees_more_begin_than_the_drip_allows(per_hour, looks):
    now, drip_at = NOW, None
    begun: list[tuple[datetime, int]] = []
    for wait, most in looks:
        now += timedelta(seconds=wait)
        part = portion(dripping(per_hour, drip_at), now)
        took = min(part.total, most)
        begun.append((now, took))
        drip_at = part.drip_after(took)
    for first, _ in begun:
        within = sum(images for at, images in begun if first <= at < first + timedelta(hours=1))
        assert within <= per_hour


@pytest.mark.parametrize("per_hour", [1, 7, 60, 999, 5000])
def test_a_drip_that_is_looked_at_often_uses_nearly_all_of_its_hour(per_hour):
    now, drip_at, begun = NOW, None, 0
    for _ in range(1800):
        part = portion(dripping(per_hour, drip_at), now)
        begun += part.total
        drip_at = part.drip_after(part.total)
        now += timedelta(seconds=2)
    assert begun >= min(0.97 * per_hour, per_hour - 1)


def dripping(per_hour: int, drip_at: datetime | None) -> Standing:
    return Standing(options=Options(per_hour=per_hour), begun={}, prices={"a": Decimal(0)}, drip_at=drip_at)


@given(BEGUN, PRICES, st.decimals("0.01", "50", places=2), st.decimals("0", "60", places=3))
def test_what_begins_is_paid_for_by_what_is_left_of_the_day(begun, prices, a_day, spent):
    standing = Standing(options=Options(usd_per_day=a_day), begun=begun, prices=prices, spent_usd=spent)
    part = portion(standing, NOW)
    cost = sum(part.rooms[code] * prices[code] for code in CODES)
    assert cost <= max(Decimal(0), a_day - spent)
    for code in CODES:
        if not prices[code]:
            assert part.rooms[code] == max(0, AHEAD - begun.get(code, 0))
    assert part.total <= sum(part.rooms.values())


@given(
    uploaded=st.integers(0, 50),
    failed=st.integers(0, 50),
    open_=st.integers(0, 5),
    needed=st.floats(0, 1),
    decided=st.booleans(),
)
def test_a_sample_comes_first_and_decides(uploaded, failed, open_, needed, decided):
    part = portion(
        Standing(
            options=Options(sample=50, sample_share=needed),
            begun={},
            prices={"a": Decimal(0)},
            sample=Sample(open=open_, uploaded=uploaded, failed=failed),
            sample_decided=decided,
        ),
        NOW,
    )
    if decided:
        assert (part.only_sample, part.stop, part.decided) == (False, None, False)
    elif open_:
        assert (part.only_sample, part.stop) == (True, None)
    elif uploaded + failed and uploaded / (uploaded + failed) >= needed:
        assert (part.only_sample, part.stop, part.decided) == (False, None, True)
    else:
        assert part.stop
        assert part.total == 0

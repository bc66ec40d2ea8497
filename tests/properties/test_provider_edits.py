"""What people change of a provider's row: told in words, checked, and put together without loss."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.permits import Limits, window
from ops_core.domain.provider_edits import (
    CAPABILITIES,
    DEAREST_USD,
    LONGEST_PAUSE,
    LOWEST_PRIORITY,
    MOST_CALLS,
    ProviderEdit,
    changes,
    departures,
    documented,
    is_looser,
    limits_in_words,
    merged,
    price,
    problems,
    whole_minute,
    why_no_pause,
    why_not_copied,
)
from ops_core.domain.providers import SEED, Copies, ProviderTerms

FIELDS = [field.name for field in fields(ProviderEdit)]
PRICES, LIMITS = ("listing_usd", "photo_usd", "search_usd"), ("per_second", "per_minute", "per_hour")
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)

good_prices = st.decimals(0, DEAREST_USD, places=6)
edits = st.builds(
    ProviderEdit,
    active=st.booleans(),
    priority=st.integers(1, LOWEST_PRIORITY),
    capabilities=st.frozensets(st.sampled_from(sorted(CAPABILITIES)), min_size=1),
    **{field: st.none() | st.integers(1, MOST_CALLS[field]) for field in LIMITS},
    **dict.fromkeys(PRICES, good_prices),
)
times = st.datetimes(
    min_value=datetime.fromisoformat("2020-01-01"), max_value=datetime.fromisoformat("2040-01-01")
).map(lambda at: at.replace(tzinfo=UTC))


def documented_google() -> ProviderEdit:
    found = documented("google_places")
    assert found is not None
    return found


GOOGLE = documented_google()


def with_value(field: str, value: Any) -> ProviderEdit:
    values: dict[str, Any] = {field: value}
    return replace(GOOGLE, **values)


@given(edits)
def test_values_within_the_bounds_are_taken(edit: ProviderEdit) -> None:
    assert problems(edit) == {}


@pytest.mark.parametrize("terms", SEED, ids=lambda terms: terms.code)
def test_what_new_databases_begin_with_could_have_been_typed(terms: ProviderTerms) -> None:
    found = documented(terms.code)
    assert found is not None
    assert problems(found) == {}
    assert (found.priority, found.per_second, found.photo_usd) == (
        terms.priority,
        terms.per_second,
        terms.photo_usd,
    )


@given(st.integers().filter(lambda n: not 1 <= n <= LOWEST_PRIORITY))
def test_a_priority_out_of_bounds_is_one_sentence(priority: int) -> None:
    assert "from 1 to 99" in problems(replace(GOOGLE, priority=priority))["priority"]


@given(st.sampled_from(LIMITS), st.data())
def test_a_limit_is_a_positive_number_that_the_limiter_can_keep_apart(
    field: str, data: st.DataObject
) -> None:
    wrong = data.draw(st.integers(max_value=0) | st.integers(min_value=MOST_CALLS[field] + 1))
    (said,) = problems(with_value(field, wrong)).values()
    assert f"{MOST_CALLS[field]:,} calls" in said
    assert "empty for no limit" in said


@pytest.mark.parametrize(("field", "seconds"), list(zip(LIMITS, (1, 60, 3600), strict=True)))
def test_calls_at_the_highest_limit_still_stand_apart(field: str, seconds: int) -> None:
    assert window(MOST_CALLS[field], seconds).gap > timedelta(microseconds=50)
    assert Limits(**{field: MOST_CALLS[field]}).any


@given(
    st.sampled_from(PRICES),
    st.decimals(max_value=Decimal("-0.000001"), allow_nan=False)
    | st.decimals(min_value=DEAREST_USD + Decimal("0.000001"), allow_nan=False)
    | st.sampled_from([Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity")]),
)
def test_a_price_out_of_bounds_is_one_sentence(field: str, usd: Decimal) -> None:
    (said,) = problems(with_value(field, usd)).values()
    assert "from $0 to $5 a call" in said


def test_a_price_finer_than_what_is_stored_is_refused_rather_than_rounded() -> None:
    assert set(problems(replace(GOOGLE, photo_usd=Decimal("0.0000001")))) == {"photo_usd"}


@pytest.mark.parametrize("capabilities", [frozenset(), frozenset({"photos", "reviews"})])
def test_a_provider_is_asked_for_something_that_is_known(capabilities: frozenset[str]) -> None:
    assert set(problems(replace(GOOGLE, capabilities=capabilities))) == {"capabilities"}


@given(edits, edits)
def test_there_are_words_exactly_for_what_is_different(before: ProviderEdit, after: ProviderEdit) -> None:
    different = [name for name in FIELDS if getattr(before, name) != getattr(after, name)]
    assert len(changes(before, after)) == len(different)
    assert changes(before, before) == ()


def test_changes_are_told_with_old_and_new_values() -> None:
    after = replace(
        GOOGLE,
        active=False,
        priority=3,
        capabilities=frozenset({"photos"}),
        per_second=None,
        per_hour=9000,
        photo_usd=Decimal("0.01"),
    )
    assert changes(GOOGLE, after) == (
        "switched off",
        "priority 1 -> 3",
        "asked for photos and venues -> photos",
        "limit a second 50 -> none",
        "limit an hour none -> 9,000",
        "photo price $0.007 -> $0.01",
    )


@given(edits, edits)
def test_departures_name_the_documented_value_of_whatever_is_changed(
    theirs: ProviderEdit, ours: ProviderEdit
) -> None:
    found, told = departures(theirs, ours), changes(theirs, replace(ours, active=theirs.active))
    assert len(found) == len(told)
    for value, change in zip(found, told, strict=True):
        old = f"{value.removeprefix('no ')} none" if value.startswith("no ") else value
        assert change.startswith(f"{old} -> ")


@given(edits, edits, edits)
def test_merging_keeps_what_the_person_changed_and_what_others_did(
    seen: ProviderEdit, wanted: ProviderEdit, now: ProviderEdit
) -> None:
    both = merged(seen, wanted, now)
    for name in FIELDS:
        mine = getattr(wanted, name) != getattr(seen, name)
        assert getattr(both, name) == getattr(wanted if mine else now, name)
    assert merged(seen, seen, now) == now
    assert merged(seen, wanted, seen) == wanted


@given(edits, edits)
def test_work_is_brought_forward_when_something_opens_and_never_for_one_that_is_off(
    before: ProviderEdit, after: ProviderEdit
) -> None:
    if not after.active:
        assert not is_looser(before, after)
    elif not before.active:
        assert is_looser(before, after)
    else:
        raised = [
            name for name in LIMITS if (getattr(before, name) or 10**9) < (getattr(after, name) or 10**9)
        ]
        assert is_looser(before, after) == bool(raised)


@given(good_prices)
def test_a_price_in_words_has_all_its_digits_and_none_for_show(usd: Decimal) -> None:
    said = price(usd)
    assert Decimal(said.removeprefix("$")) == usd
    assert "E" not in said
    assert said == "$0" or not said.endswith(".")
    assert "." not in said or not said.endswith("0")


@given(edits)
def test_limits_in_words_name_each_window_that_has_one(edit: ProviderEdit) -> None:
    said = limits_in_words(edit)
    for name, window_words in zip(LIMITS, ("a second", "a minute", "an hour"), strict=True):
        assert (window_words in said) == (getattr(edit, name) is not None)
    assert bool(said)


@given(st.sampled_from(Copies), st.text(max_size=20), st.booleans())
def test_copies_that_terms_do_not_allow_take_a_reason_and_a_confirmation(
    copies: Copies, reason: str, confirmed: bool
) -> None:
    said = why_not_copied("HERE", copies, reason=reason, confirmed=confirmed)
    assert (said is None) == (copies is Copies.ALLOWED or (bool(reason.strip()) and confirmed))
    if said:
        assert said.startswith("The terms of HERE")
        assert said.endswith(".")


def test_the_refusal_says_what_the_terms_say() -> None:
    def refusal(copies: Copies) -> str | None:
        return why_not_copied("HERE", copies, reason="", confirmed=True)

    assert "forbid copies" in str(refusal(Copies.FORBIDDEN))
    assert "do not say that copies are allowed" in str(refusal(Copies.UNCLEAR))


@given(times)
def test_the_end_of_a_pause_is_a_full_minute_and_less_than_one_later(at: datetime) -> None:
    found = whole_minute(at)
    assert (found.second, found.microsecond) == (0, 0)
    assert timedelta(0) <= found - at < timedelta(minutes=1)
    assert whole_minute(found) == found


@given(
    st.timedeltas(timedelta(days=-400), timedelta(days=800)), st.sampled_from(["", " \n", "quota is used up"])
)
def test_a_pause_has_a_reason_and_an_end_that_is_still_to_come_and_not_too_far(
    ahead: timedelta, reason: str
) -> None:
    said = why_no_pause(reason, NOW + ahead, NOW)
    fine = bool(reason.strip()) and timedelta(0) < ahead <= LONGEST_PAUSE
    assert (said is None) == fine


def test_googles_legacy_interface_has_a_price_for_listings() -> None:
    legacy, new = documented("google_places", google_legacy=True), documented("google_places")
    assert legacy is not None
    assert new is not None
    assert changes(new, legacy) == ("listing price $0 -> $0.017",)
    assert documented("foursquare", google_legacy=True) == documented("foursquare")
    assert documented("flickr") is None

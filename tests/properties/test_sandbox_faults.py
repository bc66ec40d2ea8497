"""The sandbox's failures are a pure, repeatable decision."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ops_core.sandbox.draws import draw
from ops_core.sandbox.faults import LASTING, LISTING_MIX, PHOTO_MIX, Fault, FaultPlan, decide
from ops_core.settings import Settings

ALL = frozenset(Fault)
photo_keys = st.text(max_size=30).map("image:google_places:{}".format)
PASSING = sorted(ALL - LASTING - {Fault.STALE_REFERENCE})


def fate(plan: FaultPlan, key: str, tries: int = 0, seconds: float = 0.0, **more: object) -> Fault | None:
    given = {"subject": key, "possible": ALL, **more}
    return decide(plan, 7, key, tries=tries, seconds=seconds, **given)  # type: ignore[arg-type]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_draws_lie_in_the_unit_interval_and_repeat(words: list[str]) -> None:
    assert all(0 <= number < 1 for number in draw(*words))
    assert draw(*words) == draw(*words)


@given(st.text(max_size=30), st.integers(0, 6), st.floats(0, 100))
def test_the_same_request_always_has_the_same_fate(key: str, tries: int, seconds: float) -> None:
    plan = FaultPlan.from_settings(Settings(sandbox_fault_rate=1.0))
    assert fate(plan, key, tries, seconds) == fate(plan, key, tries, seconds)


@given(st.text(max_size=30), st.integers(0, 6))
def test_without_rates_nothing_fails(key: str, tries: int) -> None:
    assert fate(FaultPlan(), key, tries) is None


@given(st.sampled_from(PASSING), photo_keys, st.integers(1, 5))
def test_a_passing_fault_fails_exactly_as_many_tries_as_ordered(fault: Fault, key: str, wanted: int) -> None:
    plan = FaultPlan(rates={fault: 1.0}, recover_tries=wanted)
    fates = [fate(plan, key, tries, seconds=tries * 1000.0) for tries in range(wanted + 3)]
    assert fates == [fault] * wanted + [None] * 3


@given(st.sampled_from(PASSING), photo_keys)
def test_a_passing_fault_passes_after_the_seconds_ordered(fault: Fault, key: str) -> None:
    plan = FaultPlan(rates={fault: 1.0}, recover_seconds=5)
    assert fate(plan, key, tries=50, seconds=4.9) is fault
    assert fate(plan, key, tries=1, seconds=5.0) is None


@given(st.sampled_from(sorted(LASTING)), photo_keys)
def test_a_lasting_fault_never_passes(fault: Fault, key: str) -> None:
    plan = FaultPlan(rates={fault: 1.0}, recover_tries=1, recover_seconds=0)
    assert fate(plan, key, tries=1000, seconds=1e6) is fault


def test_most_passing_faults_pass_within_three_tries_or_forty_seconds_and_some_never() -> None:
    plan = FaultPlan(rates={Fault.BAD_GATEWAY: 1.0})
    keys = [f"image:google_places:{number}" for number in range(400)]
    by_tries = sum(fate(plan, key, tries=3, seconds=0.0) is None for key in keys)
    later = sum(fate(plan, key, tries=3, seconds=41.0) is None for key in keys)
    assert 0.35 < by_tries / 400 < 0.55
    assert 0.85 < later / 400 < 0.95
    assert all(fate(plan, key, tries=0) is Fault.BAD_GATEWAY for key in keys)


def test_an_expired_name_is_fresh_after_its_place_was_listed_again() -> None:
    plan = FaultPlan(rates={Fault.STALE_REFERENCE: 1.0}, recover_tries=1)
    assert fate(plan, "resolve:google_places:x", tries=9) is Fault.STALE_REFERENCE
    assert fate(plan, "resolve:google_places:x", tries=9, listed_again=True) is None


def test_a_fault_that_cannot_happen_here_does_not() -> None:
    plan = FaultPlan(rates={Fault.TRUNCATED: 1.0})
    assert fate(plan, "resolve:google_places:x", possible={Fault.NOT_FOUND}) is None


def test_a_script_is_followed_word_by_word_and_its_last_word_repeats() -> None:
    plan = FaultPlan(rates={Fault.HTML: 1.0}, script={"image:a:b": ["rate_limited", "reset", "ok"]})
    assert [fate(plan, "image:a:b", tries) for tries in range(4)] == [
        Fault.RATE_LIMITED,
        Fault.RESET,
        None,
        None,
    ]
    assert fate(plan, "image:a:c") is Fault.HTML


@pytest.mark.parametrize("mix", [PHOTO_MIX, LISTING_MIX])
def test_the_usual_mixes_sum_to_the_whole_rate(mix: dict[Fault, float]) -> None:
    assert sum(mix.values()) == pytest.approx(1.0)


def test_as_many_photos_and_listings_fail_at_first_as_the_settings_say() -> None:
    plan = FaultPlan.from_settings(Settings(sandbox_fault_rate=0.3, sandbox_listing_fault_rate=0.1))
    photos = sum(fate(plan, f"image:p:{number}") is not None for number in range(3000))
    listings = sum(fate(plan, f"listing:p:{number}") is not None for number in range(3000))
    assert 0.27 < photos / 3000 < 0.33
    assert 0.08 < listings / 3000 < 0.12


@pytest.mark.parametrize(
    "wrong",
    [
        {"rates": {"reset": 0.7, "html": 0.7}},
        {"rates": {"reset": -0.1}},
        {"rates": {"unheard_of": 0.1}},
        {"outages": {"google_places": 200}},
        {"script": {"image:a:b": ["explode"]}},
        {"script": {"image:a:b": []}},
        {"recover_tries": 0},
        {"speed": 1},
    ],
)
def test_a_senseless_plan_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FaultPlan.model_validate(wrong)

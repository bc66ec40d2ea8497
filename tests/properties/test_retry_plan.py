"""Scopes and plans of retries: nothing of a scope is lost, nothing is tried that must not be."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.errors import Classification, ErrorType, info
from ops_core.domain.filters import Filters, View
from ops_core.domain.images import MAX_RETRIES, AttemptOutcome, ImageState
from ops_core.domain.jobs import JobKind, JobOutcome
from ops_core.domain.retries import Failures, ItemState, Scope
from ops_core.domain.retry_plan import (
    Group,
    ItemEnd,
    RetryPlan,
    SkipReason,
    in_words,
    item_end,
    make_plan,
    retried_in_words,
    skip_reason,
)

PRICES = {"google_places": Decimal("0.007"), "wikimedia_commons": Decimal(0)}
IDS = st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=5).map(tuple)
TIMES = st.none() | st.datetimes(max_value=datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def some(kind: type) -> st.SearchStrategy[tuple]:
    return st.lists(st.sampled_from(list(kind)), max_size=3).map(tuple)


FILTERS = st.builds(
    Filters,
    view=st.sampled_from(View),
    providers=st.lists(st.text(max_size=5), max_size=2).map(tuple),
    error_types=some(ErrorType),
    outcomes=some(JobOutcome),
    kinds=some(JobKind),
    cities=st.lists(st.integers(1, 10**9), max_size=2).map(tuple),
    venue=st.text(max_size=10),
    text=st.text(max_size=10),
    since=TIMES,
    until=TIMES,
)


@st.composite
def failures(draw: st.DrawFn) -> Failures:
    since = draw(TIMES)
    return Failures(
        providers=draw(IDS.map(lambda ids: tuple(map(str, ids)))),
        error_types=draw(some(ErrorType)),
        cities=draw(IDS | st.just(())),
        venues=draw(IDS | st.just(())),
        since=since,
        until=since and draw(st.none() | st.just(since + timedelta(hours=1))),
    )


SCOPES = st.one_of(
    st.builds(Scope, images=IDS),
    st.builds(Scope, request=st.integers(1, 2**63 - 1)),
    st.builds(Scope, failures=failures()),
    st.builds(Scope, venues=IDS),
    st.builds(Scope, jobs=IDS),
    st.builds(Scope, filters=FILTERS),
    st.just(Scope(everything=True)),
)


@st.composite
def images(draw: st.DrawFn) -> Group:
    """One image, as the database lets it be."""
    state = draw(st.sampled_from(ImageState))
    failed = state in (ImageState.FAILED, ImageState.PERMANENTLY_FAILED)
    error = draw(st.sampled_from(ErrorType))
    if state in (ImageState.UPLOADED, ImageState.DISCOVERED):
        error = None
    elif not failed:
        error = draw(st.sampled_from([None, error]))
    return Group(
        provider=draw(st.sampled_from(["google_places", "wikimedia_commons", "here"])),
        state=state,
        error_type=error,
        at_limit=draw(st.booleans()),
        in_open_request=draw(st.booleans()),
        blocked=draw(st.sampled_from([None, None, SkipReason.PAUSED, SkipReason.REHOSTING])),
    )


def plan(groups: list[Group], *, override: bool = False) -> RetryPlan:
    return make_plan(groups, venues=1, prices=PRICES, override=override)


@given(SCOPES)
def test_a_scope_survives_being_stored(scope: Scope) -> None:
    assert Scope.from_json(json.loads(json.dumps(scope.to_json()))) == scope
    assert scope.in_words()


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope(venues=(12,)), "venue #12"),
        (Scope(venues=(3, 1, 3)), "2 venues"),
        (Scope(jobs=(7,)), "operation #7"),
        (Scope(jobs=(1, 2, 3)), "3 operations"),
        (Scope(images=(7,)), "image #7"),
        (Scope(request=4), "what failed in retry #4"),
        (
            Scope(
                failures=Failures(providers=("here",), error_types=(ErrorType.RATE_LIMITED,), cities=(1, 2))
            ),
            "failures of here, Rate limited, 2 cities",
        ),
        (Scope(filters=Filters()), "all operations that match"),
        (Scope(everything=True), "all venues"),
    ],
)
def test_a_scope_says_what_it_is(scope: Scope, words: str) -> None:
    assert scope.in_words() == words


@pytest.mark.parametrize("parts", [{}, {"venues": ()}, {"venues": (1,), "everything": True}])
def test_a_scope_is_exactly_one_thing(parts: dict) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        Scope(**parts)


@given(st.lists(images()), st.booleans())
def test_what_is_tried_and_what_is_skipped_are_the_scope(found: list[Group], override: bool) -> None:
    made = plan(found, override=override)
    assert made.in_scope == len(found)
    assert sum(share.images for share in made.by_provider) == made.images
    assert sum(kind.images for kind in made.kinds) == made.images
    assert made.calls == sum(share.calls for share in made.by_provider)
    assert all(made.skipped.values())
    assert SkipReason.BROKEN not in made.skipped


@given(st.lists(images()))
def test_counting_alike_images_together_changes_nothing(found: list[Group]) -> None:
    together = [replace(image, images=count) for image, count in Counter(found).items()]
    assert plan(together) == plan(found)


@given(images())
def test_only_transient_failures_below_the_limit_are_tried(image: Group) -> None:
    if plan([image]).images:
        assert not image.in_open_request
        assert image.blocked is None
        assert image.state in (ImageState.FAILED, ImageState.DISCOVERED)
        if image.state is ImageState.FAILED:
            assert image.error_type is not None
            assert info(image.error_type).classification is Classification.TRANSIENT
            assert not image.at_limit


@given(images())
def test_an_override_tries_all_that_is_not_stored_nor_under_way_nor_blocked(image: Group) -> None:
    busy = image.in_open_request or image.state is ImageState.UPLOADING
    ended = image.state in (ImageState.UPLOADED, ImageState.REFERENCED)
    tried = not ended and not busy and image.blocked is None
    made = plan([image], override=True)
    assert (made.images == 1) == tried
    assert made.skipped.keys() <= {
        SkipReason.RECOVERED,
        SkipReason.IN_FLIGHT,
        SkipReason.PAUSED,
        SkipReason.REHOSTING,
    }
    assert made.images >= plan([image]).images


@given(images())
def test_a_blocked_provider_is_the_reason_only_for_what_would_be_tried_else(image: Group) -> None:
    free = plan([replace(image, blocked=None)])
    blocked = plan([replace(image, blocked=SkipReason.PAUSED)])
    assert blocked.images == 0
    assert blocked.skipped == ({SkipReason.PAUSED: 1} if free.images else free.skipped)


@given(st.lists(images()))
def test_the_same_work_is_the_same_whatever_is_left_out(found: list[Group]) -> None:
    stored = Group(
        provider="here", state=ImageState.UPLOADED, error_type=None, at_limit=False, in_open_request=False
    )
    assert plan(found).same_work(plan([*found, stored]))
    more = replace(stored, state=ImageState.DISCOVERED)
    assert not plan(found).same_work(plan([*found, more]))


@given(st.lists(images()))
def test_what_was_queued_is_not_queued_again(found: list[Group]) -> None:
    after = [
        replace(image, in_open_request=image.in_open_request or plan([image]).images == 1) for image in found
    ]
    assert plan(after).images == 0
    assert plan(after).in_scope == len(found)


@given(st.lists(images()))
def test_a_plan_survives_being_stored(found: list[Group]) -> None:
    made = plan(found)
    assert RetryPlan.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_a_plan_counts_the_paid_calls_of_each_provider() -> None:
    failed = {
        "state": ImageState.FAILED,
        "error_type": ErrorType.RATE_LIMITED,
        "at_limit": False,
        "in_open_request": False,
    }
    made = plan(
        [
            Group(provider="wikimedia_commons", images=5, **failed),
            Group(provider="google_places", images=3, **failed),
        ]
    )
    assert [(share.provider, share.images, share.calls) for share in made.by_provider] == [
        ("google_places", 3, 3),
        ("wikimedia_commons", 5, 0),
    ]
    assert made.cost_usd == Decimal("0.021")


@given(image=images(), tried=st.none() | st.sampled_from(AttemptOutcome), error=st.sampled_from(ErrorType))
def test_an_image_ends_once_nothing_can_happen_to_it_any_more(
    image: Group, tried: AttemptOutcome | None, error: ErrorType
) -> None:
    end = item_end(
        image.state,
        image.error_type,
        at_limit=image.at_limit,
        tried=tried,
        tried_error=None if tried in (None, AttemptOutcome.UPLOADED) else error,
    )
    final = tried in (AttemptOutcome.UPLOADED, AttemptOutcome.FAILED)
    reason = skip_reason(image.state, image.error_type, at_limit=image.at_limit)
    assert (end is None) == (not final and reason in (None, SkipReason.IN_FLIGHT))
    if end is None:
        return
    assert end.state in (ItemState.UPLOADED, ItemState.FAILED, ItemState.SKIPPED)
    assert (end.state is ItemState.UPLOADED) == (tried is AttemptOutcome.UPLOADED)
    assert (end.reason is None) == (end.state is ItemState.UPLOADED)
    if end.state is ItemState.SKIPPED:
        assert end.reason == reason
    if end.state is ItemState.FAILED:
        assert end.reason == error


@pytest.mark.parametrize("override", [False, True])
def test_an_image_that_was_set_aside_in_a_retry_ends_failed(override: bool) -> None:
    end = item_end(
        ImageState.FAILED,
        ErrorType.WORKER_LOST,
        at_limit=False,
        tried=AttemptOutcome.LOST,
        tried_error=ErrorType.WORKER_LOST,
        override=override,
    )
    assert end == ItemEnd(ItemState.FAILED, ErrorType.WORKER_LOST)


def test_the_limit_is_the_one_of_the_rule() -> None:
    assert str(MAX_RETRIES) in SkipReason.LIMIT.words


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((4, 1, {}), "Retried 5 images, 4 uploaded, 1 failed"),
        ((1, 0, {}), "Retried 1 image, 1 uploaded"),
        ((0, 2, {SkipReason.RECOVERED: 1}), "Retried 2 images, 0 uploaded, 2 failed, 1 already stored"),
        ((0, 0, {SkipReason.RECOVERED: 3}), "Nothing retried, 3 already stored"),
    ],
)
def test_a_retry_says_what_it_did(counts: tuple, words: str) -> None:
    assert retried_in_words(*counts) == words


def test_reasons_are_told_with_their_counts() -> None:
    assert in_words({SkipReason.PERMANENT: 1_200, SkipReason.IN_FLIGHT: 1}) == "1,200 permanent, 1 in flight"

"""An image's life, walked at random: only legal moves, a bounded number of automatic tries."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ops_core.domain.errors import Classification, ErrorType, info
from ops_core.domain.images import (
    MAX_RETRIES,
    MOVES,
    ImageState,
    may_move,
    may_try_automatically,
    retry_count_after,
    state_after_failure,
    state_given_back,
)

#: Workers that may die on one image before it is set aside.
MAX_LOST_CLAIMS = 3


class ImageLife(RuleBasedStateMachine):
    """One image, and a worker, a person and accidents that act on it by the rules alone."""

    @initialize()
    def begin(self) -> None:
        self.state = ImageState.DISCOVERED
        self.error_type: ErrorType | None = None
        self.retry_count = 0
        self.lost_claims = 0
        self.by_itself = False
        self.automatic_tries = 0

    def move(self, new: ImageState) -> None:
        assert may_move(self.state, new), f"{self.state} -> {new}"
        if new is ImageState.UPLOADING:
            self.before = self.state
        self.state = new

    @precondition(lambda self: may_try_automatically(self.state, self.error_type, self.retry_count))
    @rule()
    def work_claims_it(self) -> None:
        self.by_itself = True
        self.move(ImageState.UPLOADING)

    @precondition(lambda self: self.state in (ImageState.FAILED, ImageState.PERMANENTLY_FAILED))
    @rule()
    def a_person_orders_a_try(self) -> None:
        self.by_itself = False
        self.move(ImageState.UPLOADING)

    @precondition(lambda self: self.state is ImageState.UPLOADING)
    @rule()
    def the_try_succeeds(self) -> None:
        self.automatic_tries += self.by_itself
        self.move(ImageState.UPLOADED)

    @precondition(lambda self: self.state is ImageState.UPLOADING)
    @rule(error_type=st.sampled_from(ErrorType))
    def the_try_fails(self, error_type: ErrorType) -> None:
        self.automatic_tries += self.by_itself
        self.retry_count = retry_count_after(self.retry_count, is_retry=self.error_type is not None)
        self.error_type = error_type
        self.move(state_after_failure(error_type, self.retry_count))

    @precondition(lambda self: self.state is ImageState.UPLOADING)
    @rule()
    def the_lease_runs_out(self) -> None:
        self.lost_claims += 1
        if self.lost_claims >= MAX_LOST_CLAIMS:
            self.error_type = ErrorType.WORKER_LOST
            self.move(ImageState.FAILED)
        else:
            self.the_worker_gives_it_back()

    @precondition(lambda self: self.state is ImageState.UPLOADING)
    @rule()
    def the_worker_gives_it_back(self) -> None:
        self.move(state_given_back(self.error_type, self.retry_count))
        assert self.state is self.before, "a claim without a try changes nothing"

    @precondition(
        lambda self: self.state not in (ImageState.UPLOADING, ImageState.UPLOADED, ImageState.REFERENCED)
    )
    @rule()
    def copies_are_not_allowed_any_more(self) -> None:
        self.error_type = None
        self.move(ImageState.REFERENCED)
        assert not may_try_automatically(self.state, self.error_type, self.retry_count)

    @precondition(lambda self: self.state is ImageState.REFERENCED)
    @rule()
    def copies_are_allowed_again(self) -> None:
        self.move(ImageState.DISCOVERED)

    @precondition(lambda self: self.state is ImageState.UPLOADED)
    @rule(other=st.sampled_from(ImageState))
    def an_uploaded_image_is_left_alone(self, other: ImageState) -> None:
        assert not may_move(self.state, other)
        assert not may_try_automatically(self.state, self.error_type, self.retry_count)

    @invariant()
    def automatic_tries_are_bounded(self) -> None:
        assert self.automatic_tries <= 1 + MAX_RETRIES

    @invariant()
    def retries_never_count_above_the_limit(self) -> None:
        assert self.retry_count <= MAX_RETRIES

    @invariant()
    def a_picture_that_kills_workers_is_not_tried_by_itself_for_ever(self) -> None:
        if self.lost_claims >= MAX_LOST_CLAIMS and self.error_type is ErrorType.WORKER_LOST:
            assert not may_try_automatically(self.state, self.error_type, self.retry_count)

    @invariant()
    def a_failed_image_says_why(self) -> None:
        failed = self.state in (ImageState.FAILED, ImageState.PERMANENTLY_FAILED)
        assert not failed or self.error_type is not None

    @invariant()
    def set_aside_means_no_automatic_try_is_left(self) -> None:
        if self.state is ImageState.PERMANENTLY_FAILED:
            assert self.retry_count >= MAX_RETRIES
            assert not may_try_automatically(self.state, self.error_type, self.retry_count)


TestImageLife = ImageLife.TestCase
TestImageLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


@given(st.sampled_from(ImageState), st.none() | st.sampled_from(ErrorType), st.integers(0, 10))
def test_automatic_tries_are_for_new_images_and_transient_failures_within_the_limit(
    state: ImageState, error_type: ErrorType | None, retry_count: int
):
    transient = error_type is not None and info(error_type).classification is Classification.TRANSIENT
    allowed = state is ImageState.DISCOVERED or (
        state is ImageState.FAILED and transient and retry_count < MAX_RETRIES
    )
    assert may_try_automatically(state, error_type, retry_count) == allowed
    if allowed:
        assert may_move(state, ImageState.UPLOADING)


@given(st.sampled_from(ErrorType), st.integers(0, 10))
def test_only_a_transient_failure_at_the_limit_sets_an_image_aside(error_type: ErrorType, retry_count: int):
    state = state_after_failure(error_type, retry_count)
    at_limit = info(error_type).retryable and retry_count >= MAX_RETRIES
    assert state is (ImageState.PERMANENTLY_FAILED if at_limit else ImageState.FAILED)


@given(st.integers(0, 10), st.booleans())
def test_a_try_counts_once_as_a_retry_and_never_beyond_the_limit(retry_count: int, is_retry: bool):
    after = retry_count_after(retry_count, is_retry=is_retry)
    if retry_count < MAX_RETRIES:
        assert after == retry_count + is_retry
    else:
        assert after == retry_count


@given(st.none() | st.sampled_from(ErrorType), st.integers(0, 10))
def test_what_is_given_back_may_be_tried_by_itself_exactly_if_it_could_be_before(
    error_type: ErrorType | None, retry_count: int
):
    before = ImageState.DISCOVERED if error_type is None else state_after_failure(error_type, retry_count)
    assert state_given_back(error_type, retry_count) is before
    assert may_move(ImageState.UPLOADING, before)


def test_an_uploaded_image_stays_uploaded():
    assert not any(may_move(ImageState.UPLOADED, new) for new in ImageState)


def test_every_state_has_its_moves_and_can_be_reached():
    assert set(MOVES) == set(ImageState)
    reached = {ImageState.DISCOVERED}
    while grown := set().union(*(MOVES[state] for state in reached)) - reached:
        reached |= grown
    assert reached == set(ImageState)


@pytest.mark.parametrize("state", ImageState)
def test_no_state_moves_to_itself(state: ImageState):
    assert not may_move(state, state)


def test_the_first_try_and_three_retries_are_all_that_happens_by_itself():
    state, retry_count, tries = ImageState.DISCOVERED, 0, 0
    error_type = ErrorType.NETWORK_TIMEOUT
    while may_try_automatically(state, error_type, retry_count):
        retry_count += bool(tries)
        tries += 1
        state = state_after_failure(error_type, retry_count)
    assert (tries, state) == (1 + MAX_RETRIES, ImageState.PERMANENTLY_FAILED)

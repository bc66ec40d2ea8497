"""A report of use is settled by any answer about the photo, and by nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.circuits import SAYS_NOTHING, UNWELL
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure
from ops_core.domain.uses import is_settled

FAILURES = st.builds(
    Failure, st.sampled_from(ErrorType), st.text(max_size=20), st.none() | st.integers(100, 599)
)


def test_a_report_that_was_taken_is_settled() -> None:
    assert is_settled(None)


@given(FAILURES)
def test_nothing_is_settled_while_the_provider_is_unwell_or_was_not_reached(failure: Failure) -> None:
    if failure.error_type in UNWELL | SAYS_NOTHING:
        assert not is_settled(failure)


@given(FAILURES)
def test_only_the_kind_of_the_failure_decides(failure: Failure) -> None:
    assert is_settled(failure) == is_settled(Failure(failure.error_type))


def test_a_photo_that_is_gone_is_settled_and_one_whose_right_or_address_is_missing_is_not() -> None:
    assert is_settled(Failure(ErrorType.NOT_FOUND))
    assert is_settled(Failure(ErrorType.HTTP_ERROR, status_code=422))
    assert is_settled(Failure(ErrorType.BAD_RESPONSE, status_code=200))
    for passing in (ErrorType.FORBIDDEN, ErrorType.AUTH_ERROR, ErrorType.STALE_REFERENCE):
        assert not is_settled(Failure(passing))

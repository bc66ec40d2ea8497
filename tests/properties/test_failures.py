"""A failure carries what is recorded: a type, a short detail, and nothing a database refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.errors import Classification, ErrorType, info
from ops_core.domain.failures import MAX_DETAIL, Failed, Failure, error_type_of_status, failed

any_text = st.text(max_size=2000) | st.text(st.characters(max_codepoint=40), max_size=400)


@given(st.sampled_from(ErrorType), any_text)
def test_a_detail_is_short_and_free_of_nul(kind: ErrorType, detail: str):
    kept = Failure(kind, detail).detail
    assert len(kept) <= MAX_DETAIL
    assert "\x00" not in kept
    assert detail.replace("\x00", "").startswith(kept)


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=MAX_DETAIL))
def test_a_short_detail_is_kept_whole(detail: str):
    assert Failure(ErrorType.HTTP_ERROR, detail).detail == detail


@given(st.sampled_from(ErrorType), any_text, st.none() | st.integers(100, 599), st.none() | st.floats(0, 9e9))
def test_a_failed_call_carries_its_failure(kind, detail, status_code, retry_after):
    error = failed(kind, detail, status_code=status_code, retry_after=retry_after)
    assert error.failure == Failure(kind, detail, status_code, retry_after)
    assert str(error) == f"{kind.value}: {error.failure.detail}"
    with pytest.raises(Failed):
        raise error


@given(st.integers())
def test_every_status_has_a_type(status: int):
    assert isinstance(error_type_of_status(status), ErrorType)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "auth_error"),
        (403, "forbidden"),
        (404, "not_found"),
        (413, "file_too_large"),
        (429, "rate_limited"),
        (500, "server_error"),
        (502, "bad_gateway"),
        (503, "service_unavailable"),
        (504, "gateway_timeout"),
        (418, "http_error"),
        (302, "http_error"),
        (599, "http_error"),
    ],
)
def test_statuses_in_words(status: int, kind: str):
    assert error_type_of_status(status) == kind


@given(st.integers(0, 999).filter(lambda status: status not in (408, 429, 502, 503, 504)))
def test_no_other_status_is_retried_automatically(status: int):
    assert info(error_type_of_status(status)).classification is not Classification.TRANSIENT

"""Retry-After, and how the client presents itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure
from ops_core.providers.http import user_agent
from ops_core.providers.network_errors import MAX_RETRY_AFTER, clean, retry_after
from ops_core.settings import Settings

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("172800", 172_800.0),
        ("9" * 400, MAX_RETRY_AFTER),
        ("Sun, 22 Nov 2026 12:01:30 GMT", 90.0),
        ("Sunday, 22-Nov-26 12:01:30 GMT", 90.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 12:01:30 -0000", 90.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        (None, None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Sun, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
def test_the_wait_asked_for_is_read_from_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.text(max_size=40) | st.integers().map(str))
def test_any_wait_is_none_or_between_nothing_and_a_week(value: str) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER


@given(st.integers(-10_000, 10_000))
def test_a_date_is_the_time_until_it_and_never_negative(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after(date, NOW) == max(seconds, 0)


def test_only_what_may_pass_carries_a_wait() -> None:
    headers = {"Retry-After": "9"}
    assert clean(Failure(ErrorType.RATE_LIMITED), 429, headers).failure.retry_after == 9.0
    assert clean(Failure(ErrorType.HTTP_ERROR), 429, headers).failure.retry_after is None
    assert clean(Failure(ErrorType.RATE_LIMITED, retry_after=30.0), 429, headers).failure.retry_after == 30.0


def test_a_failure_leaves_with_its_status_and_without_secrets() -> None:
    found = clean(Failure(ErrorType.FORBIDDEN, "blocked: https://a.example/?key=s3cret"), 403, {}).failure
    assert found.status_code == 403
    assert "s3cret" not in found.detail


@pytest.mark.parametrize(
    ("settings", "ending"),
    [
        ({}, ""),
        ({"wikimedia_contact": "ops@example.org"}, " (ops@example.org)"),
        ({"wikimedia_contact": "ops@example.org\r\nX-Evil: 1"}, " (ops@example.orgX-Evil: 1)"),
        ({"sandbox_url": "http://127.0.0.1:8502"}, " (http://127.0.0.1:8502)"),
    ],
)
def test_the_user_agent_names_the_product_and_the_contact(settings: dict[str, str], ending: str) -> None:
    product, _, rest = user_agent(Settings(**settings)).partition(" ")
    assert product.startswith("venue-image-operations/")
    assert (f" {rest}" if rest else "") == ending

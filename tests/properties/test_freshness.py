"""When a venue is due, and how long a broken job waits."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.freshness import MAX_BACKOFF, backoff, is_due

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ages = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400))


def due(age: timedelta | None, images: int) -> bool:
    checked = None if age is None else NOW - age
    return is_due(checked, images, now=NOW, without_days=7, with_days=90)


@given(images=st.integers(0, 100))
def test_a_venue_never_checked_is_due(images: int) -> None:
    assert due(None, images)


@given(age=ages, images=st.integers(0, 100))
def test_a_venue_is_due_after_its_days_and_not_before(age: timedelta, images: int) -> None:
    assert due(age, images) == (age >= timedelta(days=90 if images else 7))


@given(age=ages, more=ages, images=st.integers(0, 100))
def test_a_due_venue_stays_due(age: timedelta, more: timedelta, images: int) -> None:
    assert not due(age, images) or due(age + more, images)


@given(attempt=st.integers(-5, 10_000), base=st.floats(0, 1e6), seed=st.integers())
def test_the_wait_is_bounded_and_never_negative(attempt: int, base: float, seed: int) -> None:
    assert 0 <= backoff(attempt, base, chance=random.Random(seed)) <= MAX_BACKOFF


@given(attempt=st.integers(1, 6), seed=st.integers())
def test_the_wait_doubles_give_or_take_a_quarter(attempt: int, seed: int) -> None:
    wait = backoff(attempt, 10, chance=random.Random(seed))
    assert 0.75 <= wait / (10 * 2 ** (attempt - 1)) <= 1.25

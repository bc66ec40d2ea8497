"""Times and durations as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.ui.words_of_time import duration, moment


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(0), "0.0 s"),
        (timedelta(milliseconds=420), "0.4 s"),
        (timedelta(seconds=59.96), "1 min 00 s"),
        (timedelta(seconds=125), "2 min 05 s"),
        (timedelta(seconds=3599.7), "1 h 00 min"),
        (timedelta(hours=26, minutes=3), "26 h 03 min"),
        (timedelta(seconds=-1), "0.0 s"),
    ],
)
def test_a_duration_is_told_in_the_units_that_say_something(length, words):
    assert duration(length) == words


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)))
def test_no_duration_has_sixty_minutes_or_seconds(length):
    assert " 60 " not in f" {duration(length)} "


def test_a_moment_is_on_the_viewers_clock():
    at = datetime(2026, 3, 28, 23, 30, 5, tzinfo=UTC)
    assert moment(at, "Europe/Warsaw") == "29 Mar 2026, 00:30:05"
    assert moment(at, "UTC") == "28 Mar 2026, 23:30:05"


def test_the_date_is_left_out_where_it_is_known_already():
    began = datetime(2026, 3, 28, 22, 50, tzinfo=UTC)
    ended = began + timedelta(minutes=20)
    assert moment(ended, "UTC", after=began) == "23:10:00"
    assert moment(ended, "Europe/Warsaw", after=began) == "29 Mar 2026, 00:10:00"

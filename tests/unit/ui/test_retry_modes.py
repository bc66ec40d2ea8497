"""The begin of a retry, from a day and a time on the viewer's clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from ops_core.ui.retry_modes import NotYet, instant


@pytest.mark.parametrize(
    ("day", "clock", "zone", "at"),
    [
        (date(2026, 7, 1), time(2, 30), "Europe/Warsaw", datetime(2026, 7, 1, 0, 30, tzinfo=UTC)),
        (date(2026, 12, 1), time(2, 30), "Europe/Warsaw", datetime(2026, 12, 1, 1, 30, tzinfo=UTC)),
        (date(2026, 12, 1), time(2, 30), "Asia/Kolkata", datetime(2026, 11, 30, 21, 0, tzinfo=UTC)),
        # shown twice in that night: the first of them
        (date(2026, 10, 25), time(2, 30), "Europe/Warsaw", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
    ids=["summer", "winter", "half an hour", "twice"],
)
def test_the_clock_is_the_viewers(day, clock, zone, at):
    assert instant(day, clock, zone) == at


def test_a_time_that_clocks_skip_is_refused_in_words():
    with pytest.raises(NotYet, match="There is no 02:30 on 29 Mar 2026 in Europe/Warsaw"):
        instant(date(2026, 3, 29), time(2, 30), "Europe/Warsaw")

"""The strip of hours: in the viewer's order, readable without its colours."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ops_core.analytics import off_peak_chart, palette
from ops_core.domain.off_peak import Hour, OffPeak

HOURS = tuple(
    Hour(
        hour=hour,
        tries=0 if hour == 5 else 100,
        failed_share=None if hour == 5 else hour / 100,
        used_share=None,
        score=0.5,
    )
    for hour in range(24)
)


def choice(hour=2):
    return OffPeak(start=datetime(2026, 11, 23, hour, tzinfo=UTC), hours=HOURS, why="It is quiet.")


@pytest.mark.parametrize(
    ("zone", "first", "chosen"),
    [("UTC", "00:00", "02:00"), ("Europe/Warsaw", "00:00", "03:00"), ("Asia/Kolkata", "00:30", "07:30")],
)
def test_hours_stand_in_the_order_of_the_viewers_day(zone, first, chosen):
    hours = off_peak_chart.local_hours(choice(), ZoneInfo(zone))
    assert [clock for clock, _ in hours] == sorted(clock for clock, _ in hours)
    assert hours[0][0] == first
    assert [clock for clock, hour in hours if hour.hour == 2] == [chosen]
    assert sorted(hour.hour for _, hour in hours) == list(range(24))


def test_the_chosen_hour_has_a_frame_and_every_cell_its_numbers():
    figure = off_peak_chart.strip(choice(), zone=ZoneInfo("Europe/Warsaw"), theme=palette.LIGHT)
    (frame,) = figure.layout.shapes
    assert (frame.x0, frame.x1) == (2.5, 3.5)
    cells, dashes = figure.data
    assert "<b>03:00</b><br>2.0% of 100 tries failed" in cells.hovertext[0]
    assert cells.hovertext[0][6] == "<b>06:00</b><br>No tries in the last 14 days"
    assert list(dashes.x) == [6]

"""The course of a retry as a figure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ops_core.analytics import palette, retry_charts, retry_frames

BEGIN = datetime(2026, 11, 23, 12, tzinfo=UTC)


def course(*rows):
    return retry_frames.course(
        (
            {"since": BEGIN + timedelta(minutes=minute), "state": state, "images": images}
            for minute, state, images in rows
        ),
        begin=BEGIN,
        end=BEGIN + timedelta(minutes=10),
        step=60,
    )


def figure(rows, images=20):
    return retry_charts.course(rows, images=images, zone=ZoneInfo("Europe/Warsaw"), theme=palette.LIGHT)


def test_there_is_a_line_for_each_end_that_there_was_with_its_total():
    drawn = figure(course((1, "uploaded", 8), (3, "failed", 2), (5, "uploaded", 4)))
    assert [line.name for line in drawn.data] == ["Uploaded 12", "Failed 2"]
    assert list(drawn.data[0].y) == sorted(drawn.data[0].y)
    assert drawn.layout.annotations[0].text == "all 20 images"


def test_lines_differ_by_more_than_their_colour():
    ends = ("uploaded", "failed", "skipped", "released")
    drawn = figure(course(*((number, state, 1) for number, state in enumerate(ends))))
    assert len({line.line.dash for line in drawn.data}) == len(ends)


def test_times_are_on_the_viewers_clock():
    drawn = figure(course((0, "uploaded", 1)))
    assert drawn.data[0].x[0].isoformat() == "2026-11-23T13:00:00"
    assert "23 Nov 2026, 13:00:00" in drawn.data[0].hovertext[0]


def test_axes_show_no_half_images_and_no_second_twice():
    short = retry_frames.course(
        [{"since": BEGIN, "state": "uploaded", "images": 2}],
        begin=BEGIN,
        end=BEGIN + timedelta(seconds=2),
        step=1,
    )
    drawn = figure(short, images=2).layout
    assert (drawn.yaxis.dtick, drawn.xaxis.dtick) == (1, 1000)
    usual = figure(course((0, "uploaded", 8))).layout
    assert (usual.yaxis.dtick, usual.xaxis.dtick) == (None, None)


@pytest.mark.parametrize("rows", [course(), course((1, "uploaded", 0))])
def test_nothing_is_drawn_while_nothing_has_ended(rows):
    assert figure(rows) is None

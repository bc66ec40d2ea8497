"""The figures show the frames' numbers, say how far to trust them, and cannot be made to show HTML."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from ops_core.analytics import charts, palette
from ops_core.analytics.chart_frames import (
    FAILURES,
    PROVIDERS,
    Course,
    course_of,
    failures_over_time,
    provider_failures,
    providers_of,
)
from ops_core.analytics.chart_parts import dollars
from ops_core.analytics.columns import frame
from ops_core.db.figures import Sums
from ops_core.domain.buckets import Buckets, Step, buckets
from ops_core.domain.errors import ERRORS, ErrorType

WARSAW = ZoneInfo("Europe/Warsaw")
NOW = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)
HOSTILE = '<img src=x onerror=alert(1)><a href="javascript:x">&amp;%{y}'


def course(*series: Sums, step: Step = Step.DAY) -> Course:
    """Buckets that end now, one for each of `series`; the last is not over yet."""
    length = timedelta(hours=1) if step is Step.HOUR else timedelta(days=1)
    start = NOW.replace(minute=0) if step is Step.HOUR else datetime(2026, 11, 21, 23, tzinfo=UTC)
    starts = [start - back * length for back in reversed(range(len(series)))]
    cut = Buckets(step, (*starts, NOW), running=True)
    return Course(cut, course_of(cut, series))


def tried(count: int, at_once: int, now: int) -> Sums:
    return Sums(jobs=1, first_tried=count, first_uploaded=at_once, first_stored=now)


def marks(figure, name: str):
    return next(trace for trace in figure.data if trace.name == name and trace.mode == "markers")


def words(figure) -> str:
    return str(figure.to_plotly_json())


def provider(code: str, uploaded: int, failed: int, **columns):
    values = {"provider": code, "jobs": 3, "fetched": 9, "median_ms": 420.0, "cost_usd": Decimal("0.3")}
    return values | {"uploaded": uploaded, "failed": failed} | columns


FOUR_DAYS = course(tried(100, 50, 90), Sums(), tried(19, 19, 19), tried(40, 10, 20))


def test_shares_are_of_the_images_first_tried():
    figure = charts.success_over_time(FOUR_DAYS, zone=WARSAW, theme=palette.LIGHT)
    assert marks(figure, "At the first try").y == (0.5, None, 1.0, 0.25)
    assert marks(figure, "In the end").y == (0.9, None, 1.0, 0.5)


def test_marks_of_few_images_are_hollow_and_say_so():
    figure = charts.success_over_time(FOUR_DAYS, zone=WARSAW, theme=palette.LIGHT)
    found = marks(figure, "At the first try")
    assert found.marker.symbol == ("diamond", "diamond-open", "diamond-open", "diamond")
    assert ["read with care" in text for text in found.hovertext] == [False, False, True, False]


def test_hover_gives_the_exact_share_its_images_and_its_interval():
    figure = charts.success_over_time(FOUR_DAYS, zone=WARSAW, theme=palette.LIGHT)
    first, *_, last = marks(figure, "At the first try").hovertext
    assert first == (
        "<b>At the first try</b><br>Thu 19 Nov 2026<br>50.0%: 50 of 100 images<br>"
        "95 % interval: 40.4% to 59.6%"
    )
    assert "Sun 22 Nov 2026, 00:00 to 15:20 (not over yet)" in last


def test_only_the_line_to_a_time_that_is_not_over_is_dotted():
    full = course(tried(30, 10, 20), tried(30, 10, 20), tried(30, 10, 20))
    figure = charts.success_over_time(full, zone=WARSAW, theme=palette.LIGHT)
    lines = [trace for trace in figure.data if trace.mode == "lines" and trace.name == "In the end"]
    assert [(trace.x, trace.line.dash) for trace in lines] == [((0, 1), None), ((1, 2), "dot")]


def test_a_single_time_that_is_not_over_is_a_mark_without_a_line():
    figure = charts.success_over_time(course(tried(30, 10, 20)), zone=WARSAW, theme=palette.LIGHT)
    assert [len(trace.x) for trace in figure.data if trace.mode == "lines"] == [0, 0]
    assert marks(figure, "In the end").x == (0,)


def failures(over: Course, *rows: tuple[int, str, int]):
    return failures_over_time(
        over,
        [
            {"bucket": at, "provider": "here", "error_type": kind, "images": images}
            for at, kind, images in rows
        ],
    )


def test_failures_are_stacked_below_uploads_by_type_the_most_frequent_first():
    over = course(Sums(jobs=2, uploaded=5, failed=4), Sums(jobs=1, uploaded=1, failed=1))
    told = failures(over, (1, "not_found", 1), (1, "rate_limited", 3), (2, "rate_limited", 1))
    figure = charts.images_over_time(over, told, zone=WARSAW, theme=palette.LIGHT)
    uploaded, limited, missing = figure.data
    assert (uploaded.name, uploaded.y) == ("Uploaded", (5, 1))
    assert (limited.name, limited.x, limited.y, limited.yaxis) == ("⏱️ Rate limited", (0, 1), (3, 1), "y2")
    assert (missing.name, missing.x, missing.y) == ("❓ Not found", (0,), (1,))
    assert "3 of 4 images left failed" in limited.hovertext[0]
    assert limited.marker.opacity == (1.0, 0.5)
    assert missing.customdata == ([0, "not_found"],)


def test_failures_nobody_told_the_type_of_are_shown_as_such():
    over = course(Sums(jobs=1, failed=5))
    told = failures(over, (1, "not_found", 2))
    figure = charts.images_over_time(over, told, zone=WARSAW, theme=palette.LIGHT)
    assert {trace.name: trace.y for trace in figure.data[1:]} == {
        "Error type not kept": (3,),
        "❓ Not found": (2,),
    }
    assert sum(told["images"]) == 5


def test_rare_error_types_share_one_bar():
    over = course(Sums(jobs=1, failed=sum(range(1, 13))))
    told = failures(over, *((1, kind.value, count) for count, kind in enumerate(list(ERRORS)[:12], start=1)))
    figure = charts.images_over_time(over, told, zone=WARSAW, theme=palette.LIGHT)
    names = [trace.name for trace in figure.data[1:]]
    assert len(names) == charts.MOST_TYPES + 1
    assert names[-1] == "Other error types"
    assert figure.data[-1].y == (1 + 2 + 3 + 4,)


def test_error_types_of_one_colour_differ_in_their_pattern():
    looks = [(ERRORS[kind].colour, palette.error_pattern(kind)) for kind in ErrorType]
    assert len(set(looks)) == len(looks)


def test_providers_stand_side_by_side_with_their_interval_most_images_first():
    rows = providers_of([provider("here", 1, 2), provider("google_places", 80, 20), provider("mapbox", 0, 0)])
    assert list(rows["provider"]) == ["google_places", "here", "mapbox"]
    figure = charts.providers_compared(rows, names={"google_places": "Google Places"}, theme=palette.LIGHT)
    google, here = figure.data
    assert figure.layout.yaxis.ticktext == ("Google Places", "here")
    assert google.x == (0.8,)
    assert google.x[0] - google.error_x.arrayminus[0] == pytest.approx(0.7112, abs=1e-4)
    assert google.x[0] + google.error_x.array[0] == pytest.approx(0.8666, abs=1e-4)
    assert (google.marker.symbol, here.marker.symbol) == ("circle", "circle-open")
    assert "80.0%: 80 of 100 images" in google.hovertext[0]
    assert google.customdata == ([None, "google_places"],)


def test_cost_is_told_in_dollars_with_the_price_of_an_image():
    over = course(Sums(jobs=3, uploaded=4, cost_usd=Decimal("0.05")), Sums(jobs=1))
    figure = charts.cost_over_time(over, zone=WARSAW, theme=palette.LIGHT)
    assert figure.data[0].y == (0.05, 0.0)
    assert "$0.0500" in figure.data[0].hovertext[0]
    assert "$0.0125 an image" in figure.data[0].hovertext[0]
    assert "an image" not in figure.data[0].hovertext[1]


@pytest.mark.parametrize(
    ("amount", "text"), [(0.0, "$0.00"), (0.0123, "$0.0123"), (1.0, "$1.00"), (12345.678, "$12,345.68")]
)
def test_amounts_of_money_are_readable(amount, text):
    assert dollars(amount) == text


NO_TIME = Buckets(Step.HOUR, (), running=False)


@pytest.mark.parametrize("nothing", [course(*[Sums()] * 4), Course(NO_TIME, course_of(NO_TIME, []))])
def test_nothing_to_draw_is_no_figure(nothing):
    none = frame([], FAILURES)
    assert charts.success_over_time(nothing, zone=WARSAW, theme=palette.LIGHT) is None
    assert charts.images_over_time(nothing, none, zone=WARSAW, theme=palette.LIGHT) is None
    assert charts.cost_over_time(nothing, zone=WARSAW, theme=palette.LIGHT) is None
    assert charts.providers_compared(frame([], PROVIDERS), names={}, theme=palette.LIGHT) is None
    assert (
        charts.providers_compared(providers_of([provider("here", 0, 0)]), names={}, theme=palette.LIGHT)
        is None
    )


def test_names_from_outside_are_shown_as_they_are():
    figure = charts.providers_compared(
        providers_of([provider("here", 3, 1)]), names={"here": HOSTILE}, theme=palette.LIGHT
    )
    (label,) = figure.layout.yaxis.ticktext
    assert label == '&lt;img src=x onerror=alert(1)&gt;&lt;a href="javascript:x"&gt;&amp;amp;%{y}'
    assert "<img" not in words(figure)
    assert "<a" not in words(figure)
    # templates would be filled in; texts are not
    assert all(trace.hovertemplate is None for trace in figure.data)


@pytest.mark.parametrize("theme", [palette.LIGHT, palette.DARK])
def test_figures_have_the_colours_of_the_theme_and_let_the_page_shine_through(theme):
    over = course(Sums(jobs=1, uploaded=3, failed=1, first_tried=4, cost_usd=Decimal(1)))
    figures = [
        charts.success_over_time(over, zone=WARSAW, theme=theme),
        charts.images_over_time(over, failures(over), zone=WARSAW, theme=theme),
        charts.cost_over_time(over, zone=WARSAW, theme=theme),
        charts.providers_compared(providers_of([provider("here", 3, 1)]), names={}, theme=theme),
    ]
    for figure in figures:
        assert figure.layout.font.color == theme.ink
        assert {figure.layout.paper_bgcolor, figure.layout.plot_bgcolor} == {"rgba(0,0,0,0)"}
        assert figure.layout.dragmode is False
    assert figures[1].data[0].marker.color == theme.shades["green"].mark


def test_times_under_the_axis_are_the_viewers_and_few():
    figure = charts.cost_over_time(
        course(*[Sums(jobs=1, cost_usd=Decimal(1))] * 25, step=Step.HOUR), zone=WARSAW, theme=palette.LIGHT
    )
    axis = figure.layout.xaxis
    assert len(axis.ticktext) <= 6
    assert axis.ticktext[0] == "15:00<br>21 Nov"
    assert axis.ticktext[1:3] == ("20:00", "01:00<br>22 Nov")


def test_an_hour_that_comes_twice_has_two_places():
    zone = WARSAW
    since = datetime(2026, 10, 24, 22, tzinfo=UTC)
    cut = buckets(since, since + timedelta(hours=25), zone, now=NOW)
    over = Course(cut, course_of(cut, [Sums(jobs=1, cost_usd=Decimal(1))] * 25))
    (bars,) = charts.cost_over_time(over, zone=zone, theme=palette.LIGHT).data
    assert bars.x == tuple(range(25))
    assert [text.count("02:00 to 02:00") for text in bars.hovertext].count(1) == 1


def test_failures_of_a_provider_are_told_most_images_first():
    rows = provider_failures(
        {"bucket": at, "provider": code, "error_type": kind, "images": images}
        for at, code, kind, images in [
            (1, "here", "not_found", 1),
            (1, "here", "bad_gateway", 2),
            (2, "here", "not_found", 4),
            (1, "mapbox", "forbidden", 1),
        ]
    )
    assert list(rows.itertuples(index=False, name=None)) == [
        ("here", "not_found", 5),
        ("here", "bad_gateway", 2),
        ("mapbox", "forbidden", 1),
    ]

"""Figures, choices and charts asked of a real database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, event

from ops_core.analytics import chart_frames
from ops_core.db import charts, facets, figures
from ops_core.db.facets import CityChoice
from ops_core.domain.buckets import Step
from ops_core.domain.errors import ErrorType
from ops_core.domain.filters import Filters
from ops_core.domain.jobs import JobKind, JobOutcome, ProviderStatus
from tests.support.factories import (
    make_city,
    make_enrichment,
    make_job,
    make_job_provider,
    make_venue,
    settle,
)

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)
DAY = timedelta(days=1)
WARSAW = ZoneInfo("Europe/Warsaw")
WEEK = Filters(since=NOW - 7 * DAY, until=NOW)


@pytest.fixture
def connection(database):
    with database.connect() as connection:
        yield connection


class Statements:
    """What a connection is asked while it is watched."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.seen: list[str] = []

    def __enter__(self) -> list[str]:
        event.listen(self.connection, "before_cursor_execute", self._note)
        return self.seen

    def __exit__(self, *_: object) -> None:
        event.remove(self.connection, "before_cursor_execute", self._note)

    def _note(self, connection, cursor, statement, *_: object) -> None:
        self.seen.append(statement)


def test_this_period_the_one_before_and_the_course_are_one_question(connection):
    make_enrichment(connection, uploaded=2, finished_at=NOW - DAY)
    make_enrichment(connection, uploaded=5, finished_at=NOW - 8 * DAY)
    make_enrichment(connection, uploaded=9, finished_at=NOW - 15 * DAY)
    with Statements(connection) as seen:
        shown = figures.figures_for(connection, WEEK, WARSAW, NOW)
    assert len(seen) == 1
    assert (shown.this.uploaded, shown.before.uploaded) == (2, 5)
    assert (shown.buckets.step, shown.buckets.running) == (Step.DAY, True)
    assert [sums.uploaded for sums in shown.series] == [0, 0, 0, 0, 0, 0, 2, 0]


def test_all_time_begins_with_the_first_operation_and_has_no_period_before(connection):
    make_enrichment(connection, finished_at=NOW - 100 * DAY)
    make_job(connection, kind=JobKind.CLEANUP, finished_at=NOW - DAY)
    shown = figures.figures_for(connection, Filters(until=NOW), WARSAW, NOW)
    assert shown.before is None
    assert shown.this.jobs == 2
    assert (shown.buckets.step, shown.buckets.edges[0]) == (Step.WEEK, NOW - 100 * DAY)
    assert (shown.series[0].jobs, shown.series[-1].jobs) == (1, 1)


def test_operations_that_only_a_look_at_each_can_tell_are_counted_so_far_and_no_further(
    connection, monkeypatch
):
    monkeypatch.setattr(figures, "COUNT_LIMIT", 3)
    venue = make_venue(connection)
    for _ in range(3):
        make_enrichment(connection, venue, finished_at=NOW - DAY)
    by_provider = Filters(providers=("google_places", "here"))
    assert figures.total(connection, by_provider) == figures.Bounded(3)
    make_enrichment(connection, venue, finished_at=NOW - DAY)
    make_enrichment(connection, venue, finished_at=NOW - DAY)
    assert figures.total(connection, by_provider) == figures.Bounded(3, more=True)
    assert figures.total(connection, Filters()) == figures.Bounded(5)


def test_figures_read_single_operations_only_where_an_hour_is_torn(connection):
    """Hourly sums answer the rest: what no sum knows of is not seen there."""
    make_enrichment(connection, finished_at=NOW - DAY)
    make_job(connection, kind=JobKind.CLEANUP, settled=False, finished_at=NOW - 2 * DAY + timedelta(hours=1))
    make_job(connection, kind=JobKind.CLEANUP, settled=False, finished_at=NOW - timedelta(minutes=1))
    assert figures.total(connection, WEEK) == figures.Bounded(2)
    assert figures.figures_for(connection, WEEK, WARSAW, NOW).this.jobs == 2


def test_choices_are_named_counted_and_only_those_of_the_dates(connection):
    krakow, empty, old = (make_city(connection, name=name) for name in ("Kraków", "Empty", "Łódź"))
    make_venue(connection, empty)
    at_krakow = make_venue(connection, krakow)
    make_enrichment(connection, at_krakow, finished_at=NOW - DAY, failures=[ErrorType.NOT_FOUND])
    make_enrichment(connection, at_krakow, finished_at=NOW - 2 * DAY, provider="wikimedia_commons")
    make_job(connection, kind=JobKind.CLEANUP, finished_at=NOW - timedelta(minutes=1))
    make_enrichment(connection, make_venue(connection, old), finished_at=NOW - 30 * DAY)
    offered = facets.facets(connection, WEEK.since, WEEK.until)
    assert offered.cities == (CityChoice(krakow.id, "Kraków", "Poland", 2),)
    assert offered.providers == {"google_places": 1, "wikimedia_commons": 1}
    assert offered.error_types == {ErrorType.NOT_FOUND: 1}
    assert offered.outcomes == {JobOutcome.SUCCESS: 2, JobOutcome.PARTIAL: 1}
    assert offered.kinds == {JobKind.ENRICHMENT: 2, JobKind.CLEANUP: 1}
    assert [city.name for city in facets.facets(connection, None, None).cities] == ["Kraków", "Łódź"]


def test_an_empty_database_offers_nothing_and_has_nothing_to_draw(connection):
    offered = facets.facets(connection, WEEK.since, WEEK.until)
    assert not any((offered.providers, offered.error_types, offered.outcomes, offered.kinds, offered.cities))
    course = chart_frames.course(connection, Filters(until=NOW), WARSAW, NOW)
    assert len(course.rows) == len(course.buckets) == 0
    assert charts.failures(connection, WEEK, course.buckets.edges) == []
    assert charts.providers(connection, WEEK) == []


def test_an_operation_that_matches_counts_with_all_its_providers(connection):
    """Or the cards, the list and the charts would disagree on what one operation did."""
    make_enrichment(
        connection, finished_at=NOW - DAY, uploaded=2, failures=[ErrorType.NOT_FOUND, ErrorType.FORBIDDEN]
    )
    only_not_found = Filters(since=WEEK.since, until=NOW, error_types=(ErrorType.NOT_FOUND,))
    course = chart_frames.course(connection, only_not_found, WARSAW, NOW)
    over_time, of_providers = chart_frames.failures(connection, only_not_found, course)
    assert dict(zip(over_time["error_type"], over_time["images"], strict=True)) == {
        "forbidden": 1,
        "not_found": 1,
    }
    assert set(of_providers["provider"]) == {"google_places"}
    (google,) = charts.providers(connection, only_not_found)
    assert (google["jobs"], google["uploaded"], google["failed"], google["median_ms"]) == (1, 2, 2, 420.0)


def test_searches_for_venues_change_no_photo_figure_of_a_provider_unless_they_are_asked_for(connection):
    venue = make_venue(connection)
    make_enrichment(connection, venue, finished_at=NOW - DAY, uploaded=3, failures=[ErrorType.NOT_FOUND])
    course = chart_frames.course(connection, WEEK, WARSAW, NOW)
    shares = ["first_rate", "stored_rate", "uploaded", "failed"]
    before = (
        charts.providers(connection, WEEK),
        course.rows[shares],
        charts.failures(connection, WEEK, course.buckets.edges),
    )

    search = make_job(connection, venue, kind=JobKind.GEOCODING, settled=False, finished_at=NOW - DAY)
    make_job_provider(
        connection,
        search,
        status=ProviderStatus.NO_IMAGES,
        duration_ms=90_000,
        cost_usd=Decimal(7),
        calls=2,
    )
    settle(connection, search)
    course = chart_frames.course(connection, WEEK, WARSAW, NOW)
    assert charts.providers(connection, WEEK) == before[0]
    assert course.rows[shares].equals(before[1])
    assert charts.failures(connection, WEEK, course.buckets.edges) == before[2]
    for kinds, jobs, median in (
        ((JobKind.GEOCODING,), 1, 90_000.0),
        ((JobKind.GEOCODING, JobKind.ENRICHMENT), 2, 45_210.0),
        ((JobKind.ENRICHMENT,), 1, 420.0),
    ):
        (asked,) = charts.providers(connection, replace(WEEK, kinds=kinds))
        assert (asked["jobs"], asked["median_ms"]) == (jobs, median)


@pytest.mark.parametrize("words", ["%", "_", "\\", "'; DROP TABLE jobs; --", "\x00", "١٢", "9" * 30])
def test_whatever_a_visitor_types_is_only_looked_for(connection, words):
    make_enrichment(connection, finished_at=NOW - DAY)
    for filters in (
        Filters(since=WEEK.since, until=NOW, text=words.replace("\x00", "")),
        Filters(since=WEEK.since, until=NOW, venue=words.replace("\x00", "")),
    ):
        shown = figures.figures_for(connection, filters, WARSAW, NOW)
        assert shown.this.jobs == figures.total(connection, filters).count
    assert figures.total(connection, Filters()) == figures.Bounded(1)

"""Every figure and chart equals a question asked in plain SQL of the jobs and tries themselves.

The questions here use no sums, no filter conditions and no code of the product.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, Row, text, update

from ops_core.analytics import chart_frames
from ops_core.db import figures, job_totals, schema
from ops_core.db.engine import make_engine
from ops_core.db.facets import facets
from ops_core.domain.errors import ErrorType
from ops_core.domain.filters import Filters, View
from ops_core.domain.images import AttemptOutcome, ImageState
from ops_core.domain.jobs import JobKind, JobOutcome, JobState, JobStatus, ProviderStatus
from tests.support.factories import (
    make_attempt,
    make_city,
    make_image,
    make_job,
    make_job_provider,
    make_provider,
    make_venue,
)

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 11, 22, 14, 20, 33, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
PROVIDERS = ("google_places", "wikimedia_commons", "foursquare")
ERRORS = (
    ErrorType.RATE_LIMITED,
    ErrorType.NETWORK_TIMEOUT,
    ErrorType.NOT_FOUND,
    ErrorType.SERVER_ERROR,
)
SUMS = (
    "jobs",
    "discovered",
    "uploaded",
    "failed",
    "failed_now",
    "retryable_now",
    "first_tried",
    "first_uploaded",
    "first_stored",
    "cost_usd",
)

#: Few hours, on and beside their edges, so that jobs and the edges of periods meet in them.
HOURS = [NOW.replace(minute=0, second=0, microsecond=0) - hours * HOUR for hours in (0, 1, 2, 24, 168, 720)]
MOMENTS = [
    hour + timedelta(minutes=minutes, microseconds=microseconds)
    for hour in HOURS
    for minutes in (0, 15, 30)
    for microseconds in (-1, 0, 1)
]
moments = st.one_of(
    st.sampled_from(MOMENTS),
    st.timedeltas(timedelta(0), timedelta(days=75)).map(lambda ago: NOW - ago),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One try by a job: of an image that failed before (`again`, counted round), or else of a new one."""

    provider: str
    error: ErrorType | None
    again: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One finished job."""

    kind: JobKind
    outcome: JobOutcome
    venue: int
    finished_at: datetime
    cost: Decimal
    tries: tuple[Try, ...]
    answers: dict[str, tuple[int | None, ErrorType | None]]  #: Provider -> milliseconds, error.
    words: str


def made_up(seed: int, count: int) -> list[Work]:
    """Jobs of all sorts, whose tries often take over images that an earlier one left failed."""
    draw = random.Random(seed)

    def one_try() -> Try:
        error = draw.choice(ERRORS) if draw.random() < 0.6 else None
        again = draw.randrange(6) if draw.random() < 0.5 else None
        return Try(provider=draw.choice(PROVIDERS), error=error, again=again)

    def answer() -> tuple[int | None, ErrorType | None]:
        return draw.choice([None, 0, 120, 120, draw.randrange(5000)]), draw.choice([None, None, *ERRORS])

    return [
        Work(
            kind=draw.choice([JobKind.ENRICHMENT, JobKind.RETRY, JobKind.BACKFILL, JobKind.CLEANUP]),
            outcome=draw.choice(list(JobOutcome)),
            venue=draw.randrange(4),
            finished_at=draw.choice([*MOMENTS, NOW - timedelta(days=75) * draw.random()]),
            cost=Decimal(draw.randrange(100_000)) / 1000,
            tries=tuple(one_try() for _ in range(draw.randrange(5))),
            answers={code: answer() for code in PROVIDERS if draw.random() < 0.6},
            words=draw.choice(["Found 3 images", "No images found", "100% of it_all \\ done", ""]),
        )
        for _ in range(count)
    ]


#: No job, one, or a few that have to do with each other.
lists = st.builds(made_up, st.integers(0, 2**32), st.sampled_from([0, 1, 2, 15, 15, 15]))


def few(values: Sequence[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Mostly nothing: a choice of everything at once matches nothing at all."""
    some = st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True).map(tuple)
    return st.one_of(st.just(()), st.just(()), some)


choices = st.builds(
    Filters,
    view=st.one_of(st.just(View.ALL), st.sampled_from(list(View))),
    kinds=few(list(JobKind)),
    outcomes=few(list(JobOutcome)),
    cities=few([1, 2, 99]),
    since=st.one_of(st.none(), moments, st.sampled_from([1, 7, 30]).map(lambda d: NOW - timedelta(days=d))),
    until=st.one_of(st.just(NOW), moments),
)
narrower = st.builds(
    replace,
    choices,
    providers=few(PROVIDERS),
    error_types=few(ERRORS),
    venue=st.sampled_from(["", "", "", "Café", "1", "#2", "no such place"]),
    text=st.sampled_from(["", "", "", "images", "100%", "it_all", "l \\ d", "3"]),
)
#: Choices that hourly sums tell: all, or what is in one city, or of one provider or error type.
of_sums = st.one_of(
    choices,
    st.builds(
        lambda chosen, part: replace(chosen, cities=(), **part),
        choices,
        st.one_of(
            st.sampled_from(PROVIDERS).map(lambda code: {"providers": (code,)}),
            st.sampled_from(ERRORS).map(lambda error: {"error_types": (error,)}),
        ),
    ),
)
zones = st.sampled_from(["UTC", "Europe/Warsaw", "Asia/Kolkata"]).map(ZoneInfo)

quick = settings(max_examples=25, deadline=None)


@pytest.fixture(scope="module")
def engine(postgres) -> Iterator[Engine]:
    """One database with places and providers; each example adds its jobs and takes them back."""
    with postgres.fresh() as url:
        engine = make_engine(url)
        with engine.begin() as connection:
            make_provider(connection)
            cities = [make_city(connection) for _ in range(2)]
            names = ["Café Noir", "Hotel", "Museum 100%"]
            for number, name in enumerate(names):
                make_venue(connection, cities[number % 2], name=name)
        yield engine
        engine.dispose()


class World:
    """The database while one example's jobs are in it."""

    def __init__(self, engine: Engine, jobs: list[Work]) -> None:
        self.connection = engine.connect()
        self.venues = self.connection.execute(text("SELECT * FROM venues ORDER BY id")).all()
        self.jobs = jobs

    def __enter__(self) -> Connection:
        rows = [self._job(work) for work in self.jobs]
        self._tries(rows)
        for work, row in zip(self.jobs, rows, strict=True):
            for provider, (milliseconds, error) in work.answers.items():
                of_provider = [one for one in work.tries if one.provider == provider]
                make_job_provider(
                    self.connection,
                    row,
                    provider,
                    status=ProviderStatus.FAILED if error else ProviderStatus.SUCCESS,
                    error_type=error,
                    duration_ms=milliseconds,
                    images_fetched=len(of_provider),
                    images_uploaded=sum(one.error is None for one in of_provider),
                    images_failed=sum(one.error is not None for one in of_provider),
                    cost_usd=work.cost / 2,
                )
        if rows:
            job_totals.settle(self.connection, [row.id for row in rows])
        return self.connection

    def __exit__(self, *_: object) -> None:
        self.connection.rollback()
        self.connection.close()

    def _job(self, work: Work) -> Row[Any]:
        # a venue's job, or a city's: the places are there for good, and enrichments need a venue
        venue = self.venues[work.venue % 3] if work.kind is JobKind.ENRICHMENT or work.venue < 3 else None
        ended = work.outcome in (JobOutcome.DISCARDED, JobOutcome.CANCELLED)
        state = JobState(work.outcome.value) if ended else JobState.COMPLETED
        return make_job(
            self.connection,
            venue,
            settled=False,
            kind=work.kind,
            state=state,
            status=None if ended else JobStatus(work.outcome.value),
            finished_at=work.finished_at,
            cost_usd=work.cost,
            images_discovered=len(work.tries),
            images_uploaded=sum(one.error is None for one in work.tries),
            images_failed=sum(one.error is not None for one in work.tries),
            meta={"summary": work.words} if work.words else {},
        )

    def _tries(self, rows: list[Row[Any]]) -> None:
        """The tries of all jobs, one after the other, and each image as the last of them left it."""
        images: list[list[tuple[Try, Row[Any]]]] = []
        for work, row in zip(self.jobs, rows, strict=True):
            for one in work.tries:
                open_ones = [
                    tried
                    for tried in images
                    # a job tries an image once, at the provider that has it
                    if tried[-1][0].error and tried[-1][1] is not row and tried[0][0].provider == one.provider
                ]
                if one.again is not None and open_ones:
                    open_ones[one.again % len(open_ones)].append((one, row))
                else:
                    images.append([(one, row)])
        for tried in images:
            error = tried[-1][0].error
            image = make_image(
                self.connection,
                self.venues[0],
                provider=tried[0][0].provider,
                state=ImageState.FAILED if error else ImageState.UPLOADED,
                error_type=error,
                retry_count=min(len(tried) - 1, 3),
            )
            for number, (one, row) in enumerate(tried, start=1):
                outcome = AttemptOutcome.FAILED if one.error else AttemptOutcome.UPLOADED
                columns = {"bytes": 1, "error_type": one.error, "number": number, "outcome": outcome}
                make_attempt(self.connection, image, row, finished_at=row.finished_at, **columns)
            last_failed = tried[-1][1].id if error else None
            self.connection.execute(
                update(schema.Image).where(schema.Image.id == image.id).values(failed_job=last_failed)
            )


#: One row for each operation that matches, with its own sums.
BY_HAND = """
    WITH latest AS (
        SELECT DISTINCT ON (image_id) image_id, job_id, outcome FROM attempts ORDER BY image_id, number DESC
    ), failed AS (
        SELECT latest.job_id, images.error_type::text AS error_type, images.retry_count
        FROM latest JOIN images ON images.id = latest.image_id
        WHERE latest.outcome = 'failed' AND images.state IN ('failed', 'permanently_failed')
    ), operations AS (
        SELECT jobs.*, kind::text AS kind_word,
            CASE WHEN jobs.state = 'completed' THEN jobs.status::text ELSE jobs.state::text END AS ended
        FROM jobs WHERE jobs.state IN ('completed', 'discarded', 'cancelled')
    )
    SELECT o.id, o.finished_at, o.kind_word, o.ended, o.city_id, 1 AS jobs, o.images_discovered AS discovered,
        o.images_uploaded AS uploaded, o.images_failed AS failed,
        (SELECT count(*) FROM failed WHERE failed.job_id = o.id) AS failed_now,
        (SELECT count(*) FROM failed WHERE failed.job_id = o.id AND retry_count < 3 AND error_type IN (
            'rate_limited', 'network_timeout', 'network_error', 'gateway_timeout', 'bad_gateway',
            'service_unavailable')) AS retryable_now,
        (SELECT count(*) FROM attempts a WHERE a.job_id = o.id AND a.number = 1) AS first_tried,
        (SELECT count(*) FROM attempts a WHERE a.job_id = o.id AND a.number = 1 AND a.outcome = 'uploaded')
            AS first_uploaded,
        (SELECT count(*) FROM attempts a JOIN images i ON i.id = a.image_id
         WHERE a.job_id = o.id AND a.number = 1 AND i.state = 'uploaded') AS first_stored,
        o.cost_usd
    FROM operations o LEFT JOIN venues ON venues.id = o.venue_id
    WHERE (CAST(:since AS timestamptz) IS NULL OR o.finished_at >= :since) AND o.finished_at < :until
        AND CASE :view WHEN 'cities' THEN kind_word = 'backfill'
            WHEN 'venues' THEN kind_word IN ('enrichment', 'retry')
            WHEN 'partial' THEN ended = 'partial'
            WHEN 'failed' THEN ended IN ('failed', 'error', 'discarded') ELSE true END
        AND (:kinds = '' OR kind_word = ANY(string_to_array(:kinds, ',')))
        AND (:outcomes = '' OR ended = ANY(string_to_array(:outcomes, ',')))
        AND (:cities = '' OR o.city_id::text = ANY(string_to_array(:cities, ',')))
        AND (:providers = ''
            OR EXISTS (SELECT FROM job_providers p WHERE p.job_id = o.id
                       AND p.provider = ANY(string_to_array(:providers, ',')))
            OR EXISTS (SELECT FROM attempts a WHERE a.job_id = o.id
                       AND a.provider = ANY(string_to_array(:providers, ','))))
        AND (:errors = ''
            OR EXISTS (SELECT FROM job_providers p WHERE p.job_id = o.id
                       AND p.error_type::text = ANY(string_to_array(:errors, ',')))
            OR EXISTS (SELECT FROM attempts a WHERE a.job_id = o.id
                       AND a.error_type::text = ANY(string_to_array(:errors, ','))))
        AND CASE WHEN :venue = '' THEN true
            WHEN ltrim(:venue, '#') ~ '^[0-9]+$' THEN o.venue_id::text = ltrim(:venue, '#')
            ELSE position(lower(:venue) IN lower(venues.name)) > 0 END
        AND CASE WHEN :text = '' THEN true
            WHEN :text ~ '^[0-9]+$' THEN :text IN (o.id::text, o.venue_id::text)
                OR position(:text IN coalesce(o.meta->>'summary', '')) > 0
            ELSE position(lower(:text) IN lower(coalesce(o.meta->>'summary', ''))) > 0 END
"""


def ask(connection: Connection, filters: Filters, question: str = "SELECT * FROM found") -> list[Row[Any]]:
    """`question` about `found`: the operations that match."""
    values = {
        "view": filters.view.value,
        "kinds": ",".join(filters.kinds),
        "outcomes": ",".join(filters.outcomes),
        "cities": ",".join(map(str, filters.cities)),
        "providers": ",".join(filters.providers),
        "errors": ",".join(filters.error_types),
        "venue": filters.venue,
        "text": filters.text,
        "since": filters.since,
        "until": filters.until,
    }
    return list(connection.execute(text(f"WITH found AS ({BY_HAND}) {question}"), values).all())


def added(rows: list[Row[Any]]) -> figures.Sums:
    return figures.Sums(**{name: sum((getattr(row, name) for row in rows), 0) for name in SUMS})


@quick
@given(lists, st.one_of(choices, narrower), zones)
def test_cards_equal_the_question_asked_by_hand(engine, jobs, filters, zone):
    with World(engine, jobs) as connection:
        shown = figures.figures_for(connection, filters, zone, NOW)
        rows = ask(connection, filters)
        assert shown.this == added(rows)
        spans = shown.buckets.spans
        assert list(shown.series) == [
            added([row for row in rows if begin <= row.finished_at < end]) for begin, end in spans
        ]
        if filters.since is None or filters.since >= filters.until:
            assert shown.before is None
        else:
            length = filters.until - filters.since
            earlier = replace(filters, since=filters.since - length, until=filters.since)
            assert shown.before == added(ask(connection, earlier))
        assert figures.total(connection, filters) == figures.Bounded(len(rows))


@quick
@given(lists, of_sums, st.lists(moments, min_size=2, max_size=12, unique=True).map(sorted))
def test_any_edges_at_all_give_the_same_sums_from_hours_and_from_jobs(engine, jobs, filters, edges):
    with World(engine, jobs) as connection:
        assert filters.by_sums
        expected = [
            added(ask(connection, replace(filters, since=begin, until=end))) for begin, end in pairwise(edges)
        ]
        assert figures.figures(connection, filters, edges) == expected
        one_by_one = replace(filters, providers=PROVIDERS)
        assert not one_by_one.by_sums
        expected = [
            added(ask(connection, replace(one_by_one, since=begin, until=end)))
            for begin, end in pairwise(edges)
        ]
        assert figures.figures(connection, one_by_one, edges) == expected


@quick
@given(lists, st.one_of(st.none(), moments), st.one_of(st.none(), moments))
def test_the_choices_offered_are_those_that_exist(engine, jobs, since, until):
    with World(engine, jobs) as connection:
        offered = facets(connection, since, until)
        rows = ask(connection, Filters(since=since, until=until or NOW + HOUR))
        assert offered.kinds == Counter(row.kind_word for row in rows)
        assert offered.outcomes == Counter(row.ended for row in rows)
        assert {city.id: city.jobs for city in offered.cities} == Counter(
            row.city_id for row in rows if row.city_id
        )
        ids = [row.id for row in rows]
        assert offered.providers == by_hand_values(connection, ids, "provider")
        assert offered.error_types == by_hand_values(connection, ids, "error_type")
        for counts in (offered.providers, offered.error_types, offered.outcomes, offered.kinds):
            assert list(counts.values()) == sorted(counts.values(), reverse=True)


def by_hand_values(connection: Connection, ids: list[int], column: str) -> dict[str, int]:
    rows = connection.execute(
        text(f"""
            SELECT value, count(*) AS jobs FROM (
                SELECT job_id, {column}::text AS value FROM job_providers UNION
                SELECT job_id, {column}::text FROM attempts
            ) AS named WHERE value IS NOT NULL AND job_id = ANY(:ids) GROUP BY value
        """),
        {"ids": ids},
    )
    return {row.value: row.jobs for row in rows}


@quick
@given(lists, st.one_of(choices, narrower), zones)
def test_the_course_and_its_failures_equal_the_question_asked_by_hand(engine, jobs, filters, zone):
    with World(engine, jobs) as connection:
        course = chart_frames.course(connection, filters, zone, NOW)
        rows = ask(connection, filters)
        for line, (begin, end) in zip(course.rows.to_dict("records"), course.buckets.spans, strict=True):
            sums = added([row for row in rows if begin <= row.finished_at < end])
            assert (line["since"], line["until"]) == (begin, end)
            assert line["operations"] == sums.jobs
            assert (line["uploaded"], line["failed"]) == (sums.uploaded, sums.failed)
            assert line["cost_usd"] == pytest.approx(float(sums.cost_usd))
            assert (line["first_tried"], line["stored"]) == (sums.first_tried, sums.first_stored)
            if sums.first_tried:
                assert line["first_rate"] == pytest.approx(sums.first_uploaded / sums.first_tried)
                assert line["stored_rate"] == pytest.approx(sums.first_stored / sums.first_tried)

        over_time, of_providers = chart_frames.failures(connection, filters, course)
        failed = ask(connection, filters, FAILURES_BY_HAND)
        told = [row for row in failed if row.told]
        expected: Counter[tuple[datetime, str]] = Counter()
        for row in failed:
            begin = next(begin for begin, end in course.buckets.spans if begin <= row.finished_at < end)
            expected[begin, row.error_type if row.told else ""] += row.images
        assert {
            (line["since"], line["error_type"]): line["images"] for line in over_time.to_dict("records")
        } == expected
        by_provider: Counter[tuple[str, str]] = Counter()
        for row in told:
            by_provider[row.provider, row.error_type] += row.images
        assert {
            (line["provider"], line["error_type"]): line["images"] for line in of_providers.to_dict("records")
        } == by_provider


#: Failures are told by provider where the job has that provider's answer.
FAILURES_BY_HAND = """
    SELECT found.id, found.finished_at, a.provider, a.error_type::text AS error_type, count(*) AS images,
        EXISTS (SELECT FROM job_providers p WHERE p.job_id = found.id AND p.provider = a.provider) AS told
    FROM found JOIN attempts a ON a.job_id = found.id AND a.outcome = 'failed'
    GROUP BY 1, 2, 3, 4
"""
PROVIDERS_BY_HAND = """
    SELECT p.provider, count(*) AS operations, sum(p.images_fetched) AS fetched,
        (SELECT count(*) FROM attempts a JOIN job_providers q USING (job_id, provider)
         WHERE a.job_id IN (SELECT id FROM found) AND a.provider = p.provider AND a.outcome = 'uploaded')
            AS uploaded,
        (SELECT count(*) FROM attempts a JOIN job_providers q USING (job_id, provider)
         WHERE a.job_id IN (SELECT id FROM found) AND a.provider = p.provider AND a.outcome = 'failed')
            AS failed,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY p.duration_ms) / 1000 AS median_seconds,
        sum(p.cost_usd) AS cost_usd
    FROM found JOIN job_providers p ON p.job_id = found.id GROUP BY p.provider
"""


@quick
@given(lists, st.one_of(choices, narrower))
def test_providers_side_by_side_equal_the_question_asked_by_hand(engine, jobs, filters):
    with World(engine, jobs) as connection:
        shown = {
            row["provider"]: row for row in chart_frames.providers(connection, filters).to_dict("records")
        }
        asked = {row.provider: row for row in ask(connection, filters, PROVIDERS_BY_HAND)}
        assert shown.keys() == asked.keys()
        for provider, row in asked.items():
            line = shown[provider]
            for name in ("operations", "fetched", "uploaded", "failed"):
                assert line[name] == getattr(row, name)
            assert line["cost_usd"] == pytest.approx(float(row.cost_usd))
            tried = row.uploaded + row.failed
            assert line["rate"] == pytest.approx(row.uploaded / tried if tried else float("nan"), nan_ok=True)
            cost = float(row.cost_usd) / row.uploaded if row.uploaded else float("nan")
            assert line["cost_per_image"] == pytest.approx(cost, nan_ok=True)
            median = float("nan") if row.median_seconds is None else row.median_seconds
            assert line["median_seconds"] == pytest.approx(median, nan_ok=True)


def test_no_operation_at_all_has_figures_of_zero(engine):
    with World(engine, []) as connection:
        for filters in (Filters(until=NOW), Filters(since=NOW - HOUR, until=NOW), Filters(text="images")):
            shown = figures.figures_for(connection, filters, ZoneInfo("UTC"), NOW)
            assert shown.this == figures.Sums()
            assert figures.total(connection, filters) == figures.Bounded(0)
            course = chart_frames.course(connection, filters, ZoneInfo("UTC"), NOW)
            assert not course.rows["operations"].sum()
            assert dict(course.rows.dtypes.astype(str)) == chart_frames.COURSE
            over_time, of_providers = chart_frames.failures(connection, filters, course)
            assert dict(over_time.dtypes.astype(str)) == chart_frames.FAILURES
            assert dict(of_providers.dtypes.astype(str)) == chart_frames.PROVIDER_FAILURES
            providers = chart_frames.providers(connection, filters)
            assert dict(providers.dtypes.astype(str)) == chart_frames.PROVIDERS

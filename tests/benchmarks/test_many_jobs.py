"""The loader of the benchmarks makes what jobs themselves would have left behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from ops_core.db import job_totals
from ops_core.domain.errors import ErrorType
from ops_core.domain.images import AttemptOutcome
from ops_core.domain.jobs import JobFigures, JobKind, JobOutcome
from ops_core.domain.jobs import outcome as outcome_of
from tests.benchmarks import many_jobs

pytestmark = pytest.mark.postgres

JOBS = 600
NOW = datetime.now(UTC)

COUNTED = (
    "id, outcome, summary, providers, error_types, first_error, providers_failed, images_existing, "
    "images_left, images_first_tried, images_first_uploaded, images_first_stored, images_failed_now, "
    "images_retryable_now"
)


@pytest.fixture
def loaded(database: Engine) -> Engine:
    many_jobs.load(database, jobs=JOBS, now=NOW, venues=40)
    return database


def rows(connection: Connection, question: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(question))]


def counts(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {
        "jobs": rows(connection, f"SELECT {COUNTED} FROM jobs ORDER BY id"),
        "sums": rows(connection, "SELECT * FROM job_rollups ORDER BY facet, value, hour, kind, outcome"),
        "failures": rows(
            connection, "SELECT job_id, provider, failures FROM job_providers ORDER BY job_id, provider"
        ),
    }


def test_its_counts_are_those_that_the_jobs_count_themselves(loaded: Engine):
    with loaded.begin() as connection:
        made = counts(connection)
        connection.execute(text("TRUNCATE job_rollups"))
        connection.execute(text("UPDATE job_providers SET failures = '{}'"))
        connection.execute(
            text("""
                UPDATE jobs SET summary = NULL, providers = '{}', error_types = '{}', first_error = NULL,
                    providers_failed = 0, images_existing = 0, images_left = 0, images_first_tried = 0,
                    images_first_uploaded = 0, images_first_stored = 0, images_failed_now = 0,
                    images_retryable_now = 0
            """)
        )
        job_totals.settle(connection, [row[0] for row in made["jobs"]])
        settled = counts(connection)
    assert len(made["jobs"]) == JOBS
    for name, table in made.items():
        assert table == settled[name], name


def test_its_images_are_as_their_last_tries_left_them(loaded: Engine):
    with loaded.connect() as connection:
        assert (
            rows(
                connection,
                """
            SELECT images.id FROM images JOIN LATERAL (
                SELECT * FROM attempts WHERE image_id = images.id ORDER BY number DESC LIMIT 1
            ) AS last ON true
            WHERE images.state <> last.outcome::text::image_state OR images.tries <> last.number
                OR images.error_type IS DISTINCT FROM last.error_type
                OR images.failed_job IS DISTINCT FROM CASE WHEN last.outcome = 'failed' THEN last.job_id END
            """,
            )
            == []
        )
        (tried, images, uploaded) = rows(
            connection,
            """
            SELECT (SELECT count(DISTINCT image_id) FROM attempts), (SELECT count(*) FROM images),
                (SELECT sum(uploaded_images) FROM venues)
                    - (SELECT count(*) FROM images WHERE state = 'uploaded')
            """,
        )[0]
        assert tried == images > JOBS
        assert uploaded == 0


def test_its_jobs_ended_as_what_they_did_says(loaded: Engine):
    with loaded.connect() as connection:
        found = rows(
            connection,
            """
            SELECT outcome, images_discovered, images_uploaded, images_failed, images_existing,
                providers_failed,
                (SELECT count(*) FROM attempts WHERE job_id = jobs.id AND outcome = 'uploaded'),
                (SELECT count(*) FROM attempts WHERE job_id = jobs.id AND outcome <> 'uploaded')
            FROM jobs WHERE kind = 'enrichment' AND outcome NOT IN ('discarded', 'cancelled', 'skipped')
            """,
        )
    for said, discovered, uploaded, failed, existing, providers_failed, stored, left in found:
        assert (uploaded, failed) == (stored, left)
        figures = JobFigures(
            discovered=discovered,
            uploaded=uploaded,
            failed=failed,
            existing=existing,
            providers_failed=providers_failed,
        )
        assert said == outcome_of(figures).value


def test_there_is_something_of_every_kind(loaded: Engine):
    with loaded.connect() as connection:

        def different(question: str) -> set[Any]:
            return {row[0] for row in rows(connection, question)}

        assert different("SELECT DISTINCT outcome FROM jobs") == {outcome.value for outcome in JobOutcome}
        assert different("SELECT DISTINCT kind FROM jobs") == set(JobKind)
        assert len(different("SELECT DISTINCT provider FROM job_providers")) == 6
        assert len(different("SELECT DISTINCT error_type FROM attempts") - {None}) >= 8
        assert different("SELECT DISTINCT outcome FROM attempts") == {
            AttemptOutcome.UPLOADED,
            AttemptOutcome.FAILED,
        }
        assert len(different("SELECT DISTINCT city_id FROM jobs")) > 20
        ((oldest, newest),) = rows(connection, "SELECT min(finished_at), max(finished_at) FROM jobs")
        assert (
            NOW - timedelta(days=many_jobs.DAYS, minutes=5)
            < oldest
            < NOW - timedelta(days=many_jobs.DAYS - 2)
        )
        assert NOW - timedelta(hours=1) < newest < NOW
        again = rows(connection, "SELECT 1 FROM attempts WHERE number = 2 AND outcome = 'uploaded' LIMIT 1")
        assert again
        assert ErrorType.RATE_LIMITED in different("SELECT unnest(error_types) FROM jobs")


def test_images_of_old_jobs_can_be_left_away_and_their_counts_stay(database: Engine):
    many_jobs.load(database, jobs=JOBS, now=NOW, venues=40, with_images=200)
    with database.connect() as connection:
        ((oldest, jobs, images),) = rows(
            connection,
            "SELECT min(job_id), (SELECT count(*) FROM jobs WHERE images_uploaded > 0 AND id < 300), "
            "(SELECT count(*) FROM images) FROM attempts",
        )
        assert 400 < oldest <= 410
        assert jobs > 100
        assert images > 400
        # what is new can be written: numbers go on where these end
        assert connection.scalar(text("SELECT nextval('jobs_id_seq')")) > JOBS

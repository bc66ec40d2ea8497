"""The list of operations, against a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from sqlalchemy import insert

from ops_core.analytics import frames
from ops_core.db import operations, schema
from ops_core.db.operations import Key
from ops_core.domain.errors import ErrorType as E
from ops_core.domain.filters import Filters
from ops_core.domain.images import AttemptOutcome, ImageState
from ops_core.domain.jobs import JobKind, JobOutcome, JobState, JobStatus, ProviderStatus
from tests.support.factories import (
    make_attempt,
    make_enrichment,
    make_image,
    make_job,
    make_job_provider,
    make_venue,
    settle,
)

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ALL = Filters()


@pytest.fixture
def connection(database):
    with database.connect() as open_connection:
        yield open_connection


def ids(page):
    return [row["id"] for row in page.rows]


def only(connection):
    (row,) = operations.page(connection, ALL).rows
    return row


def test_finished_jobs_come_newest_first_and_open_ones_do_not(connection):
    older = make_job(connection, finished_at=NOW - timedelta(hours=1))
    newer = make_job(connection, state=JobState.DISCARDED, finished_at=NOW)
    twin = make_job(connection, state=JobState.CANCELLED, finished_at=NOW)
    for state in (JobState.AVAILABLE, JobState.EXECUTING, JobState.RETRYABLE):
        make_job(connection, state=state)
    assert ids(operations.page(connection, ALL)) == [twin.id, newer.id, older.id]


def test_pages_by_key_show_every_job_once_in_both_directions(connection):
    jobs = [make_job(connection, finished_at=NOW - timedelta(minutes=number // 3)) for number in range(10)]
    expected = [job.id for job in sorted(jobs, key=lambda job: (job.finished_at, job.id), reverse=True)]
    page = operations.page(connection, ALL, limit=4)
    assert (page.has_newer, page.has_older) == (False, True)
    seen = [ids(page)]
    while page.has_older:
        last = page.rows[-1]
        page = operations.page(connection, ALL, older_than=Key(last["finished_at"], last["id"]), limit=4)
        assert page.has_newer
        seen.append(ids(page))
    assert [job_id for part in seen for job_id in part] == expected
    first = page.rows[0]
    back = operations.page(connection, ALL, newer_than=Key(first["finished_at"], first["id"]), limit=4)
    assert ids(back) == seen[1]
    assert (back.has_newer, back.has_older) == (True, True)


def test_what_ended_since_is_counted_up_to_a_limit(connection, monkeypatch):
    for number in range(4):
        make_job(connection, finished_at=NOW + timedelta(minutes=number))
    assert operations.newer(connection, ALL, NOW + timedelta(minutes=1)) == 3
    assert operations.newer(connection, Filters(kinds=(JobKind.STALE,)), NOW) == 0
    monkeypatch.setattr(operations, "NEW_LIMIT", 1)
    assert operations.newer(connection, ALL, NOW) == 2


def test_a_job_tells_its_first_failure_and_what_may_be_retried(connection):
    job = make_enrichment(connection, uploaded=2, failures=[E.NOT_FOUND, E.RATE_LIMITED, E.BAD_GATEWAY])
    row = only(connection)
    assert row["id"] == job.id
    assert row["first_error"] == E.NOT_FOUND
    assert row["retryable"] == 2
    assert row["recovered"] == 0
    assert row["queued"] is None
    assert row["providers"] == ["google_places"]


def test_an_image_in_an_open_request_is_queued_and_not_offered_again(connection):
    job = make_enrichment(connection, uploaded=0, failures=[E.RATE_LIMITED])
    request = connection.execute(
        insert(schema.RetryRequest).values(token="t", actor="tests").returning(schema.RetryRequest.id)
    ).scalar_one()
    image = connection.scalar(schema.Image.__table__.select().with_only_columns(schema.Image.id))
    connection.execute(
        insert(schema.RetryItem).values(request_id=request, image_id=image, provider="google_places")
    )
    row = only(connection)
    assert row["id"] == job.id
    assert (row["retryable"], row["queued"]) == (0, request)


def test_a_failure_that_was_brought_in_later_counts_as_recovered(connection):
    venue = make_venue(connection)
    job = make_job(
        connection, venue, settled=False, images_discovered=1, images_failed=1, status=JobStatus.FAILED
    )
    image = make_image(connection, venue)
    make_attempt(connection, image, job, outcome=AttemptOutcome.FAILED, error_type=E.NETWORK_TIMEOUT)
    make_attempt(connection, image, number=2)
    settle(connection, job)
    row = only(connection)
    assert (row["recovered"], row["retryable"], row["first_error"]) == (1, 0, E.NETWORK_TIMEOUT)


def test_a_failure_that_failed_again_later_is_the_later_jobs(connection):
    venue = make_venue(connection)
    first, second = (
        make_job(
            connection,
            venue,
            settled=False,
            images_discovered=1,
            images_failed=1,
            status=JobStatus.FAILED,
            finished_at=NOW + timedelta(hours=number),
        )
        for number in range(2)
    )
    image = make_image(connection, venue, state=ImageState.FAILED, error_type=E.RATE_LIMITED)
    make_attempt(connection, image, first, finished_at=NOW)
    make_attempt(connection, image, second, number=2, finished_at=NOW + timedelta(hours=1))
    for job in (first, second):
        settle(connection, job)
    later, earlier = operations.page(connection, ALL).rows
    assert (later["retryable"], later["failed_later"]) == (1, 0)
    assert (earlier["retryable"], earlier["failed_later"]) == (0, 1)


def test_an_image_that_a_job_tried_twice_counts_by_its_last_try(connection):
    venue = make_venue(connection)
    job = make_job(connection, venue, settled=False, images_discovered=1, images_uploaded=1)
    image = make_image(connection, venue)
    make_attempt(connection, image, job, outcome=AttemptOutcome.LOST, finished_at=NOW)
    make_attempt(connection, image, job, number=2, finished_at=NOW + timedelta(seconds=9))
    settle(connection, job)
    row = only(connection)
    assert (row["first_error"], row["retryable"]) == (None, 0)


def test_a_provider_that_refused_us_is_the_first_failure_when_no_image_was_tried(connection):
    job = make_job(connection, settled=False, status=JobStatus.ERROR)
    make_job_provider(connection, job, "wikimedia_commons", status=ProviderStatus.NO_IMAGES)
    make_job_provider(connection, job, status=ProviderStatus.FAILED, error_type=E.AUTH_ERROR)
    settle(connection, job)
    row = only(connection)
    assert row["first_error"] == E.AUTH_ERROR
    assert row["providers"] == ["google_places", "wikimedia_commons"]
    assert row["providers_failed"] == 1


@pytest.mark.parametrize(
    ("state", "status"),
    [
        *((JobState.COMPLETED, status) for status in JobStatus),
        *(
            (state, status)
            for state in (JobState.DISCARDED, JobState.CANCELLED)
            for status in [*JobStatus, None]
        ),
    ],
)
def test_the_outcome_is_the_status_of_a_completed_job_else_its_state(connection, state, status):
    job = make_job(connection, state=state, status=status)
    expected = status if state is JobState.COMPLETED else state
    assert job.outcome == JobOutcome(expected.value)


@pytest.mark.parametrize(
    "meta", [{}, [], "x", 7, {"summary": ["a"], "images_existing": "many"}, {"summary": "s" * 5000}]
)
def test_a_job_is_counted_whatever_its_meta_is(connection, meta):
    job = make_job(connection, meta=meta)
    assert job.images_existing == 0
    assert len(job.summary or "") <= 1000


def test_frames_have_their_declared_columns_and_types_with_and_without_rows(connection):
    for found in (operations.page(connection, ALL).rows, _two_jobs(connection)):
        frame = frames.operations(map(dict, found))
        assert len(frame) == len(found)
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == frames.OPERATIONS


def _two_jobs(connection):
    make_enrichment(connection, uploaded=1, failures=[E.RATE_LIMITED])
    make_job(connection, kind=JobKind.STALE, attempted_at=None)
    return operations.page(connection, ALL).rows


def test_a_job_that_never_began_has_no_duration(connection):
    make_job(connection, state=JobState.CANCELLED, attempted_at=None)
    frame = frames.operations(map(dict, operations.page(connection, ALL).rows))
    assert pd.isna(frame["seconds"].iloc[0])
    assert pd.isna(frame["first_error"].iloc[0])

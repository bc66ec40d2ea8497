"""What the Operations page asks, against a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from ops_core.analytics import frames
from ops_core.db import operations
from ops_core.domain.errors import ErrorType as E
from ops_core.domain.images import AttemptOutcome, ImageState
from ops_core.domain.jobs import JobKind, JobState, JobStatus, ProviderStatus
from tests.support.factories import (
    make_attempt,
    make_enrichment,
    make_heartbeat,
    make_image,
    make_job,
    make_job_provider,
    make_venue,
)

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def connection(database):
    with database.connect() as open_connection:
        yield open_connection


def test_finished_jobs_come_newest_first_and_open_ones_do_not(connection):
    older = make_job(connection, finished_at=NOW - timedelta(hours=1))
    newer = make_job(connection, state=JobState.DISCARDED, finished_at=NOW)
    twin = make_job(connection, state=JobState.CANCELLED, finished_at=NOW)
    for state in (JobState.AVAILABLE, JobState.EXECUTING, JobState.RETRYABLE):
        make_job(connection, state=state)
    assert [row["id"] for row in operations.recent_jobs(connection)] == [twin.id, newer.id, older.id]


def test_pages_by_key_show_every_job_once(connection):
    jobs = [make_job(connection, finished_at=NOW - timedelta(minutes=number // 3)) for number in range(10)]
    seen, before = [], None
    while page := operations.recent_jobs(connection, 4, before):
        seen += [row["id"] for row in page]
        before = (page[-1]["finished_at"], page[-1]["id"])
    assert seen == [job.id for job in sorted(jobs, key=lambda job: (job.finished_at, job.id), reverse=True)]


def test_a_job_tells_its_first_failure_and_what_may_be_retried(connection):
    job = make_enrichment(connection, uploaded=2, failures=[E.NOT_FOUND, E.RATE_LIMITED, E.BAD_GATEWAY])
    (row,) = operations.recent_jobs(connection)
    assert row["id"] == job.id
    assert row["first_error"] == E.NOT_FOUND
    assert row["retryable"] == 2
    assert row["recovered"] == 0
    assert row["providers"] == ["google_places"]


def test_a_failure_that_was_brought_in_later_counts_as_recovered(connection):
    venue = make_venue(connection)
    job = make_job(connection, venue, images_discovered=1, images_failed=1, status=JobStatus.FAILED)
    image = make_image(connection, venue)
    make_attempt(connection, image, job, outcome=AttemptOutcome.FAILED, error_type=E.NETWORK_TIMEOUT)
    make_attempt(connection, image, number=2)
    (row,) = operations.recent_jobs(connection)
    assert (row["recovered"], row["retryable"], row["first_error"]) == (1, 1, E.NETWORK_TIMEOUT)
    assert [image["state_now"] for image in operations.failed_images(connection, job.id)] == [
        ImageState.UPLOADED
    ]


def test_an_image_that_a_job_tried_twice_counts_by_its_last_try(connection):
    venue = make_venue(connection)
    job = make_job(connection, venue, images_discovered=1, images_uploaded=1)
    image = make_image(connection, venue)
    make_attempt(connection, image, job, outcome=AttemptOutcome.LOST, finished_at=NOW)
    make_attempt(connection, image, job, number=2, finished_at=NOW + timedelta(seconds=9))
    (row,) = operations.recent_jobs(connection)
    assert (row["first_error"], row["retryable"]) == (None, 0)
    assert operations.failed_images(connection, job.id) == []
    assert [photo["id"] for photo in operations.uploaded_images(connection, job.id)] == [image.id]


def test_a_provider_that_refused_us_is_the_first_failure_when_no_image_was_tried(connection):
    job = make_job(connection, status=JobStatus.ERROR)
    make_job_provider(connection, job, "wikimedia_commons", status=ProviderStatus.NO_IMAGES)
    make_job_provider(connection, job, status=ProviderStatus.FAILED, error_type=E.AUTH_ERROR)
    (row,) = operations.recent_jobs(connection)
    assert row["first_error"] == E.AUTH_ERROR
    assert row["providers"] == ["google_places", "wikimedia_commons"]


def test_uploaded_images_are_those_of_the_job_best_first_and_eight_at_most(connection):
    venue = make_venue(connection)
    job = make_enrichment(connection, venue, uploaded=10)
    make_enrichment(connection, venue, uploaded=1)
    found = operations.uploaded_images(connection, job.id)
    assert len(found) == 8
    assert [image["id"] for image in found] == sorted(image["id"] for image in found)
    assert all(image["thumbnail_url"].startswith("/admin/venue-images/media/venues/") for image in found)


def test_open_jobs_are_waiting_or_running(connection):
    for state in JobState:
        make_job(connection, state=state)
    assert operations.open_jobs(connection) == operations.OpenJobs(waiting=2, running=1)


def test_each_open_failure_counts_once_by_what_can_be_done(connection):
    for error_type in (E.RATE_LIMITED, E.NETWORK_ERROR, E.FORBIDDEN, E.CORRUPT_IMAGE):
        make_image(connection, state=ImageState.FAILED, error_type=error_type)
    make_image(connection, state=ImageState.PERMANENTLY_FAILED, error_type=E.NETWORK_ERROR)
    make_image(connection)
    counted = operations.open_failures(connection)
    assert counted == operations.OpenFailures(transient=2, ambiguous=1, permanent=1, given_up=1)
    assert counted.need_a_person


def test_failures_that_are_retried_by_themselves_need_nobody(connection):
    make_image(connection, state=ImageState.FAILED, error_type=E.RATE_LIMITED)
    assert not operations.open_failures(connection).need_a_person


def test_counting_stops_at_its_limit(connection, monkeypatch):
    monkeypatch.setattr(operations, "COUNT_LIMIT", 2)
    for _ in range(4):
        make_job(connection, state=JobState.AVAILABLE)
        make_image(connection, state=ImageState.FAILED, error_type=E.NOT_FOUND)
    assert operations.open_jobs(connection).waiting == 3
    assert operations.open_failures(connection).permanent == 3


def test_heartbeats_tell_their_age_and_old_ones_are_left_out(connection):
    now = datetime.now(UTC)
    make_heartbeat(connection, "worker", seen_at=now - timedelta(seconds=90))
    make_heartbeat(connection, "worker", seen_at=now - timedelta(seconds=5))
    make_heartbeat(connection, "dispatcher", seen_at=now - timedelta(days=2))
    found = operations.heartbeats(connection)
    assert [row["kind"] for row in found] == ["worker", "worker"]
    assert [float(row["age"]) for row in found] == pytest.approx([5, 90], abs=10)


@pytest.mark.parametrize("seeded", [False, True], ids=["empty", "seeded"])
def test_frames_have_their_declared_columns_and_types_with_and_without_rows(connection, seeded):
    job_id = 0
    if seeded:
        job_id = make_enrichment(connection, uploaded=1, failures=[E.RATE_LIMITED]).id
        make_job(connection, kind=JobKind.STALE, attempted_at=None)
    for frame, declared in (
        (frames.recent_jobs(connection), frames.JOBS),
        (frames.provider_results(connection, job_id), frames.PROVIDER_RESULTS),
        (frames.failed_images(connection, job_id), frames.FAILED_IMAGES),
    ):
        assert list(frame.columns) == list(declared)
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == declared
        assert frame.empty is not seeded


def test_figures_add_up_the_jobs_shown(connection):
    make_enrichment(connection, uploaded=3, failures=[E.RATE_LIMITED, E.FORBIDDEN])
    make_enrichment(connection, uploaded=4)
    figures = frames.figures(frames.recent_jobs(connection))
    assert figures == frames.Figures(operations=2, uploaded=7, failed=2, retryable=1, recovered=0)


def test_a_job_that_never_began_has_no_duration(connection):
    make_job(connection, state=JobState.CANCELLED, attempted_at=None)
    frame = frames.recent_jobs(connection)
    assert pd.isna(frame["seconds"].iloc[0])
    assert pd.isna(frame["first_error"].iloc[0])

"""What an opened job asks, against a real PostgreSQL."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert, update

from ops_core.analytics import job_frames
from ops_core.db import job_detail, related_jobs, schema
from ops_core.domain.errors import TRANSIENT_TYPES
from ops_core.domain.errors import ErrorType as E
from ops_core.domain.images import MAX_RETRIES, AttemptOutcome, ImageState
from ops_core.domain.jobs import JobKind, JobState, JobStatus, ProviderStatus
from ops_core.domain.retries import ItemState
from tests.support.factories import (
    make_attempt,
    make_enrichment,
    make_image,
    make_job,
    make_job_provider,
    make_provider,
    make_venue,
)

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FAILED = (ImageState.FAILED, ImageState.PERMANENTLY_FAILED)


@pytest.fixture
def connection(database):
    with database.connect() as open_connection:
        yield open_connection


def fate_of(connection, job):
    return job_frames.fate(job_frames.fates(connection, job.id))


def left_failed(connection, job, venue, error_type=E.NETWORK_TIMEOUT, **image_columns):
    """An image that `job` left failed, and that is what `image_columns` say now."""
    columns = {"state": ImageState.FAILED, "failed_job": job.id} | image_columns
    if columns["state"] in FAILED:
        columns.setdefault("error_type", error_type)
    else:
        columns["failed_job"] = None
    image = make_image(connection, venue, **columns)
    make_attempt(connection, image, job, outcome=AttemptOutcome.FAILED, error_type=error_type)
    return tried_last_by(connection, image, columns["failed_job"])


def tried_last_by(connection, image, job_id):
    connection.execute(update(schema.Image).where(schema.Image.id == image.id).values(failed_job=job_id))
    return image


def test_there_is_no_job_of_an_unknown_id(connection):
    assert job_detail.job(connection, 999) is None
    assert job_detail.raw(connection, 999) is None
    assert job_detail.errors(connection, 999) is None
    assert related_jobs.retry_request(connection, 999) is None
    assert related_jobs.started_jobs(connection, 999) == {}


def test_a_job_tells_its_venue_and_its_report(connection):
    venue = make_venue(connection, name="Klub Żaczek")
    made = make_enrichment(connection, venue, uploaded=2, failures=[E.NOT_FOUND])
    job = job_detail.job(connection, made.id)
    assert (job["venue"], job["venue_id"], job["kind"]) == ("Klub Żaczek", venue.id, JobKind.ENRICHMENT)
    assert (job["outcome"], job["images_discovered"]) == (JobStatus.PARTIAL, 3)
    assert job["summary"].startswith("Found 3 images")
    assert job["numbers"]["images_failed"] == 1
    assert "summary" not in job["numbers"]


def test_a_job_without_a_report_says_what_it_broke_on(connection):
    made = make_job(
        connection, state=JobState.DISCARDED, errors=[{"attempt": 3, "error": "the worker was killed"}]
    )
    assert job_detail.job(connection, made.id)["summary"] == "the worker was killed"


@pytest.mark.parametrize("meta", [[1, 2], "words", 7, None, {}], ids=str)
def test_a_meta_of_any_shape_is_read(connection, meta):
    made = make_job(connection, kind=JobKind.CLEANUP, meta=meta, errors=["not an object"])
    job = job_detail.job(connection, made.id)
    assert job["numbers"] is None
    assert job["summary"] is None
    assert job_detail.raw(connection, made.id)["meta"] == meta


def test_fates_tell_what_became_of_every_image(connection):
    venue = make_venue(connection)
    job, later = make_job(connection, venue), make_job(connection, venue)
    stored = make_image(connection, venue)
    make_attempt(connection, stored, job)
    left_failed(connection, job, venue)
    left_failed(connection, job, venue, E.NOT_FOUND)
    left_failed(connection, job, venue, retry_count=MAX_RETRIES)
    left_failed(connection, job, venue, state=ImageState.PERMANENTLY_FAILED, retry_count=MAX_RETRIES)
    left_failed(connection, job, venue, state=ImageState.UPLOADED)
    left_failed(connection, job, venue, state=ImageState.UPLOADING)
    left_failed(connection, job, venue, failed_job=later.id)
    assert fate_of(connection, job) == job_frames.Fate(
        uploaded=1, stored=1, failed=7, recovered=1, failed_now=5, retryable_now=1, later=1, complete=True
    )
    assert fate_of(connection, later).failed == 0


def test_an_image_that_a_job_tried_twice_counts_by_its_last_try(connection):
    venue = make_venue(connection)
    job = make_job(connection, venue)
    image = make_image(connection, venue)
    make_attempt(connection, image, job, outcome=AttemptOutcome.LOST, finished_at=NOW)
    make_attempt(connection, image, job, number=2, finished_at=NOW + timedelta(seconds=9))
    fate = fate_of(connection, job)
    assert (fate.uploaded, fate.failed) == (1, 0)
    assert job_detail.failed_images(connection, job.id) == []
    assert [photo["id"] for photo in job_detail.uploaded_images(connection, job.id)] == [image.id]
    assert [tried["number"] for tried in job_detail.tries(connection, job.id)] == [1, 2]


def test_fates_of_random_jobs_agree_with_a_count_by_hand(connection):
    draw = random.Random(7)
    venue = make_venue(connection)
    job, later = make_job(connection, venue), make_job(connection, venue)
    hand: Counter[str] = Counter()
    for _ in range(120):
        left = draw.choice([None, E.RATE_LIMITED, E.NETWORK_ERROR, E.NOT_FOUND, E.CORRUPT_IMAGE])
        state = ImageState.UPLOADED if left is None else draw.choice(list(ImageState))
        now = draw.choice([E.BAD_GATEWAY, E.FORBIDDEN, E.STORE_ERROR])
        owner = draw.choice([job, job, later])
        columns = {"state": state, "retry_count": draw.randrange(MAX_RETRIES + 1)}
        if state in FAILED:
            columns["error_type"] = now
        image = make_image(connection, venue, **columns)
        number = draw.choice([1, 1, 2])
        if number == 2:
            make_attempt(connection, image, job, outcome=AttemptOutcome.FAILED, error_type=E.EMPTY_BODY)
        outcome = AttemptOutcome.UPLOADED if left is None else AttemptOutcome.FAILED
        make_attempt(connection, image, job, number=number, outcome=outcome, error_type=left)
        tried_last_by(connection, image, owner.id if state in FAILED else None)
        hand["uploaded"] += left is None
        hand["failed"] += left is not None
        hand["recovered"] += left is not None and state is ImageState.UPLOADED
        hand["failed_now"] += left is not None and state in FAILED
        hand["later"] += left is not None and state in FAILED and owner is later
        hand["retryable_now"] += (
            left is not None
            and state is ImageState.FAILED
            and owner is job
            and now in TRANSIENT_TYPES
            and columns["retry_count"] < MAX_RETRIES
        )
        hand[f"left {left}"] += 1
    counts = job_frames.fates(connection, job.id)
    fate = job_frames.fate(counts)
    assert {name: getattr(fate, name) for name in hand if not name.startswith("left")} == {
        name: count for name, count in hand.items() if not name.startswith("left")
    }
    failures = job_frames.failures(counts).set_index("error_type")["images"].to_dict()
    assert failures == {
        name.removeprefix("left "): count
        for name, count in hand.items()
        if name.startswith("left ") and name != "left None"
    }


def test_no_more_tries_are_read_than_allowed(connection, monkeypatch):
    monkeypatch.setattr(job_detail, "TRIES_SEEN", 3)
    job = make_enrichment(connection, uploaded=5)
    fate = fate_of(connection, job)
    assert (fate.uploaded, fate.complete) == (3, False)


def test_failed_images_tell_what_they_were_then_and_are_now(connection):
    venue = make_venue(connection)
    job = make_job(connection, venue)
    url = "https://photos.example.org/1.jpg?key=REDACTED"
    left_failed(connection, job, venue, source_url=url, retry_count=1)
    left_failed(connection, job, venue, E.FORBIDDEN, state=ImageState.UPLOADED)
    frame = job_frames.failed_images(connection, job.id)
    assert frame["error_type"].tolist() == [E.NETWORK_TIMEOUT, E.FORBIDDEN]
    assert frame["now"].tolist() == ["Failed", "Uploaded since"]
    assert frame["retries"].tolist() == ["1 of 3", "0 of 3"]
    # secrets are cut out where an address comes in; from there on it is shown as it is stored
    assert frame["source_url"].iloc[0] == url
    assert len(job_frames.failed_images(connection, job.id, limit=1)) == 1


def test_photos_come_best_first_and_only_those_the_job_brought_in(connection):
    venue = make_venue(connection)
    job = make_enrichment(connection, venue, uploaded=10)
    make_enrichment(connection, venue, uploaded=1)
    found = job_detail.uploaded_images(connection, job.id)
    assert len(found) == 8
    assert [image["id"] for image in found] == sorted(image["id"] for image in found)
    assert len(job_detail.uploaded_images(connection, job.id, limit=50)) == 10


def test_a_provider_says_how_it_did_and_its_tries_say_more_while_the_job_runs(connection):
    venue = make_venue(connection)
    job = make_job(connection, venue, state=JobState.EXECUTING)
    make_provider(connection)
    make_job_provider(connection, job, images_fetched=9, calls=3, cost_usd=Decimal("0.02"), duration_ms=420)
    make_attempt(connection, make_image(connection, venue), job)
    left_failed(connection, job, venue)
    left_failed(connection, job, venue, provider="foursquare")
    counts = job_frames.fates(connection, job.id)
    rows = {
        row["provider"]: row
        for row in job_frames.provider_results(connection, job.id, counts).to_dict("records")
    }
    google = rows["google_places"]
    assert (google["status"], google["seconds"], google["images_fetched"]) == (
        ProviderStatus.SUCCESS,
        0.42,
        9,
    )
    assert (google["images_uploaded"], google["images_failed"]) == (1, 1)
    assert (rows["foursquare"]["images_failed"], rows["foursquare"]["calls"]) == (1, 0)


def test_the_jobs_that_a_job_started_are_counted_and_listed(connection):
    parent = make_job(connection, kind=JobKind.BATCH)
    venue = make_venue(connection, name="Wawel")
    first = make_job(connection, venue, parent_id=parent.id, images_uploaded=4)
    make_job(connection, parent_id=parent.id, state=JobState.DISCARDED)
    for _ in range(2):
        make_job(connection, parent_id=parent.id, state=JobState.AVAILABLE)
    make_job(connection)
    assert related_jobs.started_jobs(connection, parent.id) == {"available": 2, "discarded": 1, "success": 1}
    listed = related_jobs.first_started(connection, parent.id, limit=3)
    assert [row["id"] for row in listed] == [first.id, first.id + 1, first.id + 2]
    assert (listed[0]["venue"], listed[0]["images_uploaded"]) == ("Wawel", 4)


def test_a_retry_request_counts_its_images_by_state(connection):
    request_id = connection.execute(
        insert(schema.RetryRequest)
        .values(token="t", actor="anna", reason="after the outage")
        .returning(schema.RetryRequest.id)
    ).scalar_one()
    assert related_jobs.retry_request(connection, request_id)["items"] == {}
    for state in (ItemState.QUEUED, ItemState.UPLOADED, ItemState.UPLOADED):
        image = make_image(connection)
        connection.execute(
            insert(schema.RetryItem).values(
                request_id=request_id, image_id=image.id, provider=image.provider, state=state
            )
        )
    found = related_jobs.retry_request(connection, request_id)
    assert (found["actor"], found["reason"]) == ("anna", "after the outage")
    assert found["items"] == {"queued": 1, "uploaded": 2}


@pytest.mark.parametrize("seeded", [False, True], ids=["empty", "seeded"])
def test_frames_have_their_declared_columns_and_types_with_and_without_rows(connection, seeded):
    job_id = 0
    if seeded:
        job_id = make_enrichment(connection, uploaded=1, failures=[E.RATE_LIMITED]).id
        connection.execute(update(schema.Image).values(status_code=None))
    counts = job_frames.fates(connection, job_id)
    for frame, declared in (
        (counts, job_frames.FATES),
        (job_frames.provider_results(connection, job_id, counts), job_frames.PROVIDER_RESULTS),
        (job_frames.failed_images(connection, job_id), job_frames.FAILED_IMAGES),
    ):
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == declared
        assert frame.empty is not seeded

"""The counts in a job's row stay what its images are, whoever tries them later, in whatever order."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from sqlalchemy import text

from ops_core.db import attempts, discovered, images, jobs
from ops_core.db.attempts import Stored, Tried
from ops_core.db.jobs import JobResult
from ops_core.domain.errors import ErrorType as E
from ops_core.domain.failures import Failure
from ops_core.domain.jobs import JobKind, JobState, JobStatus
from tests.support.factories import make_attempt, make_image, make_job, make_venue, settle

pytestmark = pytest.mark.postgres

#: What the rows must say, told by attempts and images alone.
TRUTH = """
    WITH latest AS (
        -- a lost try is no failure of its job until the image is set aside
        SELECT DISTINCT ON (image_id) image_id, job_id, outcome
        FROM attempts JOIN images ON images.id = attempts.image_id
        WHERE outcome <> 'lost' OR images.error_type = 'worker_lost'
        ORDER BY image_id, number DESC
    )
    SELECT jobs.id,
        count(*) FILTER (WHERE latest.job_id = jobs.id AND images.state IN ('failed', 'permanently_failed'))
            AS failed_now,
        count(*) FILTER (WHERE latest.job_id = jobs.id AND images.state = 'failed' AND images.retry_count < 3
            AND images.error_type IN ('rate_limited', 'network_timeout')) AS retryable_now,
        count(*) FILTER (WHERE first.job_id = jobs.id) AS first_tried,
        count(*) FILTER (WHERE first.job_id = jobs.id AND first.outcome = 'uploaded') AS first_uploaded,
        count(*) FILTER (WHERE first.job_id = jobs.id AND images.state = 'uploaded') AS first_stored
    FROM jobs CROSS JOIN images
    LEFT JOIN latest ON latest.image_id = images.id
    LEFT JOIN attempts AS first ON first.image_id = images.id AND first.number = 1
    WHERE jobs.finished_at IS NOT NULL GROUP BY jobs.id ORDER BY jobs.id
"""
SAID = """
    SELECT id, images_failed_now AS failed_now, images_retryable_now AS retryable_now,
        images_first_tried AS first_tried, images_first_uploaded AS first_uploaded,
        images_first_stored AS first_stored
    FROM jobs WHERE finished_at IS NOT NULL ORDER BY id
"""
ROLLED = """
    SELECT facet, value, sum(jobs) AS jobs,
        sum(failed_now) AS failed_now, sum(retryable_now) AS retryable_now,
        sum(first_tried) AS first_tried, sum(first_uploaded) AS first_uploaded,
        sum(first_stored) AS first_stored
    FROM job_rollups GROUP BY facet, value
"""
#: The sums that the job of each row of `SAID` must be in.
FACETS = """
    SELECT id, 'all' AS facet, '' AS value FROM jobs WHERE finished_at IS NOT NULL
    UNION ALL SELECT id, 'city', city_id::text FROM jobs WHERE finished_at IS NOT NULL
    UNION ALL SELECT id, 'provider', unnest(providers) FROM jobs WHERE finished_at IS NOT NULL
    UNION ALL SELECT id, 'error_type', unnest(error_types) FROM jobs WHERE finished_at IS NOT NULL
"""


def begin(database, venue):
    """A running job of its own."""
    with database.begin() as connection:
        job = make_job(connection, venue, kind=JobKind.RETRY, state=JobState.AVAILABLE)
        (claimed,) = jobs.claim(connection, [job.id], owner="w", lease_seconds=60)
    return claimed


def end(database, job):
    with database.begin() as connection:
        result = JobResult(state=JobState.COMPLETED, status=JobStatus.SUCCESS, meta={})
        assert jobs.finish(connection, job, result)


def try_(database, job, image_ids, failure, override=False):
    """Claim what can be claimed of `image_ids` for `job` and record one try of each."""
    with database.begin() as connection:
        # held in the order of all writers, or this statement itself could wait in a circle with them
        connection.execute(text("SELECT FROM images ORDER BY id FOR NO KEY UPDATE"))
        connection.execute(text("UPDATE images SET not_before = NULL"))
        claimed = images.claim(
            connection, image_ids, owner="w", job_id=job.id, lease_seconds=60, override=override
        )
    now = datetime.now(UTC)
    tries = []
    for image in claimed:
        error = failure(image)
        stored = Stored(
            store="disk",
            key=f"venues/{image.id}.jpg",
            url="/x",
            thumbnail_key="t",
            thumbnail_url="/t",
            content_type="image/jpeg",
            content_hash="0",
            width=10,
            height=10,
            bytes=5,
        )
        tries.append(
            Tried(
                image=image,
                started_at=now,
                finished_at=now,
                job_id=job.id,
                worker="w",
                stored=None if error else stored,
                failure=Failure(error, "it failed") if error else None,
                cost_usd=Decimal(0),
            )
        )
    with database.begin() as connection:
        attempts.record(connection, tries)
    return [image.id for image in claimed]


def compare(database):
    with database.connect() as connection:
        truth = [dict(row) for row in connection.execute(text(TRUTH)).mappings()]
        said = [dict(row) for row in connection.execute(text(SAID)).mappings()]
        assert said == truth
        rolled = [dict(row) for row in connection.execute(text(ROLLED)).mappings()]
        facets = connection.execute(text(FACETS)).all()
    counts: dict[tuple[str, str], Counter[str]] = {}
    of_job = {row["id"]: {"jobs": 1} | row for row in truth}
    for job_id, facet, value in facets:
        counts.setdefault((facet, value), Counter()).update(of_job[job_id])
    assert {(row.pop("facet"), row.pop("value")): row for row in rolled} == {
        facet: {name: count for name, count in sums.items() if name != "id"} for facet, sums in counts.items()
    }


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_tries_and_ends_leaves_the_counts_true(database, seed):
    dice = random.Random(seed)
    with database.begin() as connection:
        venue = make_venue(connection)
        ids = [make_image(connection, venue, state="discovered").id for _ in range(6)]
    running = []
    for _ in range(30):
        move = dice.random()
        if move < 0.3 or not running:
            running.append(begin(database, venue))
        elif move < 0.75:
            job = dice.choice(running)
            chosen = dice.sample(ids, dice.randint(1, 4))
            try_(
                database,
                job,
                chosen,
                lambda _: dice.choice([None, E.RATE_LIMITED, E.NETWORK_TIMEOUT, E.RATE_LIMITED, E.NOT_FOUND]),
                override=dice.random() < 0.3,
            )
        elif move < 0.8:
            _give_back(database, dice.choice(running), dice.choice(ids))
        elif move < 0.85:
            _lose(database, dice.choice(running), dice.choice(ids))
        else:
            end(database, running.pop(dice.randrange(len(running))))
            compare(database)
    while running:
        end(database, running.pop())
    compare(database)


def _give_back(database, job, image_id):
    """A person's override claims an image, and it must wait."""
    with database.begin() as connection:
        for image in images.claim(
            connection, [image_id], owner="w", job_id=job.id, lease_seconds=60, override=True
        ):
            images.put_off(connection, image, 0)


def _lose(database, job, image_id):
    """A worker dies on an image, for the last time or not."""
    with database.begin() as connection:
        connection.execute(text("UPDATE images SET not_before = NULL"))
        for suspects in (False, True):
            images.claim(
                connection,
                [image_id],
                owner="w",
                job_id=job.id,
                lease_seconds=-1,
                suspects=suspects,
                override=True,
            )
    with database.begin() as connection:
        images.release_expired(connection, max_lost_claims=2)


@pytest.mark.parametrize("round_", range(4))
def test_a_job_that_ends_while_its_images_are_tried_elsewhere_misses_none(database, round_):
    with database.begin() as connection:
        venue = make_venue(connection)
        ids = [make_image(connection, venue, state="discovered").id for _ in range(40)]
    first, second = begin(database, venue), begin(database, venue)
    try_(database, first, ids, lambda _: E.RATE_LIMITED)
    start = Barrier(2)

    def finish():
        start.wait()
        end(database, first)

    def retry():
        start.wait()
        for part in range(0, len(ids), 5):
            try_(database, second, ids[part : part + 5], lambda image: None if image.id % 3 else E.NOT_FOUND)

    threads = [Thread(target=finish), Thread(target=retry)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    end(database, second)
    compare(database)


def test_a_try_recorded_after_its_job_was_ended_is_counted_and_never_counted_off_twice(database):
    with database.begin() as connection:
        venue = make_venue(connection)
        image = make_image(connection, venue, state="discovered").id
    first = begin(database, venue)

    def end_early(_):
        end(database, first)
        return E.RATE_LIMITED

    try_(database, first, [image], end_early)
    with database.connect() as connection:
        (row,) = connection.execute(text(SAID)).mappings()
        assert (row["failed_now"], row["retryable_now"]) == (1, 1)
    second = begin(database, venue)
    try_(database, second, [image], lambda _: None)
    end(database, second)
    with database.connect() as connection:
        said = connection.execute(text(SAID)).mappings().all()
    assert [(row["failed_now"], row["retryable_now"]) for row in said] == [(0, 0), (0, 0)]


def test_discovery_and_the_end_of_a_job_of_the_same_venue_wait_for_each_other_in_one_order(database):
    with database.begin() as connection:
        venue = make_venue(connection)
        # ids and names run against each other
        ids = [
            make_image(connection, venue, state="discovered", provider_ref=f"p{9 - n}").id for n in range(9)
        ]
    photos = [
        {
            "provider": "google_places",
            "provider_ref": f"p{n}",
            "position": n,
            "quality_score": 0.5,
            "state": "discovered",
        }
        for n in range(1, 10)
    ]
    errors = []

    def discover():
        for _ in range(30):
            with database.begin() as connection:
                discovered.keep(connection, venue.id, photos)

    def work():
        for _ in range(10):
            job = begin(database, venue)
            try_(database, job, ids, lambda _: E.RATE_LIMITED)
            end(database, job)

    def guarded(part):
        try:
            part()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells
            errors.append(error)

    threads = [Thread(target=guarded, args=(part,)) for part in (discover, work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


def test_a_later_try_takes_the_failure_over(database):
    with database.begin() as connection:
        venue = make_venue(connection)
        image = make_image(connection, venue, state="discovered").id
    first = begin(database, venue)
    try_(database, first, [image], lambda _: E.RATE_LIMITED)
    end(database, first)
    second = begin(database, venue)
    try_(database, second, [image], lambda _: E.NETWORK_TIMEOUT)
    end(database, second)
    with database.connect() as connection:
        said = connection.execute(text(SAID)).mappings().all()
    assert [(row["failed_now"], row["retryable_now"]) for row in said] == [(0, 0), (1, 1)]
    compare(database)


def test_sums_count_each_job_once_for_each_of_its_errors(database):
    with database.begin() as connection:
        venue = make_venue(connection)
        ids = [make_image(connection, venue, state="discovered").id for _ in range(3)]
    job = begin(database, venue)
    errors = dict(zip(ids, (E.RATE_LIMITED, E.RATE_LIMITED, E.NOT_FOUND), strict=True))
    try_(database, job, ids, lambda image: errors[image.id])
    end(database, job)
    with database.connect() as connection:
        sums = connection.execute(
            text("SELECT facet, value, jobs, failed_now FROM job_rollups ORDER BY 1, 2")
        ).all()
        row = connection.execute(text("SELECT * FROM jobs WHERE id = :id"), {"id": job.id}).one()
    assert [tuple(row) for row in sums] == [
        ("all", "", 1, 3),
        ("city", str(venue.city_id), 1, 3),
        ("error_type", "not_found", 1, 3),
        ("error_type", "rate_limited", 1, 3),
        ("provider", "google_places", 1, 3),
    ]
    assert row.error_types == ["not_found", "rate_limited"]
    assert row.first_error == "rate_limited"


def test_jobs_that_ended_before_there_were_counts_get_them_by_migrating(postgres):
    from sqlalchemy import create_engine

    from ops_core.db import migrate
    from tests.support.factories import make_enrichment

    with postgres.empty() as url:
        migrate.upgrade(url)
        engine = create_engine(url)
        with engine.begin() as connection:
            venue = make_venue(connection)
            make_enrichment(connection, venue, uploaded=2, failures=[E.RATE_LIMITED, E.NOT_FOUND])
            lost = make_job(connection, venue, settled=False, images_discovered=1, images_failed=1)
            image = make_image(connection, venue, state="failed", error_type=E.WORKER_LOST)
            make_attempt(connection, image, lost, outcome="lost")
            settle(connection, lost)
            make_enrichment(connection, venue, uploaded=1, finished_at=datetime.now(UTC) - timedelta(days=3))
        tables = ("SELECT * FROM jobs ORDER BY id", "SELECT * FROM job_rollups ORDER BY 1, 2, 3, 4, 5")
        tables += (
            "SELECT id, failed_job FROM images ORDER BY 1",
            "SELECT * FROM job_providers ORDER BY 1, 2",
        )

        def read():
            with engine.connect() as connection:
                return [[dict(row) for row in connection.execute(text(table)).mappings()] for table in tables]

        before = read()
        assert all(before)
        migrate.downgrade(url, "0001")
        engine.dispose()
        migrate.upgrade(url)
        assert read() == before
        engine.dispose()

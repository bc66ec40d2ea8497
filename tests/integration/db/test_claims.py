"""Claims on images and jobs: one holder at a time, fenced, freed when the holder is gone."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ops_core.db import attempts, images, jobs
from ops_core.db.attempts import Stored, Tried
from ops_core.db.images import ClaimedImage
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure
from ops_core.domain.images import MAX_RETRIES, ImageState, may_try_automatically
from tests.support.factories import make_city, make_image, make_job, make_venue

pytestmark = pytest.mark.postgres


@pytest.fixture
def image_ids(database: Engine) -> list[int]:
    with database.begin() as connection:
        venue = make_venue(connection, city_id=make_city(connection).id)
        return [make_image(connection, venue_id=venue.id, state="discovered").id for _ in range(40)]


def claim(
    engine: Engine, ids: list[int], owner: str, lease: float = 30, job: int = 1, suspects: bool = False
) -> list[ClaimedImage]:
    with engine.begin() as connection:
        return images.claim(connection, ids, owner=owner, job_id=job, lease_seconds=lease, suspects=suspects)


def finish(engine: Engine, image: ClaimedImage, error: ErrorType | None = None) -> set[int]:
    now = datetime.now(UTC)
    stored = Stored(
        key=f"k{image.id}", url="/u", thumbnail_key="t", thumbnail_url="/t", content_type="image/jpeg",
        content_hash="0" * 64, width=10, height=10, bytes=3,
    )  # fmt: skip
    tried = Tried(
        image=image, started_at=now, finished_at=now, job_id=1, worker="w", cost_usd=Decimal(1), bytes=3,
        stored=None if error else stored, failure=Failure(error, "why") if error else None,
    )  # fmt: skip
    with engine.begin() as connection:
        return attempts.record(connection, [tried])


def rows(engine: Engine, question: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(question)))


def test_two_claimers_at_once_never_hold_the_same_image(database: Engine, image_ids: list[int]) -> None:
    taken: dict[str, list[int]] = {}
    ready = threading.Barrier(4)

    def work(name: str) -> None:
        ready.wait()
        taken[name] = [image.id for image in claim(database, image_ids, name)]

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = [image_id for ids in taken.values() for image_id in ids]
    assert sorted(held) == sorted(image_ids)


def test_an_outcome_counts_only_while_its_claim_holds(database: Engine, image_ids: list[int]) -> None:
    (slow,) = claim(database, image_ids[:1], "slow", lease=-1)
    with database.begin() as connection:
        assert images.release_expired(connection, max_lost_claims=3) == 1
    (quick,) = claim(database, image_ids[:1], "quick", suspects=True)

    assert finish(database, slow) == set()
    assert finish(database, quick) == {quick.id}
    assert finish(database, quick) == set()

    outcomes = rows(database, "SELECT outcome, number FROM attempts ORDER BY number")
    assert [tuple(row) for row in outcomes] == [("lost", 1), ("uploaded", 2)]
    assert rows(database, "SELECT sum(uploaded_images) FROM venues")[0][0] == 1
    tries = rows(database, "SELECT error_type, tries, first_tries FROM rollups ORDER BY 1")
    assert [tuple(row) for row in tries] == [("", 1, 0), ("worker_lost", 1, 1)]
    assert rows(database, f"SELECT lost_claims FROM images WHERE id = {quick.id}")[0][0] == 0


def test_an_image_that_kills_its_workers_is_set_aside(database: Engine, image_ids: list[int]) -> None:
    for number in range(3):
        assert claim(database, image_ids[:1], "w", lease=-1, suspects=number > 0)
        with database.begin() as connection:
            images.release_expired(connection, max_lost_claims=3)
    (row,) = rows(
        database, f"SELECT state, error_type, lost_claims, tries FROM images WHERE id = {image_ids[0]}"
    )
    assert tuple(row) == ("failed", "worker_lost", 3, 3)
    assert claim(database, image_ids[:1], "w") == []


def test_only_the_stopped_workers_claims_are_freed_by_its_name(
    database: Engine, image_ids: list[int]
) -> None:
    claim(database, image_ids[:2], "host:10:11:1")
    claim(database, image_ids[2:4], "host:100:11:1")
    with database.begin() as connection:
        assert images.release_expired(connection, max_lost_claims=3, owner_prefix="host:10:") == 2


def test_a_permanent_failure_is_not_claimed_again_and_a_transient_one_is(
    database: Engine, image_ids: list[int]
) -> None:
    gone, late = claim(database, image_ids[:2], "w")
    finish(database, gone, ErrorType.NOT_FOUND)
    finish(database, late, ErrorType.NETWORK_TIMEOUT)
    assert claim(database, image_ids[:2], "w", job=2) == [], "a retry waits for its time"
    with database.begin() as connection:
        connection.execute(text("UPDATE images SET not_before = now()"))
    assert claim(database, image_ids[:2], "w") == [], "a job tries an image once"
    again = claim(database, image_ids[:2], "w", job=2)
    assert [image.id for image in again] == [late.id]
    assert again[0].is_retry


def test_what_may_be_claimed_is_what_the_rule_says(database: Engine, image_ids: list[int]) -> None:
    cases = [
        (state, error, retries)
        for state in (ImageState.DISCOVERED, ImageState.FAILED, ImageState.PERMANENTLY_FAILED)
        for error in (None, *ErrorType)
        for retries in range(MAX_RETRIES + 2)
        if (error is None) == (state is ImageState.DISCOVERED)
    ]
    with database.begin() as connection:
        venue_id = connection.scalar(text("SELECT max(id) FROM venues"))
        made = {
            make_image(
                connection, venue_id=venue_id, state=state, error_type=error, retry_count=retries
            ).id: may_try_automatically(state, error, retries)
            for state, error, retries in cases
        }
    claimed = {image.id for image in claim(database, list(made), "w")}
    assert claimed == {image_id for image_id, may in made.items() if may}


def test_images_on_which_a_worker_died_are_claimed_by_themselves(
    database: Engine, image_ids: list[int]
) -> None:
    claim(database, image_ids[:2], "w", lease=-1)
    with database.begin() as connection:
        images.release_expired(connection, max_lost_claims=3)
        assert images.suspects(connection, image_ids) == image_ids[:2]
    assert len(claim(database, image_ids, "w")) == len(image_ids) - 2
    assert [image.id for image in claim(database, image_ids[:1], "w", suspects=True)] == image_ids[:1]


def test_an_image_put_off_is_left_alone_until_its_time(database: Engine, image_ids: list[int]) -> None:
    (image,) = claim(database, image_ids[:1], "w")
    with database.begin() as connection:
        images.put_off(connection, image, 60)
    assert claim(database, image_ids[:1], "w") == []
    with database.begin() as connection:
        connection.execute(text("UPDATE images SET not_before = now()"))
    assert len(claim(database, image_ids[:1], "w")) == 1
    assert rows(database, "SELECT count(*) FROM attempts")[0][0] == 0


def test_a_heartbeat_keeps_the_lease(database: Engine, image_ids: list[int]) -> None:
    claim(database, image_ids[:1], "w", lease=-1)
    with database.begin() as connection:
        images.extend_leases(connection, "w", 30)
        assert images.release_expired(connection, max_lost_claims=3) == 0


def test_a_job_taken_over_cannot_be_ended_by_its_first_worker(database: Engine) -> None:
    with database.begin() as connection:
        venue = make_venue(connection, city_id=make_city(connection).id)
        (job_id,) = jobs.enqueue_enrichments(connection, [venue.id], actor="a")
        (first,) = jobs.claim(connection, [job_id], owner="w1", lease_seconds=-1)
    with database.begin() as connection:
        (second,) = jobs.claim(connection, [job_id], owner="w2", lease_seconds=30)
        assert not jobs.save_meta(connection, first, {"image_ids": []})
        assert not jobs.put_off(connection, first, 1)
        assert not jobs.try_again(connection, first, error="x", delay=0)
        assert jobs.save_meta(connection, second, {"image_ids": []})


def test_workers_are_told_of_few_jobs_at_a_time_and_again_of_what_nobody_began(database: Engine) -> None:
    with database.begin() as connection:
        city = make_city(connection)
        venue_ids = [make_venue(connection, city_id=city.id).id for _ in range(10)]
        job_ids = jobs.enqueue_enrichments(connection, venue_ids, actor="a")
    kinds = [jobs.JobKind.ENRICHMENT]
    with database.begin() as connection:
        first = jobs.take_due(connection, limit=4, again_after=60, kinds=kinds)
    with database.begin() as connection:
        assert jobs.take_due(connection, limit=4, again_after=60, kinds=kinds) == []
        jobs.claim(connection, [job_id for job_id, _ in first[:3]], owner="w", lease_seconds=30)
    with database.begin() as connection:
        second = jobs.take_due(connection, limit=4, again_after=60, kinds=kinds)
    assert [job_id for job_id, _ in first + second] == job_ids[:7]
    with database.begin() as connection:
        again = jobs.take_due(connection, limit=100, again_after=0, kinds=kinds)
    assert sorted(job_id for job_id, _ in again) == job_ids[3:]


def test_a_finished_job_is_never_claimed(database: Engine) -> None:
    with database.begin() as connection:
        venue = make_venue(connection, city_id=make_city(connection).id)
        job = make_job(connection, venue_id=venue.id, city_id=venue.city_id)
        assert jobs.claim(connection, [job.id], owner="w", lease_seconds=30) == []

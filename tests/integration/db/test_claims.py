"""Claims on images and jobs: one holder at a time, fenced, freed when the holder is gone."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ops_core.db import attempts, due_jobs, images, jobs, photo_names
from ops_core.db.attempts import Stored, Tried
from ops_core.db.images import ClaimedImage
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure
from ops_core.domain.images import MAX_RETRIES, ImageState, may_try_automatically, state_given_back
from tests.support.factories import make_city, make_image, make_job, make_venue

pytestmark = pytest.mark.postgres


@pytest.fixture
def image_ids(database: Engine) -> list[int]:
    with database.begin() as connection:
        venue = make_venue(connection, city_id=make_city(connection).id)
        return [make_image(connection, venue_id=venue.id, state="discovered").id for _ in range(40)]


def claim(
    engine: Engine,
    ids: list[int],
    owner: str,
    lease: float = 30,
    job: int = 1,
    suspects: bool = False,
    override: bool = False,
) -> list[ClaimedImage]:
    with engine.begin() as connection:
        return images.claim(
            connection,
            ids,
            owner=owner,
            job_id=job,
            lease_seconds=lease,
            suspects=suspects,
            override=override,
        )


def every_case(engine: Engine) -> dict[int, tuple[ImageState, ErrorType | None, int]]:
    """Images in all states that can be claimed or not, with all errors and counts of retries, by id."""
    cases = [
        (state, error, retries)
        for state in (ImageState.DISCOVERED, ImageState.FAILED, ImageState.PERMANENTLY_FAILED)
        for error in (None, *ErrorType)
        for retries in range(MAX_RETRIES + 2)
        if (error is None) == (state is ImageState.DISCOVERED)
    ]
    with engine.begin() as connection:
        venue = make_venue(connection)
        return {
            make_image(connection, venue, state=case[0], error_type=case[1], retry_count=case[2]).id: case
            for case in cases
        }


def finish(engine: Engine, image: ClaimedImage, error: ErrorType | None = None, **more: Any) -> set[int]:
    now = datetime.now(UTC)
    stored = Stored(
        store="disk", key=f"k{image.id}", url="/u", thumbnail_key="t", thumbnail_url="/t",
        content_type="image/jpeg",
        content_hash="0" * 64, width=10, height=10, bytes=3,
    )  # fmt: skip
    tried = Tried(
        image=image, started_at=now, finished_at=now, worker="w", cost_usd=Decimal(1), bytes=3,
        stored=None if error else stored, failure=Failure(error, "why") if error else None,
        **{"job_id": 1} | more,
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
    made = {image_id: may_try_automatically(*case) for image_id, case in every_case(database).items()}
    claimed = {image.id for image in claim(database, list(made), "w")}
    assert claimed == {image_id for image_id, may in made.items() if may}


def test_an_override_claims_whatever_failed_and_never_what_is_stored(
    database: Engine, image_ids: list[int]
) -> None:
    made = every_case(database)
    with database.begin() as connection:
        venue_id = connection.scalar(text("SELECT max(id) FROM venues"))
        stored = make_image(connection, venue_id=venue_id, state=ImageState.UPLOADED).id
    claimed = {image.id for image in claim(database, [*made, stored], "w", override=True)}
    assert claimed == set(made)


@pytest.mark.parametrize("way", ["put_off", "give_back", "release_expired"])
def test_an_image_given_back_is_what_it_was_before(database: Engine, way: str) -> None:
    made = every_case(database)
    claimed = claim(database, list(made), "w", lease=-1, override=True)
    assert len(claimed) == len(made)
    with database.begin() as connection:
        if way == "put_off":
            for image in claimed:
                images.put_off(connection, image, 5)
        elif way == "give_back":
            images.give_back(connection, "w")
        else:
            images.release_expired(connection, max_lost_claims=3)
    found = {row.id: row for row in rows(database, "SELECT * FROM images")}
    for image_id, (_, error, retries) in made.items():
        row = found[image_id]
        assert (row.state, row.error_type, row.retry_count) == (
            state_given_back(error, retries),
            error,
            retries,
        )


def test_a_lost_override_on_an_exhausted_image_leaves_it_set_aside(database: Engine) -> None:
    with database.begin() as connection:
        image_id = make_image(
            connection, state="permanently_failed", error_type="bad_gateway", retry_count=MAX_RETRIES
        ).id
    assert claim(database, [image_id], "w") == []
    assert claim(database, [image_id], "w", lease=-1, override=True)
    with database.begin() as connection:
        images.release_expired(connection, max_lost_claims=3)
    assert rows(database, "SELECT state FROM images")[0].state == "permanently_failed"
    assert claim(database, [image_id], "w", suspects=True) == []
    assert claim(database, [image_id], "w", suspects=True, override=True)


def test_an_override_gives_an_image_that_kills_its_workers_one_more_try_and_no_more(database: Engine) -> None:
    with database.begin() as connection:
        image_id = make_image(connection, state="failed", error_type="worker_lost", lost_claims=3).id
    assert claim(database, [image_id], "w", lease=-1, suspects=True, override=True)
    with database.begin() as connection:
        images.release_expired(connection, max_lost_claims=3)
    assert claim(database, [image_id], "w", suspects=True, override=True) == []
    # another order is another word
    assert claim(database, [image_id], "w", job=2, suspects=True, override=True)


def test_retries_by_override_never_count_above_the_limit(database: Engine) -> None:
    with database.begin() as connection:
        image_id = make_image(connection, state="failed", error_type="not_found", retry_count=2).id
    for job, error in enumerate((ErrorType.NOT_FOUND, ErrorType.BAD_GATEWAY, ErrorType.STORE_ERROR), start=2):
        (image,) = claim(database, [image_id], "w", job=job, override=True)
        finish(database, image, error, job_id=job)
        with database.begin() as connection:
            connection.execute(text("UPDATE images SET not_before = NULL"))
        (row,) = rows(database, "SELECT state, retry_count FROM images")
        state = "permanently_failed" if error is ErrorType.BAD_GATEWAY else "failed"
        assert (row.state, row.retry_count) == (state, MAX_RETRIES)


def test_tries_say_their_request_their_calls_and_what_the_image_had_failed_with(
    database: Engine, image_ids: list[int]
) -> None:
    with database.begin() as connection:
        request_id = connection.scalar(
            text("INSERT INTO retry_requests (token, actor) VALUES ('t', 'anna') RETURNING id")
        )
        job_id = make_job(connection, request_id=request_id).id
    first, second, third, lost, taken_over = claim(database, image_ids[:5], "w")
    for image in (first, second, third, lost):
        error = ErrorType.RATE_LIMITED if image is third else ErrorType.BAD_GATEWAY
        finish(database, image, error, job_id=None, calls=1)
    finish(database, taken_over, ErrorType.BAD_GATEWAY, job_id=None, calls=1)
    with database.begin() as connection:
        connection.execute(text("UPDATE images SET not_before = NULL"))
    again = claim(database, image_ids[:3], "w", job=job_id)
    for image, error in zip(again, (None, ErrorType.NOT_FOUND, None), strict=True):
        finish(database, image, error, job_id=job_id, request_id=request_id, calls=2)
    claim(database, image_ids[3:4], "w", job=job_id, lease=-1)
    (late,) = claim(database, image_ids[4:5], "w", job=job_id, lease=-1)
    with database.begin() as connection:
        images.release_expired(connection, max_lost_claims=3)
    assert finish(database, late, None, calls=2) == set()

    requests = rows(database, "SELECT number, outcome, request_id FROM attempts WHERE number = 2 ORDER BY id")
    assert {row.request_id for row in requests} == {request_id}
    assert sorted(row.outcome for row in requests) == ["failed", "lost", "lost", "uploaded", "uploaded"]
    assert {row[0] for row in rows(database, "SELECT request_id FROM attempts WHERE number = 1")} == {None}
    calls = rows(database, "SELECT error_type, calls, tries FROM rollups ORDER BY 1")
    assert [tuple(row) for row in calls] == [
        ("", 4, 2),
        ("bad_gateway", 4, 4),
        ("not_found", 2, 1),
        ("rate_limited", 1, 1),
        ("worker_lost", 0, 2),
    ]
    retried = rows(
        database, "SELECT *, (now() AT TIME ZONE 'UTC')::date AS today FROM retry_rollups ORDER BY 3"
    )
    assert [(row.day, row.provider, row.error_type, row.tries, row.uploaded) for row in retried] == [
        (retried[0].today, "google_places", "rate_limited", 1, 1),
        (retried[0].today, "google_places", "bad_gateway", 2, 1),
    ]


def test_a_photos_new_name_is_kept_only_by_who_holds_its_claim(
    database: Engine, image_ids: list[int]
) -> None:
    (gone,) = claim(database, image_ids[:1], "slow", lease=-1)
    with database.begin() as connection:
        images.release_expired(connection, max_lost_claims=3)
    (holder,) = claim(database, image_ids[:1], "quick", suspects=True)
    with database.begin() as connection:
        assert not photo_names.renew(connection, gone, {"fetch_ref": "wrong"})
        assert photo_names.renew(connection, holder, {"fetch_ref": "new", "width": 7, "license": None})
        photo_names.forget(connection, gone)
    (row,) = rows(database, f"SELECT fetch_ref, width, license FROM images WHERE id = {holder.id}")
    assert tuple(row) == ("new", 7, None)
    with database.begin() as connection:
        photo_names.forget(connection, holder)
    assert rows(database, f"SELECT fetch_ref FROM images WHERE id = {holder.id}")[0][0] is None


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
        first = due_jobs.take_due(connection, limit=4, again_after=60, kinds=kinds)
    with database.begin() as connection:
        assert due_jobs.take_due(connection, limit=4, again_after=60, kinds=kinds) == []
        jobs.claim(connection, [job_id for job_id, _ in first[:3]], owner="w", lease_seconds=30)
    with database.begin() as connection:
        second = due_jobs.take_due(connection, limit=4, again_after=60, kinds=kinds)
    assert [job_id for job_id, _ in first + second] == job_ids[:7]
    with database.begin() as connection:
        again = due_jobs.take_due(connection, limit=100, again_after=0, kinds=kinds)
    assert sorted(job_id for job_id, _ in again) == job_ids[3:]


def test_a_finished_job_is_never_claimed(database: Engine) -> None:
    with database.begin() as connection:
        venue = make_venue(connection, city_id=make_city(connection).id)
        job = make_job(connection, venue_id=venue.id, city_id=venue.city_id)
        assert jobs.claim(connection, [job.id], owner="w", lease_seconds=30) == []

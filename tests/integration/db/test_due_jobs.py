"""What is due: claimed in order by whoever has room, passed over when it is no use now, held in a pause."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ops_core.db import due_jobs, jobs
from ops_core.db.jobs import HELD, ClaimedJob
from ops_core.db.schema import RetryRequest
from ops_core.domain.jobs import JobKind
from tests.support.factories import make_city, make_job, make_venue
from tests.support.plans import plans

pytestmark = pytest.mark.postgres

KINDS = (JobKind.ENRICHMENT, JobKind.RETRY)


def claim_due(
    engine: Engine,
    limit: int = 100,
    *,
    owner: str = "w",
    saturated: tuple[str, ...] = (),
    only_known: bool = False,
) -> list[ClaimedJob]:
    with engine.begin() as connection:
        return due_jobs.claim_due(
            connection,
            KINDS,
            limit=limit,
            owner=owner,
            lease_seconds=30,
            saturated=saturated,
            only_known=only_known,
        )


def add(engine: Engine, *, due_in: float = 0, **columns: Any) -> int:
    """A waiting retry job; due `due_in` seconds from now."""
    due = datetime.now(UTC) + timedelta(seconds=due_in)
    values = {"kind": "retry", "state": "available", "scheduled_at": due} | columns
    with engine.begin() as connection:
        return make_job(connection, **values).id


def add_request(engine: Engine, state: str = "running") -> int:
    with engine.begin() as connection:
        request = RetryRequest.__table__.insert().values(token=f"t-{state}", actor="anna", state=state)
        return connection.execute(request.returning(RetryRequest.id)).scalar_one()


def rows(engine: Engine, question: str, **values: Any) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(question), values))


def test_what_people_asked_for_goes_first_and_then_whoever_is_due_first(database: Engine) -> None:
    batch = add(database, kind="batch")
    listed = [add(database, due_in=-1000 + number, parent_id=batch) for number in range(2)]
    asked = [add(database, due_in=-number) for number in (1, 3, 2)]

    order = [asked[1], asked[2], asked[0], *listed]
    assert [claim_due(database, 1)[0].id for _ in order] == order
    assert claim_due(database) == []


def test_one_question_takes_from_both_and_never_more_than_asked(database: Engine) -> None:
    batch = add(database, kind="batch")
    listed = [add(database, due_in=-1, parent_id=batch) for _ in range(3)]
    asked = [add(database, due_in=-1) for _ in range(3)]

    assert [job.id for job in claim_due(database, 2)] == asked[:2]
    assert [job.id for job in claim_due(database, 3)] == [asked[2], *listed[:2]]
    assert [job.id for job in claim_due(database, 3)] == listed[2:]


def test_only_what_is_due_free_and_of_the_kinds_asked_for_is_claimed(database: Engine) -> None:
    add(database, kind="cleanup")
    add(database, due_in=60)
    add(database, state="executing", due_in=-60)
    add(database, state="completed", due_in=-60)
    due = add(database, state="retryable", due_in=-60, attempt=1)

    (claimed,) = claim_due(database)

    assert (claimed.id, claimed.attempt, claimed.lost_claims) == (due, 2, 0)
    (row,) = rows(database, "SELECT * FROM jobs WHERE id = :id", id=due)
    assert (row.state, row.claimed_by, row.claim) == ("executing", "w", claimed.claim)


def test_jobs_that_need_only_providers_without_room_are_left_for_later(database: Engine) -> None:
    slow = add(database, due_in=-4, providers=["google_places"])
    both = add(database, due_in=-3, providers=["google_places", "wikimedia_commons"])
    other = add(database, due_in=-2, providers=["wikimedia_commons"])
    unknown = add(database, due_in=-1)

    assert [job.id for job in claim_due(database, saturated=("google_places",))] == [both, other, unknown]
    assert [job.id for job in claim_due(database)] == [slow]


def test_what_is_known_to_be_for_others_is_found_behind_much_that_is_not_known(database: Engine) -> None:
    add(database, due_in=-4, providers=["google_places"])
    other = add(database, due_in=-3, providers=["wikimedia_commons"])
    batch = add(database, kind="batch")
    with database.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO jobs (kind, actor, parent_id, scheduled_at)
                SELECT 'retry', 'test', CASE WHEN n % 2 = 0 THEN CAST(:batch AS bigint) END,
                       now() - interval '1 hour'
                FROM generate_series(1, 20000) AS n
            """),
            {"batch": batch},
        )
        connection.execute(text("ANALYZE jobs"))
    with database.begin() as connection, plans(connection) as found:
        claimed = due_jobs.claim_due(
            connection,
            KINDS,
            limit=8,
            owner="w",
            lease_seconds=30,
            saturated=("google_places",),
            only_known=True,
        )

    assert [job.id for job in claimed] == [other]
    assert len(found) == 2
    for plan in found:
        assert "ix_jobs_due_known" in plan


def test_sessions_that_ask_at_once_share_the_jobs(database: Engine) -> None:
    ids = [add(database, due_in=-1) for _ in range(60)]
    taken: dict[str, list[int]] = {name: [] for name in "abcd"}
    ready = threading.Barrier(len(taken))

    def work(name: str) -> None:
        ready.wait()
        while found := claim_due(database, 7, owner=name):
            taken[name] += [job.id for job in found]

    threads = [threading.Thread(target=work, args=(name,)) for name in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(job_id for found in taken.values() for job_id in found) == ids


def test_a_job_that_somebody_is_claiming_is_passed_over(database: Engine) -> None:
    first, second = (add(database, due_in=-number) for number in (2, 1))
    with database.begin() as connection:
        connection.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": first})
        assert [job.id for job in claim_due(database)] == [second]
    assert [job.id for job in claim_due(database)] == [first]


def test_a_long_queue_is_walked_along_an_index(database: Engine) -> None:
    with database.begin() as connection:
        venue = make_venue(connection, city_id=make_city(connection).id)
        batch = make_job(connection, venue, kind="batch", state="executing").id
        connection.execute(
            text("""
                INSERT INTO jobs (kind, actor, venue_id, parent_id, scheduled_at)
                SELECT 'retry', 'a', :venue, CASE WHEN n % 2 = 0 THEN CAST(:batch AS bigint) END,
                       now() - interval '1 day' + make_interval(secs => n % 977)
                FROM generate_series(1, 20000) AS n
            """),
            {"venue": venue.id, "batch": batch},
        )
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE jobs"))
    with database.begin() as connection:
        with plans(connection) as reads:
            claimed = due_jobs.claim_due(connection, KINDS, limit=8, owner="w", lease_seconds=30)
        assert len(claimed) == 8
        (asked,) = reads
        # as when nobody asked for anything
        connection.execute(
            text("UPDATE jobs SET scheduled_at = now() + interval '1 day' WHERE parent_id IS NULL")
        )
        with plans(connection) as reads:
            claimed = due_jobs.claim_due(connection, KINDS, limit=8, owner="w", lease_seconds=30)
        assert len(claimed) == 8
        _, listed = reads
    assert "ix_jobs_due_asked" in asked
    assert "ix_jobs_due" in listed
    assert "Sort" not in asked + listed


def test_other_kinds_wait_only_when_one_of_them_is_due(database: Engine) -> None:
    def others_wait() -> bool:
        with database.connect() as connection:
            return due_jobs.others_wait(connection, KINDS)

    add(database, due_in=-1)
    add(database, kind="cleanup", due_in=60)
    assert not others_wait()
    add(database, kind="cleanup", due_in=-1)
    assert others_wait()


def test_the_jobs_of_a_paused_retry_are_held_and_are_due_again_when_it_goes_on(database: Engine) -> None:
    request, other = add_request(database), add_request(database, "pending")
    waiting = [add(database, due_in=due, request_id=request) for due in (-5, 600)]
    running = add(database, due_in=-5, request_id=request, state="executing")
    elsewhere = add(database, due_in=-5, request_id=other)

    with database.begin() as connection:
        assert jobs.hold(connection, request) == 2
        assert jobs.hold(connection, request) == 0
    assert [job.id for job in claim_due(database)] == [elsewhere]
    held = rows(database, "SELECT id, scheduled_at FROM jobs WHERE scheduled_at = :held", held=HELD)
    assert {row.id for row in held} == set(waiting)

    with database.begin() as connection:
        assert jobs.unhold(connection, request) == 2
    assert [job.id for job in claim_due(database)] == waiting
    assert rows(database, "SELECT state FROM jobs WHERE id = :id", id=running)[0].state == "executing"


@pytest.mark.parametrize(("state", "is_held"), [("paused", True), ("running", False), ("cancelled", False)])
def test_a_job_that_is_given_back_in_a_pause_is_held(database: Engine, state: str, is_held: bool) -> None:
    request = add_request(database, state)
    add(database, due_in=-1, request_id=request, args={"request_id": request, "venue_id": 1})
    (claimed,) = claim_due(database)

    with database.begin() as connection:
        assert jobs.put_off(connection, claimed, 3)

    (row,) = rows(database, "SELECT state, attempt, scheduled_at FROM jobs")
    assert (row.state, row.attempt) == ("available", 0)
    assert (row.scheduled_at == HELD) is is_held


def test_a_cancelled_retry_does_not_wait_for_its_provider(database: Engine) -> None:
    request = add_request(database, "running")
    add(database, due_in=-1, request_id=request, args={"request_id": request, "venue_id": 1})
    (claimed,) = claim_due(database)
    with database.begin() as connection:
        connection.execute(text("UPDATE retry_requests SET state = 'cancelled'"))

    with database.begin() as connection:
        assert jobs.put_off(connection, claimed, 3600)

    (row,) = rows(database, "SELECT extract(epoch FROM scheduled_at - now()) AS wait FROM jobs")
    assert row.wait <= jobs.LET_GO_WAIT

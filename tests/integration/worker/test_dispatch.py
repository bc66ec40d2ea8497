"""The dispatcher's decisions over a real database; the queue is a list here."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from ops_core.db import jobs, retries
from ops_core.db.leader import leadership
from ops_core.domain.jobs import JobKind
from ops_core.domain.retries import Scope
from ops_core.settings import Settings
from ops_core.work import dispatch, uses
from ops_core.work.dispatch import NotSent
from tests.support.factories import make_city, make_image, make_job, make_venue
from tests.support.waiting import wait_until

pytestmark = pytest.mark.postgres

SETTINGS = Settings(venues_per_task=4, dispatch_interval=0.05)


class Told:
    """Remembers what was sent; refuses after `capacity` messages."""

    def __init__(self, capacity: int = 1000) -> None:
        self.messages: list[tuple[JobKind, list[int]]] = []
        self.capacity = capacity

    def __call__(self, kind: JobKind, ids: Sequence[int]) -> None:
        if len(self.messages) >= self.capacity:
            raise NotSent("the broker is away")
        self.messages.append((kind, list(ids)))


def add_jobs(engine: Engine, count: int) -> list[int]:
    with engine.begin() as connection:
        city = make_city(connection)
        venue_ids = [make_venue(connection, city_id=city.id).id for _ in range(count)]
        return jobs.enqueue_enrichments(connection, venue_ids, actor="a")


def test_due_jobs_are_sent_in_order_in_messages_of_a_few(database: Engine) -> None:
    job_ids = add_jobs(database, 10)
    told = Told()
    assert dispatch.tell(database, SETTINGS, told) == 10
    assert told.messages == [(JobKind.ENRICHMENT, job_ids[i : i + 4]) for i in (0, 4, 8)]
    assert dispatch.tell(database, SETTINGS, told) == 0


def test_a_retry_with_which_something_is_wrong_holds_up_nothing_else(database: Engine) -> None:
    with database.begin() as connection:
        venue = make_venue(connection)
        for token in ("wrong", "right"):
            make_image(connection, venue, state="failed", error_type="network_timeout")
            retries.submit(connection, Scope(everything=True), actor="anna", token=token)
        # a parent that is not there
        connection.execute(text("UPDATE retry_requests SET scan_id = 99 WHERE token = 'wrong'"))
    told = Told()
    dispatch.round_(database, SETTINGS, told)
    assert [kind for kind, _ in told.messages] == [JobKind.RETRY]
    with database.connect() as connection:
        states = connection.execute(text("SELECT token, state FROM retry_requests ORDER BY id")).all()
    assert [tuple(row) for row in states] == [("wrong", "pending"), ("right", "running")]


def test_each_message_is_of_one_kind_and_whoever_is_due_first_goes_first(database: Engine) -> None:
    enrichments = add_jobs(database, 6)
    with database.begin() as connection:
        retry_jobs = [make_job(connection, make_venue(connection), kind="retry", state="available").id]
        scan = jobs.enqueue(connection, JobKind.CLEANUP, actor="a")
        connection.execute(
            text("UPDATE jobs SET scheduled_at = now() - interval '1 hour' WHERE id = ANY(:ids)"),
            {"ids": [*retry_jobs, enrichments[5]]},
        )
    told = Told()
    dispatch.tell(database, SETTINGS, told)
    assert told.messages == [
        (JobKind.CLEANUP, [scan]),
        (JobKind.ENRICHMENT, [enrichments[5], *enrichments[:3]]),
        (JobKind.RETRY, retry_jobs),
        (JobKind.ENRICHMENT, enrichments[3:5]),
    ]


def test_what_a_broker_did_not_take_is_sent_when_it_is_back(database: Engine) -> None:
    job_ids = add_jobs(database, 10)
    told = Told(capacity=1)
    assert dispatch.tell(database, SETTINGS, told) == 4
    told.capacity = 1000
    assert dispatch.tell(database, SETTINGS, told) == 6
    assert [job_id for _, ids in told.messages for job_id in ids] == job_ids


def test_a_schedule_that_is_due_fires_once_however_often_it_was_missed(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("DELETE FROM schedules WHERE name <> 'enrich-stale'"))
        connection.execute(text("UPDATE schedules SET next_run_at = now() - interval '3 days'"))
        connection.execute(
            text("""
                INSERT INTO schedules (name, kind, every_seconds, next_run_at, enabled)
                VALUES ('often', 'stale', 60, now() - interval '1 hour', true),
                       ('off', 'stale', 60, now() - interval '1 hour', false)
            """)
        )
    ready = threading.Barrier(2)

    def fire() -> None:
        ready.wait()
        with database.begin() as connection:
            dispatch.fire_schedules(connection, SETTINGS)

    threads = [threading.Thread(target=fire) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.connect() as connection:
        actors = connection.scalars(text("SELECT actor FROM jobs ORDER BY actor")).all()
        nexts = connection.execute(
            text("""
                SELECT name, extract(minute FROM next_run_at) AS minute, next_run_at - now() AS ahead
                FROM schedules WHERE enabled ORDER BY name
            """)
        ).all()
    assert actors == ["schedule:enrich-stale", "schedule:often"]
    assert nexts[0].minute == 15
    assert 0 < nexts[0].ahead.total_seconds() <= 3600
    assert 55 < nexts[1].ahead.total_seconds() <= 60


def test_a_schedule_nobody_can_read_is_switched_off_and_the_others_fire(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("DELETE FROM schedules WHERE name <> 'enrich-stale'"))
        connection.execute(text("UPDATE schedules SET next_run_at = now()"))
        connection.execute(
            text("""
                INSERT INTO schedules (name, kind, cron, next_run_at)
                VALUES ('a bad one', 'stale', 'at dawn', now())
            """)
        )
    with database.begin() as connection:
        assert len(dispatch.fire_schedules(connection, SETTINGS)) == 1
        assert dispatch.fire_schedules(connection, SETTINGS) == []
        off = connection.scalars(text("SELECT name FROM schedules WHERE NOT enabled")).all()
    assert off == ["a bad one"]


def test_one_of_several_dispatchers_leads_and_another_takes_over(database: Engine) -> None:
    with leadership(database) as first, leadership(database) as second:
        assert first()
        assert not second()
        assert first()
        # the leader's connection breaks
        with database.begin() as connection:
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
            )
        # its lock goes a moment later
        wait_until(second)


def test_running_dispatchers_send_each_job_once_and_stop_when_told(database: Engine) -> None:
    told = Told()
    stop = threading.Event()
    asked: list[int] = []
    threads = [
        threading.Thread(target=dispatch.run, args=(database, SETTINGS, stop, told, lambda: asked.append(1)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    job_ids = add_jobs(database, 9)
    stop.wait(1.0)
    stop.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert sorted(job_id for _, ids in told.messages for job_id in ids) == job_ids
    assert asked == []  # no use is to be reported


def test_workers_are_asked_for_reports_while_some_are_due_and_not_in_every_round(database: Engine) -> None:
    with database.begin() as connection:
        make_image(connection, provider="unsplash", state="referenced", report_due_at=datetime.now(UTC))
    asked: list[float] = []
    stop = threading.Event()

    def ask() -> None:
        asked.append(time.monotonic())
        raise NotSent("the broker is away")  # asked again all the same, when it is time

    settings = SETTINGS.model_copy(update={"report_interval": 0.5})
    thread = threading.Thread(target=dispatch.run, args=(database, settings, stop, Told(), ask))
    thread.start()
    wait_until(lambda: len(asked), lambda times: times == 3)
    with database.begin() as connection:
        connection.execute(text("UPDATE images SET report_due_at = NULL"))
    time.sleep(0.1)
    seen = len(asked)
    stop.wait(1.5)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert len(asked) == seen
    assert all(later - earlier >= 0.5 for earlier, later in itertools.pairwise(asked))


@pytest.mark.parametrize(
    "why_not",
    [
        "UPDATE providers SET active = false",
        "UPDATE providers SET paused_until = now() + interval '1 hour', paused_reason = 'a test'",
        "UPDATE providers SET capabilities = '[]'",
        "UPDATE images SET report_due_at = now() + interval '1 hour'",
        "INSERT INTO rate_limits (provider, tat_second, tat_minute, tat_hour, granted_at, blocked_until) "
        "SELECT 'unsplash', now(), now(), now(), now(), now() + interval '1 hour'",
    ],
)
def test_nobody_is_asked_for_reports_that_may_not_be_made_now(database: Engine, why_not: str) -> None:
    with database.begin() as connection:
        make_image(connection, provider="unsplash", state="referenced", report_due_at=datetime.now(UTC))
    assert uses.are_due(database)
    with database.begin() as connection:
        connection.execute(text(why_not))
    assert not uses.are_due(database)

"""The queue made safe: real worker processes, a real broker, and things that break."""

from __future__ import annotations

import time

import pytest
from sqlalchemy.exc import DBAPIError

from ops_core import actions
from ops_core.domain.access import Actor, Role
from ops_core.domain.jobs import JobKind
from ops_core.embedded.valkey import EmbeddedValkey
from ops_core.sandbox.faults import Fault
from tests.support.postgres import TestServer
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.worker]

ANNA = Actor("anna", Role.OPERATOR)


def test_a_click_is_carried_out_by_a_worker(system: System) -> None:
    system.start_worker()
    (venue_id,) = system.add_venues(1)

    queued = actions.enrich_venue(system.engine, venue_id, actor=ANNA)

    system.wait_for_jobs()
    assert system.value("SELECT status FROM jobs WHERE id = :id", id=queued.job_id) == "success"
    assert system.rows("SELECT actor, action FROM audit") == [("anna", "enrich_venue")]
    system.agree()


def test_a_batch_becomes_one_enrichment_a_venue(system: System) -> None:
    system.start_worker()
    system.start_dispatcher()
    venue_ids = system.add_venues(30)

    batch = actions.enrich_batch(system.engine, [*venue_ids, 999_999], actor=ANNA)

    wait_until(lambda: system.value("SELECT count(*) FROM jobs WHERE kind = 'enrichment'"), lambda n: n == 30)
    system.wait_for_jobs()
    (job,) = system.rows("SELECT status, meta FROM jobs WHERE id = :id", id=batch.job_id)
    assert job.status == "success"
    assert job.meta["jobs_spawned"] == 30
    assert "1 not found" in job.meta["summary"]
    assert system.value("SELECT count(*) FROM jobs WHERE parent_id = :id", id=batch.job_id) == 30
    system.agree()


def test_the_stale_scan_finds_venues_that_are_due_and_the_schedule_starts_it(system: System) -> None:
    system.start_worker()
    venue_ids = system.add_venues(4)
    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE venues SET last_checked_at = now() - interval '1 day' WHERE id = {venue_ids[0]}"
        )
        connection.exec_driver_sql("UPDATE schedules SET next_run_at = now() WHERE name = 'enrich-stale'")

    system.start_dispatcher()

    wait_until(lambda: system.value("SELECT count(*) FROM jobs WHERE kind = 'enrichment'"), lambda n: n == 3)
    system.wait_for_jobs()
    assert system.value("SELECT actor FROM jobs WHERE kind = 'stale'") == "schedule:enrich-stale"
    assert system.value("SELECT next_run_at > now() FROM schedules WHERE name = 'enrich-stale'")
    assert venue_ids[0] not in {row.venue_id for row in system.rows("SELECT venue_id FROM jobs")}


def test_the_same_message_delivered_many_times_does_the_work_once(system: System) -> None:
    from ops_core.tasks.send import send  # the Celery app is made for the broker of this session

    job_ids = system.enqueue(system.add_venues(6))
    for _ in range(5):
        send(JobKind.ENRICHMENT, job_ids)
    system.start_worker()
    system.wait_for_jobs()

    states = system.agree()
    successes = [line for line in system.sandbox.log(kind="image") if line["outcome"] == "ok"]
    assert len(successes) == states["uploaded"]
    assert {row.attempt for row in system.rows("SELECT attempt FROM jobs")} == {1}


def test_two_workers_on_the_same_venues_at_once_share_the_images(system: System) -> None:
    venue_ids = system.add_venues(8)
    system.sandbox.set_faults(delay=0.1)
    # a second open enrichment of a venue cannot be queued; a job of another kind of work can meet the first
    with system.engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX uq_jobs_open_enrichment")
        for venue_id in (*venue_ids, *venue_ids):
            connection.exec_driver_sql(
                "INSERT INTO jobs (kind, actor, venue_id, city_id, args, max_attempts) "
                "SELECT 'enrichment', 'test', id, city_id, '{\"force\": true}', 3 FROM venues "
                f"WHERE id = {venue_id}"
            )
    system.start_worker()
    system.start_worker()
    system.start_dispatcher()
    system.wait_for_jobs(90)

    states = system.agree()
    assert set(states) == {"uploaded"}
    successes = [line for line in system.sandbox.log(kind="image") if line["outcome"] == "ok"]
    assert len(successes) == states["uploaded"]
    assert {row.status for row in system.rows("SELECT status FROM jobs")} <= {"success", "no_images"}
    assert system.value("SELECT count(*) FROM jobs WHERE state = 'completed'") == 16


def test_a_worker_killed_in_the_middle_of_uploads_loses_and_doubles_nothing(system: System) -> None:
    system.sandbox.set_faults(delay=0.4)
    system.start_dispatcher()
    worker = system.start_worker()
    system.enqueue(system.add_venues(16))

    for _ in range(3):
        wait_until(
            lambda: system.value("SELECT count(*) FROM images WHERE state = 'uploading'"), lambda n: n > 5
        )
        worker.kill()
        assert system.value("SELECT count(*) FROM images WHERE state = 'uploading'") > 0
        worker = system.start_worker()
    system.sandbox.set_faults(delay=0.0)
    system.wait_for_jobs(90)

    states = system.agree()
    assert set(states) == {"uploaded"}
    assert {row.status for row in system.rows("SELECT status FROM jobs")} <= {"success", "no_images"}
    lost = system.value("SELECT count(*) FROM attempts WHERE outcome = 'lost'")
    assert lost > 0
    successes = [line for line in system.sandbox.log(kind="image") if line["outcome"] == "ok"]
    assert states["uploaded"] <= len(successes) <= states["uploaded"] + lost


def test_a_killed_child_of_the_pool_is_replaced_and_its_work_done(system: System) -> None:
    system.sandbox.set_faults(delay=0.5)
    system.start_dispatcher()
    worker = system.start_worker()
    system.enqueue(system.add_venues(6))
    wait_until(system.uploading, lambda n: n > 5)
    owner = system.value("SELECT claimed_by FROM images WHERE state = 'uploading' LIMIT 1")
    child = int(owner.split(":")[2])
    for process in worker.children():
        if process.pid == child:
            process.kill()
    system.sandbox.set_faults(delay=0.0)
    system.wait_for_jobs(60)
    assert set(system.agree()) == {"uploaded"}
    assert worker.process.poll() is None


def test_a_worker_that_is_stopped_gives_back_what_it_holds_at_once(system: System) -> None:
    system.sandbox.set_faults(rates={Fault.TIMEOUT: 1.0}, stall_seconds=60)
    system.env |= {"VENUE_OPS_STALL_TIMEOUT": "30", "VENUE_OPS_DOWNLOAD_TIMEOUT": "30"}
    worker = system.start_worker()
    (venue_id,) = system.add_venues(1)
    actions.enrich_venue(system.engine, venue_id, actor=ANNA)
    wait_until(system.uploading)

    began = time.monotonic()
    worker.stop()

    assert time.monotonic() - began < 12, "it must not wait for the slow provider"
    assert system.value("SELECT state FROM jobs") == "available"
    assert system.value("SELECT count(*) FROM attempts") == 0
    assert system.uploading() == 0
    assert system.value("SELECT count(*) FROM jobs WHERE state = 'executing'") == 0
    assert system.value("SELECT count(*) FROM heartbeats WHERE kind = 'worker'") == 0


def test_a_broker_that_was_away_and_lost_all_only_delays(system: System, broker: EmbeddedValkey) -> None:
    system.start_dispatcher()
    worker = system.start_worker()
    system.enqueue(system.add_venues(4))
    system.wait_for_jobs()

    broker.stop()
    (venue_id,) = system.add_venues(5)[-1:]
    began = time.monotonic()
    queued = actions.enrich_venue(system.engine, venue_id, actor=ANNA)
    assert time.monotonic() - began < 3, "a click must not hang on a broker that is away"
    assert queued.is_new
    for path in broker.folder.rglob("appendonlydir/*"):
        path.unlink()
    broker.start()

    system.wait_for_jobs(60)
    assert system.value("SELECT status FROM jobs WHERE id = :id", id=queued.job_id) == "success"
    assert worker.process.poll() is None
    system.agree()


def test_a_database_that_restarts_in_the_middle_only_delays(system: System, postgres: TestServer) -> None:
    system.sandbox.set_faults(delay=0.3)
    dispatcher = system.start_dispatcher()
    worker = system.start_worker()
    system.enqueue(system.add_venues(10))
    wait_until(system.uploading, lambda n: n > 5)

    postgres.server.stop()
    with pytest.raises(DBAPIError):
        system.uploading()
    postgres.server.start()

    system.wait_for_jobs(90)
    assert set(system.agree()) == {"uploaded"}
    assert {row.status for row in system.rows("SELECT status FROM jobs")} <= {"success", "no_images"}
    assert worker.process.poll() is None
    assert dispatcher.process.poll() is None


def test_a_worker_that_is_stopped_while_the_database_is_away_ends_and_loses_nothing(
    system: System, postgres: TestServer
) -> None:
    system.sandbox.set_faults(delay=0.3)
    system.start_dispatcher()
    worker = system.start_worker()
    system.enqueue(system.add_venues(10))
    wait_until(system.uploading, lambda n: n > 5)

    postgres.server.stop()
    wait_until(lambda: "outcomes wait" in worker.log.read_text())
    began = time.monotonic()
    worker.stop()
    assert time.monotonic() - began < 20, "nobody waits for a database that may never come back"
    postgres.server.start()

    system.start_worker()
    system.wait_for_jobs(90)
    assert set(system.agree()) == {"uploaded"}

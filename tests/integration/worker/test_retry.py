"""Retries over a real database, store and sandbox: asked for through actions, worked off, reported."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from ops_core import actions
from ops_core.db import images as images_db
from ops_core.db import retries
from ops_core.domain.access import Actor, Role
from ops_core.domain.jobs import JobKind
from ops_core.domain.retries import ItemState, RequestState, Scope
from ops_core.domain.retry_plan import SkipReason
from ops_core.sandbox.faults import Fault
from ops_core.work import cleanup, release
from tests.integration.worker.test_enrichment import MISSION_KEYS, let_all_be_tried_now
from tests.support.given_jobs import run_given
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres]

ANNA = Actor("anna", Role.OPERATOR)
ALL = Scope(everything=True)


def fail_all(system: System, venues: int) -> list[int]:
    """Enrich `venues` venues while every photo fails; from then on every photo can be had."""
    venue_ids = system.add_venues(venues)
    system.sandbox.set_faults(rates={Fault.BAD_GATEWAY: 1.0}, recover_tries=1000)
    # so many failures in a row would have the breakers open
    change(
        system,
        "INSERT INTO circuits (provider, overridden_until) "
        "SELECT code, now() + interval '1 h' FROM providers",
    )
    job_ids = system.enqueue(venue_ids)
    while system.open_jobs():
        # lanes that are full put images off for a moment
        let_all_be_tried_now(system)
        run_given(system.engine, system.settings, job_ids)
    system.sandbox.set_faults(rates={})
    change(system, "DELETE FROM circuits")
    assert set(system.agree()) == {"failed"}
    return venue_ids


def submit(system: System, scope: Scope = ALL) -> int:
    return actions.submit_retry(system.engine, scope, actor=ANNA, token=uuid4().hex).request_id


def run(system: System) -> list[Any]:
    """Hand out what is due and run all retry jobs in this process; their rows."""
    release.hand_out(system.engine, system.settings)
    ids = [row.id for row in system.rows("SELECT id FROM jobs WHERE kind = 'retry' ORDER BY id")]
    for start in range(0, len(ids), 8):
        run_given(system.engine, system.settings, ids[start : start + 8])
    return system.rows("SELECT * FROM jobs WHERE kind = 'retry' ORDER BY id")


def request(system: System, request_id: int) -> retries.Request:
    with system.engine.connect() as connection:
        found = retries.request(connection, request_id)
    assert found is not None
    return found


def ends(system: System, request_id: int) -> dict[ItemState, int]:
    """The images of a request by what became of them; the request's own counts say the same."""
    question = "SELECT state, count(*) AS n FROM retry_items WHERE request_id = :id GROUP BY 1"
    found = {ItemState(row.state): row.n for row in system.rows(question, id=request_id)}
    said = request(system, request_id)
    assert said.images == sum(found.values())
    for state, count in (
        (ItemState.UPLOADED, said.uploaded),
        (ItemState.FAILED, said.failed),
        (ItemState.SKIPPED, said.skipped),
        (ItemState.RELEASED, said.let_go),
    ):
        assert found.get(state, 0) == count
    return found


def change(system: System, statement: str) -> None:
    with system.engine.begin() as connection:
        connection.exec_driver_sql(statement)


def test_failed_images_are_brought_in_and_everything_says_so(system: System) -> None:
    fail_all(system, 3)
    images = system.value("SELECT count(*) FROM images")
    spent = system.value("SELECT sum(cost_usd) FROM jobs")
    plan = actions.preview_retry(system.engine, ALL).plan
    assert (plan.images, plan.skipped) == (images, {})

    request_id = submit(system)
    assert actions.preview_retry(system.engine, ALL).plan.skipped == {SkipReason.IN_FLIGHT: images}
    jobs = run(system)

    assert set(system.agree()) == {"uploaded"}
    done = request(system, request_id)
    assert (done.state, ends(system, request_id)) == (RequestState.COMPLETED, {ItemState.UPLOADED: images})
    assert done.plan == plan
    assert len(jobs) == plan.venues
    assert {(job.status, job.state, job.images_failed) for job in jobs} == {("success", "completed", 0)}
    assert all(job.images_discovered == job.images_uploaded > 0 for job in jobs)
    # what the preview said it would cost is what it cost
    assert sum(job.cost_usd for job in jobs) == plan.cost_usd > 0
    assert system.value("SELECT sum(cost_usd) FROM jobs") == spent + plan.cost_usd
    calls = system.rows("SELECT provider, sum(calls) AS calls FROM attempts WHERE number = 2 GROUP BY 1")
    assert {row.provider: row.calls for row in calls} == {
        share.provider: share.calls for share in plan.by_provider
    }
    meta = jobs[0].meta
    assert set(meta) >= MISSION_KEYS
    assert meta["summary"] == f"Retried {jobs[0].images_uploaded} images, {jobs[0].images_uploaded} uploaded"
    assert (meta["request_id"], meta["skipped"]) == (request_id, {})
    assert len(meta["imagekit_urls"]) == jobs[0].images_uploaded
    lines = system.rows("SELECT * FROM job_providers WHERE job_id = :id", id=jobs[0].id)
    assert {line.provider for line in lines} == set(jobs[0].providers)
    assert sum(line.images_uploaded for line in lines) == jobs[0].images_uploaded
    assert sum(line.cost_usd for line in lines) == jobs[0].cost_usd
    # the operation that failed shows what its images are now
    assert system.value("SELECT sum(images_failed_now) FROM jobs WHERE kind = 'enrichment'") == 0
    assert system.value("SELECT sum(images_failed) FROM jobs WHERE kind = 'enrichment'") == images


def test_a_retry_that_fails_says_why_and_the_fourth_is_not_made(system: System) -> None:
    (venue_id,) = fail_all(system, 1)
    images = system.value("SELECT count(*) FROM images")
    system.sandbox.set_faults(rates={Fault.GATEWAY_TIMEOUT: 1.0}, recover_tries=1000)
    for _ in range(3):
        request_id = actions.retry_venue(system.engine, venue_id, actor=ANNA, token=uuid4().hex).request_id
        job = run(system)[-1]
        assert (job.status, job.images_uploaded, job.images_failed) == ("failed", 0, images)
        assert job.meta["failure_breakdown"] == {"gateway_timeout": images}
        assert ends(system, request_id) == {ItemState.FAILED: images}

    rows = system.rows("SELECT state, retry_count, tries FROM images")
    assert {(row.state, row.retry_count, row.tries) for row in rows} == {("permanently_failed", 3, 4)}
    reasons = {row.reason for row in system.rows("SELECT reason FROM retry_items")}
    assert reasons == {"gateway_timeout"}
    with pytest.raises(actions.Refused, match=f"{images} at the limit of 3 retries"):
        actions.retry_venue(system.engine, venue_id, actor=ANNA, token="fourth")
    system.agree()


def test_what_cannot_become_right_is_left_alone(system: System) -> None:
    fail_all(system, 1)
    ids = [row.id for row in system.rows("SELECT id FROM images ORDER BY id")]
    change(system, f"UPDATE images SET error_type = 'not_found' WHERE id = {ids[0]}")
    change(system, f"UPDATE images SET error_type = 'server_error' WHERE id = {ids[1]}")

    request_id = submit(system)
    (job,) = run(system)

    assert request(system, request_id).plan.skipped == {SkipReason.PERMANENT: 1, SkipReason.AMBIGUOUS: 1}
    assert job.images_discovered == len(ids) - 2
    tried = system.rows("SELECT image_id FROM attempts WHERE job_id = :id", id=job.id)
    assert {row.image_id for row in tried} == set(ids[2:])
    system.agree()


def test_an_image_that_recovered_or_changed_meanwhile_is_skipped_with_its_reason(system: System) -> None:
    (venue_id,) = fail_all(system, 1)
    request_id = submit(system)
    # an enrichment brings one in, and finds out that another is gone
    first, second, *others = [row.id for row in system.rows("SELECT id FROM images ORDER BY id")]
    change(system, "UPDATE images SET not_before = now() + interval '1 hour'")
    change(system, f"UPDATE images SET not_before = NULL WHERE id IN ({first}, {second})")
    ref = system.value("SELECT provider || ':' || provider_ref FROM images WHERE id = :id", id=second)
    system.sandbox.set_faults(script={f"image:{ref}": [Fault.NOT_FOUND]})
    run_given(system.engine, system.settings, system.enqueue([venue_id], force=True))

    (job,) = run(system)

    ends = {row.image_id: (row.state, row.reason) for row in system.rows("SELECT * FROM retry_items")}
    assert ends == {
        first: ("skipped", "recovered"),
        second: ("skipped", "permanent"),
        **dict.fromkeys(others, ("uploaded", None)),
    }
    assert request(system, request_id).state is RequestState.COMPLETED
    assert (job.images_uploaded, job.images_failed) == (len(others), 0)
    assert job.meta["skipped"] == {"permanent": 1, "recovered": 1}
    assert job.meta["summary"].endswith(", 1 permanent, 1 already stored")
    assert (job.meta["images_existing"], job.meta["images_left"]) == (1, 1)
    system.agree()


def test_a_try_lost_with_its_worker_is_no_failure_once_somebody_else_brought_the_image_in(
    system: System,
) -> None:
    (venue_id,) = fail_all(system, 1)
    request_id = submit(system)
    (job_id,) = (row.id for row in system.rows("SELECT id FROM jobs WHERE kind = 'retry'"))
    image_id = system.value("SELECT min(id) FROM images")
    with system.engine.begin() as connection:
        lost = images_db.claim(
            connection, [image_id], owner="dead", job_id=job_id, lease_seconds=-1, at_once=True
        )
        assert images_db.release_expired(connection, max_lost_claims=10) == len(lost) == 1
    change(
        system, f"UPDATE images SET not_before = CASE WHEN id <> {image_id} THEN now() + interval '1 h' END"
    )
    run_given(system.engine, system.settings, system.enqueue([venue_id], force=True))

    (job,) = run(system)

    assert (job.status, job.images_failed, job.images_existing) == ("success", 0, 1)
    assert job.images_uploaded == job.images_discovered - 1
    assert ends(system, request_id)[ItemState.SKIPPED] == 1
    system.agree()


def test_an_image_in_other_hands_is_waited_for(system: System) -> None:
    fail_all(system, 1)
    request_id = submit(system)
    held = system.value("SELECT min(id) FROM images")
    change(
        system,
        "UPDATE images SET state = 'uploading', claimed_by = 'somebody', claim = claim + 1,"
        f" claimed_at = now(), claimed_until = now() + interval '1 hour' WHERE id = {held}",
    )

    (job,) = run(system)
    assert (job.state, job.attempt) == ("available", 0)
    assert request(system, request_id).state is RequestState.RUNNING
    assert system.value("SELECT count(*) FROM images WHERE state <> 'uploaded'") == 1

    # the other one's worker is gone
    change(system, "UPDATE images SET claimed_until = now() - interval '1 s' WHERE state = 'uploading'")
    with system.engine.begin() as connection:
        images_db.release_expired(connection, max_lost_claims=10)
    let_all_be_tried_now(system)
    (job,) = run(system)
    assert (job.state, job.status) == ("completed", "success")
    assert job.images_uploaded == job.images_discovered
    assert request(system, request_id).state is RequestState.COMPLETED
    system.agree()


def test_a_provider_that_asked_for_silence_is_given_it_and_the_other_goes_on(system: System) -> None:
    fail_all(system, 1)
    change(system, "DELETE FROM rate_limits WHERE provider = 'wikimedia_commons'")
    change(
        system,
        "INSERT INTO rate_limits "
        "VALUES ('wikimedia_commons', now(), now(), now(), now(), now() + interval '1 hour')",
    )
    request_id = submit(system)
    before = len(system.sandbox.log(provider="wikimedia_commons"))

    (job,) = run(system)

    assert job.state == "available"
    assert (job.scheduled_at - job.attempted_at).total_seconds() > 3000
    assert len(system.sandbox.log(provider="wikimedia_commons")) == before
    states = system.rows("SELECT DISTINCT provider, state FROM images ORDER BY 1")
    assert [tuple(row) for row in states] == [
        ("google_places", "uploaded"),
        ("wikimedia_commons", "failed"),
    ]
    let_all_be_tried_now(system)
    (job,) = run(system)
    assert (job.status, request(system, request_id).state) == ("success", RequestState.COMPLETED)
    assert set(system.agree()) == {"uploaded"}


def test_what_failed_at_a_provider_that_was_switched_off_since_is_skipped_and_can_be_ordered_again(
    system: System,
) -> None:
    fail_all(system, 1)
    request_id = submit(system)
    before = system.rows("SELECT id, state, error_type, retry_count, tries FROM images ORDER BY id")
    here = system.value("SELECT count(*) FROM images WHERE provider = 'wikimedia_commons'")
    change(system, "UPDATE providers SET active = false WHERE code = 'google_places'")

    run(system)

    elsewhere = len(before) - here
    assert ends(system, request_id) == {ItemState.UPLOADED: here, ItemState.SKIPPED: elsewhere}
    reasons = system.rows("SELECT DISTINCT reason FROM retry_items WHERE state = 'skipped'")
    assert [row.reason for row in reasons] == ["paused"]
    assert request(system, request_id).state is RequestState.COMPLETED
    after = system.rows(
        "SELECT id, state, error_type, retry_count, tries FROM images"
        " WHERE provider = 'google_places' ORDER BY id"
    )
    assert set(after) <= set(before)
    change(system, "UPDATE providers SET active = true")
    assert actions.preview_retry(system.engine, ALL).plan.images == elsewhere
    system.agree()


def test_an_error_that_lasts_ends_the_job_and_says_what_was_not_reached(system: System) -> None:
    fail_all(system, 1)
    request_id = submit(system)
    change(system, "ALTER TABLE attempts ADD CHECK (bytes < 0) NOT VALID")
    for _ in range(3):
        (job,) = run(system)
        let_all_be_tried_now(system)

    assert (job.state, job.status, len(job.errors)) == ("discarded", "error", 3)
    assert "IntegrityError" in job.meta["summary"]
    done = request(system, request_id)
    assert (done.state, ends(system, request_id).keys()) == (RequestState.COMPLETED, {ItemState.SKIPPED})
    assert {row.reason for row in system.rows("SELECT reason FROM retry_items")} == {"broken"}
    assert system.uploading() == 0


@pytest.mark.worker
def test_a_message_delivered_many_times_retries_once(system: System) -> None:
    from ops_core.tasks.send import send  # the Celery app is made for the broker of this session

    fail_all(system, 4)
    images = system.value("SELECT count(*) FROM images")
    request_id = submit(system)
    job_ids = [row.id for row in system.rows("SELECT id FROM jobs WHERE kind = 'retry'")]
    for _ in range(5):
        send(JobKind.RETRY, job_ids)
    system.start_worker()
    system.wait_for_jobs()

    assert system.agree()["uploaded"] == images
    assert ends(system, request_id) == {ItemState.UPLOADED: images}
    assert system.value("SELECT count(*) FROM attempts WHERE number > 1") == images
    successes = [line for line in system.sandbox.log(kind="image") if line["outcome"] == "ok"]
    assert len(successes) == images
    assert system.value("SELECT count(*) FROM jobs WHERE kind = 'retry' AND attempt = 1") == len(job_ids)


@pytest.mark.worker
def test_a_worker_killed_in_the_middle_of_a_retry_loses_and_doubles_nothing(system: System) -> None:
    fail_all(system, 4)
    images = system.value("SELECT count(*) FROM images")
    system.sandbox.set_faults(delay=0.4)
    system.start_dispatcher()
    worker = system.start_worker()
    request_id = submit(system)

    wait_until(system.uploading, lambda n: n > 3)
    worker.kill()
    assert system.uploading() > 0
    system.sandbox.set_faults(delay=0.0)
    system.start_worker()
    system.wait_for_jobs(90)

    assert system.agree()["uploaded"] == images
    done = request(system, request_id)
    assert (done.state, ends(system, request_id)) == (RequestState.COMPLETED, {ItemState.UPLOADED: images})
    assert system.value("SELECT count(*) FROM attempts WHERE outcome = 'lost'") > 0
    uploaded = system.value("SELECT sum(images_uploaded) FROM jobs WHERE kind = 'retry'")
    assert uploaded == images
    assert system.value("SELECT max(retry_count) FROM images") <= 1


def test_a_scan_queues_what_can_be_retried_and_counts_the_rest(system: System) -> None:
    fail_all(system, 6)
    venue_ids = [row.venue_id for row in system.rows("SELECT DISTINCT venue_id FROM images ORDER BY 1")]
    only = "UPDATE images SET error_type = '{}' WHERE venue_id = {}"
    change(system, only.format("not_found", venue_ids[0]))
    change(system, only.format("server_error", venue_ids[1]))
    in_flight = submit(system, Scope(venues=(venue_ids[2],)))
    expected = actions.preview_retry(system.engine, ALL).plan

    queued = actions.retry_all_failed(system.engine, actor=ANNA, token="click")
    request_id = cleanup.scan(system.engine, system.settings, queued.job_id)

    assert request_id is not None
    (job,) = system.rows("SELECT * FROM jobs WHERE id = :id", id=queued.job_id)
    assert (job.state, job.status, job.images_uploaded) == ("completed", "success", 0)
    left = len(venue_ids) - 3
    assert {key: job.meta[key] for key in job.meta if key.startswith(("venues", "images", "errors"))} == {
        "venues_scanned": len(venue_ids),
        "venues_queued": left,
        "venues_in_flight": 1,
        "venues_blocked": 0,
        "venues_permanent": 1,
        "venues_ambiguous": 1,
        "images_queued": expected.images,
        "errors": 0,
    }
    assert job.meta["request_id"] == request_id
    assert job.meta["execution_time_ms"] >= 0
    assert job.meta["summary"] == (
        f"Scanned {len(venue_ids)} venues with failed images: {left} queued with {expected.images} images, "
        "1 under way already, 1 permanent, 1 left for a person"
    )
    made = request(system, request_id)
    assert (made.actor, made.scope, made.plan) == ("anna", ALL, expected)
    assert release.hand_out(system.engine, system.settings) == left
    assert system.value("SELECT count(*) FROM jobs WHERE parent_id = :id", id=job.id) == left
    # the same message again finds nothing to do
    assert cleanup.scan(system.engine, system.settings, queued.job_id) is None

    run(system)
    assert ends(system, request_id) == {ItemState.UPLOADED: expected.images}
    assert request(system, in_flight).state is RequestState.COMPLETED
    system.agree()
    again = actions.retry_all_failed(system.engine, actor=ANNA, token="later")
    assert cleanup.scan(system.engine, system.settings, again.job_id) is None
    meta = system.value("SELECT meta FROM jobs WHERE id = :id", id=again.job_id)
    assert (meta["venues_scanned"], meta["venues_queued"], meta["request_id"]) == (2, 0, None)
    assert system.value("SELECT count(*) FROM retry_requests WHERE finished_at IS NULL") == 0


def test_a_scan_that_comes_a_moment_too_late_leaves_no_request_without_images(system: System) -> None:
    fail_all(system, 1)
    queued = actions.retry_all_failed(system.engine, actor=ANNA, token="click")
    waiting = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event = 'transactionid'"
    )
    with ThreadPoolExecutor() as pool, system.engine.begin() as connection:
        assert retries.submit(connection, ALL, actor="anna", token="other") is not None
        scan = pool.submit(cleanup.scan, system.engine, system.settings, queued.job_id)
        wait_until(lambda: system.value(waiting))
        connection.commit()
        assert scan.result(20) is None
    assert system.rows("SELECT token FROM retry_requests") == [("other",)]
    assert system.value("SELECT state FROM jobs WHERE id = :id", id=queued.job_id) == "completed"


@pytest.mark.worker
def test_an_enrichment_and_a_retry_of_the_same_venues_at_once_share_the_images(system: System) -> None:
    venue_ids = fail_all(system, 4)
    images = system.value("SELECT count(*) FROM images")
    system.sandbox.set_faults(delay=0.1)
    change(system, "UPDATE images SET not_before = NULL")
    request_id = submit(system)
    system.enqueue(venue_ids, force=True)
    system.start_worker()
    system.start_dispatcher()
    system.wait_for_jobs()

    assert system.agree() == {"uploaded": images}
    done = request(system, request_id)
    assert done.state is RequestState.COMPLETED
    assert sum(ends(system, request_id).values()) == images
    assert ends(system, request_id).get(ItemState.UPLOADED, 0) == system.value(
        "SELECT sum(images_uploaded) FROM jobs WHERE kind = 'retry'"
    )
    assert {row.reason for row in system.rows("SELECT reason FROM retry_items")} <= {None, "recovered"}
    successes = [line for line in system.sandbox.log(kind="image") if line["outcome"] == "ok"]
    assert len(successes) == images


def test_a_scan_of_a_healthy_database_says_so(system: System) -> None:
    queued = actions.retry_all_failed(system.engine, actor=ANNA, token="click")
    assert cleanup.scan(system.engine, system.settings, queued.job_id) is None
    assert system.value("SELECT summary FROM jobs") == "No venue has failed images"


@pytest.mark.worker
def test_the_nightly_scan_is_carried_out_by_workers_without_anybody_asking(system: System) -> None:
    fail_all(system, 3)
    images = system.value("SELECT count(*) FROM images")
    schedule = system.rows("SELECT cron, enabled, next_run_at FROM schedules WHERE name = 'cleanup-scan'")
    assert [(row.cron, row.enabled, row.next_run_at.hour) for row in schedule] == [("0 4 * * *", True, 4)]
    change(system, "UPDATE schedules SET next_run_at = now() WHERE name = 'cleanup-scan'")
    system.start_worker()
    system.start_dispatcher()

    wait_until(lambda: system.value("SELECT count(*) FROM jobs WHERE kind = 'retry'"))
    system.wait_for_jobs()

    assert system.agree() == {"uploaded": images}
    (row,) = system.rows("SELECT actor, state FROM retry_requests")
    assert tuple(row) == ("schedule:cleanup-scan", "completed")


def test_costs_of_retries_add_up(system: System) -> None:
    fail_all(system, 2)
    submit(system)
    run(system)
    spent = system.value("SELECT sum(cost_usd) FROM jobs")
    paid = len(system.sandbox.log(provider="google_places", kind="resolve"))
    assert spent == Decimal("0.007") * paid
    assert spent == system.value("SELECT sum(cost_usd) FROM attempts")
    assert spent == system.value("SELECT sum(cost_usd) FROM job_providers")

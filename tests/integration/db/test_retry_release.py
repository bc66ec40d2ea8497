"""How a request's images are handed to the workers, and how people steer that, over a real PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from ops_core.db import jobs, retries, retry_control, retry_release
from ops_core.domain import retry_flow
from ops_core.domain.errors import ErrorType
from ops_core.domain.images import AttemptOutcome
from ops_core.domain.jobs import JobState, JobStatus
from ops_core.domain.retries import ItemState, RequestState, Scope
from ops_core.domain.retry_options import Options, When
from ops_core.domain.retry_plan import ItemEnd
from tests.support.factories import make_attempt, make_image, make_job, make_venue

pytestmark = pytest.mark.postgres

ALL = Scope(everything=True)


@pytest.fixture
def connection(database: Engine) -> Iterator[Connection]:
    with database.connect() as open_connection:
        yield open_connection


class Named:
    """A row known by its id, for the factories."""

    def __init__(self, id_: int, **facts: Any) -> None:
        self.id = id_
        self.__dict__.update(facts)


def tried(connection: Connection, image_id: int, job_id: int, **columns: Any) -> None:
    """One try of an image by a job."""
    image = connection.execute(text("SELECT * FROM images WHERE id = :id"), {"id": image_id}).one()
    make_attempt(connection, image, Named(job_id), **columns)


def fail(connection: Connection, count: int, **columns: Any) -> list[int]:
    """Failed images, two to a venue; their ids."""
    ids = []
    for number in range(count):
        if number % 2 == 0:
            venue = make_venue(connection)
        values = {"state": "failed", "error_type": ErrorType.NETWORK_TIMEOUT, **columns}
        ids.append(make_image(connection, venue, **values).id)
    return ids


def order(connection: Connection, **options: Any) -> int:
    written = retries.submit(connection, ALL, actor="anna", token="t", options=Options(**options))
    assert written is not None
    return written.request_id


def release(connection: Connection, request_id: int) -> list[int]:
    return retry_release.release(connection, request_id, max_attempts=4)


def end(connection: Connection, request_id: int, job_id: int, state: ItemState) -> None:
    """What a worker does with all images of a job."""
    (job,) = jobs.claim(connection, [job_id], owner="w", lease_seconds=60)
    retries.begin(connection, request_id, job_id)
    ends = {item.image_id: ItemEnd(state) for item in retries.open_items(connection, job_id)}
    retries.hold(connection, request_id)
    result = jobs.JobResult(state=JobState.COMPLETED, status=JobStatus.SUCCESS, meta={})
    assert jobs.finish(connection, job, result)
    retries.end_items(connection, request_id, ends)


def begun(connection: Connection) -> int:
    return connection.scalar(text("SELECT count(*) FROM retry_items WHERE job_id IS NOT NULL"))


def wait(connection: Connection, seconds: float) -> None:
    """Let the drip's time pass."""
    connection.execute(
        text("UPDATE retry_requests SET drip_at = drip_at - make_interval(secs => :s)"), {"s": seconds}
    )


def the(connection: Connection, request_id: int) -> retries.Request:
    found = retries.request(connection, request_id)
    assert found is not None
    return found


def test_what_is_handed_out_is_one_job_for_each_venue_with_its_providers(connection: Connection) -> None:
    ids = fail(connection, 4)
    connection.execute(
        text("UPDATE images SET provider = 'wikimedia_commons' WHERE id = :id"), {"id": ids[0]}
    )
    request_id = order(connection)

    made = release(connection, request_id)

    rows = connection.execute(text("SELECT * FROM jobs WHERE kind = 'retry' ORDER BY id")).all()
    assert [row.id for row in rows] == made
    assert [list(row.providers) for row in rows] == [
        ["google_places", "wikimedia_commons"],
        ["google_places"],
    ]
    assert {(row.request_id, row.actor, row.state, row.max_attempts) for row in rows} == {
        (request_id, "anna", "available", 4)
    }
    assert rows[0].args == {"venue_id": rows[0].venue_id, "request_id": request_id}
    items = connection.execute(text("SELECT job_id, image_id FROM retry_items ORDER BY image_id")).all()
    assert [tuple(row) for row in items] == list(zip([made[0]] * 2 + [made[1]] * 2, ids, strict=True))
    request = the(connection, request_id)
    assert (request.state, request.started_at is not None) == (RequestState.RUNNING, True)
    assert release(connection, request_id) == []


def test_the_jobs_of_a_scan_are_its_children_and_an_override_is_said(connection: Connection) -> None:
    fail(connection, 1, error_type=ErrorType.NOT_FOUND)
    scan = make_job(connection, kind="cleanup")
    written = retries.submit(
        connection, ALL, actor="a", token="t", options=Options(override=True), scan_id=scan.id
    )
    (job_id,) = release(connection, written.request_id)
    row = connection.execute(text("SELECT parent_id, args FROM jobs WHERE id = :id"), {"id": job_id}).one()
    assert (row.parent_id, row.args["override"]) == (scan.id, True)


def test_nothing_begins_before_its_time(connection: Connection) -> None:
    fail(connection, 2)
    later = datetime.now(UTC) + timedelta(hours=1)
    request_id = order(connection, when=When.AT, at=later)
    assert retry_release.due(connection) == []
    assert release(connection, request_id) == []
    assert (the(connection, request_id).not_before, the(connection, request_id).started_at) == (later, None)
    connection.execute(text("UPDATE retry_requests SET not_before = now()"))
    assert retry_release.due(connection) == [request_id]
    assert len(release(connection, request_id)) == 1


def test_a_full_window_of_one_provider_does_not_hold_up_another(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_flow, "AHEAD", 4)
    fail(connection, 10)
    fail(connection, 6, provider="wikimedia_commons")
    request_id = order(connection)
    by_provider = text("SELECT provider FROM retry_items WHERE job_id IS NOT NULL")

    first = release(connection, request_id)
    assert Counter(connection.scalars(by_provider)) == {"google_places": 4, "wikimedia_commons": 4}
    assert release(connection, request_id) == []
    wikimedia = connection.scalar(text("SELECT max(job_id) FROM retry_items"))
    assert wikimedia in first
    end(connection, request_id, wikimedia, ItemState.UPLOADED)
    assert len(release(connection, request_id)) == 1
    assert Counter(connection.scalars(by_provider)) == {"google_places": 4, "wikimedia_commons": 6}


def test_a_drip_begins_as_many_as_its_hour_allows(connection: Connection) -> None:
    fail(connection, 6)
    request_id = order(connection, per_hour=4)
    (first,) = release(connection, request_id)
    assert begun(connection) == 1
    end(connection, request_id, first, ItemState.UPLOADED)
    release(connection, request_id)
    assert begun(connection) == 1
    wait(connection, 901)
    (second,) = release(connection, request_id)
    assert begun(connection) == 2
    end(connection, request_id, second, ItemState.UPLOADED)
    wait(connection, 3600)  # a dispatcher that slept does not catch up
    release(connection, request_id)
    assert begun(connection) == 3


def test_a_drip_does_not_pile_up_while_no_worker_runs(connection: Connection) -> None:
    fail(connection, 8)
    fail(connection, 4, provider="wikimedia_commons")
    request_id = order(connection, per_hour=60)
    for _ in range(10):
        release(connection, request_id)
        wait(connection, 600)
    question = text("SELECT provider, count(*) FROM retry_items WHERE job_id IS NOT NULL GROUP BY 1")
    assert {tuple(row) for row in connection.execute(question)} == {
        ("google_places", 1),
        ("wikimedia_commons", 1),
    }


def test_a_drip_by_money_begins_what_the_day_pays_for(connection: Connection) -> None:
    ids = fail(connection, 6)
    fail(connection, 4, provider="wikimedia_commons")
    request_id = order(connection, usd_per_day=Decimal("0.02"))
    jobs_made = release(connection, request_id)
    # two at $0.007, and all that cost nothing
    assert begun(connection) == 6
    assert release(connection, request_id) == []
    for job_id in jobs_made:
        image = connection.scalar(
            text("SELECT min(image_id) FROM retry_items WHERE job_id = :id"), {"id": job_id}
        )
        if image in ids:
            for _ in range(2):
                tried(
                    connection,
                    image,
                    job_id,
                    outcome=AttemptOutcome.UPLOADED,
                    error_type=None,
                    cost_usd=Decimal("0.007"),
                )
        end(connection, request_id, job_id, ItemState.UPLOADED)
    assert release(connection, request_id) == []
    connection.execute(
        text(
            "UPDATE attempts SET finished_at = finished_at - interval '25 h', "
            "started_at = started_at - interval '25 h'"
        )
    )
    release(connection, request_id)
    assert begun(connection) == 8


def test_a_sample_goes_first_and_the_rest_follows_when_it_did_well(connection: Connection) -> None:
    fail(connection, 20)
    request_id = order(connection, sample=3, sample_share=0.5)
    sample = connection.scalars(text("SELECT image_id FROM retry_items WHERE sample")).all()
    assert len(sample) == 3
    made = release(connection, request_id)
    assert connection.scalars(
        text("SELECT image_id FROM retry_items WHERE job_id IS NOT NULL ORDER BY 1")
    ).all() == sorted(sample)
    assert release(connection, request_id) == []
    for number, job_id in enumerate(made):
        end(connection, request_id, job_id, ItemState.FAILED if number == 0 else ItemState.UPLOADED)
    request = the(connection, request_id)
    assert request.uploaded / (request.uploaded + request.failed) >= 0.5
    assert release(connection, request_id)
    assert begun(connection) == 20
    assert the(connection, request_id).sample_decided


def test_a_sample_that_did_badly_stops_and_says_why_until_a_person_goes_on(connection: Connection) -> None:
    fail(connection, 6)
    request_id = order(connection, sample=2, sample_share=0.8)
    for job_id in release(connection, request_id):
        end(connection, request_id, job_id, ItemState.FAILED)
    assert release(connection, request_id) == []
    request = the(connection, request_id)
    assert request.state is RequestState.PAUSED
    assert request.state_reason == "the sample came to 0 of 2 uploaded (0 %), below 80 %"
    assert retry_release.due(connection) == []

    retry_control.resume(connection, request_id)
    assert release(connection, request_id)
    assert begun(connection) == 6
    assert the(connection, request_id).state_reason is None


def test_a_sample_that_ends_badly_during_a_person_s_pause_is_judged_when_it_goes_on(
    connection: Connection,
) -> None:
    fail(connection, 6)
    request_id = order(connection, sample=2, sample_share=0.8)
    made = release(connection, request_id)
    claimed = jobs.claim(connection, made, owner="w", lease_seconds=60)
    for job in claimed:
        retries.begin(connection, request_id, job.id)
    retry_control.pause(connection, request_id, "paused by anna")
    # what workers have begun finishes meanwhile
    for job in claimed:
        failed = {item.image_id: ItemEnd(ItemState.FAILED) for item in retries.open_items(connection, job.id)}
        retries.end_items(connection, request_id, failed)

    retry_control.resume(connection, request_id)

    assert release(connection, request_id) == []
    assert begun(connection) == 2
    request = the(connection, request_id)
    assert (request.state, request.state_reason) == (
        RequestState.PAUSED,
        "the sample came to 0 of 2 uploaded (0 %), below 80 %",
    )
    retry_control.resume(connection, request_id)
    release(connection, request_id)
    assert begun(connection) == 6


def test_a_pause_holds_what_no_worker_has_and_resuming_brings_it_back(connection: Connection) -> None:
    fail(connection, 6)
    request_id = order(connection, per_hour=6000)
    running, *others = release(connection, request_id)
    jobs.claim(connection, [running], owner="w", lease_seconds=60)

    retry_control.pause(connection, request_id, "paused by anna")

    assert retries.begin(connection, request_id, running) is RequestState.PAUSED
    assert jobs.claim(connection, others, owner="w", lease_seconds=60) == []
    assert release(connection, request_id) == []
    request = the(connection, request_id)
    assert (request.state, request.state_reason) == (RequestState.PAUSED, "paused by anna")
    assert set(retry_control.resume(connection, request_id)) == set(others)
    assert len(jobs.claim(connection, others, owner="w", lease_seconds=60)) == len(others)
    assert the(connection, request_id).state is RequestState.RUNNING


def test_a_request_that_has_not_begun_can_be_paused_too(connection: Connection) -> None:
    fail(connection, 1)
    request_id = order(connection)
    retry_control.pause(connection, request_id, "paused by anna")
    assert release(connection, request_id) == []
    assert retry_control.resume(connection, request_id) == []
    assert the(connection, request_id).state is RequestState.PENDING
    assert release(connection, request_id)


def test_a_cancel_lets_go_of_all_that_no_worker_has_begun(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_flow, "AHEAD", 6)
    ids = fail(connection, 10)
    request_id = order(connection)
    running, put_off, untouched = release(connection, request_id)
    jobs.claim(connection, [running], owner="w", lease_seconds=60)
    # one that a worker tried a part of and put off, because its provider asked for silence
    tried(connection, ids[2], put_off, outcome="failed", error_type=ErrorType.RATE_LIMITED)
    later = text("UPDATE jobs SET scheduled_at = now() + interval '1 h' WHERE id = :id")
    connection.execute(later, {"id": put_off})

    retry_control.cancel(connection, request_id, "cancelled by anna")

    request = the(connection, request_id)
    assert (request.state, request.let_go, request.open) == (RequestState.CANCELLED, 6, 4)
    assert request.finished_at is None
    left = connection.scalars(text("SELECT id FROM jobs WHERE kind = 'retry' ORDER BY id")).all()
    assert left == [running, put_off]
    assert untouched not in left
    # a worker may report what it did at once
    assert len(jobs.claim(connection, [put_off], owner="w", lease_seconds=60)) == 1
    # what was let go can be ordered again
    again = retries.submit(connection, ALL, actor="anna", token="again")
    assert again.plan.images == 6
    for job_id in (running, put_off):
        retries.end_items(
            connection,
            request_id,
            {item.image_id: ItemEnd(ItemState.RELEASED) for item in retries.open_items(connection, job_id)},
        )
    request = the(connection, request_id)
    assert (request.state, request.open, request.let_go) == (RequestState.CANCELLED, 0, 10)
    assert request.finished_at is not None


def test_what_could_be_ordered_can_be_cancelled_however_long_that_takes(connection: Connection) -> None:
    fail(connection, 1)
    request_id = order(connection)
    connection.execute(text("SET LOCAL statement_timeout = '30s'"))
    retry_control.cancel(connection, request_id, "cancelled by anna")
    assert connection.scalar(text("SHOW statement_timeout")) == "2min"


def test_cancelling_before_anything_began_ends_it_at_once(connection: Connection) -> None:
    fail(connection, 3)
    request_id = order(connection)
    retry_control.cancel(connection, request_id, "cancelled by anna")
    request = the(connection, request_id)
    assert (request.state, request.let_go, request.finished_at is not None) == (
        RequestState.CANCELLED,
        3,
        True,
    )

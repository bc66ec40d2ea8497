"""Operations read out whole, against questions of their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import DBAPIError

from ops_core.db import exports
from ops_core.db.schema import Job
from ops_core.domain.errors import ErrorType
from ops_core.domain.filters import Filters, View
from ops_core.domain.images import AttemptOutcome, ImageState
from ops_core.domain.jobs import JobKind, JobOutcome
from tests.support.factories import (
    make_attempt,
    make_city,
    make_image,
    make_job,
    make_job_provider,
    make_venue,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.postgres

NOW = datetime.now(UTC).replace(microsecond=0)

MANY = text("""
    INSERT INTO jobs (kind, state, status, actor, attempt, inserted_at, attempted_at, finished_at, cost_usd)
    SELECT CASE WHEN n % 3 = 0 THEN 'backfill' ELSE 'cleanup' END::job_kind, 'completed', 'success', 'tests',
        1, :now, :now, :now + make_interval(secs => n / 2), n
    FROM generate_series(1, :jobs) AS n
""")


def exported(engine: Engine, filters: Filters) -> list[dict[str, object]]:
    with exports.snapshot(engine) as connection:
        return [
            dict(zip(exports.COLUMNS, row, strict=True))
            for piece in exports.operations(connection, filters)
            for row in piece
        ]


def ids(connection: Connection, condition: str) -> list[int]:
    question = f"SELECT id FROM jobs WHERE finished_at IS NOT NULL AND {condition}"
    return list(connection.scalars(text(f"{question} ORDER BY finished_at DESC, id DESC")))


def test_every_page_is_there_newest_first_a_piece_at_a_time(database: Engine):
    with database.begin() as connection:
        connection.execute(MANY, {"now": NOW - timedelta(days=1), "jobs": 2500})
        make_job(connection, kind=JobKind.CLEANUP, state="available")
    with exports.snapshot(database) as connection:
        pieces = list(exports.operations(connection, Filters()))
        found = [row[0] for piece in pieces for row in piece]
        assert [len(piece) for piece in pieces] == [1000, 1000, 500]
        assert found == ids(connection, "true")


def test_only_what_matches_the_filters_is_there(database: Engine):
    with database.begin() as connection:
        connection.execute(MANY, {"now": NOW - timedelta(days=1), "jobs": 30})
        make_job(connection, finished_at=NOW)
        backfills = ids(connection, "kind = 'backfill'")
        early = ids(connection, f"finished_at < '{NOW - timedelta(days=1, seconds=-5):%Y-%m-%d %H:%M:%S}+00'")
    assert [row["id"] for row in exported(database, Filters(view=View.CITIES))] == backfills
    until = NOW - timedelta(days=1) + timedelta(seconds=5)
    assert [row["id"] for row in exported(database, Filters(until=until))] == early
    assert exported(database, Filters(outcomes=(JobOutcome.FAILED,))) == []


def test_a_row_says_all_of_its_job(database: Engine):
    with database.begin() as connection:
        city = make_city(connection, name="Kraków")
        venue = make_venue(connection, city, name="Café =1+1")
        job = make_job(
            connection,
            venue,
            settled=False,
            finished_at=NOW,
            attempted_at=NOW - timedelta(milliseconds=2500),
            inserted_at=NOW - timedelta(minutes=1),
            images_discovered=9,
            images_uploaded=4,
            images_failed=3,
            images_failed_now=2,
            images_retryable_now=1,
            images_existing=2,
            images_left=1,
            meta={"images_referenced": 5},
            providers=["google_places", "here"],
            error_types=["not_found"],
            first_error=ErrorType.NOT_FOUND,
            cost_usd="0.028",
            summary="Found 9 images",
        )
    (row,) = exported(database, Filters())
    assert {name: str(value) for name, value in row.items()} == {
        "id": str(job.id),
        "kind": "enrichment",
        "outcome": "success",
        "queued_at": str(NOW - timedelta(minutes=1)),
        "started_at": str(NOW - timedelta(milliseconds=2500)),
        "finished_at": str(NOW),
        "duration_s": "2.500000",
        "venue_id": str(venue.id),
        "venue": "Café =1+1",
        "city": "Kraków",
        "images_discovered": "9",
        "images_uploaded": "4",
        "images_failed": "3",
        "images_recovered_since": "0",
        "images_failed_now": "2",
        "images_retryable_now": "1",
        "images_existing": "2",
        "images_referenced": "5",
        "images_left": "1",
        "providers": "['google_places', 'here']",
        "error_types": "['not_found']",
        "first_error": "not_found",
        "cost_usd": "0.028000",
        "summary": "Found 9 images",
        "actor": "tests",
        "request_id": "None",
    }


def test_a_job_of_no_venue_that_never_began_has_empty_cells(database: Engine):
    with database.begin() as connection:
        make_job(connection, kind=JobKind.CLEANUP, state="cancelled", attempted_at=None)
    (row,) = exported(database, Filters())
    assert row["outcome"] == "cancelled"
    empty = ("started_at", "duration_s", "venue_id", "venue", "city", "first_error", "summary")
    assert [row[name] for name in empty] == [None] * len(empty)


def test_recovered_are_the_images_it_left_failed_that_are_in_the_store_now(database: Engine):
    failed, uploaded = AttemptOutcome.FAILED, AttemptOutcome.UPLOADED
    with database.begin() as connection:
        venue = make_venue(connection)
        job = make_job(connection, venue, images_failed=3, images_uploaded=2)
        later = make_job(connection, venue, kind=JobKind.RETRY, images_failed=1, images_uploaded=1)
        for job_provider in (job, later):
            make_job_provider(connection, job_provider)
        stored = [make_image(connection, venue) for _ in range(3)]
        still = [make_image(connection, venue, state=ImageState.FAILED) for _ in range(2)]
        # at once; after the job was run again; by a later job
        make_attempt(connection, stored[0], job, outcome=uploaded)
        make_attempt(connection, stored[1], job, outcome=failed)
        make_attempt(connection, stored[1], job, outcome=uploaded, number=2)
        make_attempt(connection, stored[2], job, outcome=failed)
        make_attempt(connection, stored[2], job, outcome=failed, number=2)
        make_attempt(connection, stored[2], later, outcome=uploaded, number=3)
        make_attempt(connection, still[0], job, outcome=failed)
        make_attempt(connection, still[1], job, outcome=failed)
        make_attempt(connection, still[1], later, outcome=failed, number=2)
    recovered = {row["id"]: row["images_recovered_since"] for row in exported(database, Filters())}
    assert recovered == {job.id: 1, later.id: 0}


def test_what_happens_meanwhile_is_not_in_the_file(database: Engine):
    with database.begin() as connection:
        connection.execute(MANY, {"now": NOW - timedelta(days=1), "jobs": 1500})
    with exports.snapshot(database) as connection:
        pieces = exports.operations(connection, Filters())
        rows = list(next(pieces))
        with database.begin() as other:
            other.execute(text("DELETE FROM jobs WHERE id % 2 = 0"))
            make_job(other, kind=JobKind.CLEANUP, finished_at=NOW - timedelta(days=2))
        rows += [row for piece in pieces for row in piece]
        assert len(rows) == 1500
        assert connection.scalar(select(func.count()).select_from(Job)) == 1500


def test_the_rows_stay_with_the_server_until_they_are_taken(database: Engine):
    with database.begin() as connection:
        connection.execute(MANY, {"now": NOW, "jobs": 1500})
    with exports.snapshot(database) as connection:
        pieces = exports.operations(connection, Filters())
        assert len(next(pieces)) == exports.PIECE
        assert connection.scalar(text("SELECT count(*) FROM pg_cursors")) == 1
        pieces.close()
        assert connection.scalar(text("SELECT count(*) FROM pg_cursors")) == 0


def test_reading_out_can_write_nothing_and_leaves_the_connection_as_it_was(database: Engine):
    settings = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_isolation")

    def current(connection: Connection) -> list[str]:
        return [connection.execute(text(f"SHOW {name}")).scalar_one() for name in settings]

    with database.connect() as connection:
        before = current(connection)
    with exports.snapshot(database) as connection:
        assert current(connection) == ["5min", "2min", "repeatable read"]
        with pytest.raises(DBAPIError, match="read-only"):
            connection.execute(text("DELETE FROM jobs"))
    with database.begin() as connection:
        assert current(connection) == before
        make_job(connection)


def test_a_reader_that_takes_nothing_is_dropped(database: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exports, "IDLE_SECONDS", 0.1)
    with database.begin() as connection:
        connection.execute(MANY, {"now": NOW, "jobs": 1500})

    def reads(process: int) -> bool:
        with database.connect() as connection:
            question = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :process")
            return bool(connection.scalar(question, {"process": process}))

    def read_and_stop() -> None:
        with exports.snapshot(database) as connection:
            process = connection.scalar(text("SELECT pg_backend_pid()"))
            pieces = exports.operations(connection, Filters())
            next(pieces)
            wait_until(lambda: reads(process), lambda still: not still, seconds=10)
            next(pieces)

    with pytest.raises(DBAPIError, match="idle-in-transaction"):
        read_and_stop()

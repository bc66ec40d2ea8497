"""The retry engine: preview, submit and scan of large databases; images per second; isolation."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from ops_core import actions
from ops_core.db import retries
from ops_core.domain.access import Actor, Role
from ops_core.domain.retries import Scope
from ops_core.settings import get_settings
from ops_core.work import cleanup, release
from tests.integration.worker.test_retry import fail_all
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.benchmark, pytest.mark.postgres, pytest.mark.timeout(1800)]

ANNA = Actor("anna", Role.OPERATOR)
ALL = Scope(everything=True)


def fill(engine: Engine, *, venues: int, failures: int) -> None:
    """`venues` venues, of which the first have `failures` failed images, ten to a venue."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0; SET LOCAL synchronous_commit = off"))
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("INSERT INTO cities (name, country, slug) VALUES ('C', 'Poland', 'c')"))
        connection.execute(
            text("""
                INSERT INTO venues (natural_key, name, slug, city_id)
                SELECT 'v' || n, 'Venue ' || n, 'venue', 1 FROM generate_series(1, :venues) AS n
            """),
            {"venues": venues},
        )
        connection.execute(
            text("""
                INSERT INTO images (venue_id, provider, provider_ref, state, error_type, retry_count, tries,
                                    last_attempt_at)
                SELECT 1 + n / 10, (ARRAY['google_places', 'wikimedia_commons'])[1 + n % 2], 'r' || n,
                    'failed',
                    (ARRAY['rate_limited', 'network_timeout', 'bad_gateway', 'not_found'])[1 + n / 7 % 4]
                        ::error_type,
                    n % 3, 1, now()
                FROM generate_series(0, :failures - 1) AS n
            """),
            {"failures": failures},
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))


def seconds(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_preview_and_submit_of_everything(database: Engine) -> None:
    fill(database, venues=60_000, failures=500_000)
    first = seconds(lambda: actions.preview_retry(database, ALL))
    again = [seconds(lambda: actions.preview_retry(database, ALL)) for _ in range(5)]
    submitted = seconds(lambda: actions.submit_retry(database, ALL, actor=ANNA, token="t"))
    handed = seconds(lambda: release.hand_out(database, get_settings()))
    busy = [seconds(lambda: actions.preview_retry(database, ALL)) for _ in range(3)]
    print(
        f"\n500,000 failures: preview {first:.2f} s the first time, then median "
        f"{statistics.median(again):.2f} s; submit {submitted:.1f} s; a round of the dispatcher "
        f"{handed * 1000:.0f} ms; preview while all of it is open {statistics.median(busy):.2f} s"
    )


def test_a_scan_s_cost_follows_the_failures_not_the_venues(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: dict[int, float] = {}
    for venues in (10_000, 1_000_000):
        with database.begin() as connection:
            connection.execute(
                text(
                    "TRUNCATE retry_items, attempts, images, jobs, retry_requests, venues, cities "
                    "RESTART IDENTITY CASCADE"
                )
            )
        fill(database, venues=venues, failures=5_000)
        took = []
        for _ in range(9):
            queued = actions.retry_all_failed(database, actor=ANNA, token=uuid4().hex)
            took.append(seconds(lambda queued=queued: cleanup.scan(database, get_settings(), queued.job_id)))
            with database.begin() as connection:
                connection.execute(text("TRUNCATE retry_items, jobs, retry_requests CASCADE"))
        times[venues] = statistics.median(took)
    print(
        f"\nscan of 5,000 failures: {times[10_000] * 1000:.0f} ms among 10,000 venues, "
        f"{times[1_000_000] * 1000:.0f} ms among 1,000,000; ratio {times[1_000_000] / times[10_000]:.2f}"
    )


def retried(system: System, scope: Scope = ALL) -> float:
    """Images per second, from the click to the end of the last image."""
    began = time.monotonic()
    done = actions.submit_retry(system.engine, scope, actor=ANNA, token=uuid4().hex)

    def finished() -> Any:
        with system.engine.connect() as connection:
            request = retries.request(connection, done.request_id)
            return request is not None and request.finished_at

    wait_until(finished, seconds=600, every=0.05)
    return done.images / (time.monotonic() - began)


def fail_again(system: System, only: str = "") -> None:
    """Have every image failed as at the beginning."""
    where = f"WHERE provider = '{only}'" if only else ""
    with system.engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE retry_items, retry_requests, jobs, attempts CASCADE")
        connection.exec_driver_sql(
            f"""
            UPDATE images SET state = 'failed', error_type = 'bad_gateway', retry_count = 0, tries = 1,
                storage_key = NULL, url = NULL, thumbnail_key = NULL, thumbnail_url = NULL,
                content_hash = NULL, uploaded_at = NULL, not_before = NULL, failed_job = NULL
            {where}
            """
        )
    for path in system.stored_files():
        path.unlink()


@pytest.mark.worker
def test_images_per_second_by_processes(system: System) -> None:
    fail_all(system, 150)
    system.start_dispatcher()
    said = []
    for processes in (1, 2, 4):
        system.env |= {"VENUE_OPS_WORKER_PROCESSES": str(processes)}
        worker = system.start_worker()
        rates = []
        for _ in range(4):
            fail_again(system)
            rates.append(retried(system))
        worker.stop()
        # the first round also warms up the worker and the sandbox
        said.append(f"{processes}: {statistics.median(rates[1:]):.0f}/s")
    images = system.value("SELECT count(*) FROM images")
    print(f"\nretries of {images} images by worker processes: {', '.join(said)}")


@pytest.mark.worker
@pytest.mark.parametrize("how", ["silent", "stalling"])
def test_the_rate_of_one_provider_while_another_is_blocked(system: System, how: str) -> None:
    fail_all(system, 150)
    system.env |= {"VENUE_OPS_WORKER_PROCESSES": "2"}
    system.start_dispatcher()
    system.start_worker()
    good = "wikimedia_commons"

    def rate(blocked: bool) -> float:
        fail_again(system)
        with system.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM circuits")
            connection.exec_driver_sql("DELETE FROM rate_limits")
            if not blocked:
                connection.exec_driver_sql(
                    f"UPDATE images SET error_type = 'not_found' WHERE provider <> '{good}'"
                )
            elif how == "silent":
                connection.exec_driver_sql(
                    "INSERT INTO rate_limits VALUES "
                    "('google_places', now(), now(), now(), now(), now() + interval '1 hour')"
                )
        stalls = {
            f"image:google_places:{row.provider_ref}": ["timeout"]
            for row in system.rows("SELECT provider_ref FROM images WHERE provider = 'google_places'")
        }
        system.sandbox.set_faults(script=stalls if blocked and how == "stalling" else {}, stall_seconds=60)
        began = time.monotonic()
        done = actions.submit_retry(system.engine, ALL, actor=ANNA, token=uuid4().hex)
        left = "SELECT count(*) FROM images WHERE state <> 'uploaded' AND provider = :good"
        wait_until(lambda: not system.value(left, good=good), seconds=300, every=0.05)
        took = time.monotonic() - began
        actions.cancel_retry(system.engine, done.request_id, actor=ANNA) if blocked else None
        wait_until(lambda: not system.open_jobs(), seconds=120)
        return system.value("SELECT count(*) FROM images WHERE provider = :good", good=good) / took

    rate(blocked=False)
    alone = [rate(blocked=False) for _ in range(3)]
    beside = [rate(blocked=True) for _ in range(3)]
    ratio = statistics.median(beside) / statistics.median(alone)
    print(
        f"\nWikimedia Commons alone {statistics.median(alone):.0f}/s, beside a {how} Google Places "
        f"{statistics.median(beside):.0f}/s; ratio {ratio:.2f}"
    )

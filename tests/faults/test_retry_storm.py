"""Two thousand images retried while workers, the broker, the database, providers and the store fail."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from ops_core import actions
from ops_core.db import retries
from ops_core.domain.access import Actor, Role
from ops_core.domain.retries import RequestState, Scope
from ops_core.embedded.valkey import EmbeddedValkey
from ops_core.sandbox.faults import Fault
from tests.integration.worker.test_enrichment import let_all_be_tried_now
from tests.support.given_jobs import run_given
from tests.support.postgres import TestServer
from tests.support.system import Running, System
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.worker, pytest.mark.faults, pytest.mark.timeout(600)]

ANNA = Actor("anna", Role.OPERATOR)
IMAGES = 2000
WORKERS = 4
#: What providers do in the storm: bursts of 429, silence, broken connections, bad gateways.
STORM = {
    Fault.RATE_LIMITED: 0.08,
    Fault.TIMEOUT: 0.02,
    Fault.RESET: 0.06,
    Fault.BAD_GATEWAY: 0.04,
}
#: The largest file a worker with a failing disk can write, bytes: pictures are larger, thumbnails are not.
DISK_FULL_AT = 60_000


@pytest.fixture
def failed(system: System) -> Iterator[System]:
    """A system in which every one of `IMAGES` or more images has failed once."""
    system.sandbox.set_faults(rates={Fault.BAD_GATEWAY: 1.0}, recover_tries=1000)
    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO circuits (provider, overridden_until) "
            "SELECT code, now() + interval '1 h' FROM providers"
        )
    for first in itertools.count():
        venue_ids = system.add_venues(60 * (first + 1))[60 * first :]
        job_ids = system.enqueue(venue_ids)
        while system.open_jobs():
            # lanes that are full put images off for a moment
            let_all_be_tried_now(system)
            run_given(system.engine, system.settings, job_ids)
        if system.value("SELECT count(*) FROM images") >= IMAGES:
            break
    with system.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM circuits")
    assert set(system.agree()) == {"failed"}
    return system


class Storm:
    """Kills a worker every few seconds and starts another; every third of them on a disk that is full."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.kills = 0
        self.crowd: list[Running] = [system.start_worker() for _ in range(WORKERS)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Storm:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        choose = random.Random(4)
        while not self._stop.wait(4):
            victim = self.crowd.pop(choose.randrange(len(self.crowd)))
            if victim.process.poll() is None:
                victim.kill()
                self.kills += 1
            # nobody waits for its first sign of life: the database may be away
            full = self.kills % 3 == 1
            self.crowd.append(self.system.start("worker", largest_file=DISK_FULL_AT if full else None))


def test_nothing_is_lost_or_doubled_whatever_fails(
    failed: System, broker: EmbeddedValkey, postgres: TestServer
) -> None:
    system = failed
    images = system.value("SELECT count(*) FROM images")
    system.sandbox.set_faults(rates=STORM, recover_tries=2, stall_seconds=20)
    before = len(system.sandbox.log())
    system.start_dispatcher()

    with Storm(system) as storm:
        done = actions.submit_retry(system.engine, Scope(everything=True), actor=ANNA, token="storm")
        assert done.images == images
        wait_until(lambda: ended(system, done.request_id) > images // 10, seconds=120)
        broker.stop()
        for path in broker.folder.rglob("appendonlydir/*"):
            path.unlink()
        back = time.monotonic() + 20
        wait_until(
            lambda: ended(system, done.request_id) > images // 4 or time.monotonic() > back, seconds=30
        )
        postgres.server.stop()
        with pytest.raises(DBAPIError):
            ended(system, done.request_id)
        postgres.server.start()
        wait_until(lambda: time.monotonic() > back, seconds=30)
        broker.start()
        wait_until(lambda: ended(system, done.request_id) > images // 2, seconds=240)
    # the weather clears
    system.sandbox.set_faults(rates={})
    with system.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM circuits")
    wait_until(lambda: request(system, done.request_id).finished_at, seconds=240, every=0.5)
    system.wait_for_jobs(60)

    # all of it did happen
    assert storm.kills >= 5
    seen = {row.error_type for row in system.rows("SELECT DISTINCT error_type FROM attempts")}
    assert seen >= {"worker_lost", "rate_limited", "network_error", "bad_gateway", "store_error"}
    finished = request(system, done.request_id)
    assert finished.state is RequestState.COMPLETED
    assert finished.open == 0
    items = Counter(
        {
            row.state: row.n
            for row in system.rows(
                "SELECT state, count(*) AS n FROM retry_items WHERE request_id = :id GROUP BY 1",
                id=done.request_id,
            )
        }
    )
    assert items == {"uploaded": finished.uploaded, "failed": finished.failed} | (
        {"skipped": finished.skipped} if finished.skipped else {}
    )
    assert sum(items.values()) == images
    states = system.agree()
    assert sum(states.values()) == images
    assert states["uploaded"] == finished.uploaded
    assert states["discovered"] == 0
    # the sandbox's own count of complete downloads explains every byte
    explain_bytes(system, before)
    totals(system)


def ended(system: System, request_id: int) -> int:
    return system.value(
        "SELECT uploaded + failed + skipped FROM retry_requests WHERE id = :id", id=request_id
    )


def request(system: System, request_id: int) -> retries.Request:
    with system.engine.connect() as connection:
        found = retries.request(connection, request_id)
    assert found is not None
    return found


def explain_bytes(system: System, before: int) -> None:
    """Every stored image was downloaded whole; and who was downloaded twice has a lost or failed try."""
    downloads: Counter[str] = Counter(
        f"{line['provider']}:{line['ref']}"
        for line in system.sandbox.log()[before:]
        if line["kind"] == "image" and line["outcome"] == "ok"
    )
    stored, allowed = Counter[str](), Counter[str]()
    rows = system.rows("""
        SELECT images.provider, images.provider_ref, images.state, images.bytes,
            count(*) FILTER (WHERE attempts.outcome = 'uploaded' AND attempts.bytes > 0) AS fetched,
            count(*) FILTER (WHERE attempts.outcome = 'lost' OR attempts.outcome = 'failed'
                             AND attempts.number > 1) AS others
        FROM images JOIN attempts ON attempts.image_id = images.id GROUP BY images.id
    """)
    for row in rows:
        key = f"{row.provider}:{row.provider_ref}"
        allowed[key] = row.fetched + row.others
        stored[key] = row.state == "uploaded"
    assert set(downloads) <= set(allowed)
    for key, count in downloads.items():
        # a worker that is killed or stopped leaves a download that no try tells of
        assert count <= allowed[key] + MAX_UNTOLD, (key, count, allowed[key])
    for key in stored:
        if stored[key]:
            assert downloads[key] >= 1, f"{key} is stored and was never sent"
    untold = sum((downloads - allowed).values())
    assert untold <= sum(downloads.values()) * 0.05, untold
    sizes = {row.storage_key: row.bytes for row in system.rows("SELECT storage_key, bytes FROM images")}
    for path in system.stored_files():
        key = str(path.relative_to(system.settings.store_path))
        if key in sizes:
            assert path.stat().st_size == sizes[key], f"{key} is not whole"


#: Downloads of one image that no try tells of: its worker was asked to stop, or fenced out.
MAX_UNTOLD = 2


def totals(system: System) -> None:
    """What the pages show equals the tables it was summed from."""
    by_images: Any = system.rows("""
        SELECT count(*) FILTER (WHERE state = 'uploaded') AS uploaded,
               count(*) FILTER (WHERE state IN ('failed', 'permanently_failed')) AS failed FROM images
    """)[0]
    said = system.rows("""
        SELECT sum(uploaded) AS uploaded, sum(failed_now) AS failed, sum(jobs) AS jobs
        FROM job_rollups WHERE facet = 'all'
    """)[0]
    assert (said.uploaded, said.failed) == (by_images.uploaded, by_images.failed)
    assert said.jobs == system.value("SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL")
    assert system.value("SELECT sum(tries) FROM rollups") == system.value("SELECT count(*) FROM attempts")
    assert system.value("SELECT sum(cost_usd) FROM rollups") == system.value(
        "SELECT sum(cost_usd) FROM attempts"
    )

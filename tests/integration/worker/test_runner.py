"""A worker session: one message is enough, one provider never holds up another, a pause stops it at once."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from ops_core import actions
from ops_core.db import due_jobs
from ops_core.db.jobs import HELD
from ops_core.domain.access import Actor, Role
from ops_core.domain.jobs import JobKind
from ops_core.domain.retries import Failures, Scope
from ops_core.sandbox.faults import Fault
from ops_core.settings import Settings
from ops_core.work import lanes, runner, session
from tests.integration.worker.test_enrichment import ask_whatever_happens, let_all_be_tried_now
from tests.support.given_jobs import run_given
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres]

ANNA = Actor("anna", Role.OPERATOR)


def fail_all(system: System, venues: int) -> list[int]:
    """Enrich `venues` venues while every photo fails; from then on every photo can be had."""
    venue_ids = system.add_venues(venues)
    ask_whatever_happens(system)
    system.sandbox.set_faults(rates={Fault.BAD_GATEWAY: 1.0}, recover_tries=1000)
    run_given(system.engine, system.settings, system.enqueue(venue_ids))
    system.sandbox.set_faults(rates={})
    change(system, "DELETE FROM circuits")
    assert set(system.agree()) == {"failed"}
    return venue_ids


def retry_all(system: System) -> tuple[int, list[int]]:
    """A retry of everything, handed out; its id and its jobs."""
    asked = actions.submit_retry(system.engine, Scope(everything=True), actor=ANNA, token=uuid4().hex)
    ids = [row.id for row in system.rows("SELECT id FROM jobs WHERE kind = 'retry' ORDER BY id")]
    assert len(ids) > 1
    return asked.request_id, ids


def change(system: System, statement: str) -> None:
    with system.engine.begin() as connection:
        connection.exec_driver_sql(statement)


class Session:
    """A session in a thread of this process."""

    def __init__(self, system: System, settings: Settings, job_ids: list[int]) -> None:
        self.stopping = threading.Event()
        self.ran = 0
        self._thread = threading.Thread(target=self._run, args=(system, settings, job_ids))
        self._thread.start()

    def _run(self, system: System, settings: Settings, job_ids: list[int]) -> None:
        self.ran = runner.run(system.engine, settings, job_ids, is_stopping=self.stopping.is_set)

    def ends(self, seconds: float = 30) -> int:
        """Wait until it has ended by itself; the jobs it ran."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the session still runs"
        return self.ran


@contextmanager
def session_of(system: System, job_ids: list[int], **settings: Any) -> Iterator[Session]:
    """A running session; stopped at the end, if it has not ended by itself."""
    running = Session(system, system.settings.model_copy(update=settings), job_ids)
    try:
        yield running
    finally:
        running.stopping.set()
        running.ends()


def uploaded(system: System, provider: str = "%") -> int:
    return system.value(
        "SELECT count(*) FROM images WHERE state = 'uploaded' AND provider LIKE :code", code=provider
    )


@pytest.mark.worker
def test_one_message_is_enough_for_all_that_is_due(system: System) -> None:
    from ops_core.tasks.send import send  # the Celery app is made for the broker of this session

    job_ids = system.enqueue(system.add_venues(40))
    system.start_worker()
    send(JobKind.ENRICHMENT, job_ids[:3])
    wait_until(lambda: system.value("SELECT count(*) FROM jobs WHERE attempted_at IS NULL"), lambda n: n == 0)
    assert system.value("SELECT count(hinted_at) FROM jobs") == 0

    # what a busy machine made it put off
    system.start_dispatcher()
    system.wait_for_jobs()
    assert set(system.agree()) == {"uploaded"}
    assert {row.attempt for row in system.rows("SELECT attempt FROM jobs")} == {1}


@pytest.mark.worker
def test_the_queue_shows_which_jobs_its_messages_are_about(system: System) -> None:
    from ops_core.tasks.app import app
    from ops_core.tasks.send import send

    system.sandbox.set_faults(delay=1.0)
    job_ids = system.enqueue(system.add_venues(4))
    system.start_worker()
    send(JobKind.ENRICHMENT, job_ids)

    def active() -> list[Any]:
        answers = app.control.inspect(timeout=1.0).active() or {}
        return [task for tasks in answers.values() for task in tasks]

    (task,) = wait_until(active)
    assert task["id"].startswith(f"enrich_venues:jobs-{job_ids[0]}..{job_ids[-1]}:")
    system.wait_for_jobs()


def test_a_session_goes_on_with_other_jobs_of_both_kinds_and_ends_when_nothing_is_due(
    system: System,
) -> None:
    fail_all(system, 4)
    _, retries = retry_all(system)
    enrichments = system.enqueue(system.add_venues(8)[4:])
    change(system, "UPDATE jobs SET scheduled_at = now() + interval '1 hour' WHERE id = " + str(retries[-1]))

    began = time.monotonic()
    ran = runner.run(system.engine, system.settings, retries[:1])

    assert time.monotonic() - began < runner.USUAL_TIME
    assert ran == len(retries) - 1 + len(enrichments)
    assert [row.id for row in system.open_jobs()] == retries[-1:]
    let_all_be_tried_now(system)
    assert runner.run(system.engine, system.settings, []) == 1
    assert set(system.agree()) == {"uploaded"}


def test_a_provider_that_stalls_does_not_delay_another(system: System) -> None:
    fail_all(system, 10)
    refs = system.rows("SELECT provider_ref FROM images WHERE provider = 'google_places'")
    assert len(refs) > 8
    script = {f"image:google_places:{row.provider_ref}": [Fault.TIMEOUT] for row in refs}
    system.sandbox.set_faults(script=script, stall_seconds=60)
    others = system.value("SELECT count(*) FROM images WHERE provider = 'wikimedia_commons'")
    _, job_ids = retry_all(system)

    patient = {"stall_timeout": 25.0, "download_timeout": 25.0, "lease_seconds": 30.0}
    with session_of(system, job_ids, downloads_per_process=4, **patient):
        wait_until(lambda: uploaded(system, "wikimedia_commons"), lambda n: n == others, seconds=20)
        # its places are full of downloads that hang, and the rest of its images has to wait
        assert system.value("SELECT count(*) FROM attempts WHERE number = 2") == others
        assert system.uploading() > 4
    assert system.uploading() == 0
    assert system.value("SELECT count(*) FROM jobs WHERE state = 'executing'") == 0


def test_a_session_whose_lane_is_full_still_finds_work_for_idle_ones(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "RECENT", 0.1)
    fail_all(system, 4)
    refs = system.rows("SELECT provider_ref FROM images WHERE provider = 'google_places'")
    script = {f"image:google_places:{row.provider_ref}": [Fault.TIMEOUT] for row in refs}
    system.sandbox.set_faults(script=script, stall_seconds=60)
    actions.submit_retry(
        system.engine, Scope(failures=Failures(providers=("google_places",))), actor=ANNA, token=uuid4().hex
    )
    job_ids = [row.id for row in system.rows("SELECT id FROM jobs WHERE kind = 'retry' ORDER BY id")]

    patient = {"stall_timeout": 25.0, "download_timeout": 25.0, "lease_seconds": 30.0}
    with session_of(system, job_ids, downloads_per_process=2, **patient) as running:
        wait_until(system.uploading, lambda n: n >= 6)  # inside, and waiting
        others = system.add_venues(8)[4:]
        change(
            system,
            f"UPDATE venues SET provider_ids = provider_ids - 'google_places' WHERE id >= {min(others)}",
        )
        for venue_id in others:
            # it is not known of it that it needs the other provider, whose lane is idle again each time
            (job_id,) = system.enqueue([venue_id])
            done = "SELECT count(*) FROM jobs WHERE id = :id AND state = 'completed'"
            wait_until(partial(system.value, done, id=job_id), seconds=10)
            time.sleep(2 * lanes.RECENT)
        assert uploaded(system, "google_places") == 0
        assert system.uploading() >= 6
        running.stopping.set()


def test_a_provider_whose_listings_stall_keeps_no_venue_of_another_waiting(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "RECENT", 0.1)
    monkeypatch.setattr(lanes, "LONGEST_WAIT", 60.0)  # those who wait are not sent away meanwhile
    *stalled, other = system.add_venues(7)
    change(system, f"UPDATE venues SET provider_ids = provider_ids - 'wikidata' WHERE id <> {other}")
    change(system, f"UPDATE venues SET provider_ids = provider_ids - 'google_places' WHERE id = {other}")
    places = system.rows("SELECT provider_ids->>'google_places' AS id FROM venues WHERE id <> :id", id=other)
    script = {f"listing:google_places:{row.id}": [Fault.TIMEOUT] for row in places}
    system.sandbox.set_faults(script=script, stall_seconds=60)

    job_ids = system.enqueue(stalled)
    patient = dict.fromkeys(("stall_timeout", "download_timeout", "provider_timeout"), 50.0)
    with session_of(system, job_ids, downloads_per_process=2, lease_seconds=30.0, **patient) as running:
        asked = partial(system.sandbox.log, provider="google_places", kind="listing")
        wait_until(asked, lambda calls: len(calls) == 2)
        time.sleep(5 * lanes.RECENT)
        (job_id,) = system.enqueue([other])
        done = "SELECT count(*) FROM jobs WHERE id = :id AND state = 'completed'"
        wait_until(partial(system.value, done, id=job_id), seconds=20)
        assert system.value("SELECT count(*) FROM jobs WHERE state = 'executing'") == len(stalled)
        running.stopping.set()


def test_a_pause_lets_what_runs_finish_and_gives_the_rest_back_untried(system: System) -> None:
    fail_all(system, 8)
    images = system.value("SELECT count(*) FROM images")
    request_id, job_ids = retry_all(system)
    system.sandbox.set_faults(delay=0.4)

    with session_of(system, job_ids, downloads_per_process=2) as running:
        wait_until(lambda: uploaded(system), lambda n: n >= 2, every=0.02)
        actions.pause_retry(system.engine, request_id, actor=ANNA)
        running.ends(10)

    tried = system.value("SELECT count(*) FROM attempts WHERE number = 2")
    assert 2 <= tried == uploaded(system) < images / 2
    assert system.uploading() == 0
    waiting = system.open_jobs()
    assert waiting
    assert {row.state for row in waiting} == {"available"}
    assert system.value("SELECT count(*) FROM jobs WHERE scheduled_at = :held", held=HELD) == len(waiting)
    assert runner.run(system.engine, system.settings, job_ids) == 0

    system.sandbox.set_faults(delay=0.0)
    actions.resume_retry(system.engine, request_id, actor=ANNA)
    runner.run(system.engine, system.settings, job_ids)
    assert system.agree() == {"uploaded": images}
    assert system.value("SELECT count(*) FROM attempts WHERE number = 2") == images


def test_one_retry_is_paused_and_another_goes_on(system: System) -> None:
    first, second = fail_all(system, 2)
    paused, going = (
        actions.retry_venue(system.engine, venue_id, actor=ANNA, token=uuid4().hex).request_id
        for venue_id in (first, second)
    )
    system.sandbox.set_faults(delay=0.4)
    job_ids = [row.id for row in system.rows("SELECT id FROM jobs WHERE kind = 'retry'")]

    with session_of(system, job_ids, downloads_per_process=2) as running:
        wait_until(system.uploading)
        actions.pause_retry(system.engine, paused, actor=ANNA)
        running.ends(30)

    states = {
        row.venue_id: row.states
        for row in system.rows(
            "SELECT venue_id, array_agg(DISTINCT state::text) AS states FROM images GROUP BY 1"
        )
    }
    assert "failed" in states[first]
    assert states[second] == ["uploaded"]
    assert system.value("SELECT state FROM retry_requests WHERE id = :id", id=going) == "completed"


def test_a_provider_that_is_paused_meanwhile_is_asked_no_more(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "FRESH_FACTS", 0.1)
    fail_all(system, 8)
    _, job_ids = retry_all(system)
    system.sandbox.set_faults(delay=0.3)
    others = system.value("SELECT count(*) FROM images WHERE provider = 'wikimedia_commons'")

    with session_of(system, job_ids, downloads_per_process=2):
        wait_until(lambda: uploaded(system, "google_places"), every=0.02)
        change(
            system,
            "UPDATE providers SET paused_until = now() + interval '10 minutes', paused_reason = 'quota' "
            "WHERE code = 'google_places'",
        )
        done = uploaded(system, "wikimedia_commons")
        wait_until(lambda: uploaded(system, "wikimedia_commons"), lambda n: n >= done + 4)
        asked = len(system.sandbox.log(provider="google_places"))
        system.sandbox.set_faults(delay=0.02)
        wait_until(lambda: uploaded(system, "wikimedia_commons"), lambda n: n == others)
    assert len(system.sandbox.log(provider="google_places")) == asked
    left = system.rows("SELECT state FROM images WHERE state <> 'uploaded'")
    assert {row.state for row in left} == {"failed"}
    assert system.value("SELECT count(*) FROM attempts WHERE outcome = 'failed' AND number = 2") == 0
    # its jobs wait for the end of the pause
    assert system.value("SELECT count(*) FROM jobs WHERE scheduled_at > now() + interval '8 minutes'") > 0


def test_a_session_that_is_stopped_takes_on_nothing_and_gives_back_what_it_holds(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "STOP_GRACE", 0.2)
    job_ids = system.enqueue(system.add_venues(20))
    system.sandbox.set_faults(delay=0.5)

    with session_of(system, job_ids[:4], downloads_per_process=4) as running:
        wait_until(system.uploading)
        began = time.monotonic()
        running.stopping.set()
        running.ends()
    assert time.monotonic() - began < 5
    assert {row.state for row in system.open_jobs()} == {"available"}
    assert system.uploading() == 0
    assert runner.run(system.engine, system.settings, job_ids, is_stopping=lambda: True) == 0

    system.sandbox.set_faults(delay=0.0)
    while system.open_jobs():  # a busy machine puts some off
        let_all_be_tried_now(system)
        runner.run(system.engine, system.settings, job_ids[:1])
    assert set(system.agree()) == {"uploaded"}
    assert {row.attempt for row in system.rows("SELECT attempt FROM jobs")} == {1}


@pytest.fixture
def short_of_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A session's usual time is over at once; what is left may then take so many seconds."""

    def set_drag(seconds: float) -> None:
        monkeypatch.setattr(runner, "USUAL_TIME", 0.0)
        monkeypatch.setattr(runner, "DRAG", seconds)

    return set_drag


def test_after_its_usual_time_a_session_ends_so_that_others_get_the_process(
    system: System, short_of_time: Callable[[float], None]
) -> None:
    short_of_time(60.0)
    job_ids = system.enqueue(system.add_venues(6))
    assert runner.run(system.engine, system.settings, job_ids[:2]) == 2
    assert [row.state for row in system.open_jobs()] == ["available"] * 4


def test_what_drags_on_keeps_no_process_from_what_is_due_unless_another_kind_waits(
    system: System, short_of_time: Callable[[float], None]
) -> None:
    short_of_time(0.1)
    job_ids = system.enqueue(system.add_venues(6))
    system.sandbox.set_faults(delay=0.5)
    change(
        system,
        "INSERT INTO jobs (kind, actor) VALUES ('cleanup', 'anna')",
    )
    assert runner.run(system.engine, system.settings, job_ids[:1]) == 1

    change(system, "UPDATE jobs SET scheduled_at = now() + interval '1 hour' WHERE kind = 'cleanup'")
    assert runner.run(system.engine, system.settings, job_ids[1:2]) > 1


def test_a_session_never_outlasts_its_message(system: System, short_of_time: Callable[[float], None]) -> None:
    short_of_time(0.0)
    settings = system.settings.model_copy(update={"visibility_timeout": 0})
    job_ids = system.enqueue(system.add_venues(3))
    system.sandbox.set_faults(delay=0.3)
    assert runner.run(system.engine, settings, job_ids[:1]) == 1


def test_the_table_is_not_asked_all_the_time_while_nothing_is_due(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    ask = due_jobs.claim_due

    def counted(*args: Any, **more: Any) -> Any:
        asked.append(time.monotonic())
        return ask(*args, **more)

    monkeypatch.setattr(due_jobs, "claim_due", counted)
    job_ids = system.enqueue(system.add_venues(2))
    system.sandbox.set_faults(delay=0.5)
    runner.run(system.engine, system.settings, job_ids)

    assert len(asked) >= 2
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    # but for the last look, when all is done
    assert min(gaps[:-1], default=runner.LOOK_AGAIN) >= runner.LOOK_AGAIN

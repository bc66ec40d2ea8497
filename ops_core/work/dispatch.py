"""The dispatcher: one small loop that starts what is scheduled, tells of what is due, frees what is stale.

Any number may run; an advisory lock makes one of them the leader. It sends nothing itself: `send`
is handed in, so that this module does not know the queue.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from croniter import CroniterError, croniter
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import due_jobs, heartbeats, images, jobs, leader, reference, schedules
from ops_core.domain.jobs import JobKind
from ops_core.settings import Settings
from ops_core.work import release, same_pictures, search_details, uses

log = logging.getLogger(__name__)

#: Tells workers about jobs of one kind; raises `NotSent` when the broker cannot be reached.
Send = Callable[[JobKind, Sequence[int]], None]
#: Asks the workers for a round of reports of use; raises `NotSent` likewise.
AskForReports = Callable[[], None]

#: Most jobs that workers have been told of and have not begun: a longer queue waits in the table.
AHEAD = 400
#: Seconds after which a job that nobody began is told of again: its message may be lost.
TELL_AGAIN = 60.0
_SINGLE = (JobKind.BATCH, JobKind.STALE, JobKind.CLEANUP)
#: Kinds of which one message tells of several jobs.
_MANY = (JobKind.ENRICHMENT, JobKind.RETRY, JobKind.GEOCODING)


class NotSent(Exception):
    """The broker could not be reached; the rows stay due."""


def run(
    engine: Engine,
    settings: Settings,
    stop: threading.Event,
    send: Send,
    ask_for_reports: AskForReports,
) -> None:
    """Work until `stop` is set. An unreachable database or broker is waited out."""
    name = f"dispatcher:{socket.gethostname()}:{os.getpid()}"
    no_reports_before = -math.inf
    while not stop.is_set():
        try:
            with leader.leadership(engine) as is_leader:
                while not stop.is_set():
                    leads = is_leader()
                    heartbeats.beat(engine, name, "dispatcher", {"leader": leads})
                    if leads:
                        round_(engine, settings, send)
                        if time.monotonic() >= no_reports_before and uses.are_due(engine):
                            no_reports_before = time.monotonic() + settings.report_interval
                            _ask(ask_for_reports)
                    stop.wait(settings.dispatch_interval)
        except SQLAlchemyError as error:
            log.warning("a round failed (%s: %s), trying again", type(error).__name__, error.__cause__)
            stop.wait(settings.dispatch_interval)
    with contextlib.suppress(SQLAlchemyError):
        heartbeats.forget(engine, name)


def round_(engine: Engine, settings: Settings, send: Send) -> None:
    """One round: free what is stale, hand out retries, tell of what is due, start what is scheduled.

    Last, details of searches are dropped that may not be kept longer, and new pictures are compared:
    nothing waits for that.
    """
    with engine.begin() as connection:
        freed = images.release_expired(connection, max_lost_claims=settings.max_lost_claims)
        freed += jobs.release_expired(connection)
    if freed:
        log.info("freed %d claims of workers that are gone", freed)
    release.hand_out(engine, settings)
    tell(engine, settings, send)
    with engine.begin() as connection:
        fire_schedules(connection, settings)
    with engine.begin() as connection:
        reference.ensure_attempt_months(connection, datetime.now(UTC))
    search_details.drop_overdue(engine)
    same_pictures.group(engine)


def fire_schedules(connection: Connection, settings: Settings) -> list[int]:
    """Write a job for every schedule that is due and move it on; the new jobs' ids.

    Runs that were missed count as one, and while a run's job is open there is no second one.
    """
    now = datetime.now(UTC)
    written = []
    for schedule in schedules.take_due(connection):
        try:
            following = croniter(schedule.cron, now).get_next(datetime) if schedule.cron else None
        except CroniterError as error:
            log.warning("schedule %s is switched off: %s", schedule.name, error)
            schedules.switch_off(connection, schedule)
            continue
        actor = f"schedule:{schedule.name}"
        if not jobs.has_open(connection, actor=actor, kind=schedule.kind):
            written.append(
                jobs.enqueue(
                    connection,
                    schedule.kind,
                    actor=actor,
                    args=schedule.args,
                    max_attempts=settings.job_max_attempts,
                )
            )
        schedules.move_on(connection, schedule, following)
    return written


def tell(engine: Engine, settings: Settings, send: Send) -> int:
    """Send one message for every chunk of due jobs; how many jobs were told of."""
    with engine.begin() as connection:
        due = due_jobs.take_due(connection, limit=AHEAD, again_after=TELL_AGAIN, kinds=[*_SINGLE, *_MANY])
    chunks = list(_chunks(due, settings.venues_per_task))
    for place, (kind, ids) in enumerate(chunks):
        try:
            send(kind, ids)
        except NotSent as error:
            unsent = [job_id for _, rest in chunks[place:] for job_id in rest]
            log.warning("broker away, %d jobs stay due: %s", len(unsent), error)
            with engine.begin() as connection:
                due_jobs.forget_hints(connection, unsent)
            return len(due) - len(unsent)
    return len(due)


def _ask(ask_for_reports: AskForReports) -> None:
    try:
        ask_for_reports()
    except NotSent as error:
        log.warning("broker away, reports of use stay due: %s", error)


def _chunks(due: Sequence[tuple[int, JobKind]], size: int) -> list[tuple[JobKind, list[int]]]:
    singles: list[tuple[JobKind, list[int]]] = []
    many: list[tuple[JobKind, list[int]]] = []
    filling: dict[JobKind, list[int]] = {}
    for job_id, kind in due:
        if kind in _SINGLE:
            singles.append((kind, [job_id]))
        elif kind in filling and len(filling[kind]) < size:
            filling[kind].append(job_id)
        else:
            filling[kind] = [job_id]
            many.append((kind, filling[kind]))
    return singles + many

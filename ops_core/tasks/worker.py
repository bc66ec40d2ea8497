"""What a worker does besides its tasks: fresh connections after a fork, signs of life, a tidy end.

Asked to stop, a worker waits for its tasks; these see `is_stopping`, take on nothing new, and give
back within seconds what they cannot finish. So nobody waits for a slow provider, and nothing for a lease.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
import threading
from typing import Any

from celery import signals
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import heartbeats, images, jobs
from ops_core.db.engine import forget_engine, get_engine, make_engine, wait_for_database
from ops_core.settings import get_settings
from ops_core.work.session import WORKER

log = logging.getLogger(__name__)

#: Seconds between signs of life.
BEAT = 5.0
#: Seconds a task waits for a database that is away. It keeps its message meanwhile: a worker that went
#: on to the next would only empty the queue.
PATIENCE = 60.0
_stop = threading.Event()
#: Shared with the pool's processes, which are forked later. No lock: a killed child could keep it.
_stopping = multiprocessing.RawValue("b", 0)


def is_stopping() -> bool:
    """Whether this worker was asked to stop; asked by its tasks."""
    return bool(_stopping.value)


def database_is_there() -> bool:
    """Whether the database could be reached within `PATIENCE`; asked by tasks before they begin."""
    there = wait_for_database(get_engine(), seconds=PATIENCE, give_up=is_stopping)
    if not there:
        log.warning("the database is away; the dispatcher tells of this work again")
    return there


@signals.worker_shutting_down.connect
def _ask_tasks_to_end(**_: Any) -> None:
    _stopping.value = 1


@signals.worker_process_init.connect
def _after_fork(**_: Any) -> None:
    forget_engine()


@signals.worker_ready.connect
def _begin(**_: Any) -> None:
    _stop.clear()
    threading.Thread(target=_beat, name="heartbeat", daemon=True).start()


@signals.worker_shutdown.connect
def _end(**_: Any) -> None:
    """Free what a process of this worker that was killed still holds."""
    _stop.set()
    settings = get_settings()
    try:
        engine = make_engine(settings.require_database_url(), pool_size=1)
        with engine.begin() as connection:
            images.release_expired(connection, max_lost_claims=settings.max_lost_claims, owner_prefix=WORKER)
            jobs.release_expired(connection, owner_prefix=WORKER)
        heartbeats.forget(engine, _name())
        engine.dispose()
    except SQLAlchemyError as error:
        log.warning("leases of this worker run out by themselves: %s", type(error).__name__)


def _beat() -> None:
    engine = make_engine(get_settings().require_database_url(), pool_size=1)
    while not _stop.is_set():
        try:
            heartbeats.beat(engine, _name(), "worker", {"processes": get_settings().worker_processes})
        except SQLAlchemyError as error:
            log.warning("no sign of life could be given: %s", type(error).__name__)
        _stop.wait(BEAT)
    engine.dispose()


def _name() -> str:
    return f"worker:{socket.gethostname()}:{os.getpid()}"

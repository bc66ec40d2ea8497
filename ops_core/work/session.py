"""What one chunk of work shares: connections, permits, the recorder, and the heartbeat of its leases."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import images, jobs, providers
from ops_core.db.providers import ActiveProvider
from ops_core.providers.http import Api, Http
from ops_core.settings import Settings
from ops_core.storage.registry import open_store
from ops_core.storage.store import Store
from ops_core.work.rate_limits import Permits
from ops_core.work.recorder import Recorder

log = logging.getLogger(__name__)

#: What the claims of all processes of one worker begin with. Made before they are forked; a host
#: name and a process id would not do, since containers may share both.
WORKER = f"{socket.gethostname()}:{uuid.uuid4().hex[:8]}:"

_sessions = itertools.count(1)

#: Seconds that work gets to end by itself when its worker is asked to stop.
STOP_GRACE = 5.0
#: Seconds between looks at whether the worker is asked to stop.
STOP_LOOK = 0.25


def owner_name() -> str:
    """Who holds the claims of one session: the worker, this process, a number.

    New for every session: a heartbeat must not keep alive what an earlier, broken one left behind.
    """
    return f"{WORKER}{os.getpid()}:{next(_sessions)}"


@dataclass(frozen=True, slots=True)
class Session:
    """Everything a chunk of work needs; made by `open_session`."""

    engine: Engine
    settings: Settings
    owner: str
    http: Http
    store: Store
    providers: dict[str, ActiveProvider]
    permits: Permits
    recorder: Recorder
    slots: asyncio.Semaphore  #: Downloads at once in this process.
    alone: asyncio.Lock  #: Held by an image on which a worker died before.

    def api(self, provider: str) -> Api:
        """A counted way to call one provider."""
        return self.http.api(provider, self.permits)


@asynccontextmanager
async def open_session(engine: Engine, settings: Settings) -> AsyncIterator[Session]:
    """A session whose leases are kept alive until it is left."""
    owner = owner_name()
    with engine.connect() as connection:
        active = providers.active(connection)
    limits = {code: provider.limits for code, provider in active.items()}
    heartbeat = asyncio.create_task(_keep_leases(engine, owner, settings.lease_seconds))
    try:
        async with Http(settings) as http, Recorder(engine) as recorder:
            yield Session(
                engine=engine,
                settings=settings,
                owner=owner,
                http=http,
                store=open_store(settings),
                providers=active,
                permits=Permits(engine, limits, settings.permit_wait),
                recorder=recorder,
                slots=asyncio.Semaphore(settings.downloads_per_process),
                alone=asyncio.Lock(),
            )
    finally:
        heartbeat.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await heartbeat
        # a claim whose waiter was cancelled may still be on its way to the database
        await asyncio.get_running_loop().shutdown_default_executor()
        _give_back(engine, owner)


async def run_until_stopped(
    work: Sequence[Coroutine[Any, Any, None]], is_stopping: Callable[[], bool]
) -> None:
    """Run `work` side by side; once `is_stopping`, end what is not done within `STOP_GRACE` seconds."""
    running = {asyncio.create_task(piece) for piece in work}
    ended: set[asyncio.Task[None]] = set()
    while running and not is_stopping():
        done, running = await asyncio.wait(running, timeout=STOP_LOOK, return_when=asyncio.FIRST_COMPLETED)
        ended |= done
    if running:
        done, running = await asyncio.wait(running, timeout=STOP_GRACE)
        ended |= done
    for piece in running:
        piece.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for piece in ended:
        piece.result()


def _give_back(engine: Engine, owner: str) -> None:
    try:
        with engine.begin() as connection:
            given = images.give_back(connection, owner) + jobs.give_back(connection, owner)
    except SQLAlchemyError as error:
        log.warning("what %s held is left to its leases: %s", owner, type(error).__name__)
    else:
        if given:
            log.info("gave back %d claims untried", given)


async def _keep_leases(engine: Engine, owner: str, lease_seconds: float) -> None:
    while True:
        await asyncio.sleep(lease_seconds / 3)
        try:
            await asyncio.to_thread(_extend, engine, owner, lease_seconds)
        except SQLAlchemyError:
            # the outcomes are fenced: a lease that could not be kept only means the work is done again
            log.warning("leases of %s could not be extended", owner)


def _extend(engine: Engine, owner: str, lease_seconds: float) -> None:
    with engine.begin() as connection:
        jobs.extend_leases(connection, owner, lease_seconds)
        images.extend_leases(connection, owner, lease_seconds)

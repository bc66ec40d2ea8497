"""What one chunk of work shares: connections, permits, the recorder, and the heartbeat of its leases."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ops_core.db import images, jobs, providers
from ops_core.db.providers import ActiveProvider
from ops_core.providers.http import Api, Http
from ops_core.settings import Settings
from ops_core.storage.registry import open_store
from ops_core.storage.store import Store
from ops_core.work.rate_limits import Permits
from ops_core.work.recorder import Recorder

log = logging.getLogger(__name__)

_sessions = itertools.count(1)


def owner_prefix(main_pid: int) -> str:
    """What the claims of all processes of one worker begin with."""
    return f"{socket.gethostname()}:{main_pid}:"


def owner_name() -> str:
    """Who holds the claims of one session: host, the worker's main process, this process, a number.

    New for every session: a heartbeat must not keep alive what an earlier, broken one left behind.
    """
    return f"{owner_prefix(os.getppid())}{os.getpid()}:{next(_sessions)}"


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
    async with Http(settings) as http, Recorder(engine) as recorder:
        heartbeat = asyncio.create_task(_keep_leases(engine, owner, settings.lease_seconds))
        try:
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
            )
        finally:
            heartbeat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await heartbeat


async def _keep_leases(engine: Engine, owner: str, lease_seconds: float) -> None:
    while True:
        await asyncio.sleep(lease_seconds / 3)
        try:
            await asyncio.to_thread(_extend, engine, owner, lease_seconds)
        except DBAPIError:
            # the outcomes are fenced: a lease that could not be kept only means the work is done again
            log.warning("leases of %s could not be extended", owner)


def _extend(engine: Engine, owner: str, lease_seconds: float) -> None:
    with engine.begin() as connection:
        jobs.extend_leases(connection, owner, lease_seconds)
        images.extend_leases(connection, owner, lease_seconds)

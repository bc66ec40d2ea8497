"""What the jobs of one worker process share: connections, lanes, permits, the recorder, facts that are
kept fresh, and the heartbeat of its leases.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
import uuid
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    ItemsView,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import images, jobs, providers
from ops_core.db.providers import ActiveProvider
from ops_core.domain.permits import Limits
from ops_core.domain.providers import Rehosting, in_force
from ops_core.providers.http import Api, Http
from ops_core.providers.registry import SOURCES
from ops_core.settings import Settings
from ops_core.storage.registry import open_store
from ops_core.storage.store import Store
from ops_core.work.halts import Halts
from ops_core.work.lanes import Lanes
from ops_core.work.rate_limits import Permits
from ops_core.work.recorder import Recorder
from ops_core.work.references import References

log = logging.getLogger(__name__)

Value = TypeVar("Value")

#: What the claims of all processes of one worker begin with. Made before they are forked; a host
#: name and a process id would not do, since containers may share both.
WORKER = f"{socket.gethostname()}:{uuid.uuid4().hex[:8]}:"

_sessions = itertools.count(1)

#: Seconds that work gets to end by itself when its worker is asked to stop.
STOP_GRACE = 5.0
#: Seconds between looks at whether the worker is asked to stop.
STOP_LOOK = 0.25
#: Seconds between looks at what people changed about the providers.
FRESH_FACTS = 2.0


def owner_name() -> str:
    """Who holds the claims of one session: the worker, this process, a number.

    New for every session: a heartbeat must not keep alive what an earlier, broken one left behind.
    """
    return f"{WORKER}{os.getpid()}:{next(_sessions)}"


@dataclass(frozen=True, slots=True)
class Session:
    """Everything the jobs need; made by `open_session`."""

    engine: Engine
    settings: Settings
    owner: str
    http: Http
    store: Store
    providers: Mapping[str, ActiveProvider]  #: As they are now: they change while work goes on.
    permits: Permits
    recorder: Recorder
    lanes: Lanes  #: Downloads at once in this process.
    listings: Lanes  #: Listings at once in this process.
    halts: Halts  #: Which retries people stopped.
    underway: set[int]  #: Jobs whose images wait in the lanes, or did.
    alone: asyncio.Lock  #: Held by an image on which a worker died before.
    drawn: Collection[str] = ()  #: Providers whose photos the sandbox draws, and that are copied.
    references: References = field(default_factory=References)

    def api(self, provider: str) -> Api:
        """A counted way to call one provider."""
        return self.http.api(provider, self.permits)

    def may_copy(self, provider: str) -> bool:
        """Whether copies of a provider's photos may be kept; not if it is switched off or not known."""
        return _copied(self.providers, provider, self.drawn)


def _copied(providers: Mapping[str, ActiveProvider], code: str, drawn: Collection[str]) -> bool:
    known = providers.get(code)
    return known is not None and in_force(known.rehosting, code, drawn) is Rehosting.STORE


class _Current(Mapping[str, Value]):
    """A mapping that is replaced as a whole: threads read it meanwhile, and must never see it half empty."""

    def __init__(self) -> None:
        self.items_now: dict[str, Value] = {}

    def __getitem__(self, code: str) -> Value:
        return self.items_now[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self.items_now)

    def __len__(self) -> int:
        return len(self.items_now)

    def items(self) -> ItemsView[str, Value]:
        return self.items_now.items()


def askable(active: Collection[str], settings: Settings) -> list[str]:
    """Those of the `active` providers, by code, that have a source here which is set up."""
    return [code for code in active if code in SOURCES and SOURCES[code].not_ready(settings) is None]


class _Facts:
    """What is known of the providers, and the lanes that are divided among them."""

    def __init__(self, settings: Settings, drawn: Collection[str], lanes: Lanes, listings: Lanes) -> None:
        self.providers: _Current[ActiveProvider] = _Current()
        self.limits: _Current[Limits] = _Current()
        self._settings = settings
        self._drawn = drawn
        self._lanes = lanes
        self._listings = listings

    def update(self, active: dict[str, ActiveProvider]) -> None:
        self.limits.items_now = {code: provider.limits for code, provider in active.items()}
        self.providers.items_now = active
        # who cannot be asked needs no share, nor does who is never downloaded from
        asked = askable(active, self._settings)
        self._listings.share(asked)
        self._lanes.share([code for code in asked if _copied(active, code, self._drawn)])


@asynccontextmanager
async def open_session(engine: Engine, settings: Settings) -> AsyncIterator[Session]:
    """A session whose leases are kept alive, and whose facts are kept fresh, until it is left."""
    owner = owner_name()
    lanes, listings = Lanes(settings.downloads_per_process), Lanes(settings.downloads_per_process)
    # the real providers' photos are not drawn, whatever sandbox runs beside
    drawn = settings.drawn if settings.sandbox_url else ()
    facts = _Facts(settings, drawn, lanes, listings)
    facts.update(_active(engine))
    halts = Halts(engine, lanes.call_back)
    upkeep = (
        _keep_leases(engine, owner, settings.lease_seconds),
        _keep_fresh(engine, facts),
        halts.keep_looking(),
    )
    store = open_store(settings)
    try:
        async with _meanwhile(*upkeep), Http(settings) as http, Recorder(engine) as recorder:
            yield Session(
                engine=engine,
                settings=settings,
                owner=owner,
                http=http,
                store=store,
                providers=facts.providers,
                permits=Permits(engine, facts.limits, settings.permit_wait),
                recorder=recorder,
                lanes=lanes,
                listings=listings,
                halts=halts,
                underway=set(),
                alone=asyncio.Lock(),
                drawn=drawn,
            )
    finally:
        await store.close()
        # a claim whose waiter was cancelled may still be on its way to the database
        await asyncio.get_running_loop().shutdown_default_executor()
        _give_back(engine, owner)


@asynccontextmanager
async def _meanwhile(*upkeep: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(piece) for piece in upkeep]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def run_until_stopped(
    work: Sequence[Coroutine[Any, Any, None]], is_stopping: Callable[[], bool]
) -> None:
    """Run `work` side by side; once `is_stopping`, end what is not done within `STOP_GRACE` seconds."""
    running = {asyncio.create_task(piece) for piece in work}
    ended: set[asyncio.Task[None]] = set()
    while running and not is_stopping():
        done, running = await asyncio.wait(running, timeout=STOP_LOOK, return_when=asyncio.FIRST_COMPLETED)
        ended |= done
    ended |= await end_within(running, STOP_GRACE)
    for piece in ended:
        piece.result()


async def end_within(running: Collection[asyncio.Task[None]], seconds: float) -> set[asyncio.Task[None]]:
    """Give `running` so many seconds, then cancel the rest; those that ended by themselves."""
    if not running:
        return set()
    ended, late = await asyncio.wait(running, timeout=seconds)
    for piece in late:
        piece.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    return ended


def _give_back(engine: Engine, owner: str) -> None:
    try:
        with engine.begin() as connection:
            given = images.give_back(connection, owner) + jobs.give_back(connection, owner)
    except SQLAlchemyError as error:
        log.warning("what %s held is left to its leases: %s", owner, type(error).__name__)
    else:
        if given:
            log.info("gave back %d claims untried", given)


async def _keep_fresh(engine: Engine, facts: _Facts) -> None:
    while True:
        await asyncio.sleep(FRESH_FACTS)
        try:
            facts.update(await asyncio.to_thread(_active, engine))
        except SQLAlchemyError as error:
            log.warning("changes to providers are noticed later: %s", type(error).__name__)


def _active(engine: Engine) -> dict[str, ActiveProvider]:
    with engine.connect() as connection:
        return providers.active(connection)


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

"""Waiting for permits: short waits are slept through here, long ones give the work back.

Those in a process who ask at the same time share one statement; each gets a start of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from ops_core.db import rate_limits
from ops_core.db.clock import server_time
from ops_core.domain.failures import Failure
from ops_core.domain.permits import Clock, Limits, Standing, Taken, good_for
from ops_core.work.circuits import Circuits

log = logging.getLogger(__name__)

#: Longest silence a provider can ask of us with one reply, seconds.
MAX_BLOCK = 3600.0
#: Seconds in which askers gather before the first of them is served.
GATHER = 0.002
#: Most permits taken with one statement: the row is locked meanwhile, and others want some too.
BATCH = 200
#: Longest time ahead for which a permit is asked after one was missed, seconds.
LONGEST_LEAD = 0.5

#: Times the clock is read before the first permit: one slow answer would make it late, and the permits
#: after it, when the clock is better known, too early.
CLOCK_READINGS = 5


class PutOff(Exception):
    """The work must wait for longer than a worker should: do other work meanwhile."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"for {seconds:.0f} s")
        self.seconds = seconds


@dataclass(slots=True)
class _Memory:
    """What this process knows of a database, from one session to the next."""

    clock: Clock | None = None
    #: What was used of the providers' windows: the table is unlogged, and a crash empties it.
    used: dict[str, Standing] = field(default_factory=dict)


_memories: WeakKeyDictionary[Engine, _Memory] = WeakKeyDictionary()


@dataclass(slots=True)
class _Line:
    """Those who wait for an answer about one provider, and what serves them."""

    askers: deque[asyncio.Future[datetime | float]] = field(default_factory=deque)
    server: asyncio.Task[None] | None = None
    lead: float = 0.0  #: Seconds ahead for which permits are asked; grows while they come too late.


class Permits:
    """What lets work call its providers: permits within their limits, and circuit breakers."""

    def __init__(self, engine: Engine, limits: Mapping[str, Limits], longest_wait: float) -> None:
        """`limits` may change while this is in use. No wait is longer than `longest_wait` seconds."""
        self._engine = engine
        self._limits = limits
        self._longest_wait = longest_wait
        self._memory = _memories.setdefault(engine, _Memory())
        self._lines: dict[str, _Line] = {}
        self._circuits = Circuits(engine, lambda: self._limits)

    async def __call__(self, provider: str) -> None:
        """Return when one call to `provider` may be made. Raises `PutOff` when that is too far away.

        The call must follow at once: what is sent late is sent too close to the next ones.
        """
        while True:
            limits = self._limits.get(provider, Limits())
            if not limits.any:
                wait = await self._circuits.silence(provider)
                if not wait:
                    return
                if wait <= self._longest_wait:
                    await asyncio.sleep(wait)
                    continue
                await self._put_off(provider, wait)
            line = self._lines.setdefault(provider, _Line())
            answer = await self._ask(provider, line)
            if isinstance(answer, float):
                await self._put_off(provider, answer)
            elif await self._reach(provider, line, answer, good_for(limits)):
                return

    async def check(self, provider: str) -> None:
        """Return when `provider` is well enough to be asked; call it once before a try or a listing.

        Raises `PutOff` while its circuit is open. When it is time, one asker of all processes is let
        through as a probe, and `note` says what came of it.
        """
        wait = await self._circuits.wait(provider)
        if wait:
            raise PutOff(wait)

    async def note(self, provider: str, failure: Failure | None) -> None:
        """Say how a try or a listing ended, for the provider's circuit; None: it answered well."""
        await self._circuits.note(provider, failure)

    async def block(self, provider: str, seconds: float) -> None:
        """Keep all processes from calling `provider` for `seconds`, as it asked."""
        seconds = min(seconds, MAX_BLOCK)
        self._circuits.silent_for(provider, seconds)
        await asyncio.to_thread(self._block, provider, seconds)

    async def _put_off(self, provider: str, wait: float) -> NoReturn:
        await self._circuits.give_probe_back(provider, wait)
        raise PutOff(wait)

    async def _ask(self, provider: str, line: _Line) -> datetime | float:
        """A start, or the seconds until asking again makes sense."""
        asker: asyncio.Future[datetime | float] = asyncio.get_running_loop().create_future()
        line.askers.append(asker)
        if line.server is None:
            line.server = asyncio.create_task(self._serve(provider, line))
        return await asker

    async def _reach(self, provider: str, line: _Line, start: datetime, good: float) -> bool:
        """Wait for a start; whether it was reached in time, and the provider has not asked for silence."""
        assert self._memory.clock is not None
        when = self._memory.clock.when(start)
        await asyncio.sleep(max(0.0, when - time.monotonic()))
        late = time.monotonic() - when
        if self._circuits.is_silent(provider):
            return False
        if late <= good:
            line.lead *= 0.9
            return True
        # not at once again: on a busy machine that would be as late
        line.lead = min(LONGEST_LEAD, line.lead + late)
        log.debug("a permit for %s was missed by %.0f ms", provider, late * 1000)
        return False

    async def _serve(self, provider: str, line: _Line) -> None:
        """Answer all who ask, many at a time, until nobody does."""
        try:
            await asyncio.sleep(GATHER)
            while line.askers:
                asked = [line.askers.popleft() for _ in range(min(BATCH, len(line.askers)))]
                asked = [asker for asker in asked if not asker.done()]
                if not asked:
                    continue
                try:
                    taken = await asyncio.to_thread(self._take, provider, len(asked), line.lead)
                except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
                    _answer(asked, [error] * len(asked))
                else:
                    answers: list[datetime | float] = list(taken.starts)
                    if taken.wait is not None:
                        answers += [taken.wait] * (len(asked) - len(answers))
                    _answer(asked, answers)
        finally:
            line.server = None

    def _take(self, provider: str, n: int, lead: float) -> Taken:
        memory = self._memory
        with self._engine.connect() as connection:
            if memory.clock is None:
                for _ in range(CLOCK_READINGS):
                    sent = time.monotonic()
                    self._read_clock(sent, server_time(connection))
                connection.rollback()
            with connection.begin():
                sent = time.monotonic()
                taken = rate_limits.take(
                    connection,
                    provider,
                    self._limits.get(provider, Limits()),
                    n,
                    longest_wait=self._longest_wait,
                    lead=lead,
                    known=memory.used.get(provider),
                )
        self._read_clock(sent, taken.now)
        memory.used[provider] = taken.standing
        return taken

    def _read_clock(self, sent: float, server: datetime) -> None:
        clock = self._memory.clock
        self._memory.clock = Clock.read(clock, sent=sent, server=server, received=time.monotonic())

    def _block(self, provider: str, seconds: float) -> None:
        with self._engine.begin() as connection:
            rate_limits.block(connection, provider, seconds)


def _answer(
    asked: list[asyncio.Future[datetime | float]], answers: list[datetime | float] | list[Exception]
) -> None:
    """Give each asker an answer; the best ones to those who still wait."""
    still = [asker for asker in asked if not asker.done()]
    for asker, answer in zip(still, answers, strict=False):
        if isinstance(answer, Exception):
            asker.set_exception(answer)
        else:
            asker.set_result(answer)

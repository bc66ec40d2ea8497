"""The circuit breakers as one session sees them: looked at once a second, changed in batches."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import circuits, rate_limits
from ops_core.db.clock import server_time
from ops_core.domain.circuits import (
    Circuit,
    CircuitState,
    admit,
    after_failure,
    after_success,
    probing,
    says_unwell,
    without_answer,
)
from ops_core.domain.errors import ErrorType, info
from ops_core.domain.failures import Failure

log = logging.getLogger(__name__)

#: Seconds for which a look at what all processes know is good.
LOOK = 1.0
#: Seconds a failure waits for company, or for a success that makes it no news, before it is written.
LINGER = 0.05
#: Longest time until an open circuit is looked at again, seconds: a person may close it meanwhile.
LONGEST_LOOK = 120.0
#: Seconds until askers look again while a probe is on its way.
DURING_PROBE = 5.0
#: Share by which waits are longer at most, so that not all who wait come back at once.
SPREAD = 0.2

_Step = Callable[[Circuit, datetime], Circuit]


class Circuits:
    """What a session knows of its providers' circuits and silences, and what it tells the others."""

    def __init__(self, engine: Engine, codes: Callable[[], Iterable[str]]) -> None:
        """`codes` says which providers are looked at, besides those that were asked for."""
        self._engine = engine
        self._codes = codes
        self._known: dict[str, Circuit] = {}
        self._silent_until: dict[str, float] = {}
        self._looked_at = float("-inf")
        self._server_then: datetime | None = None
        self._looking = asyncio.Lock()
        #: Failures that nobody wrote down yet, by provider.
        self._unwritten: dict[str, list[ErrorType]] = {}
        self._resetting: set[str] = set()
        #: Until when the probes of this session hold their leases, by provider.
        self._probes: dict[str, datetime | None] = {}

    async def wait(self, provider: str) -> float:
        """Seconds until `provider` may be asked; 0: now, and perhaps as the one probe of all processes."""
        await self._look(provider)
        circuit = self._known[provider]
        if circuit.is_closed:
            return 0.0
        admission = admit(circuit, self._server_time())
        if admission.is_probe:
            if await self._probe(provider):
                return 0.0
            circuit = self._known[provider]
            admission = admit(circuit, self._server_time())
        longest = LONGEST_LOOK if circuit.state is CircuitState.OPEN else DURING_PROBE
        return min(max(admission.wait, 1.0), longest) * random.uniform(1, 1 + SPREAD)

    async def silence(self, provider: str) -> float:
        """Seconds for which `provider` asked not to be called; what others heard is known a second later."""
        await self._look(provider)
        return max(0.0, self._silent_until.get(provider, 0.0) - time.monotonic())

    def silent_for(self, provider: str, seconds: float) -> None:
        """Remember that `provider` asked this session for silence."""
        until = time.monotonic() + seconds
        self._silent_until[provider] = max(self._silent_until.get(provider, 0.0), until)

    def is_silent(self, provider: str) -> bool:
        """Whether `provider` is known to have asked for silence, without looking."""
        return time.monotonic() < self._silent_until.get(provider, 0.0)

    async def note(self, provider: str, failure: Failure | None) -> None:
        """A try or a listing ended so; returns once the others can know what they need to."""
        unwell = says_unwell(failure)
        if provider in self._probes:
            await self._end_probe(provider, failure, unwell)
            return
        known = self._known.get(provider)
        if unwell is None or (known is not None and not known.is_closed):
            return
        if failure is not None and unwell:
            await self._failed(provider, failure.error_type)
        else:
            await self._answered(provider, known)

    async def give_probe_back(self, provider: str, seconds: float) -> None:
        """The probe of this session, if there is one, could not be made: another may be in `seconds`."""
        if provider in self._probes:
            lease = self._probes.pop(provider)
            await self._change(provider, _held(lease, lambda it, now: without_answer(it, now, seconds)))

    async def _failed(self, provider: str, error_type: ErrorType) -> None:
        unwritten = self._unwritten.setdefault(provider, [])
        unwritten.append(error_type)
        await asyncio.sleep(LINGER)
        if self._unwritten.get(provider) is not unwritten:
            return  # written with another's, or no news any more since the provider answered

        def step(circuit: Circuit, now: datetime) -> Circuit:
            for each in unwritten:
                circuit = after_failure(circuit, each, now)
            return circuit

        del self._unwritten[provider]
        await self._change(provider, _if_closed(step))

    async def _answered(self, provider: str, known: Circuit | None) -> None:
        self._unwritten.pop(provider, None)
        # nearly always all is well, and nobody thought otherwise: then there is nothing to write
        if known is not None and known.failures and provider not in self._resetting:
            self._resetting.add(provider)
            try:
                await self._change(provider, _if_closed(after_success))
            finally:
                self._resetting.discard(provider)

    async def _probe(self, provider: str) -> bool:
        """Whether the provider may be asked: as the one probe, or as its circuit was closed meanwhile."""

        def step(circuit: Circuit, now: datetime) -> Circuit:
            return probing(circuit, now) if admit(circuit, now).is_probe else circuit

        before, after = await asyncio.to_thread(self._changed, provider, step)
        self._known[provider] = after
        if after != before:
            self._probes[provider] = after.probe_until
            log.info("%s is asked once, to see whether it is well again", provider)
        return after != before or after.is_closed

    async def _end_probe(self, provider: str, failure: Failure | None, unwell: bool | None) -> None:
        lease = self._probes.pop(provider)

        def step(circuit: Circuit, now: datetime) -> Circuit:
            if unwell and failure is not None:
                return after_failure(circuit, failure.error_type, now)
            return without_answer(circuit, now) if unwell is None else after_success(circuit, now)

        await self._change(provider, _held(lease, step))

    async def _change(self, provider: str, step: _Step) -> None:
        """Change a circuit and say so in the log. That it could not be is no reason to lose a try."""
        try:
            before, after = await asyncio.to_thread(self._changed, provider, step)
        except SQLAlchemyError as error:
            log.warning("how %s does could not be noted: %s", provider, type(error).__name__)
            return
        self._known[provider] = after
        if after.state is CircuitState.OPEN and before.state is not CircuitState.OPEN:
            assert after.retry_at is not None
            log.warning(
                "%s is not asked until %s: %d failures in a row, the last: %s",
                provider,
                f"{after.retry_at:%H:%M:%S} UTC",
                after.failures,
                info(after.error_type).label if after.error_type else "unknown",
            )
        elif after.is_closed and not before.is_closed:
            log.warning("%s answers, and is asked as usual again", provider)

    def _changed(self, provider: str, step: _Step) -> tuple[Circuit, Circuit]:
        with self._engine.begin() as connection:
            return circuits.change(connection, provider, step)

    async def _look(self, provider: str) -> None:
        if provider in self._known and time.monotonic() < self._looked_at + LOOK:
            return
        async with self._looking:
            if provider in self._known and time.monotonic() < self._looked_at + LOOK:
                return
            began = time.monotonic()
            codes = {*self._codes(), *self._known, provider}
            known, silences, self._server_then = await asyncio.to_thread(self._load, codes)
            self._known.update(known)
            for code, seconds in silences.items():
                self.silent_for(code, seconds)
            self._looked_at = began

    def _load(self, codes: set[str]) -> tuple[dict[str, Circuit], dict[str, float], datetime]:
        with self._engine.connect() as connection:
            return (
                circuits.load(connection, codes),
                rate_limits.silences(connection, codes),
                server_time(connection),
            )

    def _server_time(self) -> datetime:
        """The database's time, as of the last look."""
        assert self._server_then is not None
        return self._server_then + timedelta(seconds=time.monotonic() - self._looked_at)


def _held(lease: datetime | None, step: _Step) -> _Step:
    """`step`, if the probe with this lease is still the one that counts."""

    def held(circuit: Circuit, now: datetime) -> Circuit:
        is_ours = circuit.state is CircuitState.HALF_OPEN and circuit.probe_until == lease
        return step(circuit, now) if is_ours else circuit

    return held


def _if_closed(step: _Step) -> _Step:
    """`step`, unless the circuit opened meanwhile: what was begun before is no news then."""
    return lambda circuit, now: step(circuit, now) if circuit.is_closed else circuit

"""Waiting for permits: short waits are slept through here, long ones give the work back."""

from __future__ import annotations

import asyncio

from sqlalchemy import Engine

from ops_core.db import rate_limits
from ops_core.db.rate_limits import Limits

#: Longest silence a provider can ask of us with one reply, seconds.
MAX_BLOCK = 3600.0


class PutOff(Exception):
    """The work must wait for longer than a worker should: do other work meanwhile."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"for {seconds:.0f} s")
        self.seconds = seconds


class Permits:
    """Hands out permits for the providers given, as `await permits(provider)`."""

    def __init__(self, engine: Engine, limits: dict[str, Limits], longest_wait: float) -> None:
        self._engine = engine
        self._limits = limits
        self._longest_wait = longest_wait

    async def __call__(self, provider: str) -> None:
        """Return when one call to `provider` may be made. Raises `PutOff` when that is too far away."""
        permit = await asyncio.to_thread(self._take, provider)
        if not permit.granted:
            raise PutOff(permit.wait)
        if permit.wait > 0:
            await asyncio.sleep(permit.wait)

    async def block(self, provider: str, seconds: float) -> None:
        """Keep all processes from calling `provider` for `seconds`, as it asked."""
        await asyncio.to_thread(self._block, provider, min(seconds, MAX_BLOCK))

    def _take(self, provider: str) -> rate_limits.Permit:
        with self._engine.begin() as connection:
            limits = self._limits.get(provider, Limits())
            return rate_limits.take(connection, provider, limits, longest_wait=self._longest_wait)

    def _block(self, provider: str, seconds: float) -> None:
        with self._engine.begin() as connection:
            rate_limits.block(connection, provider, seconds)

"""Knowing, while a session works for retry requests, which of them people paused or cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import retry_halts

log = logging.getLogger(__name__)

#: Seconds between looks.
LOOK = 0.5


class Halts:
    """The halted requests among those that are watched: `request_id in halts`.

    `call_back` is told of each request that came to be halted.
    """

    def __init__(self, engine: Engine, call_back: Callable[[int], None]) -> None:
        self._engine = engine
        self._call_back = call_back
        self._watched: Counter[int] = Counter()
        self._known: set[int] = set()
        self._halted: set[int] = set()
        self._looking = asyncio.Lock()

    def __contains__(self, request_id: object) -> bool:
        return request_id in self._halted

    @asynccontextmanager
    async def watching(self, request_id: int | None) -> AsyncIterator[None]:
        """Look after a request while this is entered; what is known of it is fresh at once."""
        if request_id is None:
            yield
            return
        self._watched[request_id] += 1
        try:
            async with self._looking:
                if request_id not in self._known:
                    await self._look()
            yield
        finally:
            self._watched[request_id] -= 1
            self._watched += Counter()  # drops those that nobody watches

    async def keep_looking(self) -> None:
        """Look every `LOOK` seconds while anything is watched; runs until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            if not self._watched:
                self._known.clear()
                continue
            try:
                async with self._looking:
                    await self._look()
            except SQLAlchemyError as error:
                log.warning("paused retries are noticed later: %s", type(error).__name__)

    async def _look(self) -> None:
        watched = set(self._watched)
        halted = await asyncio.to_thread(self._ask, watched)
        new = halted - self._halted
        self._known, self._halted = watched, halted
        for request_id in new:
            self._call_back(request_id)

    def _ask(self, request_ids: set[int]) -> set[int]:
        with self._engine.connect() as connection:
            return retry_halts.halted(connection, request_ids)

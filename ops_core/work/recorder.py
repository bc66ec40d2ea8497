"""Writes finished tries to the database in batches: one commit for many, each try waiting for its own.

A commit costs the disk a flush; one per image would cost more than the image itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from dataclasses import dataclass
from types import TracebackType

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import attempts
from ops_core.db.attempts import Tried
from ops_core.db.engine import is_unavailable

log = logging.getLogger(__name__)

#: Most tries in one transaction.
BATCH = 100
#: Longest a finished try waits for company, seconds.
PATIENCE = 0.1
#: How long a batch is tried again while the database is away, seconds; by then the leases are gone.
PERSISTENCE = 60.0
#: Seconds between these trials at first, and again when there is no time to lose.
SOON = 0.2


@dataclass(slots=True)
class _Waiting:
    tried: Tried
    written: asyncio.Future[bool]


class Recorder:
    """Use as `async with Recorder(engine) as recorder`; leaving it waits until all is written."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: asyncio.Queue[_Waiting | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._latest = math.inf  #: By the loop's clock: nothing is tried again after that.
        self._hurried = asyncio.Event()

    async def __aenter__(self) -> Recorder:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._queue.put(None)
        assert self._task is not None
        await self._task

    async def record(self, tried: Tried) -> bool:
        """Write one try; returns, once it is committed, whether its claim still held."""
        waiting = _Waiting(tried, asyncio.get_running_loop().create_future())
        await self._queue.put(waiting)
        return await waiting.written

    def hurry(self, seconds: float) -> None:
        """Wait for a database that is away no longer than for so many seconds more, all batches together.

        What is given up is as if the worker had died: the next try finds its picture in the store.
        """
        self._latest = min(self._latest, asyncio.get_running_loop().time() + seconds)
        self._hurried.set()

    async def _run(self) -> None:
        open_ = True
        while open_:
            first = await self._queue.get()
            if first is None:
                return
            batch, open_ = await self._gather(first)
            try:
                held = await self._write([waiting.tried for waiting in batch])
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
                for waiting in batch:
                    if not waiting.written.done():
                        waiting.written.set_exception(error)
                continue
            for waiting in batch:
                if not waiting.written.done():
                    waiting.written.set_result(waiting.tried.image.id in held)

    async def _gather(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        batch = [first]
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while len(batch) < BATCH:
            try:
                async with asyncio.timeout_at(deadline):
                    following = await self._queue.get()
            except TimeoutError:
                break
            if following is None:
                return batch, False
            batch.append(following)
        return batch, True

    async def _write(self, tries: list[Tried]) -> set[int]:
        loop = asyncio.get_running_loop()
        end = loop.time() + PERSISTENCE
        pause = SOON
        while True:
            try:
                return await asyncio.to_thread(self._commit, tries)
            except SQLAlchemyError as error:
                if not is_unavailable(error) or loop.time() + pause > min(end, self._latest):
                    raise
                log.warning("database away, %d outcomes wait", len(tries))
            if self._hurried.is_set():
                await asyncio.sleep(SOON)
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._hurried.wait(), pause)
            pause = SOON if self._hurried.is_set() else min(pause * 2, 5.0)

    def _commit(self, tries: list[Tried]) -> set[int]:
        with self._engine.begin() as connection:
            return attempts.record(connection, tries)

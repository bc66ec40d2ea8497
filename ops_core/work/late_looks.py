"""Looking at pictures that were stored before anybody looked at them, so that they have hashes and flags.

Every chunk is committed by itself and what was looked at is not waiting any more, so a run that was
stopped goes on where it was. Groups are the dispatcher's (`work/same_pictures.py`), as of any new picture.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine

from ops_core.db import stored_files, unseen
from ops_core.db.stored_files import StoredFile
from ops_core.db.unseen import Look
from ops_core.domain.failures import Failed
from ops_core.domain.late_looks import LookReport
from ops_core.settings import Settings
from ops_core.storage.keys import is_key
from ops_core.storage.registry import NotSetUp
from ops_core.storage.store import Store
from ops_core.work.stored_runs import Left, nobody_looks, opened, why_stop
from ops_core.work.verify import verify_image

#: Images of one chunk, which is recorded in one transaction.
CHUNK = 100

#: Files under way at once.
AT_ONCE = 8

#: Pictures decoded at once: more than there are cores would only fill the memory.
DECODED_AT_ONCE = min(4, os.cpu_count() or 1)


async def look_at_stored(
    engine: Engine,
    settings: Settings,
    *,
    limit: int | None = None,
    on_image: Callable[[], None] = nobody_looks,
) -> LookReport:
    """Look at up to `limit` stored pictures that nobody has looked at yet, in whichever store they are.

    Each is read once; what cannot be read or is damaged is named, and is none of the `limit`. A store that
    is not set up, or gives nothing of a whole chunk, is left alone. `on_image` is called after each picture
    that was looked at.
    """
    with engine.connect() as connection:
        waiting = unseen.by_store(connection)
    total = sum(waiting.values())
    report = LookReport(waiting=total if limit is None else min(limit, total))
    for name in waiting:
        try:
            async with opened(settings, name) as store:
                await _Run(engine, settings, store, report, on_image).all_files(limit)
        except NotSetUp as error:
            report.stopped[name] = str(error)
    return report


@dataclass(slots=True)
class _Run:
    """Through one store."""

    engine: Engine
    settings: Settings
    store: Store
    report: LookReport
    on_image: Callable[[], None]
    reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    decoding: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DECODED_AT_ONCE))

    async def all_files(self, limit: int | None) -> None:
        after = 0
        while self.store.name not in self.report.stopped:
            room = CHUNK if limit is None else min(CHUNK, limit - self.report.looked)
            with self.engine.connect() as connection:
                files = unseen.next_files(connection, self.store.name, after=after, limit=room)
            if not files:
                return
            after = files[-1].image_id
            await self._chunk(files)

    async def _chunk(self, files: list[StoredFile]) -> None:
        ends = await asyncio.gather(*(self._one(file) for file in files))
        left = [end for end in ends if isinstance(end, Left)]
        self._record([end for end in ends if isinstance(end, Look)], left)
        if reason := why_stop(files, left):
            self.report.stopped[self.store.name] = reason

    def _record(self, looks: list[Look], left: list[Left]) -> None:
        """Keep what was seen, and note what became of each."""
        report = self.report
        with self.engine.begin() as connection:
            recorded = unseen.record(connection, looks)
            same = stored_files.unchanged(connection, [end.file for end in left])
            missed = {look.file.image_id for look in looks} - recorded
            missed |= {end.file.image_id for end in left} - same
            waiting = unseen.still(connection, sorted(missed))
        for look in looks:
            if look.file.image_id in recorded:
                report.looked += 1
                report.flagged.update(look.flags)
        for end in left:
            if end.file.image_id in same:
                report.leave(end.file.image_id, end.reason)
        report.changed += sorted(waiting)
        report.needless += len(missed - waiting)

    async def _one(self, file: StoredFile) -> Look | Left:
        async with self.reading:
            end = await self._looked_at(file)
        if isinstance(end, Look):
            self.on_image()
        return end

    async def _looked_at(self, file: StoredFile) -> Look | Left:
        if not is_key(file.key):
            return Left.foreign(file)
        try:
            data = await self.store.get(file.key)
            async with self.decoding:
                picture = await asyncio.to_thread(verify_image, data, self.settings)
        except Failed as error:
            return Left.failed(file, error)
        if file.content_hash and picture.content_hash != file.content_hash:
            return Left.damaged(file)
        return Look(file=file, perceptual_hash=picture.perceptual_hash, flags=picture.flags)

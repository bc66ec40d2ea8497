"""Moving stored pictures to another store: read, proven, put, read back, and only then pointed at.

What no copies may be made of stays where it is, unless its original goes: then there is one as before.

Every chunk is committed by itself, so a run that was stopped goes on where it was. Doing an image twice
leaves one object, since it has the same key in every store.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from sqlalchemy import Engine

from ops_core.db import stored_files
from ops_core.db.stored_files import NewPlace, StoredFile
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, failed
from ops_core.domain.store_moves import MoveReport
from ops_core.settings import Settings
from ops_core.storage.keys import is_key
from ops_core.storage.store import Missing, Placed, Store, thumbnail_key
from ops_core.work.move_plan import planned, staying
from ops_core.work.stored_runs import Left, nobody_looks, opened, why_stop
from ops_core.work.verify import ends_whole, verify_image

#: Images of one chunk, which is recorded in one transaction.
CHUNK = 100

#: Pictures under way at once; each is held in memory twice.
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class _Copied:
    """A copy that was read back from the target."""

    place: NewPlace
    bytes: int


async def move(
    engine: Engine,
    settings: Settings,
    target: str,
    *,
    source: str | None = None,
    limit: int | None = None,
    delete_source: bool = False,
    on_image: Callable[[], None] = nobody_looks,
) -> MoveReport:
    """Move up to `limit` pictures to the store `target`, from `source` or from wherever they are.

    Originals are removed only if `delete_source`, and once their copies are what images point at.
    `on_image` is called after each image. Raises `NotSetUp` before anything is done if one of the stores
    cannot be used. A store that takes or gives nothing of a whole chunk ends the run.
    """
    plan = planned(engine, settings, target, source=source, delete_source=delete_source)
    report = MoveReport(target, waiting=plan.total if limit is None else min(limit, plan.total))
    async with AsyncExitStack() as stores:
        there = await stores.enter_async_context(opened(settings, target))
        sources = [await stores.enter_async_context(opened(settings, name)) for name in plan.images]
        for here in sources:
            await _Run(engine, settings, here, there, delete_source, report, on_image).all_files(limit)
    # a policy may have changed on the way
    report.kept = planned(engine, settings, target, source=source, delete_source=delete_source).kept
    return report


@dataclass(slots=True)
class _Run:
    """From one store to another."""

    engine: Engine
    settings: Settings
    source: Store
    target: Store
    delete_source: bool
    report: MoveReport
    on_image: Callable[[], None]
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def all_files(self, limit: int | None) -> None:
        after = 0
        while not self.report.stopped:
            room = CHUNK if limit is None else min(CHUNK, limit - self.report.seen)
            with self.engine.connect() as connection:
                kept = staying(connection, self.settings, delete_source=self.delete_source)
                files = stored_files.next_files(
                    connection, self.source.name, after=after, limit=room, kept=kept
                )
            if not files:
                return
            after = files[-1].image_id
            await self._chunk(files)

    async def _chunk(self, files: list[StoredFile]) -> None:
        ends = await asyncio.gather(*(self._one(file) for file in files))
        copied = [end for end in ends if isinstance(end, _Copied)]
        left = [end for end in ends if isinstance(end, Left)]
        moved = self._record(copied, left)
        if self.delete_source and moved:
            await self._delete([end.place.file for end in copied if end.place.file.image_id in moved])
        if reason := why_stop(files, left):
            self.report.stopped = reason

    def _record(self, copied: list[_Copied], left: list[Left]) -> set[int]:
        """Point images at their copies, and note what became of each; ids of those that were moved."""
        report = self.report
        with self.engine.begin() as connection:
            moved = stored_files.point(connection, self.target.name, [end.place for end in copied])
            same = stored_files.unchanged(connection, [end.file for end in left])
        for end in copied:
            if end.place.file.image_id in moved:
                report.moved += 1
                report.bytes += end.bytes
            else:
                report.changed.append(end.place.file.image_id)
        for one in left:
            if one.file.image_id in same:
                report.leave(one.file.image_id, one.reason)
            else:  # what could not be read is not its picture any more
                report.changed.append(one.file.image_id)
        return moved

    async def _one(self, file: StoredFile) -> _Copied | Left:
        async with self.slots:
            end = await self._copied(file)
        self.on_image()
        return end

    async def _copied(self, file: StoredFile) -> _Copied | Left:
        if not is_key(file.key):
            return Left.foreign(file)
        try:
            data = await self.source.get(file.key)
            if file.content_hash and await asyncio.to_thread(_digest, data) != file.content_hash:
                return Left.damaged(file)
            small = None if self.target.makes_thumbnails else await self._thumbnail(file, data)
            return _Copied(await self._put(file, data, small), len(data))
        except Failed as error:
            return Left.failed(file, error)

    async def _thumbnail(self, file: StoredFile, data: bytes) -> bytes:
        """The thumbnail that is stored with the picture, else one made of it. Raises `Failed`."""
        if file.thumbnail_key is not None and is_key(file.thumbnail_key):
            try:
                small = await self.source.get(file.thumbnail_key)
            except Missing:
                small = b""
            if ends_whole(small, "jpg"):
                return small
        return (await asyncio.to_thread(verify_image, data, self.settings)).thumbnail

    async def _put(self, file: StoredFile, data: bytes, small: bytes | None) -> NewPlace:
        """Put the copy and read it back; a full picture means that its thumbnail is there as well."""
        if small is not None:
            await self._put_and_check(thumbnail_key(file.key), small, "image/jpeg", ())
        tags = (file.provider, f"venue:{file.venue_id}")
        content_type = file.content_type or "application/octet-stream"
        placed = await self._put_and_check(file.key, data, content_type, tags)
        return NewPlace(
            file=file,
            key=placed.key,
            url=placed.url,
            thumbnail_key=None if small is None else thumbnail_key(file.key),
            thumbnail_url=self.target.thumbnail_url(placed.key if small is None else file.key),
        )

    async def _put_and_check(self, key: str, data: bytes, content_type: str, tags: tuple[str, ...]) -> Placed:
        placed = await self.target.put(key, data, content_type, tags=tags)
        if await self.target.get(placed.key) != data:
            detail = f"The {self.target.name} store gives back something else than was put there."
            raise failed(ErrorType.STORE_ERROR, detail)
        return placed

    async def _delete(self, files: list[StoredFile]) -> None:
        """Remove originals that no image needs any more."""
        with self.engine.connect() as connection:
            needed = stored_files.used(connection, self.source.name, files)

        async def one(file: StoredFile) -> None:
            async with self.slots:
                try:
                    await self.source.delete(file.key)
                    if file.thumbnail_key is not None:
                        await self.source.delete(file.thumbnail_key)
                except Failed:
                    self.report.not_deleted.append(file.image_id)

        await asyncio.gather(*(one(file) for file in files if file.key not in needed))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

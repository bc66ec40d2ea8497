"""What runs over stored pictures share: opening their stores, and saying why a picture is left as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ops_core.db.stored_files import StoredFile
from ops_core.domain.failures import Failed
from ops_core.settings import Settings
from ops_core.storage.registry import open_named
from ops_core.storage.store import Missing, Store
from ops_core.work.verify import OF_THE_PICTURE


@dataclass(frozen=True, slots=True)
class Left:
    """Why a picture is left as it is."""

    file: StoredFile
    reason: str
    fault_of_store: bool = False  #: And not of this picture: others would fare no better.

    @classmethod
    def foreign(cls, file: StoredFile) -> Left:
        """Its key is none that pictures are given."""
        return cls(file, f"Its key in the {file.store} store is none of ours.")

    @classmethod
    def damaged(cls, file: StoredFile) -> Left:
        """Its bytes have another hash than when it was stored."""
        return cls(file, "The stored file is damaged: it is not what was stored.")

    @classmethod
    def failed(cls, file: StoredFile, error: Failed) -> Left:
        """It could not be read, or not worked on."""
        of_picture = isinstance(error, Missing) or error.failure.error_type in OF_THE_PICTURE
        return cls(file, error.failure.detail, fault_of_store=not of_picture)


def why_stop(files: Sequence[StoredFile], left: Sequence[Left]) -> str | None:
    """Why a run ends after a chunk of `files`: a store took or gave nothing of it; None if it goes on."""
    if files and len(left) == len(files) and all(one.fault_of_store for one in left):
        return left[0].reason
    return None


def nobody_looks() -> None:
    """For runs whose progress nobody watches."""


@asynccontextmanager
async def opened(settings: Settings, name: str) -> AsyncIterator[Store]:
    """The store called `name`, until it is left. Raises `NotSetUp`."""
    store = open_named(settings, name)
    try:
        yield store
    finally:
        await store.close()

"""The image store on a local disk.

An object is written beside the store, flushed to the disk, and moved to its place in one step: a
process killed or a machine switched off in the middle leaves the old object or none, never half of
one. (obstore's local store renames as well, but does not flush, so it cannot promise the latter.)
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import failed
from ops_core.storage.keys import checked
from ops_core.storage.store import Placed, missing, thumbnail_key

#: Where objects are written first; no key can name it, since keys never begin with a dot.
INCOMING = ".incoming"

#: Seconds after which what was left behind there by a killed process is removed.
ABANDONED_AFTER = 3600.0

_REASONS = {
    errno.ENOSPC: "the disk is full.",
    errno.EDQUOT: "the disk quota is used up.",
    errno.EACCES: "its folder may not be written or read by this user.",
    errno.EPERM: "its folder may not be written or read by this user.",
    errno.EROFS: "its disk is read-only.",
    errno.EMFILE: "too many files are open.",
    errno.ENFILE: "too many files are open.",
}


class DiskStore:
    """A `Store` in the folder `root`; its objects are served under `base_url`."""

    name = "disk"
    makes_thumbnails = False

    def __init__(self, root: Path, base_url: str) -> None:
        self._root = root
        self._base_url = base_url.rstrip("/")
        _remove_abandoned(root / INCOMING)

    async def put(self, key: str, data: bytes, content_type: str, *, tags: Sequence[str] = ()) -> Placed:
        """Write the whole object or nothing. `content_type` follows from the key's extension here."""
        await asyncio.to_thread(self._put, self._path(key), data)
        return Placed(key=key, url=self.url(key))

    async def exists(self, key: str) -> bool:
        """Whether there is an object at `key`."""
        path = self._path(key)
        with _as_failures():
            return await asyncio.to_thread(path.is_file)

    async def held(self, keys: Sequence[str]) -> list[str]:
        """Those of `keys` at which there is an object, in their order."""
        paths = {key: self._path(key) for key in keys}
        with _as_failures():
            return await asyncio.to_thread(lambda: [key for key, path in paths.items() if path.is_file()])

    async def get(self, key: str) -> bytes:
        """The object's bytes; raises Missing if there is none."""
        path = self._path(key)
        with _as_failures():
            try:
                return await asyncio.to_thread(path.read_bytes)
            except FileNotFoundError:
                raise missing() from None

    async def delete(self, key: str) -> None:
        """Remove the object; no error if it is not there."""
        path = self._path(key)
        with _as_failures():
            await asyncio.to_thread(path.unlink, missing_ok=True)

    def url(self, key: str) -> str:
        """The address a browser loads the object from."""
        return f"{self._base_url}/{quote(checked(key))}"

    def thumbnail_url(self, key: str) -> str:
        """The address of the thumbnail, which is an object of its own here."""
        return self.url(thumbnail_key(key))

    async def close(self) -> None:
        """Nothing is kept open."""

    def _path(self, key: str) -> Path:
        return self._root / checked(key)

    def _put(self, path: Path, data: bytes) -> None:
        incoming = self._root / INCOMING
        with _as_failures():
            incoming.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = incoming / uuid.uuid4().hex
            try:
                with partial.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(path)
            except OSError:
                with contextlib.suppress(OSError):
                    partial.unlink(missing_ok=True)
                raise
            _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    """Put the folder's list of names on the disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_abandoned(incoming: Path) -> None:
    with contextlib.suppress(OSError):  # another process may be removing the same files
        for partial in incoming.iterdir():
            if time.time() - partial.stat().st_mtime > ABANDONED_AFTER:
                partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _as_failures() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or f"{os.strerror(error.errno or errno.EIO).lower()}."
        raise failed(ErrorType.STORE_ERROR, f"The image store failed: {reason}") from None

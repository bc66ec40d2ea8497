"""What every image store offers. A key names one object for ever: putting it twice leaves one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, Failure
from ops_core.domain.places import slug
from ops_core.domain.redact import holds_secret

#: Two letters before the hash in a file name, so that people see where a picture came from.
PROVIDER_CODES = {
    "google_places": "gp",
    "foursquare": "fs",
    "here": "he",
    "mapbox": "mb",
    "unsplash": "us",
    "wikimedia_commons": "wc",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where an object really is: a store may have put it under another name than was asked for.

    Raises `Failed` if the name or the address holds a secret: both are kept, and shown.
    """

    key: str
    url: str

    def __post_init__(self) -> None:
        if holds_secret(self.key) or holds_secret(self.url):
            detail = "The image store signs its addresses, which may not be kept: make its files public."
            raise Failed(Failure(ErrorType.STORE_ERROR, detail))


class Missing(Failed):
    """There is no object at the key; that says nothing against the store."""


class Store(Protocol):
    """A place that keeps files by key. Errors are raised as `Failed` with `store_error` or a network type."""

    name: str  #: As in `images.store`.
    makes_thumbnails: bool  #: Whether it serves thumbnails itself, so that none are put.

    async def put(self, key: str, data: bytes, content_type: str, *, tags: Sequence[str] = ()) -> Placed:
        """Write the whole object or nothing, in place of one of that key. `tags` where it has such."""
        ...

    async def exists(self, key: str) -> bool: ...

    async def held(self, keys: Sequence[str]) -> list[str]:
        """Those of `keys` at which there is an object, in their order; cheaper than asking one by one."""
        ...

    async def get(self, key: str) -> bytes:
        """The object as it was put. Raises `Missing` if there is none."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the object; no error if it is not there."""
        ...

    def url(self, key: str) -> str:
        """The address a browser loads the object from; no secret is in it."""
        ...

    def thumbnail_url(self, key: str) -> str:
        """The address of the thumbnail of the photo at `key`."""
        ...

    async def close(self) -> None:
        """Let go of connections; the store is not used afterwards."""
        ...


def missing() -> Missing:
    """A `Missing` ready to raise."""
    return Missing(Failure(ErrorType.STORE_ERROR, "The image store failed: there is no such object."))


def image_key(venue_id: int, venue_name: str, provider: str, provider_ref: str, extension: str) -> str:
    """The key of a venue's photo: deterministic, and different for every reference.

    `extension` is that of the content ("jpg", "png", ...), never of the address it came from.
    """
    digest = hashlib.sha256(provider_ref.encode()).hexdigest()[:32]
    return f"{_folder(venue_id, venue_name)}/{PROVIDER_CODES[provider]}-{digest}.{extension}"


def thumbnail_key(key: str) -> str:
    """The key of the thumbnail that belongs to the photo at `key`."""
    folder, _, file_name = key.rpartition("/")
    return f"{folder}/thumbs/{file_name.rpartition('.')[0]}.jpg"


def _folder(venue_id: int, venue_name: str) -> str:
    name = slug(venue_name)
    return f"venues/{venue_id}-{name}" if name else f"venues/{venue_id}"

"""Pictures in the store: put there, and found there by an image that lost track of its own."""

from __future__ import annotations

import asyncio
import logging

from ops_core.db.attempts import Stored
from ops_core.db.images import ClaimedImage
from ops_core.domain.errors import info
from ops_core.domain.failures import Failed
from ops_core.settings import Settings
from ops_core.storage.store import PROVIDER_CODES, Placed, Store, image_key, thumbnail_key
from ops_core.work.verify import EXTENSIONS, VerifiedImage, ends_whole, verify_image

log = logging.getLogger(__name__)


async def keep(store: Store, settings: Settings, image: ClaimedImage, data: bytes) -> Stored:
    """Prove that `data` is a picture and put it into the store. Raises `Failed`."""
    picture = await asyncio.to_thread(verify_image, data, settings)
    key = _key(image, picture.extension)
    if not store.makes_thumbnails:
        # the thumbnail first: a full picture then means that both are there
        await store.put(thumbnail_key(key), picture.thumbnail, "image/jpeg")
    placed = await store.put(key, data, picture.content_type, tags=_tags(image))
    return _stored(store, placed, picture, len(data))


async def find(store: Store, settings: Settings, image: ClaimedImage) -> Stored | None:
    """The image's picture, if the store holds a whole one; its thumbnail is made again if it is not right.

    A damaged or half picture counts as none. Raises `Failed` if the store does not answer.
    """
    if image.provider not in PROVIDER_CODES:
        return None
    keys = {_key(image, extension): extension for extension in EXTENSIONS}
    for key in await store.held(list(keys)):
        data = await _read(store, key)
        if data is None:
            continue
        picture = await asyncio.to_thread(_proven, data, keys[key], settings)
        if picture is None:
            log.warning("%s is damaged in the store and is fetched anew", key)
            continue
        small = thumbnail_key(key)
        if not store.makes_thumbnails and await _read(store, small) != picture.thumbnail:
            await store.put(small, picture.thumbnail, "image/jpeg")
        return _stored(store, Placed(key=key, url=store.url(key)), picture, len(data))
    return None


def _key(image: ClaimedImage, extension: str) -> str:
    return image_key(image.venue_id, image.venue_name, image.provider, image.provider_ref, extension)


async def _read(store: Store, key: str) -> bytes | None:
    """The object, or None if there is none that can be read."""
    try:
        return await store.get(key)
    except Failed as error:
        if info(error.failure.error_type).retryable:
            raise  # the store is away: that says nothing about the object
        return None


def _proven(data: bytes, extension: str, settings: Settings) -> VerifiedImage | None:
    try:
        picture = verify_image(data, settings)
    except Failed:
        return None
    return picture if picture.extension == extension and ends_whole(data, extension) else None


def _tags(image: ClaimedImage) -> tuple[str, str]:
    return image.provider, f"venue:{image.venue_id}"


def _stored(store: Store, placed: Placed, picture: VerifiedImage, size: int) -> Stored:
    return Stored(
        store=store.name,
        key=placed.key,
        url=placed.url,
        thumbnail_key=None if store.makes_thumbnails else thumbnail_key(placed.key),
        thumbnail_url=store.thumbnail_url(placed.key),
        content_type=picture.content_type,
        content_hash=picture.content_hash,
        perceptual_hash=picture.perceptual_hash,
        flags=picture.flags,
        width=picture.width,
        height=picture.height,
        bytes=size,
    )

"""Trying a store out: a tiny picture is put, found, read and removed again."""

from __future__ import annotations

import asyncio
import base64
import uuid

import aiohttp

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import failed
from ops_core.storage.store import Placed, Store

#: One pixel.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

#: Seconds within which a store must list what was put; ImageKit takes a moment.
LISTED_WITHIN = 10.0
_PAUSE = 0.5

#: Seconds within which a public address must answer.
_BROWSER_PATIENCE = 10.0


async def probe(store: Store) -> str | None:
    """Use every verb of `store` once; what browsers would see amiss, or None. Raises `Failed`.

    Nothing is left behind, whatever happens, unless the store does not let it be removed.
    """
    key = f"venues/doctor-probe-{uuid.uuid4().hex}.png"
    placed = await store.put(key, PICTURE, "image/png")
    try:
        await _until_listed(store, placed.key)
        if await store.get(placed.key) != PICTURE:
            raise failed(ErrorType.STORE_ERROR, "The image store gives back something else than was put.")
        amiss = await _seen_by_browsers(placed)
    finally:
        await store.delete(placed.key)
    return amiss


async def _until_listed(store: Store, key: str) -> None:
    try:
        async with asyncio.timeout(LISTED_WITHIN):
            while not await store.exists(key):
                await asyncio.sleep(_PAUSE)
    except TimeoutError:
        raise failed(ErrorType.STORE_ERROR, "The image store does not list what was put.") from None


async def _seen_by_browsers(placed: Placed) -> str | None:
    if not placed.url.startswith(("http://", "https://")):
        return None  # the console serves it
    timeout = aiohttp.ClientTimeout(total=_BROWSER_PATIENCE)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as browser, browser.get(placed.url) as answer:
            if answer.status == 200:
                return None
            return f"its public address answers {answer.status}"
    except (aiohttp.ClientError, TimeoutError, OSError):
        return "its public address cannot be reached"

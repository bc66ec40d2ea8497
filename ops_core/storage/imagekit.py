"""The image store at ImageKit, an image CDN: through its own SDK, and from its CDN.

ImageKit makes thumbnails itself, so none are put. What it serves is optimised, so `get` asks for the
original.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from typing import TypeVar
from urllib.parse import quote

import aiohttp
from imagekitio import AsyncImageKit, ImageKitError, omit
from imagekitio.types.file import File

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, failed
from ops_core.domain.web_addresses import service_url
from ops_core.settings import Settings
from ops_core.storage.imagekit_errors import as_cdn_failures, to_failure, unreadable
from ops_core.storage.keys import checked, is_key
from ops_core.storage.store import Placed, missing
from ops_core.storage.thumbnails import HEIGHT, WIDTH

#: Names asked for in one request; more would make its address too long.
NAMES_AT_ONCE = 50

#: Times the SDK sends a request again, each later than the one before.
RETRIES = 2

Answer = TypeVar("Answer")


class ImageKitStore:
    """A `Store` in the media library of an ImageKit account. Use it within one event loop, and close it."""

    name = "imagekit"
    makes_thumbnails = True

    def __init__(self, settings: Settings) -> None:
        assert settings.imagekit_private_key is not None
        assert settings.imagekit_url_endpoint is not None
        self._endpoint = service_url(settings.imagekit_url_endpoint)
        self._timeout = settings.store_timeout
        self._most = settings.max_image_bytes
        self._client = AsyncImageKit(
            private_key=settings.imagekit_private_key.get_secret_value(),
            base_url=service_url(settings.imagekit_api_url) if settings.imagekit_api_url else None,
            max_retries=RETRIES,
            timeout=settings.store_timeout,
        )
        self._cdn: aiohttp.ClientSession | None = None

    async def put(self, key: str, data: bytes, content_type: str, *, tags: Sequence[str] = ()) -> Placed:
        """Write the whole file or nothing, in place of one of that name. ImageKit may name it otherwise."""
        folder, _, name = checked(key).rpartition("/")
        reply = await self._ask(
            self._client.files.upload(
                file=(name, data, content_type),
                file_name=name,
                folder=f"/{folder}",
                tags=list(tags) if tags else omit,
                # one key is one file: putting it again must leave no second one beside it
                use_unique_file_name=False,
                overwrite_file=True,
            )
        )
        path, url = getattr(reply, "file_path", None), getattr(reply, "url", None)
        if not path or not url:
            raise unreadable("ImageKit took the file and did not say where it is.")
        placed = path.lstrip("/")
        if not is_key(placed):
            raise failed(ErrorType.STORE_ERROR, "ImageKit gave the file a name that no key can have.")
        return Placed(key=placed, url=url)

    async def exists(self, key: str) -> bool:
        """Whether there is a file at `key`; ImageKit may take seconds to list a new one."""
        return bool(await self._file_ids([key]))

    async def held(self, keys: Sequence[str]) -> list[str]:
        """Those of `keys` at which there is a file, in their order."""
        found = await self._file_ids(keys)
        return [key for key in keys if key in found]

    async def get(self, key: str) -> bytes:
        """The file as it was put; raises Missing if there is none."""
        # the CDN keeps what it served under an address, so this is one nobody asked for before
        url = _with(self.url(key), f"tr=orig-true&updatedAt={time.time_ns()}")
        with as_cdn_failures():
            async with self._browser().get(url, allow_redirects=False) as answer:
                if answer.status == 404:
                    raise missing()
                if answer.status != 200:
                    raise unreadable(f"ImageKit's CDN answered {answer.status}.", answer.status)
                return await self._capped(answer)

    async def delete(self, key: str) -> None:
        """Remove the file; no error if it is not there."""
        for file_id in (await self._file_ids([key])).values():
            try:
                await self._ask(self._client.files.delete(file_id))
            except Failed as error:
                if error.failure.status_code != 404:
                    raise

    def url(self, key: str) -> str:
        """The address a browser loads the file from, which ImageKit optimises for it."""
        return f"{self._endpoint}/{quote(checked(key))}"

    def thumbnail_url(self, key: str) -> str:
        """The address under which ImageKit makes the thumbnail."""
        return _with(self.url(key), f"tr=w-{WIDTH},h-{HEIGHT}")

    async def close(self) -> None:
        """Close the connections to the API and the CDN."""
        await self._client.close()
        if self._cdn is not None:
            await self._cdn.close()

    async def _file_ids(self, keys: Sequence[str]) -> dict[str, str]:
        """ImageKit's id of the file at each of `keys` that is there."""
        folders: dict[str, list[str]] = defaultdict(list)
        for key in keys:
            folder, _, name = checked(key).rpartition("/")
            folders[folder].append(name)
        asked = [
            self._listed(folder, names[start : start + NAMES_AT_ONCE])
            for folder, names in folders.items()
            for start in range(0, len(names), NAMES_AT_ONCE)
        ]
        wanted = set(keys)
        return {
            path: file.file_id
            for files in await asyncio.gather(*asked)
            for file in files
            if (path := (file.file_path or "").lstrip("/")) in wanted and file.file_id
        }

    async def _listed(self, folder: str, names: Sequence[str]) -> list[File]:
        quoted = ",".join(f'"{name}"' for name in names)  # no key has a quote in it
        search = f"name IN [{quoted}]"
        try:
            found = await self._ask(
                self._client.assets.list(path=f"/{folder}/", search_query=search, limit=len(names))
            )
        except Failed as error:
            if error.failure.status_code == 404:  # there is no such folder yet
                return []
            raise
        if not isinstance(found, list):
            raise unreadable("ImageKit did not list its files as documented.")
        return [item for item in found if isinstance(item, File)]

    async def _capped(self, answer: aiohttp.ClientResponse) -> bytes:
        parts, size = [], 0
        async for part in answer.content.iter_chunked(65_536):
            size += len(part)
            if size > self._most:
                raise failed(ErrorType.FILE_TOO_LARGE, f"The stored file has more than {self._most:,} bytes.")
            parts.append(part)
        return b"".join(parts)

    def _browser(self) -> aiohttp.ClientSession:
        """A client that knows no secret: what it asks for is public."""
        if self._cdn is None:
            self._cdn = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                headers={"Accept-Encoding": "identity"},
                auto_decompress=False,
            )
        return self._cdn

    async def _ask(self, request: Awaitable[Answer]) -> Answer:
        """The SDK's answer. Raises `Failed`."""
        try:
            return await request
        except (ImageKitError, ValueError) as error:
            raise to_failure(error) from None


def _with(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"

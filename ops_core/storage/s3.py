"""The image store in a bucket of an S3-compatible service: AWS, Cloudflare R2, MinIO and alike.

S3 shows an object only once all of it has arrived, so a put that is cut off leaves the old object or none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store as Bucket

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import failed
from ops_core.domain.web_addresses import service_url
from ops_core.settings import Settings
from ops_core.storage.access import s3_address
from ops_core.storage.keys import checked
from ops_core.storage.s3_errors import is_missing, to_failure
from ops_core.storage.store import Placed, missing, thumbnail_key

if TYPE_CHECKING:
    from obstore.store import S3Credential

#: Bytes above which an object is sent in parts; one request for all it can carry is cheaper and simpler.
MULTIPART_OVER = 64 * 1024 * 1024

#: A key never stands for another picture, so browsers and CDNs may keep what they have.
CACHE_CONTROL = "public, max-age=31536000, immutable"

#: Times one request is sent again, while `store_timeout` lasts.
RETRIES = 3
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(milliseconds=200), timedelta(seconds=5)

#: Objects asked for at once by `held`.
_ASKED_AT_ONCE = 16

Answer = TypeVar("Answer")


class S3Store:
    """A `Store` in a bucket. Without a public address its objects are served under `console_url`."""

    name = "s3"
    makes_thumbnails = False

    def __init__(self, settings: Settings, console_url: str) -> None:
        self._timeout = settings.store_timeout
        self._base_url = service_url(settings.s3_public_url) if settings.s3_public_url else console_url
        address = s3_address(settings)
        self._bucket = Bucket(
            settings.s3_bucket,
            endpoint=address,
            region=settings.s3_region,
            virtual_hosted_style_request=not settings.s3_path_style,
            # as a provider, since keys alone would be joined by a session token of the environment
            credential_provider=_Keys(settings),
            client_options={
                "allow_http": address.startswith("http:"),  # which only this machine may be asked by
                "connect_timeout": timedelta(seconds=min(settings.connect_timeout, self._timeout)),
                "timeout": timedelta(seconds=self._timeout),
            },
            retry_config={
                "max_retries": RETRIES,
                "retry_timeout": timedelta(seconds=self._timeout),
                "backoff": {"init_backoff": _FIRST_PAUSE, "max_backoff": _LONGEST_PAUSE, "base": 2},
            },
        )

    async def put(self, key: str, data: bytes, content_type: str, *, tags: Sequence[str] = ()) -> Placed:
        """Write the whole object or nothing. `tags` are not kept: no reader asks for them here."""
        await self._ask(
            obstore.put_async(
                self._bucket,
                checked(key),
                data,
                attributes={"Content-Type": content_type, "Cache-Control": CACHE_CONTROL},
                use_multipart=len(data) > MULTIPART_OVER,
            )
        )
        return Placed(key=key, url=self.url(key))

    async def exists(self, key: str) -> bool:
        """Whether there is an object at `key`."""
        try:
            await self._ask(obstore.head_async(self._bucket, checked(key)))
        except FileNotFoundError:
            return False
        return True

    async def held(self, keys: Sequence[str]) -> list[str]:
        """Those of `keys` at which there is an object, in their order."""
        slots = asyncio.Semaphore(_ASKED_AT_ONCE)

        async def ask(key: str) -> bool:
            async with slots:
                return await self.exists(key)

        answers = await asyncio.gather(*(ask(checked(key)) for key in keys))
        return [key for key, is_there in zip(keys, answers, strict=True) if is_there]

    async def get(self, key: str) -> bytes:
        """The object's bytes; raises Missing if there is none."""
        try:
            return await self._ask(self._read(checked(key)))
        except FileNotFoundError:
            raise missing() from None

    async def delete(self, key: str) -> None:
        """Remove the object; no error if it is not there."""
        try:
            await self._ask(obstore.delete_async(self._bucket, checked(key)))
        except FileNotFoundError:
            return

    def url(self, key: str) -> str:
        """The address a browser loads the object from."""
        return f"{self._base_url}/{quote(checked(key))}"

    def thumbnail_url(self, key: str) -> str:
        """The address of the thumbnail, which is an object of its own here."""
        return self.url(thumbnail_key(key))

    async def close(self) -> None:
        """Connections end with the object."""

    async def _read(self, key: str) -> bytes:
        answer = await obstore.get_async(self._bucket, key)
        return bytes(await answer.bytes_async())

    async def _ask(self, request: Awaitable[Answer]) -> Answer:
        """The answer to `request`. Raises `Failed`, and FileNotFoundError if there is no such object."""
        try:
            async with asyncio.timeout(self._timeout):
                return await request
        except TimeoutError:
            raise failed(
                ErrorType.NETWORK_TIMEOUT, f"The s3 store took longer than {self._timeout:g} s in all."
            ) from None
        except (BaseError, FileNotFoundError) as error:
            said = str(error)
            if is_missing(said) and isinstance(error, FileNotFoundError):
                raise FileNotFoundError from None
            raise to_failure(said) from None


class _Keys:
    """Hands the keys of the settings to the client; no text of it holds them."""

    def __init__(self, settings: Settings) -> None:
        self._id, self._secret = settings.s3_access_key_id, settings.s3_secret_access_key

    def __call__(self) -> S3Credential:
        assert self._id is not None
        assert self._secret is not None
        return {
            "access_key_id": self._id.get_secret_value(),
            "secret_access_key": self._secret.get_secret_value(),
            "token": None,
            "expires_at": None,
        }

"""The guarded HTTP client all providers and downloads go through.

Nothing here trusts the other side: addresses are checked (`guard`), replies are read up to a cap and
a deadline, nothing is decompressed, and every error comes out as `Failed` (`network_errors`).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, Failure, failed
from ops_core.providers.guard import Guard
from ops_core.providers.network_errors import as_failures, clean, failure_of_status
from ops_core.providers.source import Classify, Download
from ops_core.settings import Settings

#: Waits for one permit of the provider with this code; raises Failed(rate_limited) when that takes too long.
Permit = Callable[[str], Awaitable[None]]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

#: Bytes read of an error page, to learn what it says.
_ERROR_BYTES = 64_000


@dataclass(frozen=True, slots=True)
class Body:
    """A downloaded file, not yet proven to be what it claims."""

    data: bytes
    content_type: str  #: As claimed by the server.
    status_code: int


class Http:
    """One guarded session, made per chunk of work and used as `async with Http(settings) as http`."""

    def __init__(self, settings: Settings, *, resolver: AbstractResolver | None = None) -> None:
        """`resolver` replaces the system's look-up of names; what it answers is checked all the same."""
        self.settings = settings
        self._resolver = resolver
        self._guard = Guard.of(settings.sandbox_url)

    async def __aenter__(self) -> Http:
        settings = self.settings
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                # API calls run beside the downloads and must not queue behind them
                limit=2 * settings.downloads_per_process,
                resolver=self._resolver,
                socket_factory=self._guard.open_socket,
            ),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=settings.connect_timeout, sock_read=settings.stall_timeout
            ),
            headers={"User-Agent": user_agent(settings), "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # a small body must not become a large one
            trust_env=False,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._session.close()

    def api(self, provider: str, permit: Permit) -> Api:
        """What the provider's source speaks through; every call takes a permit first."""
        return Api(self, provider, permit)

    async def download(self, download: Download) -> Body:
        """The bytes behind `download.url`, within all limits. Raises Failed.

        A download that `needs_permit` has its permit already: the caller takes it.
        """
        url = self._guard.check(download.url)
        headers = download.headers
        with as_failures(_place(url)):
            async with asyncio.timeout(self.settings.download_timeout):
                for _ in range(self.settings.max_redirects + 1):
                    answer = await self._hop(url, headers, download.classify)
                    if isinstance(answer, Body):
                        return answer
                    if answer.origin() != url.origin():
                        headers = {}  # they may hold a key, which is meant for the first host only
                    url = answer
        raise failed(
            ErrorType.TOO_MANY_REDIRECTS,
            f"{_place(url)} redirects more than {self.settings.max_redirects} times.",
        )

    async def call(
        self, url: URL, headers: Mapping[str, str], classify: Classify | None, *, json_body: Any = None
    ) -> tuple[Mapping[str, str], Any]:
        """Headers and parsed JSON of an API reply with status 200. Raises Failed for anything else.

        A GET, or a POST of `json_body` if there is one.
        """
        limit = self.settings.max_reply_bytes
        with as_failures(_place(url)):
            async with (
                asyncio.timeout(self.settings.provider_timeout),
                self._session.request(
                    "GET" if json_body is None else "POST",
                    url,
                    headers=headers,
                    json=json_body,
                    allow_redirects=False,
                ) as reply,
            ):
                if reply.status != 200:
                    raise await _error(reply, classify)
                if reply.headers.get("Content-Encoding", "identity").lower() != "identity":
                    raise _bad_response("The reply is compressed, which was not asked for.")
                data = await _read(reply, limit)
        if data is None:
            raise _bad_response(f"The reply is larger than {limit:,} bytes.")
        try:
            return reply.headers, json.loads(data)
        except (ValueError, RecursionError):
            raise _bad_response("The reply is not JSON.") from None

    async def target(self, url: URL, headers: Mapping[str, str], classify: Classify | None) -> URL:
        """Where an API redirects to, checked but not followed. Raises Failed for anything but a redirect."""
        with as_failures(_place(url)):
            async with (
                asyncio.timeout(self.settings.provider_timeout),
                self._session.get(url, headers=headers, allow_redirects=False) as reply,
            ):
                if reply.status in _REDIRECTS:
                    return self._guard.follow(url, _location(reply))
                if reply.status != 200:
                    raise await _error(reply, classify)
                failure = classify(200, reply.headers, await _error_body(reply)) if classify else None
                if failure is not None:
                    raise clean(failure, 200, reply.headers)
                raise _bad_response("The reply is no redirect, though one was asked for.")

    async def _hop(self, url: URL, headers: Mapping[str, str], classify: Classify | None) -> Body | URL:
        """The file at `url`, or where it redirects to."""
        with as_failures(_place(url)):
            async with self._session.get(url, headers=headers, allow_redirects=False) as reply:
                if reply.status in _REDIRECTS:
                    return self._guard.follow(url, _location(reply))
                return await self._body(reply, classify)

    async def _body(self, reply: aiohttp.ClientResponse, classify: Classify | None) -> Body:
        if reply.status != 200:
            raise await _error(reply, classify)
        limit = self.settings.max_image_bytes
        data = await _read(reply, limit)
        if data is None:
            raise failed(
                ErrorType.FILE_TOO_LARGE, f"The file is larger than {limit:,} bytes.", status_code=200
            )
        return Body(data, reply.headers.get("Content-Type", "")[:100], reply.status)


class Api:
    """JSON calls for one provider: one permit each, counted."""

    def __init__(self, http: Http, provider: str, permit: Permit) -> None:
        self.calls = 0  #: Calls made so far through this object.
        self.settings = http.settings
        self.log = logging.getLogger(f"{__name__}.{provider}")
        self._http = http
        self._guard = Guard.of(http.settings.sandbox_url)
        self._provider = provider
        self._permit = permit

    def base(self, host: str) -> str:
        """`https://host`, or the sandbox's stand-in for it when one is in use."""
        sandbox = self.settings.sandbox_url
        return f"{sandbox}/{host}" if sandbox else f"https://{host}"

    async def get_json(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        classify: Classify | None = None,
    ) -> Any:
        """Parsed JSON of a reply with status 200. Raises Failed for anything else.

        `classify` sees every reply, so that a provider which reports errors with status 200 can say so.
        """
        return await self._call(url, params, headers, classify, None)

    async def post_json(
        self,
        url: str,
        body: Any,
        *,
        headers: Mapping[str, str] | None = None,
        classify: Classify | None = None,
    ) -> Any:
        """Parsed JSON of the reply to `body`, sent as JSON; else as `get_json`."""
        return await self._call(url, None, headers, classify, body)

    async def get_redirect(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        classify: Classify | None = None,
    ) -> str:
        """Where the API redirects to: an address that is allowed and was not followed. Raises Failed."""
        target = await self._ready(url, params)
        return str(await self._http.target(target, headers or {}, classify))

    async def _call(
        self,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        classify: Classify | None,
        json_body: Any,
    ) -> Any:
        target = await self._ready(url, params)
        reply_headers, body = await self._http.call(target, headers or {}, classify, json_body=json_body)
        failure = classify(200, reply_headers, body) if classify else None
        if failure is not None:
            raise clean(failure, 200, reply_headers)
        return body

    async def _ready(self, url: str, params: Mapping[str, str] | None) -> URL:
        """The checked address of a call, with its permit taken and counted."""
        target = self._guard.check(url)
        if params:
            target = target.update_query(params)
        await self._permit(self._provider)
        self.calls += 1
        return target


def user_agent(settings: Settings) -> str:
    """How we present ourselves, with the contact of whoever runs this; the sandbox is its own contact."""
    product = f"venue-image-operations/{version('venue-image-operations')}"
    given = settings.wikimedia_contact or settings.sandbox_url or ""
    contact = "".join(char for char in given if char.isprintable()).strip()
    return f"{product} ({contact})" if contact else product


async def _read(reply: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """The body, or None as soon as it is over `limit` bytes."""
    if (reply.content_length or 0) > limit:
        return None
    parts: list[bytes] = []
    size = 0
    async for part in reply.content.iter_any():
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
    return b"".join(parts)


async def _error(reply: aiohttp.ClientResponse, classify: Classify | None) -> Failed:
    failure: Failure | None = None
    if classify is not None:
        failure = classify(reply.status, reply.headers, await _error_body(reply))
    return clean(failure or failure_of_status(reply.status, _place(reply.url)), reply.status, reply.headers)


async def _error_body(reply: aiohttp.ClientResponse) -> Any:
    """The JSON of an error page, else its text, else None."""
    try:
        data = await _read(reply, _ERROR_BYTES)
    except (aiohttp.ClientError, OSError):
        return None  # the status is known, and says more than a connection that broke after it
    if data is None:
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data.decode("utf-8", "replace")


def _bad_response(detail: str) -> Failed:
    return failed(ErrorType.BAD_RESPONSE, detail, status_code=200)


def _location(reply: aiohttp.ClientResponse) -> str:
    location = reply.headers.get("Location")
    if not location:
        raise failed(ErrorType.BAD_RESPONSE, f"HTTP {reply.status} without a place to go to.")
    return location


def _place(url: URL) -> str:
    return f"{url.host}:{url.explicit_port}" if url.explicit_port else str(url.host)

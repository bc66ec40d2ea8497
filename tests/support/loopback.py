"""Small servers on 127.0.0.1: a raw one that can misbehave in any way, and one that speaks for providers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from ops_core.providers.http import Api, Http
from ops_core.settings import Settings

#: Answers one request whose head is given (request line and headers, decoded).
Raw = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(
    answer: Raw,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    at_once: bool = False,
) -> AsyncIterator[int]:
    """A server that sends what `answer` writes, `at_once` or after a request, and closes; yields its port."""
    open_tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_tasks.add(task)
        try:
            head = b"" if at_once else await reader.readuntil(b"\r\n\r\n")
            await answer(head.decode("latin-1"), writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        except asyncio.CancelledError:
            pass  # asyncio logs a connection's task that ends cancelled as an error
        finally:
            open_tasks.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(connected, host, port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(open_tasks):
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)
        await server.wait_closed()


def http_reply(
    body: bytes = b"", *, status: str = "200 OK", length: int | None = None, **headers: str
) -> bytes:
    """An HTTP/1.1 reply; `length` is the Content-Length to claim, the true one unless given."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def always(reply: bytes) -> Raw:
    """The same reply to every request."""

    async def answer(head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        await writer.drain()

    return answer


@dataclass
class Seen:
    """One request a `FakeProviders` got."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str = ""


@dataclass
class FakeProviders:
    """Replies by path, as `{sandbox}/{host}/path`; a callable gets the request, anything else is JSON."""

    replies: dict[str, Any] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        self.seen.append(Seen(request.path, dict(request.query), dict(request.headers), body))
        reply = self.replies.get(request.path)
        if callable(reply):
            reply = reply(request)
        if isinstance(reply, web.StreamResponse):
            return reply
        if reply is None:
            return web.Response(status=404, text="no such path")
        return web.json_response(reply)

    @asynccontextmanager
    async def running(self, **settings: Any) -> AsyncIterator[Http]:
        """An `Http` whose sandbox is this server."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            async with Http(Settings(sandbox_url=self.url, **settings)) as http:
                yield http
        finally:
            await runner.cleanup()


@dataclass
class Permits:
    """Permits that are always given, and counted."""

    taken: list[str] = field(default_factory=list)

    async def __call__(self, provider: str) -> None:
        self.taken.append(provider)


def api_of(http: Http, provider: str, permits: Permits | None = None) -> Api:
    """An `Api` for the provider whose permits are always given."""
    return http.api(provider, permits or Permits())

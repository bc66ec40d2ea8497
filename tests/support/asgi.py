"""One request to an ASGI application, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any, Literal

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message


@dataclass
class Answer:
    """What the application sent: of a websocket, the status 101 if it was accepted, else 403."""

    status: int = 0
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @property
    def cookies(self) -> list[str]:
        """The Set-Cookie headers."""
        return self.headers.getlist("set-cookie")

    def cookie(self, name: str) -> str:
        """The value of the cookie that is set under that name."""
        return next(found[name].value for found in map(SimpleCookie, self.cookies) if name in found)


def ask(
    app: ASGIApp,
    path: str = "/",
    *,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    server: tuple[str, int] = ("127.0.0.1", 8501),
    kind: Literal["http", "websocket"] = "http",
) -> Answer:
    """What `app` answers to a GET, or to the opening of a websocket, that came to the address `server`."""
    answer = Answer()
    scope: dict[str, Any] = {
        "type": kind,
        "method": "GET",
        "scheme": "http",
        "path": path,
        "query_string": query.encode(),
        "headers": [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()
        ],
        "server": server,
    }

    heard = False

    async def receive() -> Message:
        nonlocal heard
        if heard:  # whoever asked stays until the answer has ended
            await asyncio.Event().wait()
        heard = True
        return {"type": "websocket.connect" if kind == "websocket" else "http.request"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
        elif message["type"] == "websocket.accept":
            answer.status = 101
        elif message["type"] == "websocket.close" and not answer.status:
            answer.status = 403
        if "headers" in message:
            answer.headers = Headers(raw=list(message["headers"]))
        answer.body += message.get("body", b"")

    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    return answer

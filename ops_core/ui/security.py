"""Headers that keep the console safe in a browser, on every answer it gives."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops_core.domain.providers import FACTS
from ops_core.domain.web_addresses import is_this_machine
from ops_core.settings import Settings, get_settings
from ops_core.storage.registry import store_origins

#: Folder of the browser side of Streamlit.
ASSETS = Path(streamlit.__file__).parent / "static"

_INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)


class SecurityHeaders:
    """ASGI middleware: adds the headers; what a route set itself stays."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._headers = {
            "Content-Security-Policy": content_security_policy(),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class ThisMachineOnly:
    """ASGI middleware while nobody signs in: answers what comes to a loopback address by a loopback name.

    Whoever started the server, and however: the address is that of the connection, not of a setting. The
    name is looked at because a stranger's page can have its own host name lead here (DNS rebinding), and
    would then be answered as if it were the console's.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _stays_here(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            refusal = "The console has no sign-in, so it serves its own machine only, as 127.0.0.1.\n"
            await PlainTextResponse(refusal, 403)(scope, receive, send)


class SecureCookies:
    """ASGI middleware for a console behind https: no cookie ever travels without it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_secured(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message["headers"] = [_secured(*header) for header in message.get("headers", ())]
            await send(message)

        await self.app(scope, receive, send_secured)


def content_security_policy() -> str:
    """What pages may load: our own files, and the inline scripts of Streamlit's index.html by their hash."""
    scripts = " ".join(f"'sha256-{digest}'" for digest in inline_script_hashes())
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' {scripts}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            f"img-src 'self' data: blob: {' '.join(image_sources(get_settings()))}",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def image_sources(settings: Settings) -> list[str]:
    """Where pages may load pictures from besides the console, as CSP names them.

    The providers' own hosts, and the stores that browsers reach themselves.
    """
    hosts = sorted({host for facts in FACTS.values() for host in facts.photo_hosts})
    sources = [f"https://{host}" for host in hosts] + store_origins(settings)
    if sandbox := settings.running_sandbox():
        sources.append(sandbox)
    return sources


def inline_script_hashes() -> list[str]:
    """Base64 SHA-256 of each inline script in index.html."""
    page = (ASSETS / "index.html").read_text()
    return [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        for script in _INLINE_SCRIPT.findall(page)
    ]


def _stays_here(scope: Scope) -> bool:
    server = scope.get("server")
    if server and not is_this_machine(server[0]):
        return False
    try:
        return is_this_machine(urlsplit(f"//{Headers(scope=scope).get('host', 'localhost')}").hostname or "")
    except ValueError:
        return False


def _secured(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    if name.lower() == b"set-cookie" and b"; secure" not in value.lower():
        value += b"; Secure"
    return name, value

"""Back to where "Sign in" was clicked: Streamlit's login would end on the home page."""

from __future__ import annotations

from pathlib import PurePath
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from ops_core.ui.address import BASE
from ops_core.ui.frame import PAGES
from ops_core.ui.sign_in import FAILED_COOKIE

RETURN_COOKIE = "venue_ops_return_to"
#: Longest a person may take at the sign-in provider and still come back to the same view, seconds.
RETURN_SECONDS = 600
_FAILED_SECONDS = 20
_LONGEST_QUERY = 2000  #: Characters; a cookie must stay below 4,096 bytes.

_LOGIN = f"{BASE}/auth/login"
_CALLBACK = f"{BASE}/oauth2callback"
_HOME = f"{BASE}/"


class ReturnTo:
    """ASGI middleware around the two ends of a sign-in.

    When a person leaves for the provider, the page they leave (the request's Referer) is kept in a cookie;
    when they come back, they are sent to it instead of the home page. Only pages of the console are
    returned to, whatever a Referer or a cookie says. A sign-in that fails ends there too, with a mark.
    """

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self.app = app
        self._origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in (_LOGIN, _CALLBACK):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        change = self._leave if scope["path"] == _LOGIN else _come_back

        async def send_changed(message: Message) -> None:
            if message["type"] == "http.response.start":
                change(request, message)
            await send(message)

        await self.app(scope, receive, send_changed)

    def _leave(self, request: Request, answer: Message) -> None:
        page = self._page_behind(request.headers.get("referer", ""))
        if answer["status"] >= 400:  # the provider is away
            _send_to(page or _HOME, answer)
            _add_cookie(answer, FAILED_COOKIE, "1", _FAILED_SECONDS)
        elif page:
            _add_cookie(answer, RETURN_COOKIE, quote(page, safe=""), RETURN_SECONDS)

    def _page_behind(self, referer: str) -> str | None:
        return (
            own_page(referer.removeprefix(self._origin)) if referer.startswith(f"{self._origin}/") else None
        )


def _come_back(request: Request, answer: Message) -> None:
    _send_to(own_page(unquote(request.cookies.get(RETURN_COOKIE, ""))) or _HOME, answer)
    _add_cookie(answer, RETURN_COOKIE, "", 0)
    # a sign-out comes back here as well, but without the state of a sign-in
    if "state" in request.query_params and not _signs_in(answer):
        _add_cookie(answer, FAILED_COOKIE, "1", _FAILED_SECONDS)


def own_page(target: str) -> str | None:
    """Path and query of one of the console's pages, written anew; None if `target` is anything else."""
    try:
        parts = urlsplit(target)
        query = urlencode(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        return None
    page = {path.rstrip("/"): path for path in _page_paths()}.get(parts.path.rstrip("/"))
    if parts.scheme or parts.netloc or page is None:
        return None
    return f"{page}?{query}" if query and len(query) <= _LONGEST_QUERY else page


def _page_paths() -> list[str]:
    files = [PurePath(file) for _, file, _ in PAGES]
    return [f"{BASE}/{file.stem}" if file.parts[0] == "pages" else _HOME for file in files]


def _signs_in(answer: Message) -> bool:
    cookies = MutableHeaders(scope=answer).getlist("set-cookie")
    return any(cookie.startswith(f"{USER_COOKIE_NAME}=") and "Max-Age=0" not in cookie for cookie in cookies)


def _send_to(page: str, answer: Message) -> None:
    answer["status"] = 303
    MutableHeaders(scope=answer)["location"] = page


def _add_cookie(answer: Message, name: str, value: str, seconds: int) -> None:
    made = Response()
    made.set_cookie(name, value, max_age=seconds, path=BASE, httponly=True, samesite="lax")
    MutableHeaders(scope=answer).append("set-cookie", made.headers["set-cookie"])

"""How Wikimedia's servers refuse and fail: their APIs with JSON of status 200, all else with pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ops_core.sandbox.desk import Reply, json_reply

_CONTACT = re.compile(r"\S@\S|https?://\S")


def agent_refusal(request: web.Request) -> Reply | None:
    """Why a client that names no contact is refused; None for one that does, and for a browser."""
    agent = request.headers.get("User-Agent", "")
    if agent.startswith("Mozilla/") or _CONTACT.search(agent):
        return None
    return page(
        403,
        "Please set a user-agent and respect our robot policy https://w.wiki/4wJS. See also T400119.",
        outcome="refused",
    )


def format_refusal(query: Mapping[str, str]) -> Reply | None:
    """What the APIs send to who does not ask for JSON; None for who does."""
    if query.get("format") == "json":
        return None
    text = "<!DOCTYPE html><html><body>This is the HTML representation of the JSON format.</body></html>"
    return Reply(200, text.encode(), "text/html; charset=utf-8", outcome="refused")


def api_refusal(code: str, info: str) -> Reply:
    """The APIs' form of a request that is wrong: HTTP 200 with `error`."""
    return json_reply(_api_problem(code, info), headers={"MediaWiki-API-Error": code}, outcome="refused")


def _api_problem(code: str, info: str) -> dict[str, Any]:
    return {"error": {"code": code, "info": info, "docref": "See https://www.mediawiki.org/wiki/API"}}


def api_error(status: int, retry_after: int, heads: bool) -> Reply:
    """The APIs' form of an error; see `desk.Call.error`."""
    if status == 429 and heads:  # the API's own limiter; the other form comes from the servers before it
        problem = _api_problem(
            "ratelimited", "You've exceeded your rate limit. Please wait some time and try again."
        )
        headers = {"MediaWiki-API-Error": "ratelimited", "Retry-After": str(retry_after)}
        return json_reply(problem, headers=headers)
    return file_error(status, retry_after, heads)


def file_error(status: int, retry_after: int, heads: bool) -> Reply:
    """The form of an error of the servers before the APIs and the files; see `desk.Call.error`."""
    headers = {"Retry-After": str(retry_after)} if status in (429, 503) else {}
    return page(status, f"Error {status}", headers)


def page(status: int, text: str, headers: Mapping[str, str] | None = None, outcome: str = "ok") -> Reply:
    """A web page that says `text`."""
    body = f"<!DOCTYPE html><html><title>Wikimedia Error</title><body>{text}</body></html>".encode()
    return Reply(status, body, "text/html; charset=utf-8", headers or {}, outcome)

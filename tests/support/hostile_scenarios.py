"""What hostile providers do: keys in every text of every reply, and in every way to refuse."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import quote

from aiohttp import web

from tests.support.hostile_providers import INTERFACES, Interface, Scenario, documented
from tests.support.planted import IN_ADDRESS, IN_TEXT, OURS, Planter, Style, is_address, leaves, replaced

#: Says that something is wrong: (key maker, where, a key of ours, what was asked) -> words.
Message = Callable[[Planter, str, str, str], str]

_STATUSES = (401, 400, 403, 404, 429, 500, 422, 503, 410, 302)


@dataclass(frozen=True)
class _Looked:
    """As much of a request as documented replies look at."""

    host: str = "provider.example"
    query: dict[str, str] = field(
        default_factory=lambda: {"property": "P18", "titles": "File:Tour Eiffel.jpg"}
    )


def in_every_text(planter: Planter, *, styles: int) -> Iterator[Scenario]:
    """Every text of every reply, each in so many of the styles; all of them have their turn."""
    for name, interface in INTERFACES.items():
        turn = itertools.count()
        for kind in (*interface.listing, *interface.search):
            reply = documented(kind, name, 0, _Looked())
            if isinstance(reply, web.StreamResponse):
                yield from _in_redirect(planter, name, kind, interface)
                continue
            for path in leaves(reply):
                stated = _at(reply, path)
                ways = IN_ADDRESS if is_address(stated) else IN_TEXT
                for style in dict.fromkeys(ways[next(turn) % len(ways)] for _ in range(styles)):
                    yield _in_leaf(planter, name, kind, path, style)


def in_every_refusal(planter: Planter) -> Iterator[Scenario]:
    """Every way to refuse, by whichever call, in words of every style, with keys in all headers too."""
    number = 0
    for name, interface in INTERFACES.items():
        # photos of both interfaces of a provider are at one host
        photo = () if interface.older else ("photo",)
        for kind in (*interface.listing, *interface.search, *photo):
            for message in _MESSAGES:
                for is_json in (True, False):
                    number += 1
                    status = _STATUSES[number % len(_STATUSES)]
                    where = f"{name}, {kind}, {status}, {message.__name__.strip('_')}, {is_json=}"
                    change = _refusal(planter, name, interface, message, where, status, is_json)
                    yield Scenario(name, kind, where, change, searched=kind in interface.search)


def nothing_hostile(interface: str) -> Scenario:
    """A venue for which all replies are as documented."""
    return Scenario(interface, "none", f"{interface}, nothing", lambda reply, _: reply)


def answers_of_imagekit(planter: Planter) -> list[Callable[[web.Request], web.Response]]:
    """Refusals in words of every style, then files that were taken and have keys in their addresses."""
    ours = OURS["imagekit_private_key"]

    def refusal(message: Message, status: int) -> Callable[[web.Request], web.Response]:
        def answer(request: web.Request) -> web.Response:
            where = f"imagekit, {status}, {message.__name__.strip('_')}"
            said = message(planter, where, ours, f"{request.path_qs} {dict(request.headers)}")
            body = json.dumps({"message": said, "help": said})
            return web.Response(
                status=status, text=body, headers=_headers(planter, where), content_type="application/json"
            )

        return answer

    def taken(style: Style) -> Callable[[web.Request], web.Response]:
        def answer(request: web.Request) -> web.Response:
            where = f"imagekit, url, {style.__name__.strip('_')}"
            url = style("https://ik.imagekit.io/team/venues/1-blue-note/gp-1.jpg", planter, where, ours)
            placed = {"fileId": planter.key(where), "name": "gp-1.jpg", "url": url, "thumbnailUrl": url}
            return web.json_response(placed | {"filePath": "/venues/1-blue-note/gp-1.jpg"})

        return answer

    statuses = itertools.cycle((400, 401, 403, 422))
    return [
        *(refusal(message, next(statuses)) for message in _MESSAGES),
        *(taken(style) for style in IN_ADDRESS),
    ]


def answers_of_s3(planter: Planter) -> list[Callable[[web.Request], web.Response]]:
    """Refusals in words of every style, in S3's XML, with the access key in it as real ones have."""
    statuses = itertools.cycle((400, 403, 404, 409))

    def refusal(message: Message, status: int) -> Callable[[web.Request], web.Response]:
        def answer(request: web.Request) -> web.Response:
            where = f"s3, {status}, {message.__name__.strip('_')}"
            ours = OURS["s3_secret_access_key"]
            said = escape(message(planter, where, ours, f"{request.path_qs} {dict(request.headers)}"))
            body = (
                f"<Error><Code>AccessDenied</Code><Message>{said}</Message><StringToSign>{said}</StringToSign>"
                f"<AWSAccessKeyId>{OURS['s3_access_key_id']}</AWSAccessKeyId></Error>"
            )
            headers = _headers(planter, where)
            return web.Response(status=status, text=body, headers=headers, content_type="application/xml")

        return answer

    return [refusal(message, next(statuses)) for message in _MESSAGES]


def _in_leaf(planter: Planter, name: str, kind: str, path: tuple[str | int, ...], style: Style) -> Scenario:
    interface = INTERFACES[name]
    where = f"{name}, {kind}, {'.'.join(map(str, path))}, {style.__name__.strip('_')}"

    def change(reply: Any, request: web.Request) -> Any:
        return replaced(reply, path, lambda value: style(value, planter, where, interface.ours))

    return Scenario(name, kind, where, change, searched=kind in interface.search)


def _in_redirect(planter: Planter, name: str, kind: str, interface: Interface) -> Iterator[Scenario]:
    for style in IN_ADDRESS:
        where = f"{name}, {kind}, Location, {style.__name__.strip('_')}"

        def change(reply: Any, request: web.Request, style: Any = style, where: str = where) -> Any:
            place = style(reply.headers["Location"], planter, where, interface.ours)
            return web.Response(status=302, headers={"Location": place})

        yield Scenario(name, kind, where, change)


def _at(reply: Any, path: tuple[str | int, ...]) -> str:
    for step in path:
        reply = reply[step]
    return str(reply)


def _refusal(
    planter: Planter,
    name: str,
    interface: Interface,
    message: Message,
    where: str,
    status: int,
    is_json: bool,
) -> Callable[[Any, web.Request], web.Response]:
    def change(reply: Any, request: web.Request) -> web.Response:
        asked = f"{request.path_qs} {dict(request.headers)}"
        said = message(planter, where, interface.ours, asked)
        body = json.dumps(_FORMS[name](said)) if is_json else said
        # these say with status 200 that something is wrong
        good = is_json and name in ("google_legacy", "wikimedia") and status != 302
        headers = _headers(planter, where)
        headers["Content-Type"] = f"{'application/json' if is_json else 'text/html'}; x={planter.key(where)}"
        return web.Response(
            status=200 if good else status, reason=f"Bad key={planter.key(where)}", text=body, headers=headers
        )

    return change


def _headers(planter: Planter, where: str) -> dict[str, str]:
    return {
        "Location": f"/{planter.key(where)}/?{planter.name()}={planter.key(where)}",
        "Retry-After": planter.key(where),
        "Server": f"Hostile/1 ({planter.key(where)})",
        "WWW-Authenticate": f'Bearer realm="{planter.key(where)}", error="{planter.known_by_look(where)}"',
        "Set-Cookie": f"session={planter.key(where)}",
        "X-Rate-Limit-Reset": planter.key(where),
        "X-RateLimit-Remaining": planter.key(where),
        "X-Api-Key": planter.key(where),
    }


def _named_in_words(planter: Planter, where: str, ours: str, asked: str) -> str:
    return f"The API key {planter.key(where)} is not valid, nor is token: {planter.key(where)}."


def _without_a_name(planter: Planter, where: str, ours: str, asked: str) -> str:
    return f"{planter.key(where)} was not found; {planter.known_by_look(where)} neither."


def _in_addresses(planter: Planter, where: str, ours: str, asked: str) -> str:
    user = f"https://{planter.key(where)}:{planter.key(where)}@api.example.org/"
    inner = quote(f"https://x.example/?{planter.name()}={planter.key(where)}", safe="")
    return f"denied: {user}?{planter.name()}={planter.key(where)}&u={inner}"


def _ours(planter: Planter, where: str, ours: str, asked: str) -> str:
    basic = base64.b64encode(f"{ours}:".encode()).decode()
    return f"API key {ours} is invalid ({quote(ours, safe='')}, {basic})"


def _what_was_asked(planter: Planter, where: str, ours: str, asked: str) -> str:
    return f"Bad api key in request {asked}"


def _headers_in_json(planter: Planter, where: str, ours: str, asked: str) -> str:
    headers = {"Authorization": f"Client-ID {planter.key(where)}", "X-Api-Key": planter.key(where)}
    return json.dumps({"request": {"headers": headers, "key": ours}})


def _cut_in_the_middle(planter: Planter, where: str, ours: str, asked: str) -> str:
    return f"{'Not allowed. ' * 22}{ours} {planter.key(where)}"


_MESSAGES: tuple[Message, ...] = (
    *(_named_in_words, _without_a_name, _in_addresses, _ours),
    *(_what_was_asked, _headers_in_json, _cut_in_the_middle),
)


def _of_foursquare(said: str) -> Any:
    return {"message": said, "meta": {"code": 400, "errorType": said, "errorDetail": said}}


_FORMS: dict[str, Callable[[str], Any]] = {
    "google": lambda said: {
        "error": {"code": 403, "message": said, "status": "PERMISSION_DENIED", "details": [{"reason": said}]}
    },
    "google_legacy": lambda said: {"status": "REQUEST_DENIED", "error_message": said, "candidates": []},
    "foursquare": _of_foursquare,
    "foursquare_v3": _of_foursquare,
    "here": lambda said: {"error": said, "error_description": said, "title": said, "cause": said},
    "mapbox": lambda said: {"message": said},
    "unsplash": lambda said: {"errors": [said, said]},
    "wikimedia": lambda said: {"error": {"code": said, "info": said}, "message": said},
}

"""Wikimedia Commons: its API and its file server, as documented; its entities are those of `wikidata`.

    GET /commons.wikimedia.org/w/api.php?action=query&prop=imageinfo&titles=File:A.jpg|File:B.jpg
        or generator=categorymembers&gcmtitle=Category:X, or generator=geosearch&ggscoord=LAT|LON
    GET /upload.wikimedia.org/wikipedia/commons/a/ab/Name.jpg
        or /thumb/a/ab/Name.jpg/1280px-Name.jpg, in the standard widths only

Every entity, category and pair of coordinates has photos of its own, named `Subject (3).jpg`; any other
file is missing. The lead picture of an entity (P18) is the first file of its category (P373). API errors
are HTTP 200 with `error`, and a User-Agent without a contact is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ops_core.sandbox import commons
from ops_core.sandbox.commons import CODE, find_file, title_of
from ops_core.sandbox.desk import Call, Desk, Reply, json_reply
from ops_core.sandbox.faults import Fault
from ops_core.sandbox.pictures import CONTENT_TYPES
from ops_core.sandbox.wiki_replies import (
    agent_refusal,
    api_error,
    api_refusal,
    file_error,
    format_refusal,
    page,
)
from ops_core.sandbox.world import Photo

#: The only widths of thumbnails that are served, pixels.
STEPS = (20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840)

#: Most titles in one call.
MOST_TITLES = 50

_THUMB = re.compile(r"(\d+)px-(.+)")
_FAULTS = frozenset(Fault) - {Fault.STALE_REFERENCE}


def routes(desk: Desk) -> list[web.RouteDef]:
    """The paths of this provider."""
    return [
        web.get("/commons.wikimedia.org/w/api.php", _Commons(desk).get, allow_head=False),
        web.get("/upload.wikimedia.org/wikipedia/commons/{path:.+}", _Files(desk).get, allow_head=False),
    ]


class _Commons:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def get(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        generator = query.get("generator", "")
        titles = [title for title in query.get("titles", "").split("|") if title]
        kind = "listing"
        if generator == "categorymembers":
            ref = query.get("gcmtitle", "")
        elif generator == "geosearch":
            ref = f"geo:{query.get('ggscoord', '')}"
        else:
            kind, ref = "resolve", titles[0].replace("_", " ") if titles else ""
        # one draw for one venue: a photo's is its file's, that of an entity's category the entity's
        drawn = kind == "listing" and not commons.is_entity_category(ref)
        possible = _FAULTS if drawn else frozenset[Fault]()
        call = Call(CODE, kind, ref or "commons", possible, api_error)
        refused = agent_refusal(request) or format_refusal(query) or self._refusal(query, generator, titles)
        return await self._desk.answer(
            request, call, lambda: json_reply(self._query(request, generator, titles)), refused
        )

    def _refusal(self, query: Mapping[str, str], generator: str, titles: list[str]) -> Reply | None:
        if query.get("action") != "query":
            return api_refusal("badvalue", 'Unrecognized value for parameter "action".')
        if generator not in ("", "categorymembers", "geosearch"):
            return api_refusal("badvalue", 'Unrecognized value for parameter "generator".')
        if len(titles) > MOST_TITLES:
            return api_refusal(
                "toomanyvalues", f'Too many values supplied for parameter "titles" ({MOST_TITLES}).'
            )
        if generator == "categorymembers" and not query.get("gcmtitle", "").startswith("Category:"):
            return api_refusal("invalidcategory", "The category name you entered is not valid.")
        if generator == "geosearch":
            if commons.coordinates_subject(query.get("ggscoord", "")) is None:
                return api_refusal("invalid-coord", "Invalid coordinate provided.")
            radius = query.get("ggsradius", "500")
            if not radius.isdecimal() or not 10 <= int(radius) <= 10_000:
                return api_refusal(
                    "badinteger", "The value for parameter ggsradius must be between 10 and 10000."
                )
        return None

    def _query(self, request: web.Request, generator: str, titles: list[str]) -> dict[str, Any]:
        world, query = self._desk.world, request.query
        reply: dict[str, Any] = {"batchcomplete": True}
        pages: list[dict[str, Any]] = []
        if generator:
            found, following = self._generated(query, generator)
            if following:
                name = "gcmcontinue" if generator == "categorymembers" else "ggscontinue"
                reply = {"continue": {name: following, "continue": f"{name}||"}}
            pages = [self._page(request, title_of(photo), photo) for photo in found]
            for index, page in enumerate(pages):
                page["index"] = index - len(pages)
        else:
            for title in dict.fromkeys(title.replace("_", " ") for title in titles):
                pages.append(self._page(request, title, find_file(world, title)))
        if not pages:
            return reply  # the real API leaves `query` out
        listed: dict[str, Any] = {"pages": pages}
        changed = [{"from": title, "to": title.replace("_", " ")} for title in titles if "_" in title]
        if changed:
            listed["normalized"] = changed
        if query.get("formatversion", "1") == "1":
            # the old form: pages under their ids, flags as empty strings
            for number, page in enumerate(pages, 1):
                if "missing" in page:
                    page["missing"] = ""
                else:
                    page.pop("missing", None)
                page.setdefault("pageid", -number)
            listed["pages"] = {str(page["pageid"]): page for page in pages}
        return {**reply, "query": listed}

    def _generated(self, query: Mapping[str, str], generator: str) -> tuple[tuple[Photo, ...], str]:
        if generator == "categorymembers":
            subject: str | None = commons.category_subject(query["gcmtitle"])
            limit, start = query.get("gcmlimit", "10"), query.get("gcmcontinue", "0")
        else:
            subject = commons.coordinates_subject(query["ggscoord"])
            limit, start = query.get("ggslimit", "10"), query.get("ggscontinue", "0")
        photos = self._desk.world.photos(CODE, subject or "")
        first = int(start) if start.isdecimal() else 0
        last = first + (int(limit) if limit.isdecimal() else 500)
        return photos[first:last], str(last) if last < len(photos) else ""

    def _page(self, request: web.Request, title: str, photo: Photo | None) -> dict[str, Any]:
        query = request.query
        if photo is None:
            return {"ns": 6, "title": title, "missing": True}
        page: dict[str, Any] = {"pageid": commons.page_id(self._desk.world, photo), "ns": 6, "title": title}
        if "imageinfo" in query.get("prop", "").split("|"):
            page["imagerepository"] = "local"
            page["imageinfo"] = [self._info(request, photo)]
        return page

    def _info(self, request: web.Request, photo: Photo) -> dict[str, Any]:
        query = request.query
        wanted = query.get("iiprop", "timestamp|user").split("|")
        host = f"http://{request.host}/upload.wikimedia.org/wikipedia/commons"
        found: dict[str, Any] = {}
        if "user" in wanted:
            found["user"] = photo.author.replace(" ", "")
        if "size" in wanted or "dimensions" in wanted:
            found |= {"size": photo.width * photo.height // 5, "width": photo.width, "height": photo.height}
        width = query.get("iiurlwidth", "")
        if width.isdecimal() and int(width) > 0:
            asked = min(int(width), photo.width)
            found["thumburl"] = host + commons.thumb_path(photo, step_for(asked))
            found |= {"thumbwidth": asked, "thumbheight": round(asked * photo.height / photo.width)}
        if "url" in wanted:
            found["url"] = host + commons.file_path(photo)
            found["descriptionurl"] = commons.page_url(photo)
        if "mime" in wanted:
            found["mime"] = CONTENT_TYPES[photo.format]
        if "extmetadata" in wanted:
            found["extmetadata"] = commons.metadata(self._desk.world, photo)
        return found


class _Files:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def get(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"].split("/")
        name = path[3] if path[0] == "thumb" and len(path) == 5 else path[-1]
        title = "File:" + name.replace("_", " ")
        photo = find_file(self._desk.world, title)
        call = Call(CODE, "image", title, _FAULTS, file_error)
        refused = agent_refusal(request)
        if refused is not None:
            return await self._desk.answer(request, call, Reply, refused)
        width = 0
        if photo is not None and path[0] == "thumb" and (thumb := _THUMB.fullmatch(path[-1])):
            width = int(thumb[1])
            if width not in STEPS:
                refused = page(429, "Use thumbnail steps listed on https://w.wiki/GHai", outcome="refused")
        if photo is None or "/" + "/".join(path) != _own_path(photo, width):
            refused = refused or page(404, "File not found", outcome="refused")
        if refused is not None or photo is None:
            return await self._desk.answer(request, call, Reply, refused)
        # thumbnails of WebP files and drawings are PNG
        form = "png" if width and photo.format in ("webp", "svg") else photo.format

        def make() -> Reply:
            data = self._desk.pictures.get(photo, width or photo.width, as_format=form)
            return Reply(200, data, CONTENT_TYPES[form])

        return await self._desk.answer(request, call, make)


def step_for(width: int) -> int:
    """The standard width in which a thumbnail of `width` is served: the next larger one."""
    return next((step for step in STEPS if step >= width), STEPS[-1])


def _own_path(photo: Photo, width: int) -> str:
    return commons.thumb_name(photo, width) if width else commons.file_name(photo)

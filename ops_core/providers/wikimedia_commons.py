"""Wikimedia Commons: photos of a Wikidata entity, a Commons file or category, or a place's surroundings.

Venues are searched for at Wikidata (`wikidata_search`), whose entities name their photos.

`provider_ref` is the file's title (`File:...`), which stays; `fetch_ref` is the address of its
thumbnail (of the file itself, where it has none), which stays as well, so that fetching a listed photo
asks the API nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import failed
from ops_core.domain.places import Venue
from ops_core.domain.redact import holds_secret
from ops_core.providers import wikidata_search
from ops_core.providers.http import Api
from ops_core.providers.lists import each_once, listed, usable
from ops_core.providers.reply import dig, first_link, pixels, plain, text, web_url
from ops_core.providers.source import Download, Photo, Place
from ops_core.providers.venue_ids import id_of
from ops_core.providers.wikidata_claims import stated
from ops_core.providers.wikidata_search import CODE, DATA_HOST
from ops_core.providers.wikimedia_errors import classify
from ops_core.settings import Settings

API_HOST = "commons.wikimedia.org"
FILE_HOST = "upload.wikimedia.org"

#: Widths in which thumbnails are served, pixels; any other ends as HTTP 429.
THUMBNAIL_WIDTHS = (20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840)

#: Most titles one call may name.
MOST_TITLES = 50

#: Parts of one category that are read: those that begin with drawings and books are rare.
MOST_PARTS = 3

#: Metres around a venue's coordinates in which photos are taken to show it.
RADIUS = 100

_PHOTO_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif")
_TITLE = re.compile(r"File:[^#<>\[\]|{}]{1,240}")
_CATEGORY = re.compile(r"Category:[^#<>\[\]|{}]{1,240}")
_ADDRESS = re.compile(r"[\x21-\x7e]{1,2000}")
_WORD = re.compile(r"[^\x00-\x1f\ud800-\udfff]{1,1000}")


class WikimediaCommons:
    """The source and finder for `wikimedia_commons`; see `providers.source`."""

    code = CODE
    id_key = "wikidata"

    def not_ready(self, settings: Settings) -> str | None:
        """Why it cannot be asked: Wikimedia wants to know whom to write to."""
        if settings.sandbox_url or (settings.wikimedia_contact or "").strip():
            return None
        return "Set VENUE_OPS_WIKIMEDIA_CONTACT to your e-mail address or web page; Wikimedia requires it."

    def cannot_search(self, settings: Settings) -> str | None:
        """Why Wikidata cannot be searched: it wants to know whom to write to as well."""
        return self.not_ready(settings)

    def knows(self, venue: Venue) -> bool:
        """Whether the venue has a Wikidata or Commons id, or coordinates."""
        ids = venue.provider_ids
        return "wikidata" in ids or "wikimedia_commons" in ids or venue.has_coordinates

    async def list_photos(self, venue: Venue, api: Api, *, limit: int) -> list[Photo]:
        """At most `limit` photos: those of the venue's ids; only without ids, those taken near by."""
        ids = venue.provider_ids
        found: list[Photo] = []
        if "wikidata" in ids:
            found = await self._of_entity(id_of(venue, "wikidata", "Wikidata id"), api, limit)
        if not found and "wikimedia_commons" in ids:
            found = await self._of_title(ids["wikimedia_commons"], api, limit)
        if not ids.keys() & {"wikidata", "wikimedia_commons"} and venue.has_coordinates:
            found, _ = await _files(
                api,
                {
                    "generator": "geosearch",
                    "ggscoord": f"{venue.latitude:.6f}|{venue.longitude:.6f}",
                    "ggsradius": str(RADIUS),
                    "ggsnamespace": "6",
                    "ggslimit": _more_than(limit),
                },
            )
        return _numbered(found, limit)

    async def resolve(self, provider_ref: str, fetch_ref: str | None, api: Api) -> Download:
        """The thumbnail's address: as listed, or asked for anew if it was not kept."""
        address = _thumbnail(fetch_ref, api)
        if address is None:
            if not _TITLE.fullmatch(provider_ref):
                raise failed(ErrorType.NOT_FOUND, "The photo's title is not one of Wikimedia Commons.")
            found, _ = await _files(api, {"titles": provider_ref, "redirects": "1"})
            if not found:
                raise failed(ErrorType.NOT_FOUND, "Wikimedia Commons has no such photo any more.")
            address = found[0].fetch_ref
        if address is None:
            raise failed(ErrorType.BAD_RESPONSE, "Wikimedia Commons gave no address for the photo.")
        return Download(url=address, needs_permit=True, classify=classify)

    async def find_places(self, venue: Venue, api: Api, *, limit: int) -> list[Place]:
        """At most `limit` Wikidata entities (and 50) with the venue's name, Wikidata's best first."""
        return await wikidata_search.find(venue, api, limit=limit)

    async def _of_entity(self, entity: str, api: Api, limit: int) -> list[Photo]:
        found: list[Photo] = []
        titles = [f"File:{name}" for name in await _claims(entity, "P18", api)]
        if titles:
            found = await _titled(titles, api)
        if len(found) < limit:
            categories = [f"Category:{name}" for name in await _claims(entity, "P373", api)]
            for category in list(filter(_CATEGORY.fullmatch, categories))[:1]:
                found += await _members(category, api, limit)
        return found

    async def _of_title(self, title: str, api: Api, limit: int) -> list[Photo]:
        if _CATEGORY.fullmatch(title):
            return await _members(title, api, limit)
        if _TITLE.fullmatch(title):
            return await _titled([title], api)
        raise failed(ErrorType.NOT_FOUND, "The venue's title at Wikimedia Commons is malformed; correct it.")


def thumbnail_width(wanted: int) -> int:
    """The largest width Commons serves that is not over `wanted`, pixels."""
    return max((width for width in THUMBNAIL_WIDTHS if width <= wanted), default=THUMBNAIL_WIDTHS[0])


async def _claims(entity: str, property_id: str, api: Api) -> list[str]:
    """The values Wikidata states for a property, preferred ones first."""
    reply = await api.get_json(
        f"{api.base(DATA_HOST)}/w/api.php",
        params={"action": "wbgetclaims", "entity": entity, "property": property_id, "format": "json"},
        classify=classify,
    )
    claims = dig(reply, "claims")
    if not isinstance(claims, dict | list):
        raise failed(ErrorType.BAD_RESPONSE, "Wikidata's claims are not in their documented form.")
    return [value for each in stated(claims, property_id) if (value := text(each))]


async def _titled(titles: Iterable[str], api: Api) -> list[Photo]:
    """The photos with these titles, in the order given; missing ones are left out."""
    tidy = [title.replace("_", " ").strip() for title in titles]
    asked = [title for title in dict.fromkeys(tidy) if _TITLE.fullmatch(title)][:MOST_TITLES]
    if not asked:
        return []
    found, _ = await _files(api, {"titles": "|".join(asked), "redirects": "1"})
    order = {title.casefold(): place for place, title in enumerate(asked)}
    return sorted(found, key=lambda photo: order.get(photo.provider_ref.casefold(), len(order)))


async def _members(category: str, api: Api, limit: int) -> list[Photo]:
    which = {
        "generator": "categorymembers",
        "gcmtitle": category,
        "gcmtype": "file",
        "gcmlimit": _more_than(limit),
    }
    found: list[Photo] = []
    following: dict[str, str] = {}
    for _ in range(MOST_PARTS):
        photos, following = await _files(api, which | following)
        found += photos
        if len(found) >= limit or not following:
            break
    return found


async def _files(api: Api, which: dict[str, str]) -> tuple[list[Photo], dict[str, str]]:
    """The photos a query finds, and what asks for the next ones; files that are not photos are left out."""
    reply = await api.get_json(
        f"{api.base(API_HOST)}/w/api.php",
        params={
            "action": "query",
            "format": "json",
            "formatversion": "2",
            "prop": "imageinfo",
            "iiprop": "url|size|mime|extmetadata|user",
            "iiurlwidth": str(thumbnail_width(api.settings.image_width)),
            "iiextmetadatafilter": "Artist|Credit|LicenseShortName|LicenseUrl",
            "iiextmetadatalanguage": "en",
            **which,
        },
        classify=classify,
    )
    held = reply.get("query", {"pages": []}) if isinstance(reply, Mapping) else None
    pages = sorted(listed(dig(held, "pages"), "The reply of Wikimedia Commons"), key=_index)
    photos = [page for page in pages if dig(page, "imageinfo", 0, "mime") in _PHOTO_TYPES]
    found = usable([_photo(page, api) for page in photos], "the photos Wikimedia Commons listed", api)
    return found, _following(reply)


def _following(reply: Any) -> dict[str, str]:
    """What asks for the next part of a category; empty if there is none."""
    given = {name: dig(reply, "continue", name) for name in ("gcmcontinue", "continue")}
    words = {name: word for name, word in given.items() if isinstance(word, str) and _WORD.fullmatch(word)}
    return words if "gcmcontinue" in words else {}


def _index(page: Any) -> float:
    index = dig(page, "index")  # a generator's own order; absent when titles were named
    return index if isinstance(index, int) else 0


def _photo(page: Any, api: Api) -> Photo | None:
    title, info = dig(page, "title"), dig(page, "imageinfo", 0)
    if not isinstance(title, str) or text(title) != title or not _TITLE.fullmatch(title):
        return None
    about = dig(info, "extmetadata")
    artist = dig(about, "Artist", "value")
    page_url = web_url(dig(info, "descriptionurl"))
    address = _thumbnail(dig(info, "thumburl"), api) or _thumbnail(dig(info, "url"), api)
    return Photo(
        provider=CODE,
        provider_ref=title,
        fetch_ref=address,
        show_url=address,
        source_url=page_url,
        width=pixels(dig(info, "width")),
        height=pixels(dig(info, "height")),
        attribution=plain(artist) or plain(dig(about, "Credit", "value")) or text(dig(info, "user")),
        attribution_url=first_link(artist) or page_url,
        license=plain(dig(about, "LicenseShortName", "value"), 100),
        license_url=web_url(dig(about, "LicenseUrl", "value")),
    )


def _thumbnail(address: Any, api: Api) -> str | None:
    """`address` if it is one of the place photos are fetched from now (the sandbox has its own)."""
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address) or holds_secret(address):
        return None
    return address if address.startswith(f"{api.base(FILE_HOST)}/") else None


def _more_than(limit: int) -> str:
    return str(min(2 * limit, MOST_TITLES))  # some of what is listed will not be photos


def _numbered(found: Iterable[Photo], limit: int) -> list[Photo]:
    return [replace(photo, position=place) for place, photo in enumerate(each_once(found)[:limit])]

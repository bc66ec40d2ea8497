"""Files of the sandbox's Wikimedia Commons: their titles, addresses, pages and metadata."""

from __future__ import annotations

import hashlib
import html
import math
import re
from typing import Any
from urllib.parse import quote

from ops_core.sandbox.draws import draw, number
from ops_core.sandbox.world import Photo, World

CODE = "wikimedia_commons"

_EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp", "svg": "svg"}
_TITLE = re.compile(r"File:(?P<subject>.+) \((?P<number>[1-9]\d?)\)\.(?P<extension>jpg|png|webp|svg)")


def entity_subject(entity: str) -> str:
    """The category of a Wikidata entity."""
    return f"Sandbox {entity}"


def is_entity_category(title: str) -> bool:
    """Whether `Category:X` is the category of a Wikidata entity."""
    return re.fullmatch(r"Category:Sandbox[ _]Q\d+", title) is not None


def category_subject(title: str) -> str:
    """The subject of `Category:X`; a file's name can hold no slash, so neither does the subject."""
    return title.removeprefix("Category:").replace("_", " ").replace("/", "-")


def coordinates_subject(coordinates: str) -> str | None:
    """What stands at `LAT|LON` degrees, to about 10 metres; None if that is no place on Earth."""
    parts = coordinates.split("|")
    try:
        latitude, longitude = (float(part) for part in parts)
    except ValueError:
        return None
    if not (math.isfinite(latitude) and math.isfinite(longitude)):
        return None
    if abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return f"Near {latitude:.4f} {longitude:.4f}"


def title_of(photo: Photo) -> str:
    """The file's title."""
    return f"File:{photo.subject} ({photo.index + 1}).{_EXTENSIONS[photo.format]}"


def find_file(world: World, title: str) -> Photo | None:
    """The photo of this title (with spaces); None if there is no such file."""
    match = _TITLE.fullmatch(title)
    if match is None:
        return None
    photos = world.photos(CODE, match["subject"])
    index = int(match["number"]) - 1
    return photos[index] if index < len(photos) and title_of(photos[index]) == title else None


def file_name(photo: Photo) -> str:
    """The file's place on the file server, not percent-encoded."""
    name = title_of(photo).removeprefix("File:").replace(" ", "_")
    mark = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return f"/{mark[0]}/{mark[:2]}/{name}"


def thumb_name(photo: Photo, width: int) -> str:
    """The place of a thumbnail `width` pixels wide, not percent-encoded."""
    path = file_name(photo)
    name = path.rpartition("/")[2]
    ending = ".png" if photo.format in ("webp", "svg") else ""
    return f"/thumb{path}/{width}px-{name}{ending}"


def file_path(photo: Photo) -> str:
    """The file's place on the file server, as it stands in an address."""
    return quote(file_name(photo))


def thumb_path(photo: Photo, step: int) -> str:
    """The place of a thumbnail; the file itself where that is no wider."""
    if step >= photo.width and photo.format != "svg":
        return file_path(photo)
    return quote(thumb_name(photo, step))


def page_url(photo: Photo) -> str:
    """The page about the file."""
    return "https://commons.wikimedia.org/wiki/" + quote(title_of(photo).replace(" ", "_"))


def page_id(world: World, photo: Photo) -> int:
    """The page's number."""
    return number(world.seed, "page", photo.subject, photo.index) % 150_000_000 + 1


def metadata(world: World, photo: Photo) -> dict[str, Any]:
    """The `extmetadata` of a file: licence and author, the author as HTML of many shapes."""
    found = {
        "LicenseShortName": photo.license,
        "UsageTerms": photo.license,
        "AttributionRequired": "false" if photo.license in ("CC0", "Public domain") else "true",
        "Credit": '<span class="int-own-work" lang="en">Own work</span>',
        "ObjectName": title_of(photo).removeprefix("File:").rpartition(".")[0],
    }
    if photo.license_url:
        found["LicenseUrl"] = photo.license_url
    if (artist := _artist(world, photo)) is not None:
        found["Artist"] = artist
    return {name: {"value": value, "source": "commons-desc-page"} for name, value in found.items()}


def _artist(world: World, photo: Photo) -> str | None:
    shape = draw(world.seed, "artist", photo.subject, photo.index)[0]
    name = html.escape(photo.author, quote=False)
    user = quote(photo.author.replace(" ", "_"))
    if shape < 0.6:
        return f'<a href="//commons.wikimedia.org/wiki/User:{user}" title="User:{user}">{name}</a>'
    if shape < 0.75:
        return name
    if shape < 0.85:
        return (
            f'<div class="fn value">\n<a href="https://www.example.org/{user}" class="extiw">{name}</a></div>'
        )
    if shape < 0.95:
        return f'<script>alert("artist")</script><b onclick="alert(1)">{name}</b>'
    return None

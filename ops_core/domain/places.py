"""Venues and cities as values, checked on the way in."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Provider ids a venue may carry, and their shape (lenient; see docs of each provider).
PROVIDER_ID_SHAPES: dict[str, re.Pattern[str]] = {
    "google_places": re.compile(r"[A-Za-z0-9_-]{20,300}"),
    "foursquare": re.compile(r"[0-9a-f]{24}"),
    "here": re.compile(r"here:[\w:.-]{3,200}"),
    "mapbox": re.compile(r"[\w.=-]{3,300}"),
    "unsplash": re.compile(r".{1,200}"),
    "wikidata": re.compile(r"Q[1-9]\d{0,11}"),
    "wikimedia_commons": re.compile(r"(File|Category):.{1,240}"),
    "osm": re.compile(r"[NWR][1-9]\d{0,18}"),
    "geoapify": re.compile(r"[0-9A-Za-z]{10,400}"),
}

#: Ids that name one place and no other. The rest are search words or albums, which venues may share.
IDENTIFYING = ("google_places", "foursquare", "here", "mapbox", "wikidata", "osm", "geoapify")

#: Longest name, address, city or country, characters.
MAX_TEXT = 300

#: Venues of one name within this many metres are one venue whose address was written differently.
SAME_PLACE_METRES = 50.0

_METRES_PER_DEGREE = 111_195.0

# letters that Unicode does not take apart into a plain letter and a mark
_ASCII: dict[int, str] = {
    ord(char): plain
    for char, plain in {"ł": "l", "Ł": "L", "ß": "ss", "ø": "o", "Ø": "O", "đ": "d", "æ": "ae"}.items()
}


class BadVenue(ValueError):
    """A venue line that cannot be loaded; the message says what to correct."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """One place that needs photos."""

    name: str
    address: str
    city: str
    country: str
    latitude: float | None = None  #: Degrees, -90..90.
    longitude: float | None = None  #: Degrees, -180..180.
    provider_ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_coordinates(self) -> bool:
        """Whether both coordinates are known."""
        return self.latitude is not None and self.longitude is not None

    @property
    def point(self) -> tuple[float, float] | None:
        """(latitude, longitude) in degrees; None unless both are known."""
        if self.latitude is None or self.longitude is None:
            return None
        return self.latitude, self.longitude

    @property
    def natural_key(self) -> str:
        """Equal for two lines that mean the same venue, however they write capitals, widths and spaces."""
        parts = (self.name, self.address, self.city, self.country)
        return " | ".join(_folded(part) for part in parts)


def known_columns() -> frozenset[str]:
    """Every key of a row that `parse_venue` reads."""
    ids = {key for provider in PROVIDER_ID_SHAPES for key in (provider, f"{provider}_id")}
    return frozenset({"name", "address", "city", "country", "latitude", "longitude", "provider_ids"} | ids)


def parse_venue(row: Mapping[str, Any]) -> Venue:
    """The venue in a CSV or JSON row.

    Keys: name, city, country (required), address, latitude, longitude; provider ids either as a
    mapping under `provider_ids` or one column each, named after the provider or `<provider>_id`.
    Raises `BadVenue` with a sentence that says what is wrong.
    """
    name, city, country = (_text(row, key, required=True) for key in ("name", "city", "country"))
    if len(country) <= 3 and country.isascii():
        raise BadVenue(f"country must be a name such as Poland, not the code {country!r}")
    latitude = _degrees(row, "latitude", 90.0)
    longitude = _degrees(row, "longitude", 180.0)
    if (latitude is None) != (longitude is None):
        raise BadVenue("has one coordinate only; give latitude and longitude, or neither")
    return Venue(
        name=name,
        address=_text(row, "address", required=False),
        city=city,
        country=country,
        latitude=latitude,
        longitude=longitude,
        provider_ids=_provider_ids(row),
    )


def metres_between(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The distance of two points given as (latitude, longitude), metres; exact enough within a city."""
    east = (other[1] - one[1] + 180.0) % 360.0 - 180.0
    north = other[0] - one[0]
    shrink = math.cos(math.radians((one[0] + other[0]) / 2))
    return math.hypot(north, east * shrink) * _METRES_PER_DEGREE


def slug(text: str) -> str:
    """`text` for use in addresses and storage keys: a-z, 0-9 and single hyphens; may be empty."""
    ascii_text = unicodedata.normalize("NFKD", plain_letters(text)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")[:60].strip("-")


def plain_letters(text: str) -> str:
    """`text` with plain letters for those that Unicode does not take apart: "Łódź" becomes "Lódź"."""
    return text.translate(_ASCII)


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split()).replace("|", "/")


def _text(row: Mapping[str, Any], key: str, *, required: bool) -> str:
    value = row.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, str | int | float)):
        raise BadVenue(f"{key} must be text")
    text = " ".join(unicodedata.normalize("NFC", str(value)).split()) if value is not None else ""
    if not _is_plain(text):
        raise BadVenue(f"{key} holds characters that are not text")
    if required and not text:
        raise BadVenue(f"{key} is missing")
    if len(text) > MAX_TEXT:
        raise BadVenue(f"{key} is longer than {MAX_TEXT} characters")
    return text


def _is_plain(text: str) -> bool:
    """Whether PostgreSQL and a screen can show `text`: no control characters, no half surrogates."""
    return not any(unicodedata.category(char) in ("Cc", "Cs") for char in text)


def _degrees(row: Mapping[str, Any], key: str, bound: float) -> float | None:
    value = row.get(key)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    shown = repr(value[:40]) if isinstance(value, str) else type(value).__name__
    if isinstance(value, bool) or not isinstance(value, str | int | float) or "_" in str(value)[:40]:
        raise BadVenue(f"{key} must be a number of degrees, not {shown}")
    try:
        number = float(value)
    except ValueError:
        raise BadVenue(f"{key} must be a number of degrees with a decimal point, not {shown}") from None
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or abs(number) > bound:
        raise BadVenue(f"{key} must be between -{bound:g} and {bound:g}, not {number:g}")
    return number


def _provider_ids(row: Mapping[str, Any]) -> dict[str, str]:
    given = row.get("provider_ids") or {}
    if not isinstance(given, Mapping):
        raise BadVenue("provider_ids must be a mapping of provider to id; in CSV, one column per provider")
    found: dict[str, Any] = {}
    for provider, value in given.items():
        if provider not in PROVIDER_ID_SHAPES:
            known = ", ".join(PROVIDER_ID_SHAPES)
            raise BadVenue(f"names an unknown provider, {str(provider)[:40]!r}; known: {known}")
        found[provider] = value
    for provider in PROVIDER_ID_SHAPES:
        for key in (provider, f"{provider}_id"):
            if row.get(key) not in (None, ""):
                found[provider] = row[key]
    return {
        provider: _provider_id(provider, value)
        for provider, value in found.items()
        if value is not None and value != ""
    }


def _provider_id(provider: str, value: Any) -> str:
    text = value.strip() if isinstance(value, str) else None
    if text is None or not _is_plain(text) or not PROVIDER_ID_SHAPES[provider].fullmatch(text):
        raise BadVenue(f"{str(value)[:40]!r} is no {provider} id")
    return text

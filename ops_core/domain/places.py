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

#: Longest name, address, city or country, characters.
MAX_TEXT = 300


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


def parse_venue(row: Mapping[str, Any]) -> Venue:
    """The venue in a CSV or JSON row.

    Keys: name, city, country (required), address, latitude, longitude; provider ids either as a
    mapping under `provider_ids` or one column each, named after the provider or `<provider>_id`.
    Raises `BadVenue` with a sentence that says what is wrong.
    """
    for key in row:
        if key is None:
            raise BadVenue("has more columns than the header names")
    name, city, country = (_text(row, key, required=True) for key in ("name", "city", "country"))
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


def slug(text: str) -> str:
    """`text` for use in addresses and storage keys: a-z, 0-9 and single hyphens; may be empty."""
    plain = text.translate(str.maketrans({"ł": "l", "Ł": "L", "ß": "ss", "ø": "o", "Ø": "O", "đ": "d", "æ": "ae"}))
    ascii_text = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")[:60].strip("-")


def _text(row: Mapping[str, Any], key: str, *, required: bool) -> str:
    value = row.get(key)
    if value is not None and not isinstance(value, str | int | float):
        raise BadVenue(f"{key} must be text")
    text = unicodedata.normalize("NFC", str(value)).strip() if value is not None else ""
    if "\x00" in text or any(unicodedata.category(char) == "Cs" for char in text):
        raise BadVenue(f"{key} holds characters that are not text")
    if required and not text:
        raise BadVenue(f"{key} is missing")
    if len(text) > MAX_TEXT:
        raise BadVenue(f"{key} is longer than {MAX_TEXT} characters")
    return text


def _degrees(row: Mapping[str, Any], key: str, bound: float) -> float | None:
    value = row.get(key)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool):
        raise BadVenue(f"{key} must be a number of degrees")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise BadVenue(f"{key} must be a number of degrees, not {str(value)[:40]!r}") from None
    if not math.isfinite(number) or abs(number) > bound:
        raise BadVenue(f"{key} must be between -{bound:g} and {bound:g}, not {str(value)[:40]}")
    return number


def _provider_ids(row: Mapping[str, Any]) -> dict[str, str]:
    given = row.get("provider_ids") or {}
    if not isinstance(given, Mapping):
        raise BadVenue("provider_ids must be a mapping of provider to id")
    found: dict[str, str] = {}
    for provider, value in given.items():
        if provider not in PROVIDER_ID_SHAPES:
            raise BadVenue(f"knows no provider {str(provider)[:40]!r}; known: {', '.join(PROVIDER_ID_SHAPES)}")
        found[provider] = str(value)
    for provider in PROVIDER_ID_SHAPES:
        for key in (provider, f"{provider}_id"):
            if row.get(key) not in (None, ""):
                found[provider] = str(row[key])
    ids = {provider: value.strip() for provider, value in found.items() if value.strip()}
    for provider, value in ids.items():
        if not PROVIDER_ID_SHAPES[provider].fullmatch(value) or "\x00" in value:
            raise BadVenue(f"{value[:40]!r} is no {provider} id")
    return ids

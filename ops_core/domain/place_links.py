"""Where a person can look at a place: at its provider, and on a map. Built from ids, without any key."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

_PAGES: dict[str, Callable[[str, str], str]] = {
    "google_places": lambda place_id, name: (
        "https://www.google.com/maps/search/?api=1"
        f"&query={quote(name or place_id, safe='')}&query_place_id={quote(place_id, safe='')}"
    ),
    "foursquare": lambda place_id, _: f"https://foursquare.com/v/{quote(place_id, safe='')}",
    "wikimedia_commons": lambda place_id, _: f"https://www.wikidata.org/wiki/{quote(place_id, safe='')}",
}


def page_of(provider: str, place_id: str, name: str | None = None) -> str | None:
    """The page that `provider` shows the place on; None if it has no pages that an id leads to."""
    make = _PAGES.get(provider)
    return make(place_id, name or "") if make and place_id else None


def site_of(provider: str, name: str) -> str:
    """Whose page `page_of` leads to, where that is not the provider by its `name`."""
    return "Wikidata" if provider == "wikimedia_commons" else name


def map_of(latitude: float | None, longitude: float | None) -> str | None:
    """A map of the spot with a mark on it; None unless both coordinates are known."""
    if latitude is None or longitude is None:
        return None
    return (
        f"https://www.openstreetmap.org/?mlat={latitude:.6f}&mlon={longitude:.6f}"
        f"#map=18/{latitude:.6f}/{longitude:.6f}"
    )

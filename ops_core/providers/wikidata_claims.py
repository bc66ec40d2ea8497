"""What Wikidata states of an entity, read from the claims in its API's replies."""

from __future__ import annotations

from typing import Any

from ops_core.providers.reply import dig, items

_EARTH = "http://www.wikidata.org/entity/Q2"


def stated(claims: Any, property_id: str) -> list[Any]:
    """The values stated for a property, preferred ones first; none that are deprecated or not known."""
    found = [claim for claim in items(dig(claims, property_id)) if dig(claim, "rank") != "deprecated"]
    found.sort(key=lambda claim: dig(claim, "rank") != "preferred")
    values = (dig(claim, "mainsnak", "datavalue", "value") for claim in found)
    return [value for value in values if value is not None]


def coordinates(claims: Any) -> tuple[Any, Any]:
    """(latitude, longitude) as stated, if on Earth; else (None, None)."""
    for value in stated(claims, "P625"):
        if dig(value, "globe") in (_EARTH, None):
            return dig(value, "latitude"), dig(value, "longitude")
    return None, None


def classes(claims: Any) -> set[str]:
    """The ids of the classes that the entity is an instance of."""
    ids = (dig(value, "id") for value in stated(claims, "P31"))
    return {each for each in ids if isinstance(each, str)}


def street_address(claims: Any) -> Any:
    """The street address as stated; None if there is none."""
    return next((dig(value, "text") for value in stated(claims, "P6375")), None)

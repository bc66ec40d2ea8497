"""Places read from the replies of searches, whoever was searched."""

from __future__ import annotations

from typing import Any

from ops_core.domain.places import PROVIDER_ID_SHAPES
from ops_core.providers.reply import text
from ops_core.providers.source import Place, PlaceKind

#: Metres around a venue's coordinates in which it is searched for: coordinates of lists are often those of
#: a street or a district.
SEARCH_RADIUS = 2_000


def found_place(
    provider: str,
    id_key: str,
    place_id: Any,
    name: Any,
    *,
    kind: PlaceKind = PlaceKind.UNKNOWN,
    address: Any = None,
    latitude: Any = None,
    longitude: Any = None,
) -> Place | None:
    """A place as a reply states it; None if its id or its name is unusable.

    `id_key` names the shape of the id (`PROVIDER_ID_SHAPES`). Coordinates that are no degrees are left out.
    """
    if not isinstance(place_id, str) or text(place_id) != place_id:
        return None
    line = text(name)
    if line is None or not PROVIDER_ID_SHAPES[id_key].fullmatch(place_id):
        return None
    north, east = _degrees(latitude, 90.0), _degrees(longitude, 180.0)
    known = north is not None and east is not None
    return Place(
        provider=provider,
        place_id=place_id,
        name=line,
        kind=kind,
        address=text(address),
        latitude=north if known else None,
        longitude=east if known else None,
    )


def _degrees(value: Any, bound: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -bound <= value <= bound else None

"""Names that the sandbox finds in a wanted way, and a finder that answers as a test says."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Mapping, Sequence

from ops_core.db.places import upsert_venues
from ops_core.domain.matches import MatchState, id_key, judge
from ops_core.domain.places import PROVIDER_ID_SHAPES, Venue
from ops_core.providers.foursquare import Foursquare
from ops_core.providers.http import Api
from ops_core.providers.source import Place, PlaceKind
from ops_core.sandbox.places import found
from ops_core.settings import Settings
from tests.support.system import System

#: The seed of `tests.support.sandbox`.
SEED = 7
HERE = (50.0619, 19.9368)
_FIRST = ("Amber", "Copper", "Ivory", "Silver", "Velvet", "Wooden", "Hidden", "Golden", "Purple", "Quiet")
_SECOND = ("Lantern", "Owl", "Harbour", "Piano", "Garden", "Compass", "Lion", "Swallow", "Mirror", "Anchor")
_THIRD = ("Company", "Room", "Corner", "Society", "Cellar", "Yard", "Loft", "Terrace", "Works", "Project")


def named(**wanted: MatchState) -> str:
    """A name for which searches of the sandbox come to these states, by provider; at `HERE`."""
    for words in itertools.product(_FIRST, _SECOND, _THIRD):
        name = " ".join(words)
        if all(_fate(code, name) is state for code, state in wanted.items()):
            return name
    raise AssertionError(f"no name comes to {wanted}")


def _fate(code: str, name: str) -> MatchState:
    shape = {"foursquare": "4b05866c{}", "here": "here:pds:place:{}", "mapbox": "dXJuOm1ieHBvaTo{}"}[code]
    places = [
        Place(
            provider=code,
            place_id=shape.format(each.token),
            name=each.name,
            kind=PlaceKind(each.kind),
            latitude=each.latitude,
            longitude=each.longitude,
        )
        # Foursquare knows no plain addresses
        for each in found(SEED, code, name, *HERE)
        if each.kind == "venue" or code != "foursquare"
    ]
    return judge(venue(name), places, key=id_key(code)).state


def venue(name: str, **ids: str) -> Venue:
    """A venue at `HERE` that Google and Wikidata know already."""
    number = zlib.crc32(name.encode())
    known = {"google_places": f"ChIJ{number:023d}", "wikidata": f"Q{number + 1}"}
    return Venue(
        name=name,
        address="Rynek Główny 27",
        city="Kraków",
        country="Poland",
        latitude=HERE[0],
        longitude=HERE[1],
        provider_ids=known | ids,
    )


def add(system: System, *venues: Venue) -> list[int]:
    """Bring the venues into the database; their ids."""
    with system.engine.begin() as connection:
        return [item.venue_id for item in upsert_venues(connection, venues)]


class ScriptedFinder(Foursquare):
    """Foursquare, whose searches answer what a function says; calls nobody."""

    def __init__(self, answer: Callable[[Venue], Sequence[Place]]) -> None:
        self.answer = answer
        self.searched: list[str] = []

    def cannot_search(self, settings: Settings) -> str | None:
        return None

    async def find_places(self, venue: Venue, api: Api, *, limit: int) -> list[Place]:
        self.searched.append(venue.name)
        return list(self.answer(venue))[:limit]


def twin(venue: Venue, number: int = 1, metres: float = 10.0) -> Place:
    """A place of the venue's name beside it."""
    assert venue.latitude is not None
    place_id = f"{number:024x}"
    assert PROVIDER_ID_SHAPES["foursquare"].fullmatch(place_id)
    return Place(
        provider="foursquare",
        place_id=place_id,
        name=venue.name,
        kind=PlaceKind.VENUE,
        address="Rynek Główny 27, Kraków",
        latitude=venue.latitude + metres / 111_195,
        longitude=venue.longitude,
    )


def states(system: System, venue_id: int) -> Mapping[str, str]:
    """What is known of a venue: provider -> state of its match."""
    rows = system.rows("SELECT provider, state FROM venue_matches WHERE venue_id = :id", id=venue_id)
    return {row.provider: row.state for row in rows}

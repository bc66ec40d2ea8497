"""The search for a venue among the entities of Wikidata.

Wikidata's search knows names only. Where the entities lie is asked in a second call; most that have no
coordinates are no places at all (a record label, a film), and whoever judges them must know that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import failed
from ops_core.domain.places import PROVIDER_ID_SHAPES, Venue
from ops_core.providers.found_places import found_place
from ops_core.providers.http import Api
from ops_core.providers.lists import listed
from ops_core.providers.reply import dig, items, text
from ops_core.providers.source import Place, PlaceKind
from ops_core.providers.wikidata_claims import classes, coordinates, street_address
from ops_core.providers.wikimedia_errors import classify

CODE = "wikimedia_commons"
DATA_HOST = "www.wikidata.org"

#: Most entities one call may name.
MOST_ENTITIES = 50

#: Other names of one entity that are taken.
MOST_NAMES = 20

#: Pages of Wikipedia that say which meanings a word has: they carry the venue's name and are never it.
_WORD_LISTS = frozenset({"Q4167410"})

#: Classes of what has a name but is no venue. Others are venues or not: their classes are too many to list.
_STREETS = frozenset({"Q79007", "Q34442", "Q83620", "Q54114"})  # street, road, thoroughfare, boulevard
_AREAS = frozenset(
    {"Q515", "Q1549591", "Q5119", "Q3957", "Q532", "Q486972", "Q15284"}  # city ... settlement, municipality
    | {"Q123705", "Q188509", "Q2983893", "Q4286337"}  # neighbourhood, suburb, quarter, city district
    | {"Q6256", "Q10864048", "Q13220204"}  # country and its first and second level divisions
)


async def find(venue: Venue, api: Api, *, limit: int) -> list[Place]:
    """At most `limit` entities with the venue's name, Wikidata's best first; two calls. Raises `Failed`."""
    reply = await _ask(
        api,
        action="wbsearchentities",
        search=venue.name,
        language="en",
        uselang="en",
        type="item",
        limit=str(min(limit, MOST_ENTITIES)),
    )
    hits = listed(dig(reply, "search"), "Wikidata's search result")
    named = {each: hit for hit in hits if (each := _id(hit))}
    chosen = dict(list(named.items())[: min(limit, MOST_ENTITIES)])
    if not chosen:
        return []
    reply = await _ask(
        api,
        action="wbgetentities",
        ids="|".join(chosen),
        props="labels|aliases|descriptions|claims",
        languages="en",
        languagefallback="1",
    )
    entities = dig(reply, "entities")
    if not isinstance(entities, Mapping):
        raise failed(ErrorType.BAD_RESPONSE, "Wikidata's entities are not in their documented form.")
    places = (_place(each, hit, entities.get(each)) for each, hit in chosen.items())
    return [place for place in places if place]


async def _ask(api: Api, **params: str) -> Any:
    return await api.get_json(
        f"{api.base(DATA_HOST)}/w/api.php", params={**params, "format": "json"}, classify=classify
    )


def _id(hit: Any) -> str | None:
    given = dig(hit, "id")
    return given if isinstance(given, str) and PROVIDER_ID_SHAPES["wikidata"].fullmatch(given) else None


def _place(entity_id: str, hit: Any, entity: Any) -> Place | None:
    """The entity as a place; None for one that is gone, has no name, or cannot be a place."""
    claims = dig(entity, "claims")
    kinds = classes(claims)
    if dig(entity, "id") != entity_id or "missing" in entity or kinds & _WORD_LISTS:
        return None
    latitude, longitude = coordinates(claims)
    place = found_place(
        CODE,
        "wikidata",
        entity_id,
        text(dig(entity, "labels", "en", "value")) or dig(hit, "label"),
        kind=_kind(kinds),
        # where no address is stated, a description tells people as much: "museum in Paris, France"
        address=street_address(claims) or dig(entity, "descriptions", "en", "value"),
        latitude=latitude,
        longitude=longitude,
    )
    if place is None:
        return None
    aliases = [dig(alias, "value") for alias in items(dig(entity, "aliases", "en"))]
    # what matched may be a name in another language
    others = [name for each in (dig(hit, "match", "text"), *aliases) if (name := text(each))]
    names = [name for name in dict.fromkeys(others) if name != place.name]
    return replace(place, also_named=tuple(names[:MOST_NAMES]))


def _kind(kinds: set[str]) -> PlaceKind:
    if kinds & _STREETS:
        return PlaceKind.ADDRESS
    return PlaceKind.AREA if kinds & _AREAS else PlaceKind.UNKNOWN

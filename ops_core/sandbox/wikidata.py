"""Wikidata: what it states of an entity, and its search, as documented.

    GET /www.wikidata.org/w/api.php?action=wbgetclaims&entity=Q243[&property=P18]
        or action=wbsearchentities&search=Name&language=en[&type=item&limit=7]
        or action=wbgetentities&ids=Q1|Q2[&props=labels|aliases|descriptions|claims]

Every id of the right shape is an entity, and its photos are those of its category (`wikimedia`). The search
is not told where a venue is: it knows where the venues are that come with the product, and places any other
name somewhere. Names and places of entities are those of the searches since the sandbox was started.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from ops_core.sandbox import commons
from ops_core.sandbox.commons import CODE, title_of
from ops_core.sandbox.desk import Call, Desk, Reply, json_reply
from ops_core.sandbox.draws import draw
from ops_core.sandbox.faults import Fault
from ops_core.sandbox.places import Found, found
from ops_core.sandbox.wiki_replies import agent_refusal, api_error, api_refusal, format_refusal

#: Most entities in one call, and most that a search finds.
MOST_ENTITIES = 50

#: Found entities whose names are remembered.
MOST_REMEMBERED = 50_000

#: Share of entities of which no coordinates are stated.
UNPLACED_SHARE = 0.08

_VENUES = Path(__file__).parent.parent / "data" / "venues.jsonl"
_ENTITY = re.compile(r"Q[1-9]\d{0,11}")
_FAULTS = frozenset(Fault) - {Fault.STALE_REFERENCE}
_CLASSES = {"venue": ("Q33506", "museum"), "address": ("Q79007", "street"), "area": ("Q515", "city")}


def routes(desk: Desk) -> list[web.RouteDef]:
    """The path of the API."""
    return [web.get("/www.wikidata.org/w/api.php", _Wikidata(desk).get, allow_head=False)]


def entity_id(place: Found) -> str:
    """The id of an entity that was found."""
    return f"Q{100_000_000 + int(place.token, 16) % 900_000_000}"


class _Wikidata:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._spots = _spots()
        self._found: OrderedDict[str, Found] = OrderedDict()

    async def get(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        action = query.get("action", "")
        answers: dict[str, Callable[[Mapping[str, str]], tuple[str, Reply | None, Callable[[], Any]]]] = {
            "wbgetclaims": self._claims_of,
            "wbsearchentities": self._search,
            "wbgetentities": self._entities,
        }
        refused = agent_refusal(request) or format_refusal(query)
        if action not in answers:
            call = Call(CODE, "listing", "wikidata", _FAULTS, api_error)
            unknown = api_refusal("badvalue", 'Unrecognized value for parameter "action".')
            return await self._desk.answer(request, call, Reply, refused or unknown)
        ref, wrong, make = answers[action](query)
        # one draw for one search, whose second call asks for its entities
        possible = frozenset[Fault]() if action == "wbgetentities" else _FAULTS
        call = Call(CODE, "listing", ref or "wikidata", possible, api_error)
        return await self._desk.answer(request, call, lambda: json_reply(make()), refused or wrong)

    def _claims_of(self, query: Mapping[str, str]) -> tuple[str, Reply | None, Callable[[], Any]]:
        entity, wanted = query.get("entity", ""), query.get("property")
        wrong = None if _ENTITY.fullmatch(entity) else api_refusal("invalid-entity-id", "Invalid entity ID.")

        def make() -> dict[str, Any]:
            claims = self._claims(entity)
            return {"claims": {name: stated for name, stated in claims.items() if wanted in (None, name)}}

        return entity, wrong, make

    def _search(self, query: Mapping[str, str]) -> tuple[str, Reply | None, Callable[[], Any]]:
        words, limit = query.get("search", ""), query.get("limit", "7")
        wrong = None
        for name in ("search", "language"):
            if not query.get(name):
                wrong = api_refusal("missingparam", f'The "{name}" parameter must be set.')
        if wrong is None and not (limit.isdecimal() and 1 <= int(limit) <= MOST_ENTITIES):
            wrong = api_refusal("badinteger", f'The value for "limit" must be between 1 and {MOST_ENTITIES}.')

        def make() -> dict[str, Any]:
            latitude, longitude = self._spots.get(words.casefold(), (None, None))
            places = found(self._desk.world.seed, "wikidata", words, latitude, longitude)[: int(limit)]
            self._remember(places)
            hits = [_hit(place) for place in places]
            return {"searchinfo": {"search": words}, "search": hits, "success": 1}

        return f"search:{words}", wrong, make

    def _entities(self, query: Mapping[str, str]) -> tuple[str, Reply | None, Callable[[], Any]]:
        ids = [each for each in query.get("ids", "").split("|") if each]
        wrong = None
        odd = [each for each in ids if not _ENTITY.fullmatch(each)]
        if not ids:
            wrong = api_refusal(
                "param-missing", 'Either provide the Item "ids" or pairs of "sites" and "titles".'
            )
        elif odd:
            wrong = api_refusal("no-such-entity", f'Could not find an entity with the ID "{odd[0]}".')
        elif len(ids) > MOST_ENTITIES:
            said = f'Too many values supplied for parameter "ids" ({MOST_ENTITIES}).'
            wrong = api_refusal("toomanyvalues", said)
        props = query.get("props", "labels|aliases|descriptions|claims").split("|")

        def make() -> dict[str, Any]:
            return {"entities": {each: self._entity(each, props) for each in ids}, "success": 1}

        return "|".join(ids), wrong, make

    def _remember(self, places: list[Found]) -> None:
        for place in places:
            self._found[entity_id(place)] = place
        while len(self._found) > MOST_REMEMBERED:
            self._found.popitem(last=False)

    def _entity(self, entity: str, props: list[str]) -> dict[str, Any]:
        place = self._found.get(entity)
        name = place.name if place else f"Sandbox {entity}"
        whole = {
            "labels": {"en": {"language": "en", "value": name}},
            "descriptions": {"en": {"language": "en", "value": _description(place)}} if place else {},
            "aliases": {"en": [{"language": "en", "value": f"{name} (sandbox)"}]},
            "claims": self._claims(entity),
        }
        return {"type": "item", "id": entity} | {prop: whole[prop] for prop in props if prop in whole}

    def _claims(self, entity: str) -> dict[str, Any]:
        world = self._desk.world
        subject = commons.entity_subject(entity)
        photos = world.photos(CODE, subject)
        claims: dict[str, Any] = {}
        if photos:
            claims["P18"] = [_claim(entity, "P18", title_of(photos[0]).removeprefix("File:"), "commonsMedia")]
            claims["P373"] = [_claim(entity, "P373", subject, "string")]
        elif draw(world.seed, "unknown", entity)[0] < 0.5:
            claims["P18"] = [_claim(entity, "P18", None, "commonsMedia")]
        if place := self._found.get(entity):
            claims |= _whereabouts(
                entity, place, placed=draw(world.seed, "placed", entity)[0] >= UNPLACED_SHARE
            )
        return claims


def _hit(place: Found) -> dict[str, Any]:
    entity = entity_id(place)
    return {
        "id": entity,
        "title": entity,
        "repository": "wikidata",
        "url": f"//www.wikidata.org/wiki/{entity}",
        "concepturi": f"http://www.wikidata.org/entity/{entity}",
        "label": place.name,
        "description": _description(place),
        "match": {"type": "label", "language": "en", "text": place.name},
    }


def _description(place: Found) -> str:
    return f"{_CLASSES[place.kind][1]} at {place.address}"


def _whereabouts(entity: str, place: Found, *, placed: bool) -> dict[str, Any]:
    kind = {"entity-type": "item", "id": _CLASSES[place.kind][0]}
    claims = {"P31": [_claim(entity, "P31", kind, "wikibase-item", "wikibase-entityid")]}
    if placed:
        spot = {
            "latitude": place.latitude,
            "longitude": place.longitude,
            "altitude": None,
            "precision": 0.0001,
            "globe": "http://www.wikidata.org/entity/Q2",
        }
        claims["P625"] = [_claim(entity, "P625", spot, "globe-coordinate", "globecoordinate")]
    return claims


def _claim(entity: str, prop: str, value: Any, datatype: str, kind: str = "string") -> dict[str, Any]:
    snak: dict[str, Any] = {"snaktype": "value", "property": prop, "datatype": datatype}
    if value is None:
        snak["snaktype"] = "somevalue"  # known to exist, not known which: a claim without a value
    else:
        snak["datavalue"] = {"value": value, "type": kind}
    return {"mainsnak": snak, "type": "statement", "id": f"{entity}${prop}", "rank": "normal"}


def _spots() -> dict[str, tuple[float, float]]:
    """Where the venues that come with the product are, by their names."""
    venues = [json.loads(line) for line in _VENUES.read_text(encoding="utf-8").splitlines()]
    return {each["name"].casefold(): (each["latitude"], each["longitude"]) for each in venues}

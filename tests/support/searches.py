"""A way to have a finder search among documented replies."""

from __future__ import annotations

import asyncio
from typing import Any

from ops_core.domain.places import Venue
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Place, PlaceFinder
from tests.support.loopback import FakeProviders, Permits, api_of
from tests.support.provider_replies import Search

BLUE_NOTE = Venue(
    name="Blue Note", address="3 Main St", city="Kraków", country="Poland", latitude=50.06, longitude=19.94
)


def finder(code: str) -> PlaceFinder:
    source = SOURCES[code]
    assert isinstance(source, PlaceFinder)
    return source


def searching(
    case: Search, replies: dict[str, Any], venue: Venue = BLUE_NOTE, *, limit: int = 5, **settings: Any
) -> tuple[list[Place], FakeProviders]:
    world, permits = FakeProviders(replies), Permits()

    async def run() -> list[Place]:
        async with world.running(**case.settings, **settings) as http:
            api = api_of(http, case.code, permits)
            found = await finder(case.code).find_places(venue, api, limit=limit)
            assert api.calls == len(permits.taken) == len(world.seen)
            return found

    return asyncio.run(run()), world

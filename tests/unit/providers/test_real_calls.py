"""With keys in the settings the real hosts are asked, and each key goes where its provider documents it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from ops_core.domain.failures import Failed
from ops_core.domain.places import Venue
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import PlaceFinder
from ops_core.settings import Settings
from tests.support.foursquare_replies import FOURSQUARE_PLACE
from tests.support.here_replies import HERE_PLACE

KEY = "a-key-of-ours"
BEARER = {
    "Authorization": f"Bearer {KEY}",
    "X-Places-Api-Version": "2025-06-17",
    "Accept": "application/json",
}
BARE = {"Authorization": KEY, "Accept": "application/json"}


class Asked:
    """An `Api` without a sandbox that notes what it is asked; nothing goes over a network."""

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.calls: list[tuple[str, dict[str, str], dict[str, str]]] = []

    def base(self, host: str) -> str:
        return f"https://{host}"

    async def get_json(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> Any:
        self.calls.append((url, dict(params or {}), dict(headers or {})))
        return {}  # in no documented form: what is asked is all that counts here


CALLS: list[Any] = [
    (
        "foursquare",
        {"foursquare_api_key": f" {KEY}\n"},
        f"https://places-api.foursquare.com/places/{FOURSQUARE_PLACE}/photos",
        "https://places-api.foursquare.com/places/search",
        BEARER,
    ),
    (
        "foursquare",
        {"foursquare_api_key": KEY, "foursquare_api": "v3"},
        f"https://api.foursquare.com/v3/places/{FOURSQUARE_PLACE}/photos",
        "https://api.foursquare.com/v3/places/search",
        BARE,
    ),
    (
        "here",
        {"here_api_key": f"{KEY} ", "here_images": True},
        "https://lookup.search.hereapi.com/v1/lookup",
        "https://discover.search.hereapi.com/v1/discover",
        {},
    ),
]


@pytest.mark.parametrize(("code", "settings", "listing", "search", "headers"), CALLS)
def test_the_documented_address_is_asked_with_the_key_in_its_place(
    code: str, settings: dict[str, Any], listing: str, search: str, headers: dict[str, str]
) -> None:
    source, api = SOURCES[code], Asked(**settings)
    assert isinstance(source, PlaceFinder)
    venue = Venue(
        name="Blue Note",
        address="",
        city="Kraków",
        country="Poland",
        latitude=50.06,
        longitude=19.94,
        provider_ids={"foursquare": FOURSQUARE_PLACE, "here": HERE_PLACE},
    )
    for asking in (source.list_photos(venue, api, limit=5), source.find_places(venue, api, limit=5)):
        with pytest.raises(Failed):
            asyncio.run(asking)
    assert [url for url, _, _ in api.calls] == [listing, search]
    for _, params, sent in api.calls:
        assert sent == headers
        assert (params.get("apiKey") == KEY) == (code == "here")
        assert (KEY in str(params)) == (code == "here")

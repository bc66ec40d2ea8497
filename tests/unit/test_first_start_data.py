"""The list of venues that ships with the product is whole, plausible and free of doubles."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

import ops_core
from ops_core.domain.places import PROVIDER_ID_SHAPES, Venue, metres_between, parse_venue

SHIPPED = Path(ops_core.__file__).with_name("data") / "venues.jsonl"

CENTRES = {
    ("Amsterdam", "Netherlands"): (52.373, 4.893),
    ("Berlin", "Germany"): (52.520, 13.405),
    ("Gdańsk", "Poland"): (54.352, 18.647),
    ("Kraków", "Poland"): (50.062, 19.937),
    ("Lisbon", "Portugal"): (38.708, -9.139),
    ("London", "United Kingdom"): (51.507, -0.128),
    ("Madrid", "Spain"): (40.417, -3.704),
    ("New York", "United States"): (40.713, -74.006),
    ("Paris", "France"): (48.857, 2.352),
    ("Prague", "Czechia"): (50.088, 14.421),
    ("Rome", "Italy"): (41.893, 12.483),
    ("Tokyo", "Japan"): (35.690, 139.692),
    ("Vienna", "Austria"): (48.208, 16.373),
    ("Warsaw", "Poland"): (52.230, 21.011),
}


@pytest.fixture(scope="module")
def venues() -> list[Venue]:
    return [parse_venue(json.loads(line)) for line in SHIPPED.read_text(encoding="utf-8").splitlines()]


def test_the_list_is_long_enough_for_a_lively_first_screen(venues: list[Venue]):
    assert 80 <= len(venues) <= 120


def test_every_city_is_known_and_has_several_venues(venues: list[Venue]):
    cities = Counter((venue.city, venue.country) for venue in venues)
    assert set(cities) == set(CENTRES)
    assert min(cities.values()) >= 3
    for city in ("Kraków", "Warsaw", "London", "Paris", "Berlin", "New York", "Tokyo"):
        assert sum(count for (name, _), count in cities.items() if name == city) >= 5


def test_every_venue_lies_in_its_city(venues: list[Venue]):
    for venue in venues:
        assert venue.point is not None, venue.name
        assert metres_between(venue.point, CENTRES[venue.city, venue.country]) < 25_000, venue.name


def test_every_venue_has_an_address(venues: list[Venue]):
    assert [venue.name for venue in venues if not venue.address] == []


def test_no_venue_is_listed_twice(venues: list[Venue]):
    assert max(Counter(venue.natural_key for venue in venues).values()) == 1
    assert max(Counter((venue.city, venue.name) for venue in venues).values()) == 1


def test_wikidata_ids_are_well_formed_and_unique(venues: list[Venue]):
    ids = [venue.provider_ids["wikidata"] for venue in venues if venue.provider_ids]
    assert len(ids) >= 50
    assert max(Counter(ids).values()) == 1
    assert all(PROVIDER_ID_SHAPES["wikidata"].fullmatch(each) for each in ids)
    assert {code for venue in venues for code in venue.provider_ids} == {"wikidata"}


def test_names_are_in_their_own_spelling(venues: list[Venue]):
    names = {venue.name for venue in venues}
    assert {"Teatr im. Juliusza Słowackiego", "Musée d'Orsay", "東京国立博物館", "Národní divadlo"} <= names

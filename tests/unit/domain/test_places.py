"""Venue lines are checked on the way in, and two ways of writing one venue have one key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.places import BadVenue, known_columns, metres_between, parse_venue, slug

CAFE = {"name": "Jama Michalika", "city": "Kraków", "country": "Poland"}


def refusal(**changes: Any) -> str:
    with pytest.raises(BadVenue) as caught:
        parse_venue(CAFE | changes)
    return str(caught.value)


def test_the_least_a_venue_needs_is_name_city_and_country():
    venue = parse_venue(CAFE)
    assert (venue.name, venue.address, venue.has_coordinates, venue.provider_ids) == (
        "Jama Michalika",
        "",
        False,
        {},
    )


@pytest.mark.parametrize("key", ["name", "city", "country"])
@pytest.mark.parametrize("value", [None, "", "   ", "\u00a0"])
def test_a_missing_name_city_or_country_is_refused(key: str, value: str | None):
    assert refusal(**{key: value}) == f"{key} is missing"


def test_text_is_tidied_but_keeps_its_own_spelling():
    venue = parse_venue(CAFE | {"name": "  Café\u0301  de\nFlore ", "address": "ul. Długa\t1"})
    assert venue.name == "Café\u0301 de Flore"
    assert venue.address == "ul. Długa 1"


def test_decomposed_letters_become_composed():
    assert parse_venue(CAFE | {"city": "Krako\u0301w"}).city == "Kraków"


@pytest.mark.parametrize("name", ["a\x00b", "a\x07b", "\ud800", "x\x1b[31m"])
def test_what_is_no_text_is_refused(name: str):
    assert refusal(name=name) == "name holds characters that are not text"


@pytest.mark.parametrize("name", [True, ["a"], {"a": 1}, b"a"])
def test_a_name_that_is_no_text_is_refused(name: object):
    assert refusal(name=name) == "name must be text"


def test_a_number_may_be_a_name():
    assert parse_venue(CAFE | {"name": 1410}).name == "1410"


def test_a_name_over_the_limit_is_refused():
    assert refusal(name="x" * 301) == "name is longer than 300 characters"


@pytest.mark.parametrize("value", ["50.06", 50.06, " 50.06 "])
def test_coordinates_come_as_numbers_or_text(value: object):
    assert parse_venue(CAFE | {"latitude": value, "longitude": 20}).point == (50.06, 20.0)


@pytest.mark.parametrize(
    "value", ["50,06", "north", "1_0", True, [50], "", None, "nan", "inf", 90.001, -91, 10**400, "1e400"]
)
def test_bad_coordinates_are_refused_with_the_column_named(value: object):
    assert "latitude" in refusal(latitude=value, longitude=19.9)


def test_one_coordinate_alone_is_refused():
    assert refusal(longitude="19.9") == ("has one coordinate only; give latitude and longitude, or neither")


def test_provider_ids_come_as_a_mapping_or_as_columns():
    rows = (
        {"provider_ids": {"wikidata": "Q1"}},
        {"wikidata": "Q1"},
        {"wikidata_id": " Q1 "},
        {"provider_ids": {"wikidata": "Q1", "here": None, "mapbox": ""}, "osm_id": ""},
    )
    for row in rows:
        assert parse_venue(CAFE | row).provider_ids == {"wikidata": "Q1"}


def test_an_unknown_provider_is_refused_and_the_known_ones_are_named():
    reason = refusal(provider_ids={"yelp": "x"})
    assert reason.startswith("names an unknown provider, 'yelp'; known: google_places, foursquare")


@pytest.mark.parametrize(
    ("provider", "value"),
    [
        ("wikidata", "42"),
        ("wikidata", "Q0"),
        ("wikidata", "Q1\n"[:-1] + " Q2"),
        ("foursquare", "XYZ"),
        ("google_places", "short"),
        ("osm", "123"),
        ("unsplash", "\ud800"),
        ("unsplash", 7),
        ("mapbox", ["a"]),
    ],
)
def test_an_id_of_the_wrong_shape_is_refused(provider: str, value: object):
    assert refusal(provider_ids={provider: value}).endswith(f"is no {provider} id")


def test_provider_ids_that_are_no_mapping_are_refused():
    assert refusal(provider_ids="Q1").startswith("provider_ids must be a mapping")


def test_the_natural_key_ignores_capitals_widths_and_spaces():
    one = parse_venue(CAFE | {"address": "ul. Floriańska 45"})
    other = parse_venue(
        {"name": "JAMA  MICHALIKA", "city": "kraków", "country": "POLAND", "address": "UL. FLORIAŃSKA　45"}
    )
    assert one.natural_key == other.natural_key


def test_the_natural_key_tells_addresses_apart():
    assert parse_venue(CAFE).natural_key != parse_venue(CAFE | {"address": "1"}).natural_key


def test_a_bar_in_a_name_cannot_forge_another_venues_key():
    one = parse_venue(CAFE | {"name": "a | b", "address": ""})
    other = parse_venue(CAFE | {"name": "a", "address": "b | "})
    assert one.natural_key != other.natural_key


def test_distances_are_right_within_a_city():
    wawel, sukiennice = (50.0540, 19.9354), (50.0617, 19.9373)
    assert metres_between(wawel, sukiennice) == pytest.approx(867, abs=5)


def test_the_date_line_does_not_lie_between_neighbours():
    assert metres_between((0.0, 179.9999), (0.0, -179.9999)) == pytest.approx(22.2, abs=0.1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Teatr im. Juliusza Słowackiego", "teatr-im-juliusza-slowackiego"),
        ("Café de Flore", "cafe-de-flore"),
        ("Straße", "strasse"),
        ("東京国立博物館", ""),
        ("---", ""),
    ],
)
def test_slugs(text: str, expected: str):
    assert slug(text) == expected


@given(st.text())
def test_a_slug_holds_only_what_addresses_can_hold(text: str):
    made = slug(text)
    assert len(made) <= 60
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert made == made.strip("-")
    assert slug(made) == made


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(known_columns())), _JSON))
def test_any_row_is_a_venue_or_one_clear_refusal(row: dict[str, Any]):
    try:
        venue = parse_venue(row)
    except BadVenue as error:
        reason = str(error)
    else:
        reason = "loads as a venue"
        venue.name.encode()
        assert "\x00" not in f"{venue}"
    assert 5 < len(reason) < 400

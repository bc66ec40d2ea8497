"""Which known venue a line of a list means."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.matching import Known, Outcome, Plan, merge
from ops_core.domain.places import Venue

THEATRE = Venue(
    name="Stary Teatr",
    address="ul. Jagiellońska 1",
    city="Kraków",
    country="Poland",
    latitude=50.0630,
    longitude=19.9356,
    provider_ids={"wikidata": "Q1"},
)


def known(venue: Venue, id: int = 1, city_id: int = 1) -> Known:
    return Known(id, city_id, venue.natural_key, venue)


def outcome_of(line: Venue, *database: Known, city_id: int = 1) -> tuple[int | None, Outcome]:
    item, outcome = Plan(database).place(0, city_id, line)
    return item.id, outcome


def test_a_line_that_says_nothing_new_changes_nothing():
    assert outcome_of(THEATRE, known(THEATRE)) == (1, Outcome.UNCHANGED)


def test_an_unknown_venue_is_added():
    assert outcome_of(THEATRE) == (None, Outcome.ADDED)


def test_corrected_coordinates_update_the_venue():
    assert outcome_of(replace(THEATRE, latitude=50.2), known(THEATRE)) == (1, Outcome.UPDATED)


def test_a_corrected_address_finds_its_venue_by_provider_id():
    line = replace(THEATRE, address="pl. Szczepański 3", latitude=50.5)
    assert outcome_of(line, known(THEATRE)) == (1, Outcome.UPDATED)


def test_a_corrected_address_finds_its_venue_by_name_and_place():
    line = replace(THEATRE, address="Jagiellonska 1", provider_ids={}, latitude=50.0631)
    assert outcome_of(line, known(THEATRE)) == (1, Outcome.UPDATED)


def test_an_address_given_later_finds_its_venue():
    bare = replace(THEATRE, address="", latitude=None, longitude=None, provider_ids={})
    assert outcome_of(THEATRE, known(bare)) == (1, Outcome.UPDATED)


def test_a_branch_far_away_is_another_venue():
    line = replace(THEATRE, address="Nowa Huta 1", provider_ids={}, latitude=50.08)
    assert outcome_of(line, known(THEATRE)) == (None, Outcome.ADDED)


def test_a_neighbour_with_another_id_is_another_venue():
    line = replace(THEATRE, address="ul. Jagiellońska 5", provider_ids={"wikidata": "Q2"})
    assert outcome_of(line, known(THEATRE)) == (None, Outcome.ADDED)


def test_the_same_id_in_another_city_is_another_venue():
    assert outcome_of(replace(THEATRE, city="Wien"), known(THEATRE), city_id=2) == (None, Outcome.ADDED)


def test_an_album_shared_by_two_venues_does_not_make_them_one():
    shared = {"unsplash": "krakow"}
    line = replace(THEATRE, name="Bagatela", address="ul. Karmelicka 6", provider_ids=shared)
    assert outcome_of(line, known(replace(THEATRE, provider_ids=shared))) == (None, Outcome.ADDED)


def test_an_id_of_another_venue_is_a_conflict():
    bagatela = replace(THEATRE, name="Bagatela", provider_ids={"wikidata": "Q2"})
    line = replace(THEATRE, provider_ids={"wikidata": "Q2"})
    _, outcome = Plan([known(THEATRE), known(bagatela, 2)]).place(0, 1, line)
    assert outcome is Outcome.CONFLICT


def test_a_name_that_would_become_another_venues_name_is_a_conflict():
    other = replace(THEATRE, name="Nowy", provider_ids={})
    line = replace(THEATRE, name="Nowy", address="")
    plan = Plan([known(THEATRE), known(other, 2)])
    assert plan.place(0, 1, line)[1] is Outcome.CONFLICT
    assert plan.changed == []


def test_ids_are_added_and_never_wiped():
    old = replace(THEATRE, provider_ids={"wikidata": "Q1", "google_places": "ChIJ" + "0" * 23})
    merged = merge(old, replace(THEATRE, provider_ids={"wikidata": "Q7", "osm": "N1"}))
    assert merged.provider_ids == {"wikidata": "Q7", "google_places": "ChIJ" + "0" * 23, "osm": "N1"}


def test_what_a_line_leaves_out_stays():
    bare = replace(THEATRE, address="", latitude=None, longitude=None, provider_ids={})
    assert merge(THEATRE, bare) == THEATRE


def test_the_second_line_of_a_venue_is_a_duplicate_when_it_differs():
    plan = Plan([])
    first, _ = plan.place(0, 1, THEATRE)
    assert plan.place(1, 1, THEATRE) == (first, Outcome.UNCHANGED)
    assert plan.place(2, 1, replace(THEATRE, latitude=51.0)) == (first, Outcome.DUPLICATE)
    assert plan.place(3, 1, replace(THEATRE, name="Teatr")) == (first, Outcome.DUPLICATE)


def test_a_venue_that_an_earlier_batch_wrote_is_not_written_again():
    plan = Plan([known(THEATRE)], taken={1})
    assert plan.place(0, 1, replace(THEATRE, latitude=51.0))[1] is Outcome.DUPLICATE
    assert plan.place(1, 1, replace(THEATRE, address="x", provider_ids={}))[1] is Outcome.ADDED


_LINES = st.lists(
    st.builds(
        Venue,
        name=st.sampled_from(["A", "B"]),
        address=st.sampled_from(["", "1", "2"]),
        city=st.just("Kraków"),
        country=st.just("Poland"),
        latitude=st.sampled_from([50.0, 50.0001, 50.1]),
        longitude=st.just(20.0),
        provider_ids=st.dictionaries(
            st.sampled_from(["wikidata", "osm", "unsplash"]), st.sampled_from(["1", "2"])
        ),
    ),
    max_size=8,
)


@given(_LINES)
def test_loading_a_list_twice_changes_nothing_the_second_time(lines: list[Venue]):
    first = Plan([])
    for number, line in enumerate(lines):
        first.place(number, 1, line)
    stored = [known(item.venue, number) for number, item in enumerate(first.new)]
    assert len({item.natural_key for item in stored}) == len(stored)
    second = Plan(stored)
    for number, line in enumerate(lines):
        second.place(number, 1, line)
    assert second.new == []
    assert second.changed == []


@pytest.mark.parametrize("taken", [set(), {1}])
@given(line=_LINES.filter(bool).map(lambda lines: lines[0]))
def test_a_plan_writes_each_venue_once(taken: set[int], line: Venue):
    plan = Plan([known(THEATRE)], taken)
    for number, each in enumerate((line, THEATRE, line)):
        plan.place(number, 1, each)
    written = [item.natural_key for item in (*plan.new, *plan.changed)]
    assert len(written) == len(set(written))

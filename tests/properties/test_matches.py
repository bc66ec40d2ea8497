"""Judging places, whatever their names and wherever they lie."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from ops_core.domain.matches import MARGIN, Candidate, MatchState, judge
from ops_core.domain.name_similarity import folded, similarity
from ops_core.domain.places import Venue
from ops_core.providers.source import Place, PlaceKind

HERE = (50.0619, 19.9368)

SAID = (
    "the blue note jazz club Kino pod Baranami Café Żaczek museum of modern art Teatr Stary 1 2 ul. Długa's"
)
WORDS = st.sampled_from([*SAID.split(), "東京国立博物館", "O'Neill", "PARKING"])
NAMES = st.one_of(
    st.lists(WORDS, min_size=1, max_size=6).map(" ".join), st.text(min_size=1, max_size=40)
).filter(str.strip)
METRES = st.floats(-0.05, 0.05)


@st.composite
def places(draw: st.DrawFn) -> Place:
    known = draw(st.booleans())
    return Place(
        provider="foursquare",
        place_id=f"{draw(st.integers(0, 50)):024x}",
        name=draw(NAMES),
        kind=draw(st.sampled_from(PlaceKind)),
        address=draw(st.none() | NAMES),
        latitude=HERE[0] + draw(METRES) if known else None,
        longitude=HERE[1] + draw(METRES) if known else None,
        also_named=tuple(draw(st.lists(NAMES, max_size=2))),
    )


def venue_called(name: str) -> Venue:
    return Venue(
        name=name,
        address="Rynek Główny 27",
        city="Kraków",
        country="Poland",
        latitude=HERE[0],
        longitude=HERE[1],
    )


def itself(wanted: Venue, place_id: str, kind: PlaceKind = PlaceKind.VENUE) -> Place:
    """The venue, as a provider that is right about all of it finds it."""
    return Place(
        provider="foursquare",
        place_id=place_id,
        name=wanted.name,
        kind=kind,
        latitude=HERE[0],
        longitude=HERE[1],
    )


VENUES = NAMES.map(venue_called)
LISTS = st.lists(places(), max_size=6)


@given(NAMES, NAMES)
def test_likeness_is_from_0_to_1_and_the_same_in_both_directions(one: str, other: str) -> None:
    likeness = similarity(one, other, light=["krakow"])
    assert 0 <= likeness <= 1
    assert likeness == similarity(other, one, light=["krakow"])


@given(NAMES)
def test_a_name_is_quite_like_itself_however_it_is_written(name: str) -> None:
    assert similarity(name, name) == 1
    shouted = name.upper()
    assume(folded(shouted) == folded(name))
    assert similarity(name, f"  {shouted} ") == 1


@given(VENUES, LISTS)
def test_scores_are_from_0_to_1_and_the_order_of_places_plays_no_part(
    wanted: Venue, found: list[Place]
) -> None:
    decision = judge(wanted, found, key="foursquare")
    assert all(0 <= each.score <= 1 and 0 <= each.name_score <= 1 for each in decision.candidates)
    assert judge(wanted, found[::-1], key="foursquare") == decision
    assert judge(wanted, sorted(found, key=repr), key="foursquare") == decision


@given(VENUES, st.sampled_from([PlaceKind.VENUE, PlaceKind.UNKNOWN]))
def test_the_same_name_at_the_same_spot_is_always_the_venue(wanted: Venue, kind: PlaceKind) -> None:
    found = itself(wanted, "0" * 24, kind)
    decision = judge(wanted, [found], key="foursquare")
    assert decision.state is MatchState.MATCHED
    taken = judge(wanted, [found], key="foursquare", taken={found.place_id: 1})
    assert taken.state is MatchState.NONE


@given(VENUES, LISTS)
def test_what_is_refused_is_never_taken_and_a_clear_match_stands_alone(
    wanted: Venue, found: list[Place]
) -> None:
    decision = judge(wanted, found, key="foursquare")
    chosen = decision.chosen
    assert (chosen is not None) == (decision.state is MatchState.MATCHED)
    if chosen is not None:
        assert chosen.refused is None
        assert chosen.kind not in (PlaceKind.ADDRESS, PlaceKind.AREA)
        others = [each for each in decision.candidates if each is not chosen and each.refused is None]
        assert all(chosen.score - each.score >= MARGIN for each in others)


@given(VENUES, LISTS)
def test_an_address_is_never_the_venue(wanted: Venue, found: list[Place]) -> None:
    addresses = [replace(each, kind=PlaceKind.ADDRESS) for each in found]
    assert judge(wanted, addresses, key="foursquare").state is MatchState.NONE


@given(VENUES, LISTS)
def test_what_is_kept_for_ever_quotes_no_provider_and_tells_how_well_each_place_fits(
    wanted: Venue, found: list[Place]
) -> None:
    # § marks what a provider says, and is no part of a word
    marked = [
        replace(
            each,
            name=f"§{each.name}",
            address=each.address and f"§{each.address}",
            also_named=tuple(f"§{name}" for name in each.also_named),
        )
        for each in found
    ]
    decision = judge(wanted, marked, key="foursquare")
    left = [each.without_details() for each in decision.candidates]
    kept = json.dumps([decision.reason, *(each.to_json() for each in left)], ensure_ascii=False)
    assert "§" not in kept
    assert all(each.kind == "unknown" for each in left)
    assert all((each.latitude, each.longitude, each.address) == (None, None, None) for each in left)
    for before, after in zip(decision.candidates, left, strict=True):
        assert Candidate.from_json(after.to_json()) == after == after.without_details()
        assert (after.place_id, after.distance_m) == (before.place_id, before.distance_m)
        assert (after.name_score, after.score) == (before.name_score, before.score)
        assert (after.refused, after.taken_by) == (before.refused, before.taken_by)


@given(VENUES, LISTS, places())
def test_a_worse_place_more_never_moves_a_match_to_another_place(
    wanted: Venue, found: list[Place], more: Place
) -> None:
    found = [*found, itself(wanted, "f" * 24)]
    before = judge(wanted, found, key="foursquare")
    assume(before.chosen is not None)
    alone = judge(wanted, [more], key="foursquare").candidates[0]
    assume(alone.score < before.chosen.score and more.place_id not in {each.place_id for each in found})
    after = judge(wanted, [*found, more], key="foursquare")
    assert after.chosen is None or after.chosen.place_id == before.chosen.place_id

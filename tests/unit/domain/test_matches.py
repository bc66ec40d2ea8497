"""Judging places as they are met in life: neighbours, branches, twins, addresses, other spellings."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ops_core.domain import matches
from ops_core.domain.matches import (
    Candidate,
    Decision,
    MatchState,
    Refusal,
    details_kept_until,
    id_key,
    judge,
)
from ops_core.domain.places import IDENTIFYING, Venue
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Place, PlaceFinder, PlaceKind

HERE = (50.0619, 19.9368)
#: Degrees of latitude in a metre.
METRE = 1 / 111_195


def venue(name: str = "Kino Pod Baranami", **more) -> Venue:
    values = {
        "address": "Rynek Główny 27",
        "city": "Kraków",
        "country": "Poland",
        "latitude": HERE[0],
        "longitude": HERE[1],
    }
    return Venue(name=name, **values | more)


def place(name: str, metres: float = 10, *, number: int = 1, **more) -> Place:
    values = {
        "place_id": f"{number:024x}",
        "kind": PlaceKind.VENUE,
        "latitude": HERE[0] + metres * METRE,
        "longitude": HERE[1],
    }
    return Place(provider="foursquare", name=name, **values | more)


def decide(wanted: Venue, *places: Place, taken: dict[str, int] | None = None) -> Decision:
    return judge(wanted, places, key="foursquare", taken=taken)


def anywhere(name: str, **more) -> Place:
    return place(name, latitude=None, longitude=None, **more)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("Kino Pod Baranami", "Pod Baranami"),
        ("The Blue Note", "Blue Note Jazz Club"),
        ("Ronnie Scott's", "RONNIE SCOTTS JAZZ CLUB"),
        ("Café Żaczek", "Cafe Zaczek"),
        ("Musée d'Orsay", "Museum d’Orsay"),
        ("Hard Rock Cafe", "Hard Rock Cafe Kraków"),
        ("Muzeum Narodowe w Krakowie", "Muzeum Narodowe"),
        ("Bluenote", "Blue Note"),
        ("東京国立博物館", "東京国立博物館"),
        ("Teatr Słowackiego", "Teatr Slowackiego"),
    ],
)
def test_other_spellings_of_a_name_at_the_same_spot_are_the_venue(wanted: str, found: str) -> None:
    assert decide(venue(wanted), place(found)).state is MatchState.MATCHED


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("Teatr Stary", "Teatr Nowy"),
        ("National Theatre", "National Museum"),
        ("Museum of Modern Art", "Museum of Fine Art"),
        ("Kino Pod Baranami", "Teatr Pod Baranami"),
        ("Blue Note", "Blue Note Parking"),
        ("Studio 1", "Studio 2"),
        ("Hala Wschodnia", "Hala Zachodnia"),
        ("東京国立博物館", "東京国立近代美術館"),
    ],
)
def test_a_neighbour_with_words_in_common_is_never_taken(wanted: str, found: str) -> None:
    assert decide(venue(wanted), place(found)).state is not MatchState.MATCHED


def test_a_name_that_the_provider_also_knows_counts() -> None:
    found = place("Palais Garnier", also_named=("Opéra Garnier", "Kino Pod Baranami"))
    assert decide(venue(), found).chosen is not None


def test_the_same_name_in_the_next_street_waits_for_a_person_who_is_told_how_far_it_is() -> None:
    decision = decide(venue(), place("Kino Pod Baranami", 900))
    assert decision.state is MatchState.REVIEW
    assert "900 m away, same name" in decision.reason


def test_the_same_name_in_another_city_is_nothing() -> None:
    decision = decide(venue(), place("Kino Pod Baranami", 250_000))
    assert decision.state is MatchState.NONE
    assert decision.candidates[0].refused is Refusal.TOO_FAR
    assert decision.reason == "Found 1 place that cannot be it: too far away."


def test_twins_at_one_spot_wait_for_a_person() -> None:
    decision = decide(venue(), place("Kino Pod Baranami", number=1), place("Kino pod Baranami", 30, number=2))
    assert decision.state is MatchState.REVIEW
    assert decision.reason == (
        "Two places are about as likely: one 10 m away, same name; the other 30 m away, same name."
    )


def test_the_right_name_further_away_keeps_a_half_right_neighbour_from_being_taken() -> None:
    decision = decide(
        venue("Paradiso"), place("Café Paradiso", 20, number=1), place("Paradiso", 900, number=2)
    )
    assert decision.state is MatchState.REVIEW
    assert decision.reason.endswith("; but another is 900 m away, same name.")


@pytest.mark.parametrize(
    ("kind", "refusal"), [(PlaceKind.ADDRESS, Refusal.ADDRESS), (PlaceKind.AREA, Refusal.AREA)]
)
def test_an_address_or_an_area_is_refused_whatever_its_name(kind: PlaceKind, refusal: Refusal) -> None:
    decision = decide(venue(), place("Kino Pod Baranami", kind=kind))
    assert decision.state is MatchState.NONE
    assert decision.candidates[0].refused is refusal


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("Rynek Główny 27", None),
        ("27 Main Street", "27 Main Street, Kraków"),
        ("Hauptstraße 5", None),
        ("Baranami", "Baranami 4, Kraków"),
    ],
)
def test_an_address_is_known_by_its_looks_where_the_provider_does_not_say(
    name: str, address: str | None
) -> None:
    decision = decide(venue(), place(name, kind=PlaceKind.UNKNOWN, address=address))
    assert decision.candidates[0].refused is Refusal.ADDRESS


def test_a_venue_that_is_called_like_its_address_is_not_refused() -> None:
    found = place("Plac Nowy 1", kind=PlaceKind.UNKNOWN, address="Plac Nowy 1, Kraków")
    assert decide(venue("Plac Nowy 1"), found).state is MatchState.MATCHED


def test_an_id_that_another_venue_has_goes_to_nobody_else() -> None:
    found = place("Kino Pod Baranami")
    decision = decide(venue(), found, taken={found.place_id: 12})
    assert decision.state is MatchState.NONE
    assert (decision.candidates[0].refused, decision.candidates[0].taken_by) == (Refusal.TAKEN, 12)


def test_the_other_of_two_twins_is_taken_when_one_has_its_venue() -> None:
    one, two = place("Kino Pod Baranami", number=1), place("Kino Pod Baranami", 30, number=2)
    assert decide(venue(), one, two, taken={one.place_id: 12}).chosen.place_id == two.place_id


def test_an_id_of_another_form_is_refused() -> None:
    decision = decide(venue(), place("Kino Pod Baranami", place_id="javascript:alert(1)"))
    assert decision.candidates[0].refused is Refusal.MALFORMED


def test_without_coordinates_a_namesake_is_taken_only_if_its_address_agrees() -> None:
    nowhere = venue(latitude=None, longitude=None)
    name = "Kino Pod Baranami"
    assert decide(nowhere, anywhere(name)).state is MatchState.REVIEW
    assert decide(nowhere, anywhere(name, address="Main St 1, Warszawa")).state is MatchState.REVIEW
    assert decide(nowhere, anywhere(name, address="Rynek 1, KRAKOW")).state is MatchState.MATCHED
    assert decide(nowhere, anywhere(name, address="Rynek Glowny 27")).state is MatchState.MATCHED
    other_spelling = anywhere("Pod Baranami", address="Rynek Główny 27, Kraków")
    assert decide(nowhere, other_spelling).state is MatchState.REVIEW


def test_nothing_found_says_so() -> None:
    decision = decide(venue())
    assert (decision.state, decision.score, decision.reason) == (
        MatchState.NONE,
        None,
        "The provider found nothing.",
    )


def test_candidates_come_best_first_refused_last_and_no_more_than_people_look_at() -> None:
    places = [place("Kino Pod Baranami", kind=PlaceKind.AREA, number=99)]
    places += [place("Kino Pod Baranami", 100 * number, number=number) for number in range(1, 12)]
    found = decide(venue(), *places).candidates
    assert len(found) == matches.MOST_KEPT
    assert [each.distance_m for each in found] == sorted(each.distance_m for each in found)


def test_a_candidate_survives_being_kept() -> None:
    for candidate in (
        Candidate(place_id="x", name="A"),
        Candidate(
            place_id="x",
            name="A",
            address="b",
            latitude=1.0,
            longitude=2.0,
            kind="venue",
            distance_m=3.0,
            name_score=0.5,
            score=0.4,
            refused=Refusal.TAKEN,
            taken_by=7,
        ),
    ):
        assert Candidate.from_json(candidate.to_json()) == candidate
    assert Candidate.from_json(
        {"place_id": "x", "name": "A", "refused": "unheard of", "new": 1}
    ) == Candidate(place_id="x", name="A")


@pytest.mark.parametrize(
    ("provider", "until"),
    [
        ("google_places", datetime(2026, 12, 22, 14, tzinfo=UTC)),
        ("foursquare", datetime(2026, 11, 23, 14, tzinfo=UTC)),
        ("here", datetime(2026, 12, 22, 14, tzinfo=UTC)),
        ("unheard_of", datetime(2026, 12, 22, 14, tzinfo=UTC)),
        ("wikimedia_commons", None),
    ],
)
def test_details_are_kept_as_long_as_the_providers_terms_say(provider: str, until: datetime | None) -> None:
    assert details_kept_until(provider, datetime(2026, 11, 22, 14, tzinfo=UTC)) == until


def test_ids_are_kept_under_the_keys_that_the_finders_use() -> None:
    finders = [source for source in SOURCES.values() if isinstance(source, PlaceFinder)]
    assert finders
    assert {finder.code: finder.id_key for finder in finders} == {
        finder.code: id_key(finder.code) for finder in finders
    }
    assert all(finder.id_key in IDENTIFYING for finder in finders)

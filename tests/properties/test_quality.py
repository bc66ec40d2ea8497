"""The quality rule scores within bounds and chooses the same photos however they are listed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.quality import choose, quality_score


@dataclass(frozen=True)
class Listed:
    provider: str
    provider_ref: str
    width: int | None
    height: int | None
    position: int


PRIORITY = {"google_places": 1, "wikimedia_commons": 2}

sizes = st.integers(1, 20_000)
photos = st.lists(
    st.builds(
        Listed,
        provider=st.sampled_from(["google_places", "wikimedia_commons", "unlisted"]),
        provider_ref=st.sampled_from([f"photo-{number}" for number in range(12)]),
        width=st.none() | st.integers(0, 6000),
        height=st.none() | st.integers(0, 6000),
        position=st.integers(0, 5),
    ),
    max_size=40,
)
#: The same reference is the same photo: listed twice, it says the same.
distinct = photos.map(lambda listed: list({(p.provider, p.provider_ref): p for p in listed}.values()))


@given(st.none() | st.integers(), st.none() | st.integers())
def test_a_score_lies_between_0_and_1(width: int | None, height: int | None):
    assert 0.0 < quality_score(width, height) <= 1.0


@given(st.none() | st.integers(max_value=0), st.none() | st.integers())
def test_unknown_dimensions_score_a_tenth(width: int | None, height: int | None):
    assert quality_score(width, height) == quality_score(height, width) == 0.1


@given(sizes, sizes, st.integers(1, 20))
def test_the_larger_of_two_pictures_of_one_shape_never_scores_less(width: int, height: int, factor: int):
    assert quality_score(width * factor, height * factor) >= quality_score(width, height)


@given(sizes, sizes)
def test_a_known_size_always_beats_an_unknown_one(width: int, height: int):
    assert quality_score(width, height) > quality_score(None, None)


@pytest.mark.parametrize(
    ("width", "height", "score"),
    [
        (3000, 2000, 1.0),
        (2400, 1800, 1.0),
        (1500, 1000, 0.7 * 0.375 + 0.3),
        (1000, 1000, 0.7 * 0.25 + 0.25),
        (2400, 1000, 0.7 * 0.6 + 0.25),
        (1000, 1500, 0.7 * 0.375 + 0.2),
        (3000, 1000, 0.7 * 0.75 + 0.2),
    ],
)
def test_the_rule_in_numbers(width: int, height: int, score: float):
    assert quality_score(width, height) == pytest.approx(score)


@given(photos, st.integers(1, 12), st.integers(1, 30))
def test_both_caps_hold_and_no_photo_comes_twice(listed: list[Listed], per_provider: int, per_venue: int):
    chosen = choose(listed, priority=PRIORITY, per_provider=per_provider, per_venue=per_venue)
    assert len(chosen) <= per_venue
    assert max(Counter(photo.provider for photo in chosen).values(), default=0) <= per_provider
    references = [(photo.provider, photo.provider_ref) for photo in chosen]
    assert len(references) == len(set(references))
    assert set(chosen) <= set(listed)


@given(distinct, st.integers(1, 12), st.integers(1, 30), st.randoms())
def test_the_order_of_the_listing_does_not_matter(listed, per_provider, per_venue, random):
    caps = {"priority": PRIORITY, "per_provider": per_provider, "per_venue": per_venue}
    shuffled = random.sample(listed, len(listed))
    assert choose(listed, **caps) == choose(shuffled, **caps)


@given(distinct)
def test_the_best_come_first_and_nothing_better_is_left_out(listed: list[Listed]):
    chosen = choose(listed, priority=PRIORITY, per_provider=3, per_venue=5)
    scores = [quality_score(photo.width, photo.height) for photo in chosen]
    assert scores == sorted(scores, reverse=True)
    full = {name for name, count in Counter(p.provider for p in chosen).items() if count == 3}
    for photo in set(listed) - set(chosen):
        if photo.provider not in full and len(chosen) == 5:
            assert quality_score(photo.width, photo.height) <= scores[-1]
        elif photo.provider not in full:
            pytest.fail(f"{photo} fits under both caps and was left out")


@given(distinct)
def test_with_room_for_all_every_photo_is_taken(listed: list[Listed]):
    assert set(choose(listed, priority=PRIORITY, per_provider=100, per_venue=100)) == set(listed)


def test_a_tie_goes_to_the_preferred_provider_and_then_to_its_own_order():
    tied = [
        Listed("wikimedia_commons", "a", 1000, 1000, 0),
        Listed("unlisted", "b", 1000, 1000, 0),
        Listed("google_places", "c", 1000, 1000, 1),
        Listed("google_places", "d", 1000, 1000, 0),
    ]
    chosen = choose(tied, priority=PRIORITY, per_provider=10, per_venue=10)
    assert [photo.provider_ref for photo in chosen] == ["d", "c", "a", "b"]


def test_the_first_listing_of_a_reference_stays():
    twice = [Listed("google_places", "a", 100, 100, 0), Listed("google_places", "a", 4000, 3000, 1)]
    assert choose(twice, priority=PRIORITY, per_provider=10, per_venue=10) == twice[:1]

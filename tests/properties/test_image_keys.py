"""Keys of stored pictures: one for each reference, for ever, and legal in every store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.storage.keys import is_key
from ops_core.storage.store import PROVIDER_CODES, image_key, thumbnail_key

PROVIDERS = st.sampled_from(sorted(PROVIDER_CODES))
EXTENSIONS = st.sampled_from(["jpg", "png", "webp", "gif", "avif"])
NAMES = st.text(max_size=120)
#: Also such that differ in one character, in case, in what they end with, and beyond ASCII.
REFERENCES = st.one_of(
    st.text(min_size=1, max_size=300),
    st.text(alphabet="aA/._-% ", min_size=1, max_size=12),
    st.integers().map(lambda number: f"places/ChIJ/photos/{number}"),
)
PHOTOS = st.tuples(st.integers(1, 2**63 - 1), PROVIDERS, REFERENCES)


def key_of(photo: tuple[int, str, str], name: str = "Café Łódź", extension: str = "jpg") -> str:
    venue_id, provider, reference = photo
    return image_key(venue_id, name, provider, reference, extension)


@given(st.sets(PHOTOS, min_size=2, max_size=20), NAMES)
def test_different_photos_have_different_keys_and_thumbnails(
    photos: set[tuple[int, str, str]], name: str
) -> None:
    keys = {key_of(photo, name) for photo in photos}
    assert len(keys) == len(photos)
    assert len({thumbnail_key(key) for key in keys}) == len(photos)
    assert not keys & {thumbnail_key(key) for key in keys}


@given(PHOTOS, PHOTOS, NAMES, NAMES)
def test_names_of_venues_never_make_two_photos_one(
    one: tuple[int, str, str], other: tuple[int, str, str], name: str, other_name: str
) -> None:
    assert (key_of(one, name) == key_of(other, other_name)) <= (one == other)


@given(PHOTOS, NAMES, EXTENSIONS)
def test_a_photo_keeps_its_key_and_every_store_takes_it(
    photo: tuple[int, str, str], name: str, extension: str
) -> None:
    key = key_of(photo, name, extension)
    assert key == key_of(photo, name, extension)
    assert key.endswith(f".{extension}")
    assert is_key(key)
    assert is_key(thumbnail_key(key))
    folder, _, file_name = key.rpartition("/")
    # what ImageKit takes in folders and file names without changing it
    assert set(folder) <= set("abcdefghijklmnopqrstuvwxyz0123456789-/")
    assert set(file_name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")


def test_two_letters_name_each_provider() -> None:
    assert len(set(PROVIDER_CODES.values())) == len(PROVIDER_CODES)
    assert all(len(code) == 2 and code.isalpha() and code.islower() for code in PROVIDER_CODES.values())


@pytest.mark.parametrize(
    ("provider", "code"),
    [
        ("google_places", "gp"),
        ("foursquare", "fs"),
        ("here", "he"),
        ("mapbox", "mb"),
        ("unsplash", "us"),
        ("wikimedia_commons", "wc"),
    ],
)
def test_keys_of_earlier_versions_are_those_of_today(provider: str, code: str) -> None:
    # a key that changed would leave every stored picture behind, and fetch and pay it again
    key = f"venues/7-cafe-lodz/{code}-ca00e63c91605c0f3e03750513c8f7b8.jpg"
    assert image_key(7, "Café Łódź", provider, "places/ChIJ/photos/1", "jpg") == key
    assert thumbnail_key(key) == f"venues/7-cafe-lodz/thumbs/{code}-ca00e63c91605c0f3e03750513c8f7b8.jpg"

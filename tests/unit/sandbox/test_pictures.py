"""The photos of the sandbox: repeatable, distinct, real files of the sizes they claim to be shaped like."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from ops_core.sandbox.oddities import TINY_SIDE
from ops_core.sandbox.pictures import _SCENES, CACHE_BYTES, Pictures
from ops_core.sandbox.world import MOST_PHOTOS, ODD_SHARES, SIZES, Oddity, Photo, World

PHOTO = Photo(
    provider="google_places",
    subject="ChIJsandbox_picture_0001",
    index=0,
    width=1600,
    height=1200,
    format="jpeg",
    author="Anna",
    license="CC0",
    license_url="",
)


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def test_the_same_seed_has_the_same_world_and_another_seed_another() -> None:
    places = [f"ChIJsandbox_{number:012d}" for number in range(40)]
    photos = [World(7).photos("google_places", place) for place in places]
    assert photos == [World(7).photos("google_places", place) for place in places]
    assert photos != [World(8).photos("google_places", place) for place in places]


def test_venues_have_from_none_to_many_photos_of_several_sizes_and_formats() -> None:
    world = World(7)
    venues = [world.photos("wikimedia_commons", f"Sandbox Q{number}") for number in range(1, 400)]
    counts = {len(photos) for photos in venues}
    photos = [photo for venue in venues for photo in venue]
    assert counts == set(range(MOST_PHOTOS + 1))
    assert {(photo.width, photo.height) for photo in photos} == set(SIZES)
    assert {photo.format for photo in photos} == {"jpeg", "png", "webp", "svg"}
    assert all(venue[0].format != "svg" for venue in venues if venue)


def test_the_same_photo_is_the_same_bytes_in_every_process_and_no_other_photos() -> None:
    one = Pictures(7)
    seen = {one.get(replace(PHOTO, index=index), 640) for index in range(30)}
    assert len(seen) == 30
    assert Pictures(7).get(PHOTO, 640) == one.get(PHOTO, 640)
    assert Pictures(8).get(PHOTO, 640) != one.get(PHOTO, 640)


@pytest.mark.parametrize(("form", "name"), [("jpeg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")])
def test_each_format_is_a_real_file_of_that_format(form: str, name: str) -> None:
    picture = opened(Pictures(7).get(replace(PHOTO, format=form), 320))
    assert picture.format == name
    assert picture.size == (320, 240)


@pytest.mark.parametrize("size", [*SIZES, (1, 1), (20, 4000), (4000, 20)])
def test_every_scene_can_be_drawn_in_every_shape(size: tuple[int, int]) -> None:
    pictures = Pictures(7)
    width, height = size
    for index in range(2 * len(_SCENES)):
        picture = opened(pictures.get(replace(PHOTO, width=width, height=height, index=index), 240))
        assert picture.width <= min(240, width)
        assert abs(picture.height - picture.width * height / width) <= 1


def test_a_picture_stays_within_the_height_asked_for() -> None:
    tall = replace(PHOTO, width=3000, height=4000)
    assert opened(Pictures(7).get(tall, 1600, 400)).size == (300, 400)


def test_a_few_photos_are_none_and_the_first_of_a_venue_always_is_one() -> None:
    venues = [World(7).photos("google_places", f"ChIJ{number:020d}") for number in range(600)]
    first = [venue[0] for venue in venues if venue]
    others = [photo for venue in venues for photo in venue[1:]]
    assert {photo.oddity for photo in first} == {None}
    for oddity, share in ODD_SHARES.items():
        found = sum(photo.oddity is oddity for photo in others) / len(others)
        assert share / 2 < found < share * 2, oddity


def test_odd_photos_are_the_shared_card_an_empty_a_tiny_or_the_first_picture_again() -> None:
    pictures = Pictures(7)

    def get(oddity: Oddity | None, **more: object) -> bytes:
        return pictures.get(replace(PHOTO, oddity=oddity, **more), 640)

    def pixels(data: bytes) -> bytes:
        return opened(data).tobytes()

    cards = [get(Oddity.CARD, index=3), get(Oddity.CARD, subject="another", index=5)]
    assert pixels(cards[0]) == pixels(cards[1])
    assert cards[0] != cards[1], "each photo is a file of its own"
    assert len(opened(get(Oddity.BLANK, index=3)).getcolors() or ()) == 1
    assert max(opened(get(Oddity.TINY, index=3)).size) == TINY_SIDE
    again = pixels(get(Oddity.REPEATED, index=3))
    assert again == pixels(get(None, index=0)) != pixels(get(None, index=3))


def test_a_drawing_is_svg_and_its_thumbnail_is_png() -> None:
    drawing = replace(PHOTO, format="svg")
    assert Pictures(7).get(drawing, 400).startswith(b"<svg ")
    assert opened(Pictures(7).get(drawing, 400, as_format="png")).format == "PNG"


def test_the_cache_stays_within_its_bytes_and_keeps_what_was_used_last() -> None:
    pictures = Pictures(7, cache_bytes=60_000)
    first = pictures.get(PHOTO, 400)
    for index in range(1, 20):
        pictures.get(replace(PHOTO, index=index), 400)
        assert pictures.get(PHOTO, 400) is first
    assert sum(map(len, pictures._cache.values())) == pictures._held <= 60_000
    assert CACHE_BYTES > 100_000_000

"""Lists of pictures and images to look at: what is in them, in which order, narrowed, page by page."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Engine

from ops_core.db import picture_lists
from ops_core.db.picture_lists import Counts, Narrowed, Page, Which
from ops_core.domain.pictures import PLACEHOLDER_VENUES
from ops_core.work import same_pictures
from tests.integration.db.test_pictures import new_hash
from tests.support.factories import make_city, make_image, make_venue

pytestmark = pytest.mark.postgres

ALL = Narrowed()


def page(engine: Engine, which: Which, narrowed: Narrowed = ALL, **more: Any) -> Page:
    with engine.connect() as connection:
        return picture_lists.page(connection, which, narrowed, **more)


def counts(engine: Engine) -> Counts:
    with engine.connect() as connection:
        return picture_lists.counts(connection)


def pictures(engine: Engine, *spreads: int, provider: str = "google_places", city: Any = None) -> list[int]:
    """Pictures that are on so many venues; their ids, in that order."""
    chance = random.Random(repr(spreads) + provider)
    hashes = [new_hash(chance) for _ in spreads]
    with engine.begin() as connection:
        firsts = []
        for each, spread in zip(hashes, spreads, strict=True):
            for number in range(spread):
                venue = make_venue(connection, city)
                image = make_image(connection, venue, perceptual_hash=each, provider=provider)
                firsts += [image.id] if number == 0 else []
    same_pictures.group(engine)
    with engine.connect() as connection:
        found = dict(
            connection.exec_driver_sql(
                "SELECT id, picture_id FROM images WHERE id = ANY(%(ids)s)", {"ids": firsts}
            ).all()
        )
    return [found[first] for first in firsts]


def whole(engine: Engine, which: Which, narrowed: Narrowed = ALL, limit: int = 2) -> list[Any]:
    """All rows of a list, read page by page."""
    rows: list[Any] = []
    after = None
    for _ in range(100):
        found = page(engine, which, narrowed, after=after, limit=limit)
        rows += found.rows
        if found.further is None:
            return rows
        after = found.further
    raise AssertionError("the list has no end")


def ids(rows: Sequence[Any]) -> list[int]:
    return [row["picture_id"] for row in rows]


def test_pictures_on_several_venues_are_listed_from_the_most_on(database: Engine) -> None:
    one, two, nine, three, also_two = pictures(database, 1, 2, 9, 3, 2)
    assert one
    assert ids(page(database, Which.SEVERAL).rows) == [nine, three, also_two, two]
    assert ids(whole(database, Which.SEVERAL, limit=1)) == [nine, three, also_two, two]


def test_a_row_has_what_the_page_shows(database: Engine) -> None:
    chance = random.Random(1)
    each = new_hash(chance)
    with database.begin() as connection:
        city = make_city(connection, name="Kraków")
        first = make_image(connection, make_venue(connection, city, name="Wawel"), perceptual_hash=each)
        make_image(connection, make_venue(connection), perceptual_hash=each, provider="wikimedia_commons")
    same_pictures.group(database)
    (row,) = page(database, Which.SEVERAL).rows
    assert (row["images"], row["venues"], row["picture_flags"]) == (2, 2, [])
    assert row["providers"] == ["google_places", "wikimedia_commons"]
    assert (row["id"], row["venue"], row["city"]) == (first.id, "Wawel", "Kraków")
    assert row["thumbnail_url"] == first.thumbnail_url


def test_twice_at_one_venue_is_another_list_than_on_several(database: Engine) -> None:
    chance = random.Random(2)
    at_one, at_two = new_hash(chance), new_hash(chance)
    with database.begin() as connection:
        venue, other = make_venue(connection), make_venue(connection)
        for each, where in [
            (at_one, venue),
            (at_one, venue),
            (at_two, venue),
            (at_two, venue),
            (at_two, other),
        ]:
            make_image(connection, where, perceptual_hash=each)
    same_pictures.group(database)
    (twice,), (several,) = page(database, Which.TWICE).rows, page(database, Which.SEVERAL).rows
    assert (twice["images"], twice["venues"]) == (2, 1)
    assert (several["images"], several["venues"]) == (3, 2)


def test_placeholders_are_what_looks_drawn_and_what_many_venues_have(database: Engine) -> None:
    few, many = pictures(database, PLACEHOLDER_VENUES - 1, PLACEHOLDER_VENUES)
    with database.begin() as connection:
        make_image(connection, perceptual_hash=new_hash(random.Random(3)), flags=["placeholder"])
    same_pictures.group(database)
    found = page(database, Which.PLACEHOLDER).rows
    assert few not in ids(found)
    assert [(row["picture_id"] == many, row["venues"]) for row in found] == [
        (True, PLACEHOLDER_VENUES),
        (False, 1),
    ]
    assert whole(database, Which.PLACEHOLDER, limit=1) == list(found)


@pytest.mark.parametrize("which", [Which.BLANK, Which.TINY])
def test_flagged_images_are_listed_newest_first(database: Engine, which: Which) -> None:
    with database.begin() as connection:
        flags = [["blank"], ["tiny"], ["blank", "tiny"], [], ["tiny", "placeholder"], ["blank"]]
        images = [make_image(connection, flags=words) for words in flags]
    expected = [image.id for image in reversed(images) if which.value in image.flags]
    assert [row["id"] for row in page(database, which).rows] == expected
    assert [row["id"] for row in whole(database, which, limit=1)] == expected


@pytest.mark.parametrize("which", list(Which))
def test_every_list_can_be_narrowed_to_a_provider_and_a_city(database: Engine, which: Which) -> None:
    chance = random.Random(4)
    with database.begin() as connection:
        here, there = make_city(connection), make_city(connection)
        for city, provider in [
            (here, "google_places"),
            (there, "google_places"),
            (here, "wikimedia_commons"),
        ]:
            blank = which.is_of_images
            each = None if blank else new_hash(chance)
            venues = [make_venue(connection, city) for _ in range(1 if which is Which.TWICE else 2)] * 2
            for venue in venues:
                make_image(
                    connection,
                    venue,
                    provider=provider,
                    perceptual_hash=each,
                    flags=[which.value] if which not in (Which.SEVERAL, Which.TWICE) else [],
                )
    same_pictures.group(database)
    whole_list = whole(database, which, limit=1)
    for narrowed, share in [
        (Narrowed(provider="google_places"), 2 / 3),
        (Narrowed(city_id=here.id), 2 / 3),
        (Narrowed(provider="google_places", city_id=here.id), 1 / 3),
        (Narrowed(provider="foursquare"), 0),
        (Narrowed(city_id=10**9), 0),
    ]:
        assert len(whole(database, which, narrowed, limit=1)) == len(whole_list) * share
        assert page(database, which, narrowed).further is None


def test_a_narrowed_page_says_where_it_stopped_looking(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_lists, "LOOK", 3)
    pictures(database, *[9, 8, 7, 6, 5])
    (last,) = pictures(database, 2, provider="wikimedia_commons")
    narrowed = Narrowed(provider="wikimedia_commons")
    first = page(database, Which.SEVERAL, narrowed)
    assert (first.rows, first.is_cut) == ([], True)
    assert first.further is not None
    assert first.further.venues == 7
    second = page(database, Which.SEVERAL, narrowed, after=first.further)
    assert ids(second.rows) == [last]
    assert ids(whole(database, Which.SEVERAL, narrowed)) == [last]


def test_the_images_of_a_picture_come_venue_by_venue(database: Engine) -> None:
    each = new_hash(random.Random(5))
    with database.begin() as connection:
        first, second = make_venue(connection), make_venue(connection)
        images = [
            make_image(connection, venue, perceptual_hash=each).id for venue in (second, first, second, first)
        ]
    same_pictures.group(database)
    with database.connect() as connection:
        (picture,) = ids(page(database, Which.SEVERAL).rows)
        rows = picture_lists.images_of(connection, picture, 3)
    assert [row["id"] for row in rows] == [images[1], images[3], images[0]]
    assert rows[0]["venue"] == first.name


def test_counts_of_an_empty_database_are_zero_and_nothing_was_compared(database: Engine) -> None:
    assert counts(database) == Counts(
        compared=False, several=0, twice=0, placeholder=0, blank=0, tiny=0, waiting=0, unseen=0, venues=0,
        venues_more=False,
    )  # fmt: skip


def test_counts_are_of_what_the_lists_have(database: Engine) -> None:
    pictures(database, 1, 2, 3, PLACEHOLDER_VENUES)
    with database.begin() as connection:
        make_image(connection, flags=["blank", "tiny"])
        venue = make_venue(connection)
        twice = new_hash(random.Random(6))
        for _ in range(2):
            make_image(connection, venue, perceptual_hash=twice)
    same_pictures.group(database)
    with database.begin() as connection:
        make_image(connection, perceptual_hash=new_hash(random.Random(7)))
        make_image(connection)
        make_image(connection)
        make_image(connection, state="failed")
    found = counts(database)
    assert found == Counts(
        compared=True, several=3, twice=1, placeholder=1, blank=1, tiny=1, waiting=1, unseen=2,
        venues=5 + PLACEHOLDER_VENUES, venues_more=False,
    )  # fmt: skip
    for which in Which:
        assert getattr(found, which.value) == len(whole(database, which))


def test_venues_are_counted_no_further_than_images_are_read(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures(database, 4, 3)
    monkeypatch.setattr(picture_lists, "VENUES_FROM", 5)
    found = counts(database)
    assert found.venues_more
    assert 4 <= found.venues <= 6

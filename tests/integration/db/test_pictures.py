"""Images that show the same picture are found, grouped and counted, and leave a group when they change."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from ops_core.db import attempts, images, pictures
from ops_core.db.attempts import Stored, Tried
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure
from ops_core.domain.pictures import PLACEHOLDER_VENUES, SAME_BITS, PictureFlag
from ops_core.settings import Settings
from ops_core.work import dispatch, same_pictures
from tests.support.factories import make_image, make_venue

pytestmark = pytest.mark.postgres

PLACEHOLDER = [PictureFlag.PLACEHOLDER.value]
#: Every picture as it must be: counted from its images.
_TRUTH = text("""
    SELECT pictures.id, pictures.images, pictures.venues, pictures.flags,
           count(images.id) AS images_there, count(DISTINCT images.venue_id) AS venues_there
    FROM pictures LEFT JOIN images ON images.picture_id = pictures.id
    GROUP BY pictures.id ORDER BY pictures.id
""")


def new_hash(chance: random.Random) -> str:
    """A hash with half of its bits set, as those of photos."""
    return f"{sum(1 << bit for bit in chance.sample(range(256), 128)):064x}"


def near(perceptual_hash: str, chance: random.Random, bits: int) -> str:
    """A hash that differs in so many bits (an even number): half of them were set."""
    number = int(perceptual_hash, 16)
    set_, unset = ([bit for bit in range(256) if (number >> bit) & 1 == side] for side in (1, 0))
    for bit in chance.sample(set_, bits // 2) + chance.sample(unset, bits // 2):
        number ^= 1 << bit
    return f"{number:064x}"


def groups(engine: Engine) -> set[frozenset[int]]:
    """The ids of images that share a picture."""
    with engine.connect() as connection:
        rows = connection.scalars(
            text("SELECT array_agg(id) FROM images WHERE picture_id IS NOT NULL GROUP BY picture_id")
        )
        return {frozenset(ids) for ids in rows}


def check_counts(engine: Engine) -> list[Any]:
    """The pictures, whose counts must be what is there."""
    with engine.connect() as connection:
        rows = connection.execute(_TRUTH).all()
    for row in rows:
        assert (row.images, row.venues) == (row.images_there, row.venues_there)
        if row.venues >= PLACEHOLDER_VENUES:
            assert row.flags == PLACEHOLDER
    return list(rows)


def upload(connection: Connection, image_id: int, perceptual_hash: str | None, **more: Any) -> None:
    """Bring the image in again as another picture, as a worker records it; or fail, without a hash."""
    connection.execute(
        text("""
            UPDATE images SET state = 'uploading', claimed_by = 'w', claimed_until = now(), claim = claim + 1,
                storage_key = NULL WHERE id = :id
        """),
        {"id": image_id},
    )
    row = connection.execute(
        text("""
            SELECT images.*, name, city_id FROM images JOIN venues ON venues.id = venue_id
            WHERE images.id = :id
        """),
        {"id": image_id},
    ).one()
    names = ("id", "claim", "venue_id", "city_id", "provider", "provider_ref", "fetch_ref", "source_url")
    claimed = images.ClaimedImage(
        **{name: getattr(row, name) for name in names},
        venue_name=row.name,
        retry_count=0,
        tries=row.tries,
        is_retry=False,
    )
    now = datetime.now(UTC)
    stored = Stored(
        store="disk", key="k", url="/u", thumbnail_key="t", thumbnail_url="/t", content_type="image/jpeg",
        content_hash="0" * 64, width=640, height=480, bytes=3, perceptual_hash=perceptual_hash, **more,
    )  # fmt: skip
    failure = None if perceptual_hash else Failure(ErrorType.NOT_FOUND, "gone")
    tried = Tried(
        image=claimed, started_at=now, finished_at=now, job_id=None, worker="w",
        stored=stored if perceptual_hash else None, failure=failure,
    )  # fmt: skip
    assert attempts.record(connection, [tried]) == {image_id}


def with_hashes(engine: Engine, hashes: Iterable[str], **columns: Any) -> list[int]:
    """One image for each hash, each of a venue of its own unless given."""
    with engine.begin() as connection:
        return [make_image(connection, perceptual_hash=each, **columns).id for each in hashes]


def test_images_of_one_picture_are_grouped_across_venues_and_providers_and_others_are_not(
    database: Engine,
) -> None:
    chance = random.Random(1)
    one, other = new_hash(chance), new_hash(chance)
    with database.begin() as connection:
        first, second = make_venue(connection), make_venue(connection)
        ids = [
            make_image(connection, venue, perceptual_hash=each, provider=provider).id
            for venue, each, provider in [
                (first, one, "google_places"),
                (first, near(one, chance, 4), "wikimedia_commons"),
                (second, near(one, chance, SAME_BITS), "google_places"),
                (second, near(one, chance, SAME_BITS + 2), "google_places"),
                (second, other, "google_places"),
            ]
        ]
    assert same_pictures.group(database) == 5
    assert groups(database) == {frozenset(ids[:3]), frozenset([ids[3]]), frozenset([ids[4]])}
    picture, *_ = check_counts(database)
    assert (picture.images, picture.venues, picture.flags) == (3, 2, [])
    assert same_pictures.group(database) == 0


def test_what_comes_later_finds_the_pictures_of_before(database: Engine) -> None:
    chance = random.Random(2)
    known = [new_hash(chance) for _ in range(30)]
    ids = with_hashes(database, known)
    same_pictures.group(database)
    later = with_hashes(
        database, [near(each, chance, bits % (SAME_BITS + 1) // 2 * 2) for bits, each in enumerate(known)]
    )
    assert same_pictures.group(database) == 30
    assert groups(database) == {frozenset(pair) for pair in zip(ids, later, strict=True)}
    assert {(row.images, row.venues) for row in check_counts(database)} == {(2, 2)}


def test_an_image_goes_to_the_nearest_of_two_pictures_that_would_both_do(database: Engine) -> None:
    chance = random.Random(3)
    one = new_hash(chance)
    far = near(one, chance, 16)
    between = next(
        each
        for each in (near(one, chance, 6) for _ in range(100_000))
        if (int(each, 16) ^ int(far, 16)).bit_count() <= SAME_BITS
    )
    first, second, third = (with_hashes(database, [each])[0] for each in (far, one, between))
    same_pictures.group(database)
    assert groups(database) == {frozenset([first]), frozenset([second, third])}


def test_more_than_one_batch_is_compared_in_a_round(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(same_pictures, "BATCH", 7)
    chance = random.Random(4)
    hashes = [new_hash(chance) for _ in range(10)]
    with_hashes(database, hashes * 3)
    assert same_pictures.group(database) == 30
    assert {(row.images, row.venues) for row in check_counts(database)} == {(3, 3)}


def test_a_round_ends_when_its_time_is_up_and_the_next_goes_on(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(same_pictures, "BATCH", 4)
    monkeypatch.setattr(same_pictures, "ROUND_SECONDS", -1.0)
    chance = random.Random(5)
    with_hashes(database, [new_hash(chance) for _ in range(6)])
    assert [same_pictures.group(database) for _ in range(3)] == [4, 2, 0]


def test_a_picture_on_many_venues_is_flagged_and_many_images_of_one_venue_are_not_many_venues(
    database: Engine,
) -> None:
    chance = random.Random(6)
    logo, twice = new_hash(chance), new_hash(chance)
    with_hashes(database, [logo] * (PLACEHOLDER_VENUES - 1))
    with database.begin() as connection:
        venue = make_venue(connection)
        for _ in range(PLACEHOLDER_VENUES + 2):
            make_image(connection, venue, perceptual_hash=twice)
    same_pictures.group(database)
    assert [row.flags for row in check_counts(database)] == [[], []]
    with_hashes(database, [logo])
    same_pictures.group(database)
    counted = [(row.images, row.venues, row.flags) for row in check_counts(database)]
    assert counted == [
        (PLACEHOLDER_VENUES, PLACEHOLDER_VENUES, PLACEHOLDER),
        (PLACEHOLDER_VENUES + 2, 1, []),
    ]


def test_a_picture_that_looks_drawn_is_flagged_on_its_first_venue(database: Engine) -> None:
    with_hashes(database, [new_hash(random.Random(7))], flags=["tiny", "placeholder"])
    same_pictures.group(database)
    assert [row.flags for row in check_counts(database)] == [PLACEHOLDER]


def test_blank_images_and_those_of_before_have_no_hash_and_are_in_no_group(database: Engine) -> None:
    with database.begin() as connection:
        for _ in range(3):
            make_image(connection, flags=["blank"])
    assert same_pictures.group(database) == 0
    assert check_counts(database) == []


def test_an_image_that_is_another_picture_now_leaves_its_group_for_the_right_one(database: Engine) -> None:
    chance = random.Random(8)
    logo, photo = new_hash(chance), new_hash(chance)
    ids = with_hashes(database, [logo] * PLACEHOLDER_VENUES + [photo])
    same_pictures.group(database)
    with database.begin() as connection:
        upload(connection, ids[0], near(photo, chance, 2), flags=(PictureFlag.TINY,))
    counted = [(row.images, row.venues, row.flags) for row in check_counts(database)]
    assert counted == [(PLACEHOLDER_VENUES - 1, PLACEHOLDER_VENUES - 1, []), (1, 1, [])]
    assert same_pictures.group(database) == 1
    assert groups(database) == {frozenset(ids[1:-1]), frozenset([ids[0], ids[-1]])}
    check_counts(database)
    with database.connect() as connection:
        assert connection.scalar(text("SELECT flags FROM images WHERE id = :id"), {"id": ids[0]}) == ["tiny"]


def test_the_same_picture_uploaded_again_stays_where_it_is(database: Engine) -> None:
    (image,) = with_hashes(database, [each := new_hash(random.Random(9))])
    same_pictures.group(database)
    before = groups(database)
    with database.begin() as connection:
        upload(connection, image, each)
    assert groups(database) == before
    assert same_pictures.group(database) == 0
    check_counts(database)


def test_an_image_that_fails_has_neither_hash_nor_flags_nor_picture(database: Engine) -> None:
    (image,) = with_hashes(database, [new_hash(random.Random(10))], flags=["tiny"])
    same_pictures.group(database)
    with database.begin() as connection:
        upload(connection, image, None)
        row = connection.execute(text("SELECT perceptual_hash, flags, picture_id FROM images")).one()
    assert tuple(row) == (None, [], None)
    assert [(row.images, row.venues) for row in check_counts(database)] == [(0, 0)]


def test_a_picture_that_nobody_has_any_more_is_found_by_the_next_image_like_it(database: Engine) -> None:
    chance = random.Random(11)
    (image,) = with_hashes(database, [each := new_hash(chance)])
    same_pictures.group(database)
    with database.begin() as connection:
        upload(connection, image, new_hash(chance))
    with_hashes(database, [near(each, chance, 2)])
    same_pictures.group(database)
    assert [(row.images, row.venues) for row in check_counts(database)] == [(1, 1), (1, 1)]


def test_two_who_group_at_once_make_one_picture_of_one(database: Engine) -> None:
    chance = random.Random(12)
    hashes = [new_hash(chance) for _ in range(120)]
    with_hashes(database, [near(each, chance, 2) for each in hashes for _ in range(3)])
    ready = threading.Barrier(4)
    grouped: list[int] = []

    def work() -> None:
        ready.wait()
        grouped.append(same_pictures.group(database))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(grouped) + same_pictures.group(database) == 360
    assert [(row.images, row.venues) for row in check_counts(database)] == [(3, 3)] * 120


def test_who_comes_while_another_groups_does_nothing(database: Engine) -> None:
    with_hashes(database, [new_hash(random.Random(13))])
    with database.begin() as connection:
        assert pictures.hold(connection)
        assert same_pictures.group(database) == 0
    assert same_pictures.group(database) == 1


def test_an_image_that_a_worker_has_in_hand_is_left_for_the_next_round(database: Engine) -> None:
    chance = random.Random(14)
    ids = with_hashes(database, [new_hash(chance), new_hash(chance)])
    with database.begin() as connection:
        connection.execute(text("SELECT 1 FROM images WHERE id = :id FOR UPDATE"), {"id": ids[0]})
        assert same_pictures.group(database) == 1
    assert same_pictures.group(database) == 1


def test_counts_stay_right_while_images_join_and_leave_at_once(database: Engine) -> None:
    chance = random.Random(15)
    hashes = [new_hash(chance) for _ in range(4)]
    with database.begin() as connection:
        venues = [make_venue(connection) for _ in range(6)]
        ids = [
            make_image(connection, venue, perceptual_hash=chance.choice(hashes)).id
            for venue in venues
            for _ in range(6)
        ]
    stop = threading.Event()

    def regroup() -> None:
        while not stop.is_set():
            same_pictures.group(database)

    thread = threading.Thread(target=regroup)
    thread.start()
    try:
        for _ in range(150):
            with database.begin() as connection:
                upload(connection, chance.choice(ids), chance.choice(hashes))
    finally:
        stop.set()
        thread.join()
    same_pictures.group(database)
    rows = check_counts(database)
    assert sum(row.images for row in rows) == len(ids)
    assert len(rows) == len(hashes)


def test_the_dispatcher_compares_pictures_in_its_round(database: Engine) -> None:
    with_hashes(database, [new_hash(random.Random(16))] * 2)
    dispatch.round_(database, Settings(), lambda kind, ids: None)
    assert [(row.images, row.venues) for row in check_counts(database)] == [(2, 2)]

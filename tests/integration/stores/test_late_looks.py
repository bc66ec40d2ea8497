"""`venue-ops pictures look`: what an earlier version stored is looked at once, whichever store it is in."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import Engine, Row, text
from typer.testing import CliRunner

from ops_core import doctor
from ops_core.actions import NotAllowed, Refused, look_at_pictures, move_store, pictures_to_look_at
from ops_core.cli import app
from ops_core.db import unseen
from ops_core.doctor import Mark
from ops_core.domain.access import LOCAL, Actor, Role
from ops_core.domain.late_looks import LookReport
from ops_core.domain.pictures import PictureFlag
from ops_core.settings import get_settings
from ops_core.storage.disk import DiskStore
from ops_core.work import late_looks as work
from ops_core.work import same_pictures
from ops_core.work.verify import verify_image
from tests.integration.stores.test_move import stored, write
from tests.support.cards import card, plain
from tests.support.ctrl_c import started
from tests.support.photos import encoded, jpeg, photo
from tests.support.s3_server import S3Server
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("all_stores")]

F = PictureFlag


def looked(engine: Engine, **how: Any) -> LookReport:
    return look_at_pictures(engine, actor=LOCAL, **how)


def seen(engine: Engine) -> dict[int, tuple[str | None, list[str]]]:
    """Of each image that was looked at, its hash and flags."""
    with engine.connect() as connection:
        found = connection.execute(text("SELECT id, perceptual_hash, flags FROM images"))
        return {row.id: (row.perceptual_hash, row.flags) for row in found if row.perceptual_hash or row.flags}


def rest_of_rows(engine: Engine) -> list[Any]:
    """Everything that a look must leave alone."""
    with engine.connect() as connection:
        return list(
            connection.execute(
                text("""
                    SELECT to_jsonb(images) - 'perceptual_hash' - 'flags' - 'picture_id'
                    FROM images ORDER BY id
                """)
            ).scalars()
        )


def waiting(engine: Engine) -> int:
    with engine.connect() as connection:
        return unseen.count(connection)


def show(image: Row[Any], picture: Image.Image) -> bytes:
    """Have the image show this picture, as a version did that measured nothing but what it is."""
    data = encoded(picture, quality=85)
    write(image.storage_key, data)
    return data


def replaced(engine: Engine, image: Row[Any], data: bytes) -> None:
    """The image has another picture at the same key now, which was not looked at either."""
    write(image.storage_key, data)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE images SET claim = claim + 1, content_hash = :hash WHERE id = :id"),
            {"id": image.id, "hash": hashlib.sha256(data).hexdigest()},
        )


def hash_of(data: bytes) -> str | None:
    return verify_image(data, get_settings()).perceptual_hash


@pytest.mark.parametrize("store", ["disk", "s3", "imagekit"])
def test_pictures_of_every_store_get_the_hashes_and_flags_they_would_have_had(
    database: Engine, store: str
) -> None:
    images = stored(database, 6)
    pictures = [photo(seed=1), photo(seed=1).resize((640, 480)), plain("white"), card(), photo(120, 90)]
    expected = {images[5].id: (hash_of(jpeg(seed=5)), [])}
    with database.begin() as connection:  # never measured
        connection.execute(
            text("UPDATE images SET content_hash = NULL WHERE id <> :id"), {"id": images[5].id}
        )
    for image, picture in zip(images, pictures, strict=False):
        found = verify_image(show(image, picture), get_settings())
        expected[image.id] = (found.perceptual_hash, list(found.flags))
    if store != "disk":
        assert move_store(database, store, actor=LOCAL, delete_source=True).moved == 6
    before = rest_of_rows(database)
    assert (waiting(database), pictures_to_look_at(database)) == (6, {store: 6})

    report = looked(database)

    assert (report.waiting, report.looked, report.whole) == (6, 6, True)
    assert report.flagged == {F.BLANK: 1, F.PLACEHOLDER: 1, F.TINY: 1}
    assert seen(database) == expected
    assert rest_of_rows(database) == before
    assert (waiting(database), pictures_to_look_at(database)) == (0, {})
    while same_pictures.group(database):
        pass
    with database.connect() as connection:
        found = connection.execute(text("SELECT picture_id FROM images ORDER BY id")).scalars().all()
    assert found[0] == found[1] == found[4] is not None
    assert found[2] is None  # blank ones are compared with nothing
    assert len({found[0], found[3], found[5]}) == 3


def test_what_was_looked_at_is_not_read_again(database: Engine) -> None:
    stored(database, 3)
    assert looked(database).looked == 3
    before = seen(database)
    stored(database, 2, first=10)
    report = looked(database)
    assert (report.waiting, report.looked) == (2, 2)
    assert {number: seen(database)[number] for number in before} == before
    assert looked(database) == LookReport()


def test_what_is_missing_or_damaged_is_named_and_the_others_are_looked_at(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = stored(database, 9)
    store_path = get_settings().store_path
    damaged, gone, half, page, odd = images[0], images[2], images[4], images[6], images[8]
    write(damaged.storage_key, jpeg(seed=99))
    (store_path / gone.storage_key).unlink()
    whole = (store_path / half.storage_key).read_bytes()
    write(half.storage_key, whole[:-1000])
    write(page.storage_key, b"<html>no picture")
    with database.begin() as connection:
        connection.execute(text("UPDATE images SET storage_key = '../odd' WHERE id = :id"), {"id": odd.id})
    asked: Counter[str] = Counter()
    get = DiskStore.get

    async def counted(self: DiskStore, key: str) -> bytes:
        asked[key] += 1
        return await get(self, key)

    monkeypatch.setattr(DiskStore, "get", counted)
    monkeypatch.setattr(work, "CHUNK", 2)

    report = looked(database)

    assert (report.looked, report.whole, report.stopped) == (4, False, {})
    reasons = {image.id: reason for reason, ids in report.left.items() for image in images if image.id in ids}
    assert reasons.keys() == {image.id for image in (damaged, gone, half, page, odd)}
    assert "not what was stored" in reasons[damaged.id]
    assert "no such object" in reasons[gone.id]
    assert "ends too early" in reasons[half.id]
    assert "web page" in reasons[page.id]
    assert "none of ours" in reasons[odd.id]
    assert seen(database).keys() == {image.id for image in images} - reasons.keys()
    assert set(asked.values()) == {1}
    # once mended, another run takes them
    write(gone.storage_key, jpeg(seed=2))
    again = looked(database)
    assert (again.looked, sum(map(len, again.left.values()))) == (1, 4)


def test_a_picture_that_is_replaced_meanwhile_is_not_given_the_look_of_the_old_one(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = stored(database, 3)
    new, missed = jpeg(seed=77), images[2]
    read = DiskStore.get

    async def late(self: DiskStore, key: str) -> bytes:
        if key == missed.storage_key:  # what is read is the new one already, and not what the row had said
            replaced(database, missed, new)
        data = await read(self, key)
        if key == images[1].storage_key:
            replaced(database, images[1], new)
        return data

    with monkeypatch.context() as patched:
        patched.setattr(DiskStore, "get", late)
        report = looked(database)
    assert (report.looked, report.left, report.whole) == (1, {}, False)
    assert report.changed == [images[1].id, missed.id]
    assert seen(database).keys() == {images[0].id}
    assert looked(database).looked == 2
    assert seen(database)[images[1].id] == seen(database)[missed.id] == (hash_of(new), [])


def test_a_picture_that_is_moved_or_looked_at_by_a_worker_meanwhile_keeps_what_it_has(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked, moved = stored(database, 2)
    read = DiskStore.get

    async def late(self: DiskStore, key: str) -> bytes:
        if key == moved.storage_key:
            (get_settings().store_path / key).unlink()
            change = "UPDATE images SET store = 's3' WHERE id = :id"
        else:
            change = "UPDATE images SET perceptual_hash = 'ab', flags = '{tiny}', claim = 7 WHERE id = :id"
        with database.begin() as connection:
            connection.execute(text(change), {"id": moved.id if key == moved.storage_key else worked.id})
        return await read(self, key)

    with monkeypatch.context() as patched:
        patched.setattr(DiskStore, "get", late)
        report = looked(database)
    assert (report.looked, report.needless, report.changed, report.left) == (0, 1, [moved.id], {})
    assert seen(database) == {worked.id: ("ab", ["tiny"])}


def test_two_runs_at_once_look_at_everything_once(database: Engine) -> None:
    stored(database, 12)

    async def both() -> list[LookReport]:
        return list(await asyncio.gather(*(work.look_at_stored(database, get_settings()) for _ in range(2))))

    reports = asyncio.run(both())
    assert sum(report.looked for report in reports) == 12
    assert all(report.whole for report in reports)
    assert len(seen(database)) == 12


def test_no_more_is_read_and_decoded_at_once_than_memory_is_meant_for(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(database, 30)
    held, most = 0, 0
    get = DiskStore.get

    async def slow(self: DiskStore, key: str) -> bytes:
        nonlocal held, most
        held += 1
        most = max(most, held)
        data = await get(self, key)
        await asyncio.sleep(0.01)
        held -= 1
        return data

    decoding, decoded = 0, 0

    def counted(data: bytes, settings: Any) -> Any:
        nonlocal decoding, decoded
        decoding += 1
        decoded = max(decoded, decoding)
        found = verify_image(data, settings)
        decoding -= 1
        return found

    monkeypatch.setattr(DiskStore, "get", slow)
    monkeypatch.setattr(work, "verify_image", counted)
    assert looked(database).looked == 30
    assert 1 < most <= work.AT_ONCE
    assert 1 <= decoded <= work.DECODED_AT_ONCE


def test_a_limit_is_of_pictures_that_can_be_read_so_that_every_run_gets_further(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = stored(database, 7)
    for image in images[:3]:
        (get_settings().store_path / image.storage_key).unlink()
    monkeypatch.setattr(work, "CHUNK", 2)
    assert [looked(database, limit=3).looked for _ in range(3)] == [3, 1, 0]
    assert seen(database).keys() == {image.id for image in images[3:]}


def test_a_store_that_is_not_set_up_or_gives_nothing_is_left_alone_and_the_others_are_not(
    database: Engine, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(database, 5)
    move_store(database, "s3", actor=LOCAL)
    stored(database, 2, first=10)
    move_store(database, "imagekit", actor=LOCAL, source="disk")
    stored(database, 3, first=20)
    monkeypatch.setenv("VENUE_OPS_S3_SECRET_ACCESS_KEY", "wrong")
    monkeypatch.delenv("VENUE_OPS_IMAGEKIT_PRIVATE_KEY")
    get_settings.cache_clear()
    monkeypatch.setattr(work, "CHUNK", 2)
    report = looked(database)
    assert (report.waiting, report.looked, report.whole) == (10, 3, False)
    assert report.stopped.keys() == {"s3", "imagekit"}
    assert "VENUE_OPS_S3_SECRET_ACCESS_KEY" in report.stopped["s3"]
    assert "VENUE_OPS_IMAGEKIT_PRIVATE_KEY" in report.stopped["imagekit"]
    assert sum(map(len, report.left.values())) == 2  # of one chunk; the rest was not asked for
    assert "s3 left alone" in report.in_words()


def test_only_an_admin_may_and_the_audit_says_who_did_what(database: Engine) -> None:
    stored(database, 2)
    with pytest.raises(NotAllowed):
        look_at_pictures(database, actor=Actor("ann@example.org", Role.OPERATOR))
    with pytest.raises(Refused, match="at least 1"):
        looked(database, limit=0)
    looked(database)
    with database.connect() as connection:
        found = connection.execute(text("SELECT actor, action, outcome FROM audit ORDER BY id")).all()
    assert [tuple(row) for row in found] == [
        ("ann@example.org", "look_at_pictures", "refused: takes the role admin, has operator"),
        (LOCAL.name, "look_at_pictures", "begun: 2 pictures in disk"),
        (LOCAL.name, "look_at_pictures", "2 of 2 pictures looked at"),
    ]


def command(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["pictures", "look", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_says_what_it_did_and_names_what_it_could_not_read(database: Engine) -> None:
    images = stored(database, 4)
    show(images[3], plain("white"))
    with database.begin() as connection:
        connection.execute(text("UPDATE images SET content_hash = NULL"))
    (get_settings().store_path / images[1].storage_key).unlink()
    assert command("--dry-run") == (0, "Pictures to look at: 4 in disk.\n", "")
    assert seen(database) == {}
    assert command("--limit", "1")[:2] == (
        0,
        "Pictures to look at: 4 in disk; of these at most 1 now.\n"
        "1 of 1 pictures looked at.\n"
        "The dispatcher compares them with the others in passing; Picture quality shows them.\n",
    )
    code, said, errors = command()
    assert code == 3
    assert "2 of 3 pictures looked at, 1 blank, 1 not readable." in said
    assert f"no such object. Images: {images[1].id}\n" in errors
    write(images[1].storage_key, jpeg(seed=1))
    assert command()[0] == 0
    assert command() == (0, "Every stored picture was looked at.\n", "")


@pytest.mark.faults
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_half_way_loses_nothing_and_goes_on(
    database: Engine, tmp_path: Path, end: signal.Signals
) -> None:
    images = stored(database, 180)
    log = tmp_path / "look.log"
    process = started("pictures", "look", log=log)
    try:
        # the first chunk is recorded, the next is under way
        wait_until(lambda: seen(database) or process.poll() is not None, every=0.005)
        process.send_signal(end)
        code = process.wait(20)
    finally:
        process.kill()
    before = seen(database)
    assert 0 < len(before) < len(images), log.read_text()
    if end is signal.SIGINT:
        assert code == 130
        assert "goes on with the rest" in log.read_text()
        with database.connect() as connection:
            last = connection.scalar(text("SELECT outcome FROM audit ORDER BY id DESC LIMIT 1"))
        assert last == "interrupted; run it again to go on"
    called = 0

    def one_more() -> None:
        nonlocal called
        called += 1

    report = looked(database, on_image=one_more)
    assert (report.looked, report.whole) == (len(images) - len(before), True)
    assert called == report.looked
    after = seen(database)
    assert {number: after[number] for number in before} == before
    assert len(after) == len(images)
    for seed in range(0, len(images), 30):
        assert after[images[seed].id] == (hash_of(jpeg(seed=seed)), [])


def test_the_doctor_mentions_them_only_if_there_are_some(database: Engine) -> None:
    stored(database, 2)
    (finding,) = doctor._unseen(database)
    assert finding.mark is Mark.ODD
    assert "2 stored before" in finding.text
    assert "`venue-ops pictures look`" in finding.text
    looked(database)
    assert list(doctor._unseen(database)) == []


@pytest.mark.parametrize("question", [unseen._BY_STORE, unseen._NEXT, text(f"{unseen.UNSEEN_IDS} LIMIT 1")])
def test_the_questions_are_answered_from_an_index_that_is_empty_once_all_was_looked_at(
    database: Engine, question: Any
) -> None:
    stored(database, 3)
    with database.connect() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = connection.execute(
            text("EXPLAIN " + question.text), {"store": "disk", "after": 0, "limit": 10}
        )
        assert "ix_images_unseen" in "\n".join(row[0] for row in plan)

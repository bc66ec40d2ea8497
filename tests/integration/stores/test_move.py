"""`venue-ops store move`: every picture arrives whole, or stays where it is and is named."""

from __future__ import annotations

import asyncio
import hashlib
import io
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import Engine, Row, text
from typer.testing import CliRunner

from ops_core.actions import NotAllowed, Refused, move_store, preview_move
from ops_core.cli import app
from ops_core.db import provider_rows, stored_files
from ops_core.domain.access import LOCAL, Actor, Role
from ops_core.domain.providers import Rehosting
from ops_core.domain.store_moves import MoveReport
from ops_core.settings import get_settings
from ops_core.settings_help import env_name
from ops_core.storage.disk import DiskStore
from ops_core.storage.registry import NotSetUp, open_named
from ops_core.storage.store import Store
from ops_core.storage.thumbnails import make_thumbnail
from ops_core.work import move_store as work
from tests.support.ctrl_c import started
from tests.support.factories import make_image, make_venue
from tests.support.imagekit_server import ImageKitServer
from tests.support.photos import jpeg
from tests.support.rclone_server import RcloneServer
from tests.support.s3_server import S3Server
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("all_stores")]

GOOGLE, COMMONS = "google_places", "wikimedia_commons"


def in_store(name: str, ask: Callable[[Store], Any]) -> Any:
    async def go() -> Any:
        store = open_named(get_settings(), name)
        try:
            return await ask(store)
        finally:
            await store.close()

    return asyncio.run(go())


def stored(engine: Engine, count: int, *, first: int = 0, provider: str = GOOGLE) -> list[Row[Any]]:
    """Uploaded images of one venue, with their files on the disk."""
    with engine.begin() as connection:
        venue = make_venue(connection, name="The Bar")
        images = []
        for seed in range(first, first + count):
            data = jpeg(seed=seed)
            image = make_image(
                connection,
                venue,
                provider=provider,
                store="disk",
                content_hash=hashlib.sha256(data).hexdigest(),
                bytes=len(data),
            )
            write(image.storage_key, data)
            write(image.thumbnail_key, make_thumbnail(data))
            images.append(image)
    return images


def write(key: str, data: bytes) -> Path:
    path = get_settings().store_path / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def rows(engine: Engine) -> dict[int, Row[Any]]:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT id, store, storage_key, url, thumbnail_key, thumbnail_url, content_hash FROM images")
        )
        return {row.id: row for row in found}


def moved(engine: Engine, target: str, **how: Any) -> MoveReport:
    return move_store(engine, target, actor=LOCAL, **how)


def proven(engine: Engine, target: str) -> None:
    """Every image points at a whole picture, and at a thumbnail, in `target`."""
    for row in rows(engine).values():
        assert row.store == target
        data = in_store(target, lambda store, row=row: store.get(row.storage_key))
        assert hashlib.sha256(data).hexdigest() == row.content_hash
        if row.thumbnail_key is None:
            assert "tr=" in row.thumbnail_url
            continue
        small = in_store(target, lambda store, row=row: store.get(row.thumbnail_key))
        with Image.open(io.BytesIO(small)) as image:
            assert image.size == (200, 150)


def audit(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT outcome FROM audit WHERE action = 'move_store' ORDER BY id"))
        return [row.outcome for row in found]


def test_pictures_go_from_store_to_store_and_home_again(
    database: Engine, s3: S3Server, imagekit: ImageKitServer
) -> None:
    images = stored(database, 7)
    before = rows(database)
    for target in ("s3", "imagekit"):
        report = moved(database, target)
        assert (report.moved, report.whole) == (7, True), report
        assert report.bytes == sum(image.bytes for image in images)
        proven(database, target)
    assert len(s3.objects()) == 14
    assert {found["type"] for found in s3.objects().values()} == {"image/jpeg"}
    assert len(imagekit.files) == 7  # which makes thumbnails itself
    in_imagekit = rows(database)
    assert all(row.url == f"{imagekit.url}/team/{row.storage_key}" for row in in_imagekit.values())
    first = next(iter(in_imagekit.values()))
    with Image.open(io.BytesIO(imagekit.page(first.thumbnail_url))) as image:
        assert image.size == (200, 150)
    for path in get_settings().store_path.rglob("*.jpg"):
        path.unlink()
    assert moved(database, "disk").moved == 7
    proven(database, "disk")
    assert rows(database) == before


def test_a_real_service_holds_the_very_bytes_of_the_disk_and_gives_them_back_if_they_are_whole(
    database: Engine, rclone: RcloneServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in rclone.settings.items():
        monkeypatch.setenv(env_name(name), value)
    get_settings.cache_clear()
    images = stored(database, 6)
    before, store_path = rows(database), get_settings().store_path
    on_disk = {
        path.relative_to(store_path).as_posix(): path.read_bytes() for path in store_path.rglob("*.jpg")
    }
    assert moved(database, "s3", delete_source=True).whole
    proven(database, "s3")
    assert rclone.objects() == on_disk
    assert list(store_path.rglob("*.jpg")) == []
    damaged = images[2]
    rclone.damage(damaged.storage_key, on_disk[damaged.storage_key][:-1])
    report = moved(database, "disk")
    assert (report.moved, list(report.left.values())) == (5, [[damaged.id]])
    after = rows(database)
    assert after.pop(damaged.id).store == "s3"
    assert after == {number: row for number, row in before.items() if number != damaged.id}


def test_originals_stay_unless_they_are_to_go_and_go_only_when_the_copy_is_proven(
    database: Engine, s3: S3Server
) -> None:
    kept = stored(database, 2)
    moved(database, "s3")
    assert all((get_settings().store_path / image.storage_key).is_file() for image in kept)
    images = stored(database, 3, first=10)
    write(images[0].storage_key, b"damaged")
    report = moved(database, "s3", delete_source=True)
    assert report.moved == 2
    here = [(get_settings().store_path / image.storage_key).is_file() for image in images]
    small = [(get_settings().store_path / image.thumbnail_key).is_file() for image in images]
    assert here == small == [True, False, False]


def test_an_original_that_two_images_share_goes_with_the_last_of_them(database: Engine) -> None:
    first, second = stored(database, 2)
    with database.begin() as connection:
        same = text("""
            UPDATE images SET storage_key = :key, content_hash = :hash, thumbnail_key = NULL WHERE id = :id
        """)
        connection.execute(same, {"id": second.id, "key": first.storage_key, "hash": first.content_hash})
    path = get_settings().store_path / first.storage_key
    assert moved(database, "s3", delete_source=True, limit=1).moved == 1
    assert path.is_file()
    assert moved(database, "s3", delete_source=True).moved == 1
    assert not path.exists()
    proven(database, "s3")


def test_what_is_damaged_or_missing_is_named_and_left_as_it_is(database: Engine, s3: S3Server) -> None:
    images = stored(database, 5)
    damaged, half, gone = images[0], images[2], images[4]
    write(damaged.storage_key, jpeg(seed=99))
    path = get_settings().store_path / half.storage_key
    path.write_bytes(path.read_bytes()[:-100])
    (get_settings().store_path / gone.storage_key).unlink()
    before = rows(database)
    report = moved(database, "s3", delete_source=True)
    assert report.moved == 2
    assert {tuple(ids) for ids in report.left.values()} == {(damaged.id, half.id), (gone.id,)}
    assert not report.whole
    assert report.stopped is None
    after = rows(database)
    for image in (damaged, half, gone):
        assert after[image.id] == before[image.id]
        assert image.storage_key not in s3.objects()
    assert path.is_file()


def test_a_missing_or_damaged_thumbnail_is_made_again(database: Engine, s3: S3Server) -> None:
    whole, gone, half = stored(database, 3)
    (get_settings().store_path / gone.thumbnail_key).unlink()
    write(half.thumbnail_key, make_thumbnail(jpeg(seed=2))[:-40])
    assert moved(database, "s3").moved == 3
    for seed, image in enumerate((whole, gone, half)):
        assert s3.objects()[image.thumbnail_key]["body"] == make_thumbnail(jpeg(seed=seed))


def test_an_image_that_is_stored_anew_meanwhile_keeps_what_it_has(
    database: Engine, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = stored(database, 3)
    anew = images[1]
    data = jpeg(seed=77)
    put = work._Run._put

    async def slow(self: Any, file: Any, *more: Any) -> Any:
        place = await put(self, file, *more)
        if file.image_id == anew.id:
            write(anew.storage_key, data)
            with database.begin() as connection:
                connection.execute(
                    text("UPDATE images SET claim = claim + 1, content_hash = :hash WHERE id = :id"),
                    {"id": anew.id, "hash": hashlib.sha256(data).hexdigest()},
                )
        return place

    monkeypatch.setattr(work._Run, "_put", slow)
    report = moved(database, "s3", delete_source=True)
    assert (report.moved, report.changed) == (2, [anew.id])
    assert rows(database)[anew.id].store == "disk"
    assert (get_settings().store_path / anew.storage_key).read_bytes() == data


def test_two_moves_at_once_harm_nothing(database: Engine, s3: S3Server) -> None:
    stored(database, 12)

    async def both() -> list[MoveReport]:
        settings = get_settings()
        return list(
            await asyncio.gather(*(work.move(database, settings, "s3", delete_source=True) for _ in range(2)))
        )

    reports = asyncio.run(both())
    assert sum(report.moved for report in reports) == 12
    assert [report.left for report in reports] == [{}, {}]
    proven(database, "s3")


def test_a_limit_is_kept_and_the_next_run_goes_on(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(database, 7)
    monkeypatch.setattr(work, "CHUNK", 2)
    assert [moved(database, "s3", limit=3).moved for _ in range(4)] == [3, 3, 1, 0]
    proven(database, "s3")


def test_only_the_store_that_is_named_is_emptied(database: Engine) -> None:
    stored(database, 2)
    moved(database, "s3")
    stored(database, 3, first=10)
    assert preview_move(database, "imagekit").images == {"disk": 3, "s3": 2}
    assert moved(database, "imagekit", source="s3").moved == 2
    assert preview_move(database, "imagekit").images == {"disk": 3}


def test_a_store_that_takes_nothing_ends_the_run_at_once(
    database: Engine, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(database, 5)
    monkeypatch.setattr(work, "CHUNK", 2)
    monkeypatch.setenv("VENUE_OPS_S3_SECRET_ACCESS_KEY", "wrong")
    get_settings.cache_clear()
    before = rows(database)
    report = moved(database, "s3", delete_source=True)
    assert report.stopped is not None
    assert "VENUE_OPS_S3_SECRET_ACCESS_KEY" in report.stopped
    assert (report.moved, report.seen) == (0, 2)
    assert rows(database) == before


def test_a_store_that_gives_back_something_else_is_not_trusted(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(database, 2)
    moved(database, "imagekit")
    put = DiskStore.put

    async def half(self: DiskStore, key: str, data: bytes, *more: Any, **named: Any) -> Any:
        return await put(self, key, data[:-1], *more, **named)

    monkeypatch.setattr(DiskStore, "put", half)
    report = moved(database, "disk", delete_source=True)
    assert report.moved == 0
    assert report.stopped is not None
    assert {row.store for row in rows(database).values()} == {"imagekit"}


def test_originals_that_cannot_be_removed_are_named(database: Engine, imagekit: ImageKitServer) -> None:
    images = stored(database, 1)
    moved(database, "imagekit")
    imagekit.refuse("delete", 403, "Your account cannot be authenticated.")
    report = moved(database, "disk", delete_source=True)
    assert (report.moved, report.not_deleted, report.whole) == (1, [images[0].id], False)


def test_pictures_without_a_measured_hash_are_moved_if_they_are_pictures(database: Engine) -> None:
    good, bad = stored(database, 2)
    with database.begin() as connection:
        connection.execute(text("UPDATE images SET content_hash = NULL, thumbnail_key = NULL"))
    write(bad.storage_key, b"<html>no picture")
    report = moved(database, "s3")
    assert report.moved == 1
    assert list(report.left.values()) == [[bad.id]]
    assert rows(database)[good.id].store == "s3"


def test_only_an_admin_may_and_the_audit_says_who_did_what(database: Engine) -> None:
    stored(database, 2)
    with pytest.raises(NotAllowed):
        move_store(database, "s3", actor=Actor("ann@example.org", Role.OPERATOR))
    with pytest.raises(Refused, match="two stores"):
        moved(database, "s3", source="s3")
    with pytest.raises(Refused, match="at least 1"):
        moved(database, "s3", limit=0)
    moved(database, "s3")
    assert audit(database) == [
        "refused: takes the role admin, has operator",
        "begun: 2 images in disk",
        "2 of 2 images moved to s3",
    ]


def test_a_store_that_is_not_set_up_moves_nothing(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(database, 1)
    monkeypatch.delenv("VENUE_OPS_S3_BUCKET")
    get_settings.cache_clear()
    with pytest.raises(NotSetUp, match="VENUE_OPS_S3_BUCKET"):
        moved(database, "s3")
    assert preview_move(database, "s3").images == {"disk": 1}


def no_copies_of(engine: Engine, *providers: str) -> None:
    """From now on these providers' photos are shown from them only."""
    with engine.begin() as connection:
        for code in providers:
            provider_rows.set_rehosting(connection, code, Rehosting.REFERENCE_ONLY, None)


def test_pictures_that_may_not_be_copied_stay_where_they_are_and_are_counted(
    database: Engine, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = stored(database, 3)
    others = stored(database, 4, first=10, provider=COMMONS)
    no_copies_of(database, GOOGLE)
    monkeypatch.setattr(work, "CHUNK", 2)
    before = rows(database)
    plan = preview_move(database, "s3")
    assert (plan.images, plan.kept) == ({"disk": 4}, {GOOGLE: 3})
    first = moved(database, "s3", limit=3)  # what is kept takes nothing of the limit
    assert (first.waiting, first.moved, first.kept, first.whole) == (3, 3, {GOOGLE: 3}, False)
    report = moved(database, "s3")
    assert (report.waiting, report.moved, report.left, report.kept) == (1, 1, {}, {GOOGLE: 3})
    after = rows(database)
    assert {after[image.id].store for image in others} == {"s3"}
    assert {image.id: after[image.id] for image in kept} == {image.id: before[image.id] for image in kept}
    assert not {image.storage_key for image in kept} & s3.objects().keys()
    why = "3 kept where they are: copies of google_places are not allowed"
    assert audit(database)[-2:] == [
        f"begun: 1 images in disk, {why}",
        f"1 of 1 images moved to s3, {why}",
    ]


def test_pictures_that_may_not_be_copied_are_moved_if_their_originals_go(
    database: Engine, s3: S3Server
) -> None:
    images = stored(database, 3)
    no_copies_of(database, GOOGLE)
    plan = preview_move(database, "s3", delete_source=True)
    assert (plan.images, plan.kept) == ({"disk": 3}, {})
    report = moved(database, "s3", delete_source=True)
    assert (report.moved, report.kept, report.whole) == (3, {}, True)
    proven(database, "s3")
    assert not any((get_settings().store_path / image.storage_key).exists() for image in images)


def test_no_more_copies_are_made_once_the_policy_changes_in_the_middle(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(database, 4)
    monkeypatch.setattr(work, "CHUNK", 2)
    report = moved(database, "s3", on_image=lambda: no_copies_of(database, GOOGLE))
    assert (report.waiting, report.moved, report.kept) == (4, 2, {GOOGLE: 2})


def test_pictures_that_the_sandbox_draws_are_copied_whatever_the_policy(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(database, 2)
    no_copies_of(database, GOOGLE)
    monkeypatch.setenv("VENUE_OPS_SANDBOX_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("VENUE_OPS_SANDBOX_COPIES", GOOGLE)
    get_settings.cache_clear()
    assert preview_move(database, "s3").kept == {}
    assert moved(database, "s3").moved == 2


def command(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["store", "move", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_a_dry_run_tells_and_changes_nothing(database: Engine, s3: S3Server) -> None:
    stored(database, 3)
    before = rows(database)
    assert command("--to", "s3", "--dry-run") == (0, "Images to be moved to s3: 3 in disk.\n", "")
    assert (rows(database), s3.objects(), audit(database)) == (before, {}, [])


def test_the_dry_run_and_the_run_say_alike_what_is_kept(database: Engine, s3: S3Server) -> None:
    stored(database, 2)
    no_copies_of(database, GOOGLE)
    why = "2 kept where they are: copies of google_places are not allowed."
    nothing = f"No image is to be moved to s3. {why}\n"
    assert command("--to", "s3", "--dry-run") == (0, nothing, "")
    assert command("--to", "s3", "--yes") == (3, nothing, "")
    stored(database, 3, first=10, provider=COMMONS)
    assert command("--to", "s3", "--dry-run")[:2] == (0, f"Images to be moved to s3: 3 in disk. {why}\n")
    code, said, _ = command("--to", "s3", "--yes")
    assert code == 3
    assert f"3 of 3 images moved to s3, {why.rstrip('.')}; " in said
    gone = command("--to", "s3", "--dry-run", "--delete-source")
    assert gone == (0, "Images to be moved to s3: 2 in disk.\n", "")


def test_the_command_asks_a_person_or_wants_a_yes(database: Engine) -> None:
    stored(database, 1)
    done = CliRunner().invoke(app, ["store", "move", "--to", "s3"])
    assert done.exit_code != 0
    assert "--yes" in str(done.exception)
    assert rows(database).popitem()[1].store == "disk"


def test_the_command_names_the_images_it_left_by_reason(database: Engine) -> None:
    images = stored(database, 3)
    (get_settings().store_path / images[1].storage_key).unlink()
    code, said, errors = command("--to", "s3", "--yes")
    assert code == 3
    assert "2 of 3 images moved to s3, 1 left as they were" in said
    assert "VENUE_OPS_STORE=s3" in said
    assert f"no such object. Images: {images[1].id}\n" in errors
    assert command("--to", "s3", "--yes", "--limit", "1")[0] == 3
    assert command("--to", "disk", "--yes")[:2][0] == 0


def test_nothing_to_move_is_no_failure(database: Engine) -> None:
    assert command("--to", "disk", "--yes") == (0, "No image is to be moved to disk.\n", "")


@pytest.mark.faults
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_move_that_is_ended_half_way_loses_nothing_and_goes_on(
    database: Engine, s3: S3Server, tmp_path: Path, end: signal.Signals
) -> None:
    images = stored(database, 180)

    def in_s3() -> int:
        return sum(row.store == "s3" for row in rows(database).values())

    log = tmp_path / "move.log"
    process = started("store", "move", "--to", "s3", "--yes", log=log)
    try:
        # the first chunk is recorded, the second is under way
        wait_until(lambda: in_s3() or process.poll() is not None, every=0.005)
        process.send_signal(end)
        code = process.wait(20)
    finally:
        process.kill()
    done = in_s3()
    assert 0 < done < len(images), log.read_text()
    for row in rows(database).values():  # each image points at a whole picture, wherever it is
        data = in_store(row.store, lambda store, row=row: store.get(row.storage_key))
        assert hashlib.sha256(data).hexdigest() == row.content_hash
    if end is signal.SIGINT:
        assert code == 130
        assert "goes on with the rest" in log.read_text()
        assert audit(database)[-1] == "interrupted; run it again to go on"
    report = moved(database, "s3", delete_source=True)
    assert (report.moved, report.whole) == (len(images) - done, True)
    proven(database, "s3")


def test_the_questions_of_a_move_use_the_index_of_stores(database: Engine) -> None:
    stored(database, 3)
    with database.connect() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = connection.execute(
            text("EXPLAIN " + stored_files._NEXT.text),
            {"source": "disk", "after": 0, "limit": 10, "kept": ["here"]},
        )
        assert "ix_images_store" in "\n".join(row[0] for row in plan)

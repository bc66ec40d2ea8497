"""One try of one image: found in the store, fetched by a new name, or failed, and what that costs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from ops_core.db import discovered as listed_photos
from ops_core.db import images, places
from ops_core.db.attempts import Tried
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import failed
from ops_core.domain.images import ImageState
from ops_core.domain.places import Venue
from ops_core.providers.http import Api
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Download, Photo
from ops_core.sandbox.faults import Fault
from ops_core.storage.disk import DiskStore
from ops_core.storage.store import image_key
from ops_core.work import one_image, upload
from ops_core.work.rate_limits import Permits, PutOff
from ops_core.work.session import open_session
from tests.support.given_jobs import run_given
from tests.support.photos import jpeg
from tests.support.system import System

pytestmark = [pytest.mark.postgres]

CODE = "google_places"
PHOTO_USD, LISTING_USD = Decimal("0.007"), Decimal("0.02")


def discovered(system: System) -> list[int]:
    """The images of one venue that only Google Places knows, none of them tried; at least three."""
    (venue_id,) = system.add_venues(1)
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE providers SET active = false WHERE code <> 'google_places'")
        connection.exec_driver_sql(f"UPDATE providers SET listing_usd = {LISTING_USD}")
        context = places.venue_context(connection, venue_id)
    assert context is not None

    async def listed() -> list[Photo]:
        async with open_session(system.engine, system.settings) as session:
            return await SOURCES[CODE].list_photos(context.venue, session.api(CODE), limit=10)

    photos = asyncio.run(listed())
    rows = [
        {
            "provider": CODE,
            "provider_ref": photo.provider_ref,
            "fetch_ref": photo.fetch_ref,
            "position": photo.position,
            "quality_score": 0.5,
            "state": ImageState.DISCOVERED,
        }
        for photo in photos
    ]
    with system.engine.begin() as connection:
        ids = listed_photos.keep(connection, venue_id, rows)
    assert len(ids) > 2
    return ids


def try_each(
    system: System,
    ids: Sequence[int],
    *,
    job_id: int = 1,
    lease: float = 60,
    record: bool = True,
    override: bool = False,
    one_by_one: bool = False,
) -> list[Tried]:
    """Claim and try `ids`; without `record` the worker ends before it writes what came of them."""

    async def work() -> list[Tried]:
        async with open_session(system.engine, system.settings) as session:
            with system.engine.begin() as connection:
                claimed = [
                    image
                    for suspects in (False, True)
                    for image in images.claim(
                        connection,
                        ids,
                        owner="somebody" if lease < 0 else session.owner,
                        job_id=job_id,
                        lease_seconds=lease,
                        suspects=suspects,
                        at_once=True,
                        override=override,
                    )
                ]
            if one_by_one:
                tries = [await one_image.try_(session, image, job_id) for image in claimed]
            else:
                tries = await asyncio.gather(
                    *(one_image.try_(session, image, job_id, request_id=None) for image in claimed)
                )
            if record:
                assert all([await session.recorder.record(tried) for tried in tries])
            return tries

    return asyncio.run(work())


def asked(system: System, kind: str) -> int:
    return len(system.sandbox.log(provider=CODE, kind=kind))


def files(system: System) -> list[Path]:
    return sorted(system.stored_files())


def thumbnail_of(path: Path) -> Path:
    return path.parent / "thumbs" / f"{path.stem}.jpg"


def test_what_a_killed_worker_had_stored_is_recorded_and_neither_fetched_nor_paid_again(
    system: System,
) -> None:
    ids = discovered(system)
    (venue_id,) = (row.venue_id for row in system.rows("SELECT DISTINCT venue_id FROM images"))
    (job_id,) = system.enqueue([venue_id])
    done = try_each(system, ids, job_id=job_id, lease=-1, record=False)
    assert all(tried.stored and tried.bytes > 0 and tried.asked for tried in done)
    with system.engine.begin() as connection:
        assert images.release_expired(connection, max_lost_claims=10) == len(ids)
    before = (asked(system, "resolve"), asked(system, "image"))

    run_given(system.engine, system.settings, [job_id])

    assert (asked(system, "resolve"), asked(system, "image")) == before
    assert system.agree() == {"uploaded": len(ids)}
    tries = system.rows("SELECT * FROM attempts WHERE outcome = 'uploaded'")
    assert {(row.number, row.calls, row.bytes, row.cost_usd) for row in tries} == {(2, 0, 0, 0)}
    stored = system.rows("SELECT bytes, storage_key, thumbnail_key FROM images")
    for row in stored:
        assert row.bytes == (system.settings.store_path / row.storage_key).stat().st_size > 0
        assert (system.settings.store_path / row.thumbnail_key).is_file()
    (job,) = system.rows("SELECT status, cost_usd, images_uploaded FROM jobs")
    assert (job.status, job.cost_usd, job.images_uploaded) == ("success", LISTING_USD, len(ids))
    assert system.value("SELECT sum(calls) FROM rollups") == 0


def test_a_failed_image_whose_outcome_was_never_written_is_found_in_the_store(system: System) -> None:
    ids = discovered(system)
    system.sandbox.set_faults(rates={Fault.BAD_GATEWAY: 1.0}, recover_tries=1000)
    assert not any(tried.stored for tried in try_each(system, ids))
    system.sandbox.set_faults(rates={})
    # the session ends in order, but the database was away for too long
    try_each(system, ids, job_id=2, record=False)
    assert {row.state for row in system.rows("SELECT state FROM images")} == {"failed"}
    before = system.sandbox.counts()["totals"]["requests"]

    again = try_each(system, ids, job_id=3)

    assert system.sandbox.counts()["totals"]["requests"] == before
    assert [(tried.calls, tried.bytes, tried.cost_usd, tried.asked) for tried in again] == [
        (0, 0, 0, False)
    ] * len(ids)
    assert {row.state for row in system.rows("SELECT state FROM images")} == {"uploaded"}
    retried = system.rows("SELECT error_type, tries, uploaded FROM retry_rollups")
    assert [tuple(row) for row in retried] == [("bad_gateway", len(ids), len(ids))]


def test_a_damaged_or_half_picture_in_the_store_is_fetched_anew(system: System) -> None:
    ids = discovered(system)
    try_each(system, ids, record=False)
    half, other, gone, *whole = files(system)
    sizes = {path: path.stat().st_size for path in (half, other, gone)}
    half.write_bytes(half.read_bytes()[: sizes[half] // 2])
    other.write_bytes(b"<html>not a picture</html>")
    gone.unlink()
    before = asked(system, "image")

    tries = try_each(system, ids, job_id=2)

    assert asked(system, "image") == before + 3
    assert {path: path.stat().st_size for path in (half, other, gone)} == sizes
    assert sum(tried.bytes for tried in tries) == sum(sizes.values())
    assert sum(tried.calls == 0 for tried in tries) == len(whole)
    assert all(tried.stored for tried in tries)


def test_a_missing_or_damaged_thumbnail_is_made_again_without_a_request(system: System) -> None:
    ids = discovered(system)
    try_each(system, ids, record=False)
    first, second, *_ = files(system)
    right = {path: thumbnail_of(path).read_bytes() for path in (first, second)}
    thumbnail_of(first).unlink()
    thumbnail_of(second).write_bytes(b"half")
    before = system.sandbox.counts()["totals"]["requests"]

    tries = try_each(system, ids, job_id=2)

    assert all(tried.stored for tried in tries)
    assert {path: thumbnail_of(path).read_bytes() for path in right} == right
    assert system.sandbox.counts()["totals"]["requests"] == before


def test_a_first_try_does_not_look_into_the_store(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = discovered(system)

    async def held(*_: object) -> list[str]:
        raise AssertionError("nothing can be there yet")

    monkeypatch.setattr(DiskStore, "held", held)
    assert all(tried.stored for tried in try_each(system, ids))


@pytest.mark.parametrize("halt", ["paused", "switched off", "circuit open"])
def test_what_the_store_holds_needs_no_provider(
    system: System, monkeypatch: pytest.MonkeyPatch, halt: str
) -> None:
    ids = discovered(system)
    try_each(system, ids, record=False)
    with system.engine.begin() as connection:
        if halt == "paused":
            connection.exec_driver_sql(
                "UPDATE providers SET paused_until = now() + interval '1 hour', paused_reason = 'quota'"
            )
        if halt == "switched off":
            connection.exec_driver_sql("UPDATE providers SET active = false")
    if halt == "circuit open":
        monkeypatch.setattr(Permits, "check", _closed_door)
    assert all(tried.stored for tried in try_each(system, ids, job_id=2))


async def _closed_door(self: Permits, provider: str) -> None:
    raise PutOff(77)


def test_while_its_circuit_is_open_nothing_is_asked_and_images_are_put_off(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = discovered(system)
    before = system.sandbox.counts()["totals"]["requests"]
    monkeypatch.setattr(Permits, "check", _closed_door)

    async def work() -> dict[int, float]:
        async with open_session(system.engine, system.settings) as session:
            return await upload.bring_in(session, ids, job_id=1)

    waits = asyncio.run(work())
    assert set(waits) == set(ids)
    assert system.sandbox.counts()["totals"]["requests"] == before
    assert {row.state for row in system.rows("SELECT state FROM images")} == {"discovered"}
    assert system.value("SELECT count(*) FROM attempts") == 0


@pytest.mark.parametrize("question", ["held", "get"])
def test_a_store_that_does_not_answer_fails_the_try_before_anything_is_paid(
    system: System, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    ids = discovered(system)
    try_each(system, ids, record=False)
    before = system.sandbox.counts()["totals"]["requests"]

    async def away(*_: object) -> bytes:
        raise failed(ErrorType.NETWORK_TIMEOUT, "The image store did not answer.")

    monkeypatch.setattr(DiskStore, question, away)
    for tried in try_each(system, ids, job_id=2):
        assert tried.failure is not None
        assert (tried.failure.error_type, tried.calls, tried.asked) == (ErrorType.NETWORK_TIMEOUT, 0, False)
    assert system.sandbox.counts()["totals"]["requests"] == before


def test_somebody_elses_picture_under_another_name_is_not_taken(system: System) -> None:
    ids = discovered(system)[:1]
    (row,) = system.rows(
        "SELECT images.*, venues.name FROM images JOIN venues ON venues.id = venue_id WHERE images.id = :id",
        id=ids[0],
    )
    # a JPEG where a PNG should be
    path = system.settings.store_path / image_key(row.venue_id, row.name, CODE, row.provider_ref, "png")
    path.parent.mkdir(parents=True)
    path.write_bytes(jpeg())
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE images SET claim = 5")
    (tried,) = try_each(system, ids)
    assert tried.stored is not None
    assert (tried.calls, tried.stored.key == row.storage_key) == (1, False)
    assert tried.bytes > 0


def test_expired_names_are_renewed_with_few_listings_and_every_call_is_paid(system: System) -> None:
    ids = discovered(system)
    system.sandbox.set_faults(rates={Fault.STALE_REFERENCE: 1.0})
    before = asked(system, "listing")

    tries = try_each(system, ids)

    assert all(tried.stored for tried in tries), [tried.failure for tried in tries]
    listings = asked(system, "listing") - before
    assert listings == 1
    assert asked(system, "resolve") == 2 * len(ids)
    assert sum(tried.calls for tried in tries) == 2 * len(ids) + listings
    assert sum(tried.cost_usd for tried in tries) == 2 * len(ids) * PHOTO_USD + listings * LISTING_USD
    spent = sum(tried.cost_usd for tried in tries)
    assert system.value("SELECT sum(cost_usd) FROM attempts") == spent
    rolled = system.rows("SELECT sum(calls) AS calls, sum(cost_usd) AS cost FROM rollups")
    assert [tuple(row) for row in rolled] == [(2 * len(ids) + listings, spent)]
    assert {row.state for row in system.rows("SELECT state FROM images")} == {"uploaded"}


def test_a_new_name_that_is_refused_too_ends_the_try_after_one_listing(system: System) -> None:
    ids = discovered(system)[:1]
    ref = system.value("SELECT provider_ref FROM images WHERE id = :id", id=ids[0])
    system.sandbox.set_faults(script={f"resolve:{CODE}:{ref}": [Fault.STALE_REFERENCE]})
    before = asked(system, "listing")

    (tried,) = try_each(system, ids)

    assert tried.failure is not None
    assert tried.failure.error_type is ErrorType.STALE_REFERENCE
    assert "its new one was refused too" in tried.failure.detail
    assert (asked(system, "listing") - before, tried.calls) == (1, 3)


def test_a_listing_that_fails_is_the_reason_of_all_that_waited_for_it(system: System) -> None:
    ids = discovered(system)
    (place,) = (row.id for row in system.rows("SELECT provider_ids->>'google_places' AS id FROM venues"))
    system.sandbox.set_faults(
        rates={Fault.STALE_REFERENCE: 1.0}, script={f"listing:{CODE}:{place}": [Fault.SERVICE_UNAVAILABLE]}
    )
    before = asked(system, "listing")

    tries = try_each(system, ids)

    assert asked(system, "listing") - before == 1
    for tried in tries:
        assert tried.failure is not None
        assert (tried.failure.error_type, tried.failure.status_code) == (ErrorType.SERVICE_UNAVAILABLE, 503)
        assert "could not be listed anew" in tried.failure.detail
    rows = system.rows("SELECT state, error_type FROM images")
    assert {(row.state, row.error_type) for row in rows} == {("failed", "service_unavailable")}
    # the provider is well again: so is the retry
    system.sandbox.set_faults(rates={Fault.STALE_REFERENCE: 1.0}, script={})
    assert all(tried.stored for tried in try_each(system, ids, job_id=2))


class Renaming:
    """Google Places as it is outside the sandbox: a name that expired stays so, its photos get new ones."""

    code = CODE

    def __init__(self, *, lists: bool = True) -> None:
        self.listings = 0
        self.resolved: list[str | None] = []
        self._lists = lists
        self._real = SOURCES[CODE]
        self.not_ready, self.knows = self._real.not_ready, self._real.knows

    async def list_photos(self, venue: Venue, api: Api, *, limit: int) -> list[Photo]:
        self.listings += 1
        photos = await self._real.list_photos(venue, api, limit=limit)
        return [
            replace(photo, fetch_ref=f"new/{photo.fetch_ref}", attribution="Somebody else", width=4000)
            for photo in photos
            if self._lists
        ]

    async def resolve(self, provider_ref: str, fetch_ref: str | None, api: Api) -> Download:
        self.resolved.append(fetch_ref)
        kind, _, name = (fetch_ref or "").partition("/")
        if kind != "new":
            raise failed(ErrorType.STALE_REFERENCE, "The name expired.")
        return await self._real.resolve(provider_ref, name, api)


def test_images_that_are_tried_one_after_another_share_a_listing(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = discovered(system)
    source = Renaming()
    monkeypatch.setitem(SOURCES, CODE, source)

    tries = try_each(system, ids, one_by_one=True)

    assert all(tried.stored for tried in tries)
    assert source.listings == 1
    assert [tried.calls for tried in tries] == [2] + [1] * (len(ids) - 1)
    rows = system.rows("SELECT fetch_ref, attribution, provider_ref FROM images")
    assert {row.attribution for row in rows} == {"Somebody else"}
    assert all(row.fetch_ref.startswith("new/") and row.provider_ref in row.fetch_ref for row in rows)


def test_a_photo_that_is_listed_no_more_is_gone(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = discovered(system)
    monkeypatch.setitem(SOURCES, CODE, Renaming(lists=False))
    for tried in try_each(system, ids):
        assert tried.failure is not None
        assert tried.failure.error_type is ErrorType.NOT_FOUND
        assert "lists the photo no more" in tried.failure.detail


def test_a_venue_that_lost_its_id_cannot_be_listed_and_its_photos_wait_for_a_person(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = discovered(system)[:1]
    monkeypatch.setitem(SOURCES, CODE, Renaming())
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE venues SET provider_ids = provider_ids - 'google_places'")
    (tried,) = try_each(system, ids)
    assert tried.failure is not None
    assert tried.failure.error_type is ErrorType.STALE_REFERENCE
    assert tried.calls == 0


def test_an_expired_name_is_not_asked_for_again_when_the_listing_had_to_wait(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = discovered(system)[:1]
    source = Renaming()
    monkeypatch.setitem(SOURCES, CODE, source)

    async def full(*_: object, **__: object) -> list[Photo]:
        raise PutOff(5)

    with monkeypatch.context() as patch:
        patch.setattr(source, "list_photos", full)
        with pytest.raises(PutOff):
            try_each(system, ids)
    assert system.value("SELECT fetch_ref FROM images WHERE id = :id", id=ids[0]) is None
    (tried,) = try_each(system, ids)
    assert tried.stored is not None
    assert source.listings == 1
    assert source.resolved[1] is None


def test_a_worker_whose_image_was_taken_over_stops_at_the_new_name(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = discovered(system)[:1]
    source = Renaming()
    monkeypatch.setitem(SOURCES, CODE, source)
    tell = source.list_photos

    async def slow(venue: Venue, api: Api, *, limit: int) -> list[Photo]:
        with system.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE images SET claim = claim + 1")
        return await tell(venue, api, limit=limit)

    monkeypatch.setattr(source, "list_photos", slow)
    before = asked(system, "resolve")
    (tried,) = try_each(system, ids, record=False)
    assert tried.failure is not None
    assert tried.failure.error_type is ErrorType.WORKER_LOST
    assert asked(system, "resolve") == before


def test_an_override_brings_in_what_was_given_up(system: System) -> None:
    ids = discovered(system)
    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE images SET state = 'permanently_failed', error_type = 'bad_gateway', retry_count = 3,"
            " tries = 4"
        )
    assert try_each(system, ids) == []
    assert all(tried.stored for tried in try_each(system, ids, override=True))
    assert system.value("SELECT max(retry_count) FROM images") == 3

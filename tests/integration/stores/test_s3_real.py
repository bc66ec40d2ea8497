"""The s3 store at a real service: one that refuses, one that is away, and one that dies during a put."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from ops_core import doctor
from ops_core.doctor import Mark
from ops_core.domain.errors import ErrorType, info
from ops_core.domain.failures import Failed, Failure
from ops_core.settings import Settings
from ops_core.storage import s3 as s3_module
from ops_core.storage.s3 import S3Store
from ops_core.storage.store import Missing
from tests.integration.stores.conftest import Run
from tests.support.rclone_server import RcloneServer, running_rclone

KEY = "venues/7-bar/gp-0a1b.jpg"
SMALL = b"a small picture"
#: More than a slow service takes in while it is looked at; in parts it is three.
LARGE = bytes(range(256)) * 50_000

#: Sends in one request, and in parts.
BOTH_WAYS = pytest.mark.parametrize("parts_over", [len(LARGE), len(LARGE) // 2], ids=["whole", "in parts"])


@pytest.fixture
def mortal() -> Iterator[RcloneServer]:
    """A service of this test's own."""
    with running_rclone() as running:
        yield running


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_module, "_FIRST_PAUSE", timedelta(milliseconds=1))


def settings_of(server: RcloneServer, **changes: Any) -> Settings:
    return Settings.model_validate({"store": "s3", "store_timeout": 5, **server.settings, **changes})


def store_of(server: RcloneServer, **changes: Any) -> S3Store:
    return S3Store(settings_of(server, **changes), "/media")


def refused(run: Run, work: Any) -> Failure:
    with pytest.raises(Failed) as caught:
        run(work)
    return caught.value.failure


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"s3_secret_access_key": "not-the-secret"},
            "The s3 store does not know this secret: correct VENUE_OPS_S3_SECRET_ACCESS_KEY. "
            "(SignatureDoesNotMatch)",
        ),
        (
            {"s3_access_key_id": "AKIAOFNOBODY"},
            "The s3 store does not know this key: correct VENUE_OPS_S3_ACCESS_KEY_ID. (InvalidAccessKeyId)",
        ),
        (
            {"s3_bucket": "no-such-bucket"},
            "The s3 store has no bucket of that name: make it, or correct VENUE_OPS_S3_BUCKET. "
            "(NoSuchBucket)",
        ),
    ],
)
def test_what_is_set_wrongly_is_named_and_no_object_is_written(
    rclone: RcloneServer, run: Run, changes: dict[str, str], sentence: str
) -> None:
    store = store_of(rclone, **changes)
    for work in (store.put(KEY, SMALL, "image/jpeg"), store.get(KEY), store.delete(KEY)):
        failure = refused(run, work)
        assert (failure.error_type, failure.detail) == (ErrorType.STORE_ERROR, sentence)
        assert not info(failure.error_type).retryable
    finding = doctor._store(settings_of(rclone, **changes))
    assert (finding.mark, finding.text) == (Mark.WRONG, f"s3: {sentence}")
    assert rclone.objects() == {}


@pytest.mark.parametrize(
    "changes", [{"s3_secret_access_key": "not-the-secret"}, {"s3_access_key_id": "AKIAOFNOBODY"}]
)
def test_a_refused_key_is_never_taken_for_an_object_that_is_not_there(
    rclone: RcloneServer, run: Run, changes: dict[str, str]
) -> None:
    store = store_of(rclone, **changes)
    for work in (store.exists(KEY), store.held([KEY])):  # whose refusals have no body
        failure = refused(run, work)
        assert (failure.error_type, failure.status_code) == (ErrorType.STORE_ERROR, 403)
        assert "VENUE_OPS_S3_SECRET_ACCESS_KEY" in failure.detail


def test_doctor_tries_it_and_leaves_nothing_behind(rclone: RcloneServer) -> None:
    finding = doctor._store(settings_of(rclone))
    assert (finding.mark, finding.text) == (
        Mark.GOOD,
        "s3, venue-photos: a picture was put, read and removed",
    )
    assert rclone.objects() == {}


@BOTH_WAYS
def test_a_large_picture_lies_whole_on_the_disk(
    rclone: RcloneServer, run: Run, monkeypatch: pytest.MonkeyPatch, parts_over: int
) -> None:
    monkeypatch.setattr(s3_module, "MULTIPART_OVER", parts_over)
    run(store_of(rclone).put(KEY, LARGE, "image/jpeg"))
    assert rclone.objects() == {KEY: LARGE}
    assert run(store_of(rclone).get(KEY)) == LARGE


@pytest.mark.faults
@BOTH_WAYS
@pytest.mark.parametrize("before", [None, SMALL], ids=["nothing before", "one before"])
def test_a_service_that_is_killed_in_the_middle_of_a_put_shows_no_half_object_and_takes_it_once_it_is_back(
    mortal: RcloneServer,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    parts_over: int,
    before: bytes | None,
) -> None:
    monkeypatch.setattr(s3_module, "MULTIPART_OVER", parts_over)
    store = store_of(mortal)
    if before is not None:
        run(store.put(KEY, before, "image/jpeg"))
    mortal.stop()
    mortal.start(slow=True)

    async def put_until_it_dies() -> int:
        put = asyncio.create_task(store.put(KEY, LARGE, "image/jpeg"))
        async with asyncio.timeout(20):
            while not (arrived := mortal.arrived()):
                assert not put.done(), put
                await asyncio.sleep(0.005)
        mortal.kill()
        with pytest.raises(Failed) as caught:
            await put
        assert info(caught.value.failure.error_type).retryable
        return arrived

    assert 0 < run(put_until_it_dies()) < len(LARGE)
    mortal.start()
    if before is None:
        assert mortal.objects() == {}
        assert not run(store.exists(KEY))
        with pytest.raises(Missing):
            run(store.get(KEY))
    else:
        assert mortal.objects() == {KEY: before}
        assert run(store.get(KEY)) == before
    run(store.put(KEY, LARGE, "image/jpeg"))
    assert mortal.objects() == {KEY: LARGE}
    assert run(store.get(KEY)) == LARGE


@pytest.mark.faults
def test_a_service_that_is_away_is_a_failure_that_passes_and_is_said_plainly(
    mortal: RcloneServer, run: Run
) -> None:
    store = store_of(mortal)
    run(store.put(KEY, SMALL, "image/jpeg"))
    mortal.stop()
    for work in (
        store.put(KEY, SMALL, "image/jpeg"),
        store.get(KEY),
        store.exists(KEY),
        store.held([KEY]),
        store.delete(KEY),
    ):
        failure = refused(run, work)
        assert failure.error_type is ErrorType.NETWORK_ERROR
        assert info(failure.error_type).retryable
    finding = doctor._store(settings_of(mortal))
    assert (finding.mark, finding.text) == (
        Mark.WRONG,
        "s3: The s3 store cannot be reached: check the network and VENUE_OPS_S3_ENDPOINT.",
    )
    mortal.start()
    assert run(store.get(KEY)) == SMALL
    assert doctor._store(settings_of(mortal)).mark is Mark.GOOD

"""What every image store keeps to. A new store joins by one entry in STORES."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed
from ops_core.settings import Settings
from ops_core.storage.disk import DiskStore
from ops_core.storage.registry import open_store
from ops_core.storage.store import Store, image_key, thumbnail_key

KEY = image_key(7, "Café Łódź", "wikimedia_commons", "File:A.jpg", "jpg")
Result = TypeVar("Result")

STORES: dict[str, Callable[[Path], Store]] = {
    "disk": lambda folder: DiskStore(folder, "/admin/venue-images/media"),
    "of the settings": lambda folder: open_store(Settings(store_dir=folder)),
}


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return STORES[request.param](tmp_path / "store")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(work)


def test_what_is_put_is_there_and_comes_back_as_it_was(store: Store) -> None:
    assert not run(store.exists(KEY))
    run(store.put(KEY, b"\x00bytes", "image/jpeg"))
    assert run(store.exists(KEY))
    assert run(store.get(KEY)) == b"\x00bytes"


def test_of_many_keys_those_that_are_held_are_told_in_their_order(store: Store) -> None:
    others = [KEY.replace(".jpg", ending) for ending in (".webp", ".png", ".avif")]
    for key in (KEY, others[1]):
        run(store.put(key, b"x", "image/jpeg"))
    assert run(store.held([others[0], others[1], KEY, others[2]])) == [others[1], KEY]
    assert run(store.held([])) == []


def test_putting_twice_leaves_one_object_with_the_last_content(store: Store) -> None:
    run(store.put(KEY, b"first, and longer", "image/jpeg"))
    run(store.put(KEY, b"second", "image/jpeg"))
    assert run(store.get(KEY)) == b"second"


def test_a_deleted_object_is_gone_and_deleting_again_is_no_error(store: Store) -> None:
    run(store.put(KEY, b"x", "image/jpeg"))
    run(store.delete(KEY))
    run(store.delete(KEY))
    assert not run(store.exists(KEY))


def test_getting_what_is_not_there_is_a_store_error(store: Store) -> None:
    with pytest.raises(Failed) as caught:
        run(store.get(KEY))
    assert caught.value.failure.error_type is ErrorType.STORE_ERROR


def test_an_object_has_an_address_that_names_it(store: Store) -> None:
    assert store.url(KEY).endswith(f"/{KEY}")
    assert store.url(thumbnail_key(KEY)) != store.url(KEY)


def test_many_puts_at_once_all_arrive_whole(store: Store) -> None:
    keys = [image_key(number, "V", "google_places", f"r{number}", "jpg") for number in range(40)]

    async def all_at_once() -> list[bytes]:
        same = [store.put(KEY, bytes([number]) * 50_000, "image/jpeg") for number in range(8)]
        await asyncio.gather(*(store.put(key, key.encode() * 500, "image/jpeg") for key in keys), *same)
        return [await store.get(key) for key in [*keys, KEY]]

    *found, contested = run(all_at_once())
    assert found == [key.encode() * 500 for key in keys]
    assert len(contested) == 50_000
    assert len(set(contested)) == 1


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a//b",
        "a/",
        ".incoming/x",
        "a/.hidden",
        "a\\b",
        "a\x00b",
        "a b",
        "ä",
        "a" * 300,
        "/".join("a" * 12),
    ],
)
def test_a_key_that_could_lead_elsewhere_is_refused_by_every_verb(store: Store, key: str) -> None:
    for work in (
        lambda: run(store.put(key, b"x", "image/jpeg")),
        lambda: run(store.get(key)),
        lambda: run(store.exists(key)),
        lambda: run(store.held([key])),
        lambda: run(store.delete(key)),
        lambda: store.url(key),
    ):
        with pytest.raises(Failed) as caught:
            work()
        assert caught.value.failure.error_type is ErrorType.STORE_ERROR


@given(name=st.text(max_size=80), ref=st.text(min_size=1, max_size=80).filter(lambda ref: ref.isprintable()))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
def test_any_venue_and_reference_make_a_key_the_store_takes(store: Store, name: str, ref: str) -> None:
    key = image_key(1, name, "google_places", ref, "webp")
    for each in (key, thumbnail_key(key)):
        run(store.put(each, b"x", "image/webp"))
        assert run(store.exists(each))

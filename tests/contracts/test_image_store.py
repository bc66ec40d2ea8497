"""What every image store keeps to. A new store joins by one entry in STORES."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed
from ops_core.settings import Settings
from ops_core.storage.registry import open_named, open_store, store_origins
from ops_core.storage.store import PROVIDER_CODES, Missing, Store, image_key, thumbnail_key
from ops_core.storage.thumbnails import HEIGHT, WIDTH
from tests.support.imagekit_server import ImageKitServer
from tests.support.photos import jpeg
from tests.support.rclone_server import RcloneServer
from tests.support.s3_server import S3Server

KEY = image_key(7, "Café Łódź", "wikimedia_commons", "File:A.jpg", "jpg")

Run = Callable[[Coroutine[Any, Any, Any]], Any]
#: The s3 store at a real service; at moto otherwise.
AT_RCLONE = "s3 at rclone"
#: Opens a store by the settings of everything there is.
STORES: dict[str, Callable[[Settings], Store]] = {
    "disk": lambda everything: open_named(everything, "disk"),
    "s3": lambda everything: open_named(everything, "s3"),
    AT_RCLONE: lambda everything: open_named(everything, "s3"),
    "s3 with a public address": lambda everything: open_named(
        everything.model_copy(update={"s3_public_url": "https://images.example.org/team/"}), "s3"
    ),
    "imagekit": lambda everything: open_named(everything, "imagekit"),
    "of the settings": open_store,
}


@pytest.fixture(params=sorted(STORES))
def kind(request: pytest.FixtureRequest) -> str:
    """Which of STORES."""
    return request.param


@pytest.fixture
def everything(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path, imagekit: ImageKitServer
) -> Settings:
    """The settings of every store."""
    s3: S3Server | RcloneServer = request.getfixturevalue("rclone" if kind == AT_RCLONE else "s3")
    return Settings(store_dir=tmp_path / "store", **s3.settings, **imagekit.settings)


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs coroutines in one event loop."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture
def store(kind: str, everything: Settings, run: Run) -> Iterator[Store]:
    async def opened() -> Store:
        return STORES[kind](everything)

    made = run(opened())
    yield made
    run(made.close())


def test_what_is_put_is_there_and_comes_back_as_it_was(store: Store, run: Run) -> None:
    assert not run(store.exists(KEY))
    run(store.put(KEY, b"\x00bytes", "image/jpeg"))
    assert run(store.exists(KEY))
    assert run(store.get(KEY)) == b"\x00bytes"


def test_of_many_keys_those_that_are_held_are_told_in_their_order(store: Store, run: Run) -> None:
    others = [KEY.replace(".jpg", ending) for ending in (".webp", ".png", ".avif")]
    for key in (KEY, others[1]):
        run(store.put(key, b"x", "image/jpeg"))
    assert run(store.held([others[0], others[1], KEY, others[2]])) == [others[1], KEY]
    assert run(store.held([])) == []


def test_putting_twice_leaves_one_object_with_the_last_content(store: Store, run: Run) -> None:
    run(store.put(KEY, b"first, and longer", "image/jpeg"))
    run(store.put(KEY, b"second", "image/jpeg"))
    assert run(store.get(KEY)) == b"second"


def test_a_deleted_object_is_gone_and_deleting_again_is_no_error(store: Store, run: Run) -> None:
    run(store.put(KEY, b"x", "image/jpeg"))
    run(store.delete(KEY))
    run(store.delete(KEY))
    assert not run(store.exists(KEY))


def test_getting_what_is_not_there_is_a_store_error(store: Store, run: Run) -> None:
    with pytest.raises(Missing) as caught:
        run(store.get(KEY))
    assert caught.value.failure.error_type is ErrorType.STORE_ERROR


def test_an_object_has_an_address_that_names_it(store: Store, run: Run) -> None:
    assert store.url(KEY).endswith(f"/{KEY}")
    assert store.url(thumbnail_key(KEY)) != store.url(KEY)


def test_a_put_says_where_the_object_is(store: Store, run: Run) -> None:
    placed = run(store.put(KEY, b"x", "image/jpeg", tags=("wikimedia_commons", "venue:7")))
    assert (placed.key, placed.url) == (KEY, store.url(KEY))
    assert run(store.get(placed.key)) == b"x"


def test_a_picture_comes_back_as_it_was_put_and_not_as_browsers_get_it(store: Store, run: Run) -> None:
    data = jpeg(640, 480)
    run(store.put(KEY, data, "image/jpeg"))
    assert run(store.get(KEY)) == data


def test_a_thumbnail_is_an_object_of_its_own_or_made_by_the_store(
    store: Store, run: Run, imagekit: ImageKitServer
) -> None:
    run(store.put(KEY, jpeg(640, 480), "image/jpeg"))
    if not store.makes_thumbnails:
        assert store.thumbnail_url(KEY) == store.url(thumbnail_key(KEY))
        return
    with Image.open(io.BytesIO(imagekit.page(store.thumbnail_url(KEY)))) as image:
        assert image.size == (WIDTH, HEIGHT)


def test_addresses_lead_to_the_console_or_to_an_origin_that_pages_may_load_from(
    store: Store, everything: Settings
) -> None:
    public = everything.model_copy(update={"s3_public_url": "https://images.example.org/team/"})
    for url in (store.url(KEY), store.thumbnail_url(KEY)):
        assert url.startswith(("/admin/venue-images/media/", *(f"{each}/" for each in store_origins(public))))


def test_no_text_of_a_store_holds_its_secrets(store: Store, run: Run, everything: Settings) -> None:
    secrets = [
        secret.get_secret_value()
        for secret in (
            everything.s3_access_key_id,
            everything.s3_secret_access_key,
            everything.imagekit_private_key,
        )
        if secret
    ]
    assert len(secrets) == 3
    placed = run(store.put(KEY, b"x", "image/jpeg"))
    texts = [repr(store), repr(vars(store)), placed.url, store.thumbnail_url(KEY)]
    for key in (KEY.replace(".jpg", ".png"), "../x"):
        with pytest.raises(Failed) as caught:
            run(store.get(key))
        texts.append(repr(caught.value.failure))
    assert [secret for secret in secrets if secret in "".join(texts)] == []


def test_many_puts_at_once_all_arrive_whole(store: Store, run: Run) -> None:
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
def test_a_key_that_could_lead_elsewhere_is_refused_by_every_verb(store: Store, run: Run, key: str) -> None:
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


@given(
    provider=st.sampled_from(sorted(PROVIDER_CODES)),
    name=st.text(max_size=80),
    ref=st.text(min_size=1, max_size=80).filter(lambda ref: ref.isprintable()),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
def test_any_venue_and_reference_make_a_key_the_store_takes(
    store: Store, run: Run, provider: str, name: str, ref: str
) -> None:
    key = image_key(1, name, provider, ref, "webp")
    for each in (key, thumbnail_key(key)):
        run(store.put(each, b"x", "image/webp"))
        assert run(store.exists(each))

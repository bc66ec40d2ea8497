"""The imagekit store through the real SDK, against a server that refuses as ImageKit does."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from imagekitio import _base_client as sdk

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, Failure
from ops_core.settings import Settings
from ops_core.storage.imagekit import NAMES_AT_ONCE, RETRIES, ImageKitStore
from ops_core.storage.keys import is_key
from ops_core.storage.store import Missing
from tests.integration.stores.conftest import Run
from tests.support.cutting import cutting
from tests.support.imagekit_server import MOST_BYTES, PRIVATE_KEY, ImageKitServer
from tests.support.loopback import http_reply, raw_server
from tests.support.photos import jpeg
from tests.support.ports import free_port

KEY = "venues/7-bar/gp-0a1b.jpg"
SMALL = b"a small picture"


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "INITIAL_RETRY_DELAY", 0.01)
    monkeypatch.setattr(sdk, "MAX_RETRY_DELAY", 0.02)


async def using(everything: Settings, verb: str, **changes: Any) -> Any:
    store = ImageKitStore(Settings.model_validate(everything.model_dump() | changes))
    try:
        if verb == "put":
            return await store.put(KEY, SMALL, "image/jpeg", tags=("google_places", "venue:7"))
        if verb == "held":
            return await store.held([KEY])
        return await getattr(store, verb)(KEY)
    finally:
        await store.close()


def refused(run: Run, work: Any) -> Failure:
    with pytest.raises(Failed) as caught:
        run(work)
    return caught.value.failure


def test_a_file_is_put_into_the_venues_folder_under_its_own_name_with_its_tags(
    everything: Settings, imagekit: ImageKitServer, run: Run
) -> None:
    placed = run(using(everything, "put"))
    (file,) = imagekit.files.values()
    assert file.path == f"/{KEY}" == f"/{placed.key}"
    assert file.tags == ["google_places", "venue:7"]
    assert (file.data, file.content_type) == (SMALL, "image/jpeg")
    assert placed.url == f"{everything.imagekit_url_endpoint}/{KEY}"


def test_what_imagekit_names_otherwise_is_found_under_the_name_it_gave(
    everything: Settings, imagekit: ImageKitServer, run: Run
) -> None:
    imagekit.renames = True

    async def go() -> None:
        store = ImageKitStore(everything)
        placed = await store.put(KEY, SMALL, "image/jpeg")
        assert placed.key != KEY
        assert is_key(placed.key)
        assert placed.url.endswith(placed.key)
        assert await store.held([KEY, placed.key]) == [placed.key]
        assert await store.get(placed.key) == SMALL
        await store.delete(placed.key)
        assert not await store.exists(placed.key)
        await store.close()

    run(go())


def test_one_listing_serves_all_names_of_a_folder(
    everything: Settings, imagekit: ImageKitServer, run: Run
) -> None:
    async def go() -> list[str]:
        store = ImageKitStore(everything)
        for folder in ("venues/1", "venues/2"):
            await store.put(f"{folder}/a.jpg", SMALL, "image/jpeg")
        imagekit.asked.clear()
        found = await store.held([f"venues/{n}/{name}.jpg" for n in (1, 2, 3) for name in "abcde"])
        assert imagekit.asked == ["list"] * 3
        imagekit.asked.clear()
        await store.held([f"venues/1/{number}.jpg" for number in range(NAMES_AT_ONCE + 1)])
        assert imagekit.asked == ["list"] * 2
        await store.close()
        return found

    assert run(go()) == ["venues/1/a.jpg", "venues/2/a.jpg"]


def test_a_changed_file_is_read_as_it_is_now_whatever_the_cdn_keeps(
    everything: Settings, imagekit: ImageKitServer, run: Run
) -> None:
    async def go() -> list[bytes]:
        store = ImageKitStore(everything)
        read = []
        for data in (jpeg(seed=1), jpeg(seed=2)):
            await store.put(KEY, data, "image/jpeg")
            imagekit.page(store.url(KEY))  # now the CDN keeps it
            read.append(await store.get(KEY))
        await store.close()
        return read

    assert run(go()) == [jpeg(seed=1), jpeg(seed=2)]
    assert imagekit.page(f"{everything.imagekit_url_endpoint}/{KEY}") != jpeg(seed=2)


def test_the_private_key_is_sent_to_the_api_only(
    everything: Settings, imagekit: ImageKitServer, run: Run
) -> None:
    run(using(everything, "put"))
    run(using(everything, "get"))
    assert imagekit.asked == ["upload", "serve"]
    assert imagekit.secrets_at_cdn == 0


@pytest.mark.parametrize("verb", ["put", "exists", "held"])
@pytest.mark.parametrize("key", ["private_of_another_account", "not even like a key"])
def test_a_wrong_key_is_an_error_of_access_that_names_the_setting(
    everything: Settings, run: Run, verb: str, key: str
) -> None:
    failure = refused(run, using(everything, verb, imagekit_private_key=key))
    assert failure.error_type is ErrorType.AUTH_ERROR
    assert failure.status_code == 403
    assert "VENUE_OPS_IMAGEKIT_PRIVATE_KEY" in failure.detail
    assert key not in failure.detail


@pytest.mark.parametrize(
    ("status", "message", "kind", "words"),
    [
        (400, "Your file size exceeds limits of your plan.", ErrorType.FILE_TOO_LARGE, "as large"),
        (413, "Payload size is too large.", ErrorType.FILE_TOO_LARGE, "as large"),
        (400, "Upload Limit Exceeded.", ErrorType.QUOTA_EXCEEDED, "limit"),
        (
            400,
            "You have sent too many requests to update the file recently. Please try again later.",
            ErrorType.RATE_LIMITED,
            "slow down",
        ),
        (
            400,
            "A file with the same name already exists at the exact location. We could not overwrite it "
            "because both overwriteFile and useUniqueFileName are set to false.",
            ErrorType.STORE_ERROR,
            "overwrite",
        ),
        (400, "Your request failed the checks.", ErrorType.STORE_ERROR, "failed the checks"),
        (401, "Your request does not contain private API key.", ErrorType.AUTH_ERROR, "PRIVATE_KEY"),
        (403, "Your account is disabled.", ErrorType.AUTH_ERROR, "disabled"),
        (403, "The API key has expired.", ErrorType.AUTH_ERROR, "expired"),
    ],
)
def test_every_refusal_becomes_a_sentence_and_is_not_tried_again(
    everything: Settings,
    imagekit: ImageKitServer,
    run: Run,
    status: int,
    message: str,
    kind: ErrorType,
    words: str,
) -> None:
    imagekit.refuse("upload", status, message)
    failure = refused(run, using(everything, "put"))
    assert failure.error_type is kind
    assert words in failure.detail
    assert failure.status_code == status
    assert imagekit.asked == ["upload"]
    assert imagekit.files == {}


def test_a_key_that_stands_in_an_answer_is_not_repeated(
    everything: Settings, imagekit: ImageKitServer, run: Run
) -> None:
    for message in (
        f"Bad {PRIVATE_KEY} here",
        f'{{"key":"{PRIVATE_KEY}"}}',
        PRIVATE_KEY,
        "AKIA0123456789ABCDEF",
    ):
        imagekit.refuse("upload", 400, message)
        failure = refused(run, using(everything, "put"))
        assert not [part for part in (PRIVATE_KEY, "private_", "AKIA") if part in failure.detail]


def test_a_file_over_the_accounts_limit_is_refused_as_too_large(
    everything: Settings, imagekit: ImageKitServer, run: Run
) -> None:
    async def go() -> None:
        store = ImageKitStore(everything)
        try:
            await store.put(KEY, bytes(MOST_BYTES + 1), "image/jpeg")
        finally:
            await store.close()

    assert refused(run, go()).error_type is ErrorType.FILE_TOO_LARGE


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, ErrorType.SERVER_ERROR),
        (502, ErrorType.BAD_GATEWAY),
        (503, ErrorType.SERVICE_UNAVAILABLE),
        (504, ErrorType.GATEWAY_TIMEOUT),
        (429, ErrorType.RATE_LIMITED),
    ],
)
def test_what_passes_is_tried_again_and_then_told_as_what_it_is(
    everything: Settings, imagekit: ImageKitServer, run: Run, status: int, kind: ErrorType
) -> None:
    for _ in range(1 + RETRIES):
        imagekit.refuse("upload", status, "Something went wrong.")
    assert refused(run, using(everything, "put")).error_type is kind
    assert imagekit.asked == ["upload"] * (1 + RETRIES)
    imagekit.refuse("upload", status, "Something went wrong.")
    assert run(using(everything, "put")).key == KEY


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "0.01"}, 0.01),
        ({"X-RateLimit-Reset": "2500"}, 2.5),
        ({"X-RateLimit-Reset": "soon"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_imagekit_asks_for_is_kept(
    everything: Settings, imagekit: ImageKitServer, run: Run, headers: dict[str, str], wait: float | None
) -> None:
    for _ in range(1 + RETRIES):
        imagekit.refuse("list", 429, "Too many requests", headers=headers)
    failure = refused(run, using(everything, "exists"))
    assert (failure.error_type, failure.retry_after) == (ErrorType.RATE_LIMITED, wait)


@pytest.mark.parametrize("body", ["<html>a login page", "", "[]", '{"name": "a"}', "null"])
@pytest.mark.parametrize("status", [200, 202])
def test_an_answer_that_does_not_say_where_the_file_is_is_no_success(
    everything: Settings, imagekit: ImageKitServer, run: Run, status: int, body: str
) -> None:
    imagekit.refuse("upload", status, body=body, headers={"Content-Type": "application/json"})
    assert refused(run, using(everything, "put")).error_type is ErrorType.BAD_RESPONSE


def test_a_file_that_is_taken_and_worked_on_later_is_stored(
    everything: Settings, imagekit: ImageKitServer, run: Run
) -> None:
    body = f'{{"fileId": "1", "filePath": "/{KEY}", "url": "https://ik.example.org/{KEY}"}}'
    imagekit.refuse("upload", 202, body=body, headers={"Content-Type": "application/json"})
    assert run(using(everything, "put")).url == f"https://ik.example.org/{KEY}"


@pytest.mark.parametrize("path", ["/venues/../../x.jpg", "/venues/7/a b.jpg", "/"])
def test_a_name_that_leads_elsewhere_is_not_taken(
    everything: Settings, imagekit: ImageKitServer, run: Run, path: str
) -> None:
    body = f'{{"fileId": "1", "filePath": "{path}", "url": "https://ik.example.org/x"}}'
    imagekit.refuse("upload", 200, body=body, headers={"Content-Type": "application/json"})
    assert refused(run, using(everything, "put")).error_type is ErrorType.STORE_ERROR


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, ErrorType.STORE_ERROR),
        (302, ErrorType.BAD_RESPONSE),
        (503, ErrorType.SERVICE_UNAVAILABLE),
        (429, ErrorType.RATE_LIMITED),
    ],
)
def test_a_cdn_that_does_not_serve_is_told_as_what_it_is(
    everything: Settings, imagekit: ImageKitServer, run: Run, status: int, kind: ErrorType
) -> None:
    run(using(everything, "put"))
    imagekit.refuse("serve", status, body="no", headers={"Location": "http://127.0.0.1:1/"})
    failure = refused(run, using(everything, "get"))
    assert (failure.error_type, failure.status_code) == (kind, status)


def test_a_file_that_grew_beyond_any_picture_is_not_read_to_its_end(
    everything: Settings, imagekit: ImageKitServer, run: Run
) -> None:
    run(using(everything, "put"))
    imagekit.files[f"/{KEY}"].data = bytes(200_000)
    failure = refused(run, using(everything, "get", max_image_bytes=100_000))
    assert failure.error_type is ErrorType.FILE_TOO_LARGE


def test_silence_ends_in_time(everything: Settings, run: Run) -> None:
    async def silence(head: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async def ask(verb: str) -> None:
        async with raw_server(silence) as port:
            url = f"http://127.0.0.1:{port}"
            await using(everything, verb, imagekit_api_url=url, imagekit_url_endpoint=url, store_timeout=0.3)

    for verb in ("put", "held", "get"):
        began = time.monotonic()
        assert refused(run, ask(verb)).error_type is ErrorType.NETWORK_TIMEOUT, verb
        assert time.monotonic() - began < 5


def test_a_reply_that_ends_too_early_is_no_file(everything: Settings, run: Run) -> None:
    async def half(head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(http_reply(b"half", length=1000))
        await writer.drain()

    async def ask() -> None:
        async with raw_server(half) as port:
            await using(everything, "get", imagekit_url_endpoint=f"http://127.0.0.1:{port}/team")

    assert refused(run, ask()).error_type is ErrorType.NETWORK_ERROR


def test_an_account_that_cannot_be_reached_is_a_network_error(everything: Settings, run: Run) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    for verb in ("put", "exists", "get"):
        failure = refused(
            run, using(everything, verb, imagekit_api_url=away, imagekit_url_endpoint=f"{away}/team")
        )
        assert failure.error_type is ErrorType.NETWORK_ERROR, verb


@pytest.mark.parametrize("after", [0, 900, 150_000, 300_000])
def test_a_put_that_is_cut_off_leaves_no_file(
    everything: Settings, imagekit: ImageKitServer, run: Run, after: int
) -> None:
    async def put() -> None:
        async with cutting(imagekit.url, after) as cutter:
            settings = everything.model_copy(update={"imagekit_api_url": cutter.url})
            store = ImageKitStore(settings)
            try:
                await store.put(KEY, bytes(range(256)) * 1_200, "image/jpeg")
            finally:
                await store.close()

    assert refused(run, put()).error_type is ErrorType.NETWORK_ERROR
    assert imagekit.files == {}
    with pytest.raises(Missing):
        run(using(everything, "get"))


def test_deleting_what_somebody_else_deletes_is_no_error(
    everything: Settings, imagekit: ImageKitServer, run: Run
) -> None:
    run(using(everything, "put"))
    imagekit.refuse("delete", 404, "The requested file does not exist.")
    run(using(everything, "delete"))
    assert imagekit.asked == ["upload", "list", "delete"]


def test_a_folder_that_is_not_there_holds_nothing(
    everything: Settings, imagekit: ImageKitServer, run: Run
) -> None:
    imagekit.refuse("list", 404, "The requested folder does not exist.")
    assert run(using(everything, "held")) == []

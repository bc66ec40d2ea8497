"""The s3 store against a real service, and against one that refuses, stalls and breaks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, Failure
from ops_core.settings import Settings
from ops_core.storage import s3 as s3_module
from ops_core.storage.s3 import CACHE_CONTROL, RETRIES, S3Store
from ops_core.storage.store import Missing
from tests.integration.stores.conftest import Run
from tests.support.cutting import cutting
from tests.support.loopback import http_reply, raw_server
from tests.support.ports import free_port
from tests.support.s3_server import S3Server

KEY = "venues/7-bar/gp-0a1b.jpg"
SMALL = b"a small picture"
ETAG = {"ETag": '"0"'}


def store_of(everything: Settings, **changes: Any) -> S3Store:
    return S3Store(Settings.model_validate(everything.model_dump() | changes), "/media")


def refused(run: Run, work: Any) -> Failure:
    with pytest.raises(Failed) as caught:
        run(work)
    return caught.value.failure


def verbs(store: S3Store) -> dict[str, Callable[[], Any]]:
    return {
        "put": lambda: store.put(KEY, SMALL, "image/jpeg"),
        "get": lambda: store.get(KEY),
        "exists": lambda: store.exists(KEY),
        "held": lambda: store.held([KEY]),
        "delete": lambda: store.delete(KEY),
    }


def error(code: str, status: str, **headers: str) -> bytes:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>Some words.</Message>'
        "<AWSAccessKeyId>AKIAOFSOMEBODY</AWSAccessKeyId><RequestId>0A49CE4060975EAC</RequestId></Error>"
    )
    return http_reply(body.encode(), status=status, **headers)


async def asked(
    everything: Settings,
    answer: Callable[[str, asyncio.StreamWriter], Awaitable[None]],
    verb: str,
    **changes: Any,
) -> Any:
    async with raw_server(answer) as port:
        store = store_of(everything, s3_endpoint=f"http://127.0.0.1:{port}", **changes)
        return await verbs(store)[verb]()


def answering(*replies: bytes) -> tuple[list[str], Callable[[str, asyncio.StreamWriter], Awaitable[None]]]:
    """The heads of the requests that came, and a server whose last reply is given for ever."""
    heads: list[str] = []

    async def answer(head: str, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        writer.write(replies[min(len(heads), len(replies)) - 1])
        await writer.drain()

    return heads, answer


def test_an_object_carries_its_type_and_may_be_kept_for_ever(
    everything: Settings, s3: S3Server, run: Run
) -> None:
    run(store_of(everything).put(KEY, SMALL, "image/webp"))
    assert s3.objects() == {KEY: {"body": SMALL, "type": "image/webp", "cache": CACHE_CONTROL}}


def test_a_large_file_is_sent_in_parts_and_arrives_whole(
    everything: Settings, s3: S3Server, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_module, "MULTIPART_OVER", 1_000_000)
    data = bytes(range(256)) * 50_000
    run(store_of(everything).put(KEY, data, "image/png"))
    found = s3.objects()[KEY]
    assert (found["body"], found["type"], found["cache"]) == (data, "image/png", CACHE_CONTROL)


def test_a_bucket_that_is_not_there_is_named_by_its_setting(everything: Settings, run: Run) -> None:
    store = store_of(everything, s3_bucket="no-such-bucket")
    for verb in ("put", "get", "delete"):
        failure = refused(run, verbs(store)[verb]())
        assert failure.error_type is ErrorType.STORE_ERROR, verb
        assert "VENUE_OPS_S3_BUCKET" in failure.detail, verb


@pytest.mark.parametrize("verb", ["put", "get", "exists", "held", "delete"])
@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"s3_secret_access_key": "not-the-secret"}, "VENUE_OPS_S3_SECRET_ACCESS_KEY"),
        ({"s3_access_key_id": "AKIANOBODY"}, "VENUE_OPS_S3_ACCESS_KEY_ID"),
    ],
)
def test_a_wrong_key_is_named_by_its_setting_and_never_shown(
    everything: Settings, run: Run, changes: dict[str, str], setting: str, verb: str
) -> None:
    failure = refused(run, verbs(store_of(everything, **changes))[verb]())
    assert failure.error_type is ErrorType.STORE_ERROR
    assert setting in failure.detail
    assert not [value for value in changes.values() if value in failure.detail]


def test_a_key_without_the_right_says_which_rights_it_takes(
    everything: Settings, s3: S3Server, run: Run
) -> None:
    writer = store_of(everything, **s3.key("s3:PutObject"))
    run(writer.put(KEY, SMALL, "image/jpeg"))
    for verb in ("get", "exists", "delete"):
        failure = refused(run, verbs(writer)[verb]())
        assert failure.error_type is ErrorType.STORE_ERROR
        assert "read, write, list and delete" in failure.detail, verb
    assert KEY in s3.objects()


@pytest.mark.parametrize("verb", ["put", "get", "exists", "delete"])
@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("SlowDown", "503 Slow Down", ErrorType.SERVICE_UNAVAILABLE),
        ("InternalError", "500 Internal Server Error", ErrorType.SERVER_ERROR),
        ("BadGateway", "502 Bad Gateway", ErrorType.BAD_GATEWAY),
        ("GatewayTimeout", "504 Gateway Timeout", ErrorType.GATEWAY_TIMEOUT),
        ("TooManyRequests", "429 Too Many Requests", ErrorType.RATE_LIMITED),
    ],
)
def test_what_passes_is_tried_again_and_then_told_as_what_it_is(
    everything: Settings,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    code: str,
    status: str,
    kind: ErrorType,
) -> None:
    monkeypatch.setattr(s3_module, "_FIRST_PAUSE", s3_module.timedelta(milliseconds=1))
    heads, answer = answering(error(code, status))
    failure = refused(run, asked(everything, answer, verb))
    assert failure.error_type is kind
    assert len(heads) == 1 + RETRIES
    assert "AKIA" not in failure.detail


def test_one_refusal_that_passes_is_not_even_noticed(everything: Settings, run: Run) -> None:
    heads, answer = answering(error("SlowDown", "503 Slow Down"), http_reply(**ETAG))
    run(asked(everything, answer, "put"))
    assert len(heads) == 2


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (error("AuthorizationHeaderMalformed", "400 Bad Request"), ErrorType.STORE_ERROR, "S3_REGION"),
        (error("PermanentRedirect", "301 Moved Permanently"), ErrorType.STORE_ERROR, "S3_REGION"),
        (
            error("TemporaryRedirect", "307 Temporary Redirect", Location="http://127.0.0.1:1/"),
            ErrorType.STORE_ERROR,
            "S3_",
        ),
        (error("RequestTimeTooSkewed", "403 Forbidden"), ErrorType.STORE_ERROR, "clock"),
        (error("EntityTooLarge", "413 Payload Too Large"), ErrorType.FILE_TOO_LARGE, "as large"),
        (error("XMinioStorageFull", "507 Insufficient Storage"), ErrorType.STORE_ERROR, "full"),
        (error("NotHeardOf", "400 Bad Request"), ErrorType.STORE_ERROR, "400, NotHeardOf"),
        (http_reply(b"<html>", status="401 Unauthorized"), ErrorType.STORE_ERROR, "S3_ACCESS_KEY_ID"),
        (http_reply(b"<html>a login page"), ErrorType.BAD_RESPONSE, "as S3 does"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ErrorType.NETWORK_ERROR, "connection"),
    ],
)
def test_every_answer_becomes_a_sentence(
    everything: Settings, run: Run, reply: bytes, kind: ErrorType, words: str
) -> None:
    failure = refused(run, asked(everything, answering(reply)[1], "put"))
    assert failure.error_type is kind
    assert words in failure.detail
    assert "AKIA" not in failure.detail
    assert "0A49CE4060975EAC" not in failure.detail


@pytest.mark.parametrize("verb", ["put", "get", "exists", "delete"])
def test_a_service_that_says_nothing_takes_no_longer_than_allowed(
    everything: Settings, run: Run, verb: str
) -> None:
    async def silence(head: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    began = time.monotonic()
    failure = refused(run, asked(everything, silence, verb, store_timeout=0.6))
    assert failure.error_type is ErrorType.NETWORK_TIMEOUT
    assert time.monotonic() - began < 5


def test_a_service_that_is_away_is_a_network_error(everything: Settings, run: Run) -> None:
    store = store_of(everything, s3_endpoint=f"http://127.0.0.1:{free_port()}")
    failure = refused(run, store.put(KEY, SMALL, "image/jpeg"))
    assert failure.error_type is ErrorType.NETWORK_ERROR
    assert "VENUE_OPS_S3_ENDPOINT" in failure.detail


def test_only_our_own_keys_are_sent_whatever_the_environment_holds(
    everything: Settings, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-somebody-else")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASOMEBODYELSE")
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:1")
    heads, answer = answering(http_reply(**ETAG))
    run(asked(everything, answer, "put"))
    (head,) = heads
    assert everything.s3_access_key_id is not None
    assert f"Credential={everything.s3_access_key_id.get_secret_value()}/" in head
    assert "security-token" not in head.lower()
    assert "somebodyelse" not in head.lower()


def test_the_region_auto_is_signed_as_r2_wants_it(everything: Settings, run: Run) -> None:
    heads, answer = answering(http_reply(**ETAG))
    run(asked(everything, answer, "put", s3_region="auto"))
    assert "/auto/s3/aws4_request" in heads[0]
    assert heads[0].startswith(f"PUT /{everything.s3_bucket}/{KEY} ")


BODY = bytes(range(256)) * 1_200  # 300 kB


@pytest.mark.parametrize("after", [0, 700, 20_000, 150_000, len(BODY) - 1, len(BODY) + 100])
def test_a_put_that_is_cut_off_leaves_no_object(
    everything: Settings, s3: S3Server, run: Run, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_module, "_FIRST_PAUSE", s3_module.timedelta(milliseconds=1))

    async def put() -> None:
        async with cutting(s3.url, after) as cutter:
            try:
                await store_of(everything, s3_endpoint=cutter.url).put(KEY, BODY, "image/jpeg")
            finally:
                assert cutter.done >= 1

    assert refused(run, put()).error_type in (ErrorType.NETWORK_ERROR, ErrorType.NETWORK_TIMEOUT)
    assert s3.objects() == {}
    with pytest.raises(Missing):
        run(store_of(everything).get(KEY))


def test_a_put_in_parts_that_is_cut_off_leaves_no_object(
    everything: Settings, s3: S3Server, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_module, "MULTIPART_OVER", 1_000_000)
    monkeypatch.setattr(s3_module, "_FIRST_PAUSE", s3_module.timedelta(milliseconds=1))

    async def put() -> None:
        async with cutting(s3.url, 3_000_000) as cutter:  # no part comes through whole
            store = store_of(everything, s3_endpoint=cutter.url)
            await store.put(KEY, BODY * 40, "image/jpeg")

    assert refused(run, put()).error_type in (ErrorType.NETWORK_ERROR, ErrorType.NETWORK_TIMEOUT)
    assert s3.objects() == {}


def test_a_put_that_is_cut_off_leaves_the_object_that_was_there(
    everything: Settings, s3: S3Server, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_module, "_FIRST_PAUSE", s3_module.timedelta(milliseconds=1))
    run(store_of(everything).put(KEY, SMALL, "image/jpeg"))

    async def put() -> None:
        async with cutting(s3.url, 150_000) as cutter:
            await store_of(everything, s3_endpoint=cutter.url).put(KEY, BODY, "image/jpeg")

    refused(run, put())
    assert s3.objects()[KEY]["body"] == SMALL


def test_a_line_that_breaks_twice_costs_nothing_but_time(
    everything: Settings, s3: S3Server, run: Run
) -> None:
    async def put() -> int:
        async with cutting(s3.url, 150_000, cuts=2) as cutter:
            await store_of(everything, s3_endpoint=cutter.url).put(KEY, BODY, "image/jpeg")
            return cutter.done

    assert run(put()) == 2
    assert s3.objects()[KEY]["body"] == BODY

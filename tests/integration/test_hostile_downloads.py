"""Servers that mean harm or are broken: each ends as the right classified failure, soon and within limits."""

from __future__ import annotations

import asyncio
import gzip
import io
import shutil
import socket
import ssl
import struct
import subprocess
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, Failure
from ops_core.providers import guard
from ops_core.providers.http import Body, Http
from ops_core.providers.source import Download
from ops_core.settings import Settings
from ops_core.work.verify import verify_image
from tests.support.loopback import Raw, always, http_reply, raw_server
from tests.support.photos import jpeg

LIMITS: dict[str, Any] = {
    "connect_timeout": 0.4,
    "stall_timeout": 0.3,
    "download_timeout": 0.6,
    "max_redirects": 3,
    "max_image_bytes": 400_000,
    "max_image_pixels": 1_000_000,
}
#: No download may take longer than its limits allow, seconds, even on a busy machine.
SOON = 5.0


@pytest.fixture(autouse=True)
def ends_soon() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < SOON


def fetch(answer: Raw, path: str = "/photo.jpg", **settings: Any) -> Body:
    """Download from a misbehaving server that is the sandbox, so that its address is allowed."""

    async def run() -> Body:
        async with raw_server(answer) as port:
            url = f"http://127.0.0.1:{port}"
            async with Http(Settings(sandbox_url=url, **(LIMITS | settings))) as http:
                return await http.download(Download(url=url + path))

    return asyncio.run(run())


def failure(answer: Raw, **settings: Any) -> Failure:
    """How a download, and the proof that it is an image, fails."""
    with pytest.raises(Failed) as caught:
        verify_image(fetch(answer, **settings).data, Settings(**LIMITS))
    return caught.value.failure


def test_an_honest_server_gives_its_picture() -> None:
    body = fetch(always(http_reply(jpeg(), Content_Type="image/jpeg")))
    assert (body.data, body.content_type, body.status_code) == (jpeg(), "image/jpeg", 200)


# too slow, too much, too little


def test_a_body_that_drips_ends_at_the_total_deadline() -> None:
    async def drip(head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(http_reply(length=100_000))
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    started = time.monotonic()
    assert failure(drip).error_type is ErrorType.NETWORK_TIMEOUT
    assert time.monotonic() - started > LIMITS["stall_timeout"]


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n", http_reply(b"half", length=100)])
def test_a_server_that_falls_silent_is_a_timeout(said: bytes) -> None:
    async def silent(head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        await asyncio.sleep(30)

    started = time.monotonic()
    assert failure(silent, download_timeout=10).error_type is ErrorType.NETWORK_TIMEOUT
    assert time.monotonic() - started < 1.5


def test_headers_that_drip_end_at_the_total_deadline() -> None:
    async def drip(head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(1000):
            writer.write(f"X-{number}: 1\r\n".encode())
            await writer.drain()
            await asyncio.sleep(0.05)

    assert failure(drip).error_type is ErrorType.NETWORK_TIMEOUT


@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
)
def test_an_endless_body_is_cut_at_the_byte_limit(start: bytes) -> None:
    sent = 0

    async def endless(head: str, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(start)
        block = b"4000\r\n" + b"x" * 0x4000 + b"\r\n" if b"chunked" in start else b"x" * 0x4000
        while True:
            writer.write(block)
            sent += len(block)
            await writer.drain()

    assert failure(endless, download_timeout=10).error_type is ErrorType.FILE_TOO_LARGE
    assert sent < 20_000_000


def test_a_file_that_says_it_is_too_large_is_not_read() -> None:
    assert failure(always(http_reply(b"x", length=10**12))).error_type is ErrorType.FILE_TOO_LARGE


def test_a_body_shorter_than_claimed_is_a_network_error() -> None:
    assert failure(always(http_reply(jpeg()[:500], length=5000))).error_type is ErrorType.NETWORK_ERROR


def test_a_picture_cut_short_without_a_stated_length_is_corrupt() -> None:
    assert failure(always(b"HTTP/1.1 200 OK\r\n\r\n" + jpeg()[:-2000])).error_type is ErrorType.CORRUPT_IMAGE


def test_no_byte_at_all_is_an_empty_body() -> None:
    assert failure(always(http_reply())).error_type is ErrorType.EMPTY_BODY


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nabc"])
def test_a_connection_reset_is_a_network_error(before: bytes) -> None:
    async def reset(head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(before)
        await writer.drain()
        plug = writer.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    assert failure(reset).error_type is ErrorType.NETWORK_ERROR


def test_a_refused_connection_is_a_network_error() -> None:
    async def run() -> None:
        async with raw_server(always(b"")) as port:
            url = f"http://127.0.0.1:{port}"
        async with Http(Settings(sandbox_url=url, **LIMITS)) as http:
            await http.download(Download(url=url))

    with pytest.raises(Failed) as caught:
        asyncio.run(run())
    assert caught.value.failure.error_type is ErrorType.NETWORK_ERROR
    assert "refused" in caught.value.failure.detail


@pytest.mark.parametrize(
    "reply",
    [
        b"\x16\x03\x01garbage\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: minus\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Header\r\n\r\n",
    ],
)
def test_what_is_not_http_is_a_bad_response(reply: bytes) -> None:
    assert failure(always(reply)).error_type is ErrorType.BAD_RESPONSE


def test_broken_chunks_are_a_network_error() -> None:
    reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"
    assert failure(always(reply)).error_type in (ErrorType.NETWORK_ERROR, ErrorType.BAD_RESPONSE)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("404 Not Found", ErrorType.NOT_FOUND),
        ("429 Slow", ErrorType.RATE_LIMITED),
        ("500 No", ErrorType.SERVER_ERROR),
        ("206 Part", ErrorType.HTTP_ERROR),
        ("418 Teapot", ErrorType.HTTP_ERROR),
    ],
)
def test_a_status_other_than_200_is_never_a_picture(status: str, expected: ErrorType) -> None:
    found = failure(always(http_reply(jpeg(), status=status, Retry_After="3")))
    assert found.error_type is expected
    assert found.status_code == int(status[:3])


# redirects and addresses


def redirect_to(location: str) -> Raw:
    return always(http_reply(status="302 Found", Location=location))


def test_a_redirect_loop_ends_after_the_allowed_number() -> None:
    hops = 0

    async def loop(head: str, writer: asyncio.StreamWriter) -> None:
        nonlocal hops
        hops += 1
        writer.write(http_reply(status="302 Found", Location=f"/again{hops}"))
        await writer.drain()

    assert failure(loop, download_timeout=10).error_type is ErrorType.TOO_MANY_REDIRECTS
    assert hops == LIMITS["max_redirects"] + 1


def test_a_redirect_within_the_limit_is_followed() -> None:
    async def once(head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(redirect if head.startswith("GET /photo.jpg") else http_reply(jpeg()))
        await writer.drain()

    redirect = http_reply(status="301 Moved", Location="other.jpg")
    assert fetch(once).data == jpeg()


def test_a_redirect_that_names_no_place_is_a_bad_response() -> None:
    assert failure(always(http_reply(status="302 Found"))).error_type is ErrorType.BAD_RESPONSE


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:1/",
        "http://127.0.0.1/",
        "//localhost/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://0.0.0.0/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://10.0.0.1/",
        "http://100.100.100.200/",
        "http://192.0.0.192/",
        "http://public.example:5432/",
    ],
)  # fmt: skip
def test_a_redirect_to_a_private_address_is_blocked_and_never_connected(
    location: str, internet: Internet
) -> None:
    assert internet.failure(redirect_to(location)).error_type is ErrorType.BLOCKED_ADDRESS
    assert internet.inside_was_asked == 0


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "gopher://x/", "javascript:alert(1)", "http://u:p@public.example/", "http://[::1"],
)
def test_a_redirect_to_what_is_no_web_address_is_invalid(location: str, internet: Internet) -> None:
    assert internet.failure(redirect_to(location)).error_type is ErrorType.INVALID_URL


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254"],
        ["127.0.0.1", "::1"],
        ["10.0.0.1", "fe80::1", "192.168.0.1"],
    ],
)
def test_a_name_that_leads_to_private_addresses_is_blocked(addresses: list[str], internet: Internet) -> None:
    internet.names["inside.example"] = addresses
    found = internet.failure(redirect_to(f"http://inside.example:{internet.port}/"))
    assert found.error_type is ErrorType.BLOCKED_ADDRESS
    assert "inside.example" in found.detail
    assert internet.inside_was_asked == 0


def test_a_name_that_changes_between_two_lookups_is_blocked(internet: Internet) -> None:
    internet.names["rebind.example"] = iter([[PUBLIC], ["127.0.0.1"]])
    assert internet.fetch(always(http_reply(jpeg())), host="rebind.example").data == jpeg()
    found = internet.failure(always(http_reply(jpeg())), host="rebind.example")
    assert found.error_type is ErrorType.BLOCKED_ADDRESS
    assert internet.inside_was_asked == 0


def test_a_name_with_a_private_and_a_public_address_is_reached_at_the_public_one_only(
    internet: Internet,
) -> None:
    internet.names["both.example"] = ["127.0.0.1", PUBLIC]
    assert internet.fetch(always(http_reply(jpeg())), host="both.example").data == jpeg()
    assert internet.inside_was_asked == 0


def test_an_unknown_name_is_a_network_error(internet: Internet) -> None:
    found = internet.failure(redirect_to("http://nowhere.example/"))
    assert found.error_type is ErrorType.NETWORK_ERROR
    assert "nowhere.example" in found.detail


def test_headers_with_a_key_do_not_follow_a_redirect_to_another_host(internet: Internet) -> None:
    heads: list[str] = []

    async def answer(head: str, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        first = "Host: public.example" in head
        writer.write(
            http_reply(status="302 Found", Location=f"http://other.example:{internet.port}/")
            if first
            else http_reply(jpeg())
        )
        await writer.drain()

    internet.names["other.example"] = [PUBLIC]
    internet.fetch(answer, headers={"X-Goog-Api-Key": "secret-key"})
    assert "secret-key" in heads[0]
    assert "secret-key" not in heads[1]
    assert "referer" not in heads[1].lower()


def test_a_cookie_is_never_sent_back(internet: Internet) -> None:
    heads: list[str] = []

    async def answer(head: str, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        writer.write(
            http_reply(jpeg(), Set_Cookie="a=1")
            if len(heads) > 1
            else http_reply(status="302 Found", Location="/b", Set_Cookie="a=1; Path=/")
        )
        await writer.drain()

    internet.fetch(answer)
    assert len(heads) == 2
    assert not any("cookie:" in head.lower() for head in heads)


def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert fetch(always(http_reply(jpeg()))).data == jpeg()


# bodies that are not what they seem


def test_a_gzip_bomb_stays_packed() -> None:
    bomb = gzip.compress(bytes(30_000_000), 9)
    assert len(bomb) < LIMITS["max_image_bytes"]
    body = fetch(always(http_reply(bomb, Content_Encoding="gzip", Content_Type="image/jpeg")))
    assert len(body.data) == len(bomb)
    with pytest.raises(Failed) as caught:
        verify_image(body.data, Settings(**LIMITS))
    assert caught.value.failure.error_type is ErrorType.NOT_AN_IMAGE


def test_a_pixel_bomb_is_refused_before_it_is_decoded() -> None:
    assert failure(always(http_reply(png_header(40_000, 40_000)))).error_type is ErrorType.TOO_MANY_PIXELS
    assert failure(always(http_reply(png_header(1001, 1000)))).error_type is ErrorType.TOO_MANY_PIXELS


def test_a_drawing_with_a_script_is_an_unsupported_format() -> None:
    svg = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    assert (
        failure(always(http_reply(svg, Content_Type="image/jpeg"))).error_type is ErrorType.UNSUPPORTED_FORMAT
    )


def test_a_web_page_instead_of_a_picture_is_not_an_image() -> None:
    page = b"<!doctype html><html><body>Please sign in</body></html>"
    assert failure(always(http_reply(page, Content_Type="image/jpeg"))).error_type is ErrorType.NOT_AN_IMAGE


def test_a_picture_that_is_a_zip_archive_too_is_kept_as_the_picture_it_is() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("evil.html", "<script>alert(1)</script>")
    body = fetch(always(http_reply(jpeg() + archive.getvalue(), Content_Type="text/html")))
    assert verify_image(body.data, Settings(**LIMITS)).content_type == "image/jpeg"


# TLS


def test_garbage_instead_of_tls_is_a_network_error(internet: Internet) -> None:
    found = internet.failure(always(b"HTTP/1.1 400 this is no TLS\r\n\r\n"), scheme="https", at_once=True)
    assert found.error_type is ErrorType.NETWORK_ERROR


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
def test_a_certificate_nobody_vouches_for_is_a_network_error(internet: Internet, tmp_path: Path) -> None:
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=public.example -days 1 -keyout key -out cert"
    )
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    found = internet.failure(always(http_reply(jpeg())), scheme="https", tls=context)
    assert found.error_type is ErrorType.NETWORK_ERROR
    assert "certificate" in found.detail


#: Stands for a public address: all of 127/8 reaches this machine, and here this one counts as public.
PUBLIC = "127.0.0.2"


class _Names(AbstractResolver):
    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        known = self._names.get(host.lower())
        if known is None:
            raise OSError("no such name")
        addresses = known if isinstance(known, list) else next(known)
        return [
            ResolveResult(
                hostname=host, host=address, port=port, proto=0, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            )
            for address in addresses
        ]  # fmt: skip

    async def close(self) -> None:
        return None


class Internet:
    """A hostile server at a public address, and one inside that must never be asked; no sandbox."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"public.example": [PUBLIC]}
        self.inside_was_asked = 0
        self.port = 0

    def fetch(
        self,
        answer: Raw,
        *,
        scheme: str = "http",
        host: str = "public.example",
        headers: dict[str, str] | None = None,
        **server: Any,
    ) -> Body:
        async def inside(head: str, writer: asyncio.StreamWriter) -> None:
            self.inside_was_asked += 1

        async def run() -> Body:
            async with (
                raw_server(answer, host=PUBLIC, port=self.port, **server),
                raw_server(inside, port=self.port),
                Http(Settings(**LIMITS), resolver=_Names(self.names)) as http,
            ):
                url = f"{scheme}://{host}:{self.port}/photo.jpg"
                return await http.download(Download(url=url, headers=headers or {}))

        return asyncio.run(run())

    def failure(self, answer: Raw, **how: Any) -> Failure:
        with pytest.raises(Failed) as caught:
            self.fetch(answer, **how)
        return caught.value.failure


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    real = guard.is_public
    monkeypatch.setattr(guard, "is_public", lambda address: str(address) == PUBLIC or real(address))
    world = Internet()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        world.port = probe.getsockname()[1]
    monkeypatch.setattr(guard, "WEB_PORTS", guard.WEB_PORTS | {world.port})
    return world


def png_header(width: int, height: int) -> bytes:
    """A valid PNG that claims to be very large, with next to nothing in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )

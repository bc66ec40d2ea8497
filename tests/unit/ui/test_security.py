"""What stands between the network and the console."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket

from ops_core.ui.security import SecureCookies, ThisMachineOnly
from tests.support.asgi import ask


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        socket = WebSocket(scope, receive, send)
        await socket.accept(headers=[(b"set-cookie", b"a=1; Path=/")])
        await socket.close()
        return
    answer = PlainTextResponse("hello")
    answer.set_cookie("plain", "1", httponly=True)
    answer.set_cookie("secured", "1", secure=True)
    await answer(scope, receive, send)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("127.0.0.1", "127.0.0.1:8501"),
        ("127.0.0.1", "localhost:8501"),
        ("127.0.0.1", "LOCALHOST"),
        ("::1", "[::1]:8501"),
    ],
)
def test_without_sign_in_this_machine_is_answered(address, host, kind):
    answer = ask(ThisMachineOnly(app), headers={"host": host}, server=(address, 8501), kind=kind)
    assert answer.status == (101 if kind == "websocket" else 200)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("192.0.2.7", "192.0.2.7:8501"),
        ("192.0.2.7", "127.0.0.1:8501"),
        ("127.0.0.1", "stranger.example:8501"),
        ("127.0.0.1", "127.0.0.1.stranger.example"),
        ("127.0.0.1", "localhost@stranger.example"),
        ("127.0.0.1", "[::1"),
        ("127.0.0.1", ""),
    ],
)
def test_without_sign_in_nobody_else_is_answered(address, host, kind):
    answer = ask(ThisMachineOnly(app), headers={"host": host}, server=(address, 8501), kind=kind)
    assert answer.status == 403
    assert answer.body in (
        b"",
        b"The console has no sign-in, so it serves its own machine only, as 127.0.0.1.\n",
    )


def test_every_cookie_of_a_console_behind_https_is_secure_once():
    plain, secured = ask(SecureCookies(app)).cookies
    assert plain == "plain=1; HttpOnly; Path=/; SameSite=lax; Secure"
    assert secured.lower().count("secure") == len(["its name", "its flag"])
    assert ask(SecureCookies(app), kind="websocket").cookies == ["a=1; Path=/; Secure"]

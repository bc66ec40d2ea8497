"""Who may take the filtered operations away as a file."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Engine, text
from starlette.applications import Starlette
from starlette.routing import Route

from ops_core.domain.access import Actor, Role
from ops_core.settings import get_settings
from ops_core.ui import exports
from tests.support.factories import make_enrichment

pytestmark = pytest.mark.postgres

app = Starlette(routes=[Route("/operations.{kind}", exports.operations_file)])


def ask(query: str = "") -> tuple[int, dict[str, str], str]:
    """What the address answers: status, headers and body."""
    sent = []

    async def receive() -> dict[str, object]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/operations.csv",
        "query_string": query.encode(),
        "headers": [],
        "asgi": {"spec_version": "2.3"},
    }
    asyncio.run(app(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]).decode()


def audit(engine: Engine) -> list[tuple[str, str, str]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT actor, action, outcome FROM audit"))]


@pytest.fixture
def world(database: Engine) -> Engine:
    with database.begin() as connection:
        make_enrichment(connection)
    return database


def test_somebody_who_is_not_signed_in_gets_a_sentence_and_no_row(world, monkeypatch):
    monkeypatch.setattr(exports, "actor_of", lambda _: None)
    status, headers, body = ask()
    assert (status, body) == (403, "Sign in to the console, then ask for this file again.")
    assert headers["cache-control"] == "no-store"
    assert audit(world) == []


def test_somebody_without_a_role_is_refused_and_that_is_in_the_audit(world, monkeypatch):
    monkeypatch.setattr(exports, "actor_of", lambda _: Actor("ann@example.org", Role.GUEST))
    status, headers, body = ask()
    assert (status, body) == (403, "This needs the role viewer: ask an admin for it.")
    assert headers["cache-control"] == "no-store"
    assert audit(world) == [("ann@example.org", "export_operations", "refused: needs the role viewer")]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ADMIN])
def test_whoever_may_look_may_take_it_away(world, monkeypatch, role: Role):
    monkeypatch.setattr(exports, "actor_of", lambda _: Actor("ann@example.org", role))
    status, headers, body = ask()
    assert status == 200
    assert body.count("\r\n") == 2
    assert headers["content-disposition"].startswith("attachment; ")
    assert audit(world) == [("ann@example.org", "export_operations", "1 operations written")]


def test_with_sign_in_set_up_no_cookie_is_no_sign_in(world, monkeypatch):
    for name, value in {
        "OIDC_METADATA_URL": "https://id.example.org/.well-known/openid-configuration",
        "OIDC_CLIENT_ID": "console",
        "OIDC_CLIENT_SECRET": "not a secret",
        "COOKIE_SECRET": "x" * 40,
        "PUBLIC_URL": "https://console.example.org",
        "VIEWERS": "@example.org",
    }.items():
        monkeypatch.setenv(f"VENUE_OPS_{name}", value)
    get_settings.cache_clear()
    status, _, body = ask()
    assert status == 403
    assert "Sign in" in body

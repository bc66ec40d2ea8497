"""Which providers nothing is tried of now, by their rows, our settings and the sources there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from ops_core.domain.retry_plan import SkipReason
from ops_core.settings import Settings
from ops_core.work.blocked import blocked
from tests.support.factories import make_provider

pytestmark = pytest.mark.postgres


@pytest.fixture
def connection(database: Engine) -> Iterator[Connection]:
    with database.connect() as open_connection:
        yield open_connection


def test_nothing_is_blocked_where_all_may_be_asked_and_kept(connection: Connection) -> None:
    assert blocked(connection, Settings()) == {}


def test_a_provider_needs_the_word_of_somebody_that_copies_are_allowed(connection: Connection) -> None:
    connection.execute(
        text("UPDATE providers SET rehosting = 'reference_only' WHERE code IN ('google_places', 'here')")
    )
    both = {"google_places": SkipReason.REHOSTING, "here": SkipReason.REHOSTING}
    assert blocked(connection, Settings()) == both
    drawn = Settings(sandbox_url="http://127.0.0.1:1", sandbox_copies="google_places, mapbox")
    assert blocked(connection, drawn) == {"here": SkipReason.REHOSTING}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("active = false", SkipReason.PAUSED),
        ("paused_until = now() + interval '1 hour', paused_reason = 'tests'", SkipReason.PAUSED),
        ("paused_until = now() - interval '1 hour', paused_reason = 'tests'", None),
        ("rehosting = 'reference_only'", SkipReason.REHOSTING),
        ("rehosting = 'reference_only', active = false", SkipReason.REHOSTING),
    ],
)
def test_a_provider_is_blocked_while_its_row_says_so(
    connection: Connection, change: str, reason: SkipReason | None
) -> None:
    connection.execute(text(f"UPDATE providers SET {change} WHERE code = 'wikimedia_commons'"))
    found = blocked(connection, Settings())
    assert found == ({"wikimedia_commons": reason} if reason else {})


def test_a_provider_that_cannot_be_asked_here_counts_as_paused(connection: Connection) -> None:
    make_provider(connection, code="somebody")
    assert blocked(connection, Settings()) == {"somebody": SkipReason.PAUSED}


def test_a_command_beside_a_running_sandbox_knows_that_its_photos_may_be_copied(tmp_path: Path) -> None:
    def settings(**changes: Any) -> Settings:
        return Settings(_env_file=None, data_dir=tmp_path, **changes)

    assert settings(database_url=None).running_sandbox() is None
    (tmp_path / "run").mkdir()
    addresses = {"DATABASE_URL": "postgresql://here/ours", "SANDBOX_URL": "http://127.0.0.1:8502"}
    (tmp_path / "run" / "addresses.json").write_text(json.dumps(addresses))
    assert settings(database_url=None).running_sandbox() == "http://127.0.0.1:8502"
    assert settings(database_url="postgresql://here/ours").running_sandbox() == "http://127.0.0.1:8502"
    assert settings(database_url="postgresql://elsewhere/other").running_sandbox() is None
    assert settings(sandbox_url="http://127.0.0.1:9").running_sandbox() == "http://127.0.0.1:9"

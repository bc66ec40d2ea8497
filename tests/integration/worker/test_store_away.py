"""A store that is away fails images, and says nothing about the providers they came from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import failed
from ops_core.storage.disk import DiskStore
from ops_core.storage.store import Placed
from ops_core.work import session
from tests.support.given_jobs import run_given
from tests.support.system import System

pytestmark = [pytest.mark.postgres]


class AwayStore(DiskStore):
    """A store that takes nothing."""

    def __init__(self, root: Path, error_type: ErrorType) -> None:
        super().__init__(root, "/media")
        self._error_type = error_type

    async def put(self, key: str, data: bytes, content_type: str, *, tags: Sequence[str] = ()) -> Placed:
        raise failed(self._error_type, "The store asks to slow down.", retry_after=600)


@pytest.mark.parametrize("error_type", [ErrorType.RATE_LIMITED, ErrorType.SERVICE_UNAVAILABLE])
def test_a_store_that_is_away_opens_no_breaker_and_silences_no_provider(
    system: System, monkeypatch: pytest.MonkeyPatch, error_type: ErrorType
) -> None:
    away = AwayStore(system.folder / "away", error_type)
    monkeypatch.setattr(session, "open_store", lambda settings: away)
    venue_ids = system.add_venues(6)
    run_given(system.engine, system.settings, system.enqueue(venue_ids))

    assert {row.error_type for row in system.rows("SELECT DISTINCT error_type FROM images")} == {error_type}
    assert system.value("SELECT count(*) FROM images WHERE state = 'failed'") > 20
    assert system.rows("SELECT * FROM circuits WHERE state <> 'closed'") == []
    assert system.rows("SELECT * FROM rate_limits WHERE blocked_until > now()") == []

    # once it is back, the next listing is made at once and its photos come in
    monkeypatch.undo()
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE images SET not_before = NULL")
    run_given(system.engine, system.settings, system.enqueue(venue_ids, force=True))
    assert system.value("SELECT count(*) FROM images WHERE state = 'failed'") == 0

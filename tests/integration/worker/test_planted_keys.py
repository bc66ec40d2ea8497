"""A worker and a dispatcher that write down all they can write down no key."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from ops_core.db.places import upsert_venues
from ops_core.embedded.valkey import EmbeddedValkey
from ops_core.work import uses
from tests.integration.worker.test_enrichment import ask_whatever_happens
from tests.support.hostile_providers import HostileProviders
from tests.support.hostile_scenarios import in_every_refusal, in_every_text
from tests.support.planted import OURS, marks
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.worker]


def test_no_key_is_in_the_log_of_a_worker(
    database: Engine, broker: EmbeddedValkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {f"VENUE_OPS_{name.upper()}": key for name, key in OURS.items()}
    with HostileProviders().running() as server:
        system = System(
            database_url=database.url.render_as_string(hide_password=False),
            broker_url=broker.url,
            sandbox=server,
            engine=database,
            folder=tmp_path,
            monkeypatch=monkeypatch,
            **keys,
            VENUE_OPS_LOG_LEVEL="DEBUG",
            VENUE_OPS_REPORT_INTERVAL="0.2",
        )
        try:
            ask_whatever_happens(system)
            refusals = list(in_every_refusal(server.planter))[::7]
            texts = list(in_every_text(server.planter, styles=3))
            # Mapbox's addresses are spoken of in the log
            texts = [*texts[::12], *(each for each in texts if each.where.startswith("mapbox, list, photos"))]
            # a limit that is used up would be waited for
            played = [each for each in (*refusals, *texts) if not each.searched and " 429," not in each.where]
            with database.begin() as connection:
                found = upsert_venues(connection, [server.add(scenario) for scenario in played])
            system.enqueue([item.venue_id for item in found])
            running = [system.start_worker(), system.start_dispatcher()]
            system.wait_for_jobs(90)
            wait_until(lambda: uses.are_due(database), lambda due: not due)
            for process in running:
                process.stop()
            logs = "\n".join(process.log.read_text() for process in running)
        finally:
            system.stop()
    assert len(server.done) > 20
    assert "DEBUG" in logs
    assert "left out" in logs
    assert "could not be reported" in logs
    assert not marks(logs), "\n".join(server.planter.told(marks(logs)))
    kept = "\n".join(
        str(row) for table in ("images", "jobs") for row in system.rows(f"SELECT * FROM {table}")
    )
    assert "REDACTED" in kept
    assert not marks(kept), "\n".join(server.planter.told(marks(kept)))

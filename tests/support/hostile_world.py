"""Real work over hostile providers: enrichments, retries, searches and stores, with real-looking keys."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from ops_core import actions
from ops_core.db import jobs, searches
from ops_core.db.places import upsert_venues
from ops_core.domain.access import Actor, Role
from ops_core.domain.retries import Scope
from ops_core.providers import keys
from ops_core.settings import Settings
from ops_core.work import release, uses
from tests.support.dumped import rows_of_all_tables
from tests.support.given_jobs import run_given
from tests.support.hostile_providers import INTERFACES, HostileProviders, Scenario
from tests.support.planted import OURS
from tests.support.waiting import wait_until

ANNA = Actor("anna", Role.OPERATOR)
#: Jobs in one run of a worker.
_AT_ONCE = 60

Run = Callable[[Engine, Settings, Sequence[int]], int]


@dataclass
class HostileWorld:
    """A database, hostile providers, and the log of all that was done."""

    engine: Engine
    folder: Path
    server: HostileProviders
    log: io.StringIO

    def environment(self, **more: str) -> dict[str, str]:
        """The settings as variables of the environment."""
        ours = {f"VENUE_OPS_{name.upper()}": key for name, key in OURS.items()}
        return ours | {
            "DATABASE_URL": self.engine.url.render_as_string(hide_password=False),
            "BROKER_URL": "redis://:c0nfG-broker7Kq2x@127.0.0.1:1/0",
            "VENUE_OPS_DATA_DIR": str(self.folder),
            "VENUE_OPS_SANDBOX_URL": self.server.url,
            "VENUE_OPS_SANDBOX_COPIES": " ",
            "VENUE_OPS_HERE_IMAGES": "true",
            "VENUE_OPS_WIKIMEDIA_CONTACT": "tests@example.org",
            **more,
        }

    def settings(self, **more: Any) -> Settings:
        """The same for work in this process; `more` go before."""
        given = {name.removeprefix("VENUE_OPS_").lower(): value for name, value in self.environment().items()}
        return Settings(_env_file=None, **(given | more))

    def change(self, statement: str) -> None:
        """Change rows."""
        with self.engine.begin() as connection:
            connection.execute(text(statement))

    def rows(self, question: str) -> list[Any]:
        """Rows as they are."""
        with self.engine.connect() as connection:
            return list(connection.execute(text(question)))

    def set_policy(self, policy: str) -> None:
        """What is done with the photos of every provider."""
        self.change(f"UPDATE providers SET rehosting = '{policy}'")

    def play(self, scenarios: Iterable[Scenario], **store: Any) -> None:
        """Enrich, or search for, a new venue for each scenario."""
        by_interface: dict[bool, list[Scenario]] = {False: [], True: []}
        for scenario in scenarios:
            by_interface[INTERFACES[scenario.interface].older].append(scenario)
        for older, chosen in by_interface.items():
            apis = {"google_places_api": "legacy", "foursquare_api": "v3"} if older else {}
            settings = self.settings(**apis, **store)
            listed = [scenario for scenario in chosen if not scenario.searched]
            self._finish(run_given, settings, self._enrichments(listed))
            wanted = [scenario for scenario in chosen if scenario.searched]
            self._finish(run_given, settings, self._searches(wanted))
        self._report_uses()

    def retry_all(self, reason: str) -> int:
        """Order a retry of all that failed and work it off; its id."""
        request_id = actions.submit_retry(
            self.engine, Scope(everything=True), actor=ANNA, token=uuid4().hex, reason=reason
        ).request_id

        def left() -> list[Any]:
            self._let_all_be_tried()
            release.hand_out(self.engine, self.settings())
            waiting = self.rows("SELECT id FROM jobs WHERE kind = 'retry' AND finished_at IS NULL")
            run_given(self.engine, self.settings(), [row.id for row in waiting][:_AT_ONCE])
            return waiting

        wait_until(left, lambda rows: not rows, seconds=90)
        return request_id

    def dump(self) -> str:
        """Every row of every table, as text."""
        return "\n".join(rows_of_all_tables(self.engine))

    def _enrichments(self, scenarios: Sequence[Scenario]) -> list[int]:
        with self.engine.begin() as connection:
            venues = [self.server.add(scenario) for scenario in scenarios]
            ids = [item.venue_id for item in upsert_venues(connection, venues)] if venues else []
            return jobs.enqueue_enrichments(connection, ids, actor="anna", force=True, max_attempts=2)

    def _searches(self, scenarios: Sequence[Scenario]) -> list[int]:
        with self.engine.begin() as connection:
            venues = [self.server.add(scenario) for scenario in scenarios]
            ids = [item.venue_id for item in upsert_venues(connection, venues)] if venues else []
            wanted = {
                venue_id: [INTERFACES[scenario.interface].code]
                for venue_id, scenario in zip(ids, scenarios, strict=True)
            }
            return searches.enqueue(connection, wanted, actor="anna", force=True)

    def _finish(self, run: Run, settings: Settings, job_ids: Sequence[int]) -> None:
        """Run these jobs until all have ended."""
        for start in range(0, len(job_ids), _AT_ONCE):
            chunk = job_ids[start : start + _AT_ONCE]

            def left(chunk: Sequence[int] = chunk) -> list[Any]:
                self._let_all_be_tried()
                run(self.engine, settings, chunk)
                open_ = self.rows(
                    "SELECT id, state, attempt, errors, meta FROM jobs WHERE finished_at IS NULL"
                )
                return [row for row in open_ if row.id in chunk]

            wait_until(left, lambda rows: not rows, seconds=90)

    def _report_uses(self) -> None:
        """Report every use that is due; what is refused is put off, and ends the round."""
        while uses.are_due(self.engine):
            uses.report(self.engine, self.settings())
            # one that asks for silence must not keep the others from being made
            self.change("UPDATE rate_limits SET blocked_until = NULL")

    def _let_all_be_tried(self) -> None:
        self.change("UPDATE jobs SET scheduled_at = now() WHERE finished_at IS NULL")
        self.change("UPDATE rate_limits SET blocked_until = NULL")


@contextmanager
def hostile_world(engine: Engine, folder: Path) -> Iterator[HostileWorld]:
    """A world in which nothing limits how often providers are asked, and what is logged is kept."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with HostileProviders().running() as server, pytest.MonkeyPatch.context() as patch:
            send_real_keys(patch)
            world = HostileWorld(engine, folder, server, log)
            world.change(
                "UPDATE providers SET active = true, per_second = NULL, per_minute = NULL, per_hour = NULL"
            )
            # so many failures in a row would open the breakers
            world.change(
                "INSERT INTO circuits (provider, overridden_until) "
                "SELECT code, now() + interval '1 day' FROM providers"
            )
            yield world
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def send_real_keys(patch: pytest.MonkeyPatch) -> None:
    """Have every source send its real key to the sandbox, which it otherwise keeps to itself."""
    patch.setattr(keys, "sent", lambda secret, settings: keys.as_sent(secret))

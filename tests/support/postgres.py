"""A real PostgreSQL for the tests: one server a session, one database a test, cloned from a template."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from ops_core.db import migrate
from ops_core.embedded.postgres import EmbeddedPostgres

_TEMPLATE = "template_venue_ops"
_numbers = itertools.count(1)


class TestServer:
    """A running server that hands out fresh, migrated databases."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        # a test kills processes, never the machine: nothing is lost that did not reach the disk
        self.server = EmbeddedPostgres(folder, fsync="off", full_page_writes="off")
        self.server.start()
        self._run(f'CREATE DATABASE "{_TEMPLATE}"')
        migrate.upgrade(self.url_of(_TEMPLATE))
        self._prepare_template()

    def url_of(self, name: str) -> str:
        return make_url(self.server.url).set(database=name).render_as_string(hide_password=False)

    @contextmanager
    def fresh(self, name: str | None = None) -> Iterator[str]:
        """The URL of a new database with the current schema; dropped afterwards."""
        name = name or f"test_{next(_numbers)}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{_TEMPLATE}" STRATEGY FILE_COPY')
        try:
            yield self.url_of(name)
        finally:
            self._run(f'DROP DATABASE "{name}" WITH (FORCE)')

    @contextmanager
    def empty(self) -> Iterator[str]:
        """The URL of a new database without any table."""
        name = f"empty_{next(_numbers)}"
        self._run(f'CREATE DATABASE "{name}"')
        try:
            yield self.url_of(name)
        finally:
            self._run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _prepare_template(self) -> None:
        """What most tests take for granted; those about a policy or a schedule set it themselves."""
        engine = create_engine(self.url_of(_TEMPLATE), poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(
                text("""
                    UPDATE providers SET rehosting = 'store', rehosting_reason = 'for the tests'
                    WHERE copies <> 'allowed'
                """)
            )
            # a dispatcher that runs at a quarter past would write jobs of its own
            connection.execute(text("UPDATE schedules SET next_run_at = next_run_at + interval '7 days'"))
        engine.dispose()

    def _run(self, statement: str) -> None:
        engine = create_engine(self.server.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

"""Bringing a database to the schema this version needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from ops_core.db.reference import ensure_attempt_months, seed

#: Advisory lock held while migrating: two starting processes migrate one after the other.
_LOCK = 0x76656E7565


def upgrade(url: str, revision: str = "head") -> str:
    """Bring the database at `url` to `revision`; returns the revision it is at. Safe to run twice."""
    engine = create_engine(url, poolclass=NullPool)
    with _migrating(engine) as (connection, config):
        command.upgrade(config, revision)
        if revision == "head":
            seed(connection)
            ensure_attempt_months(connection, datetime.now(UTC))
    return current(url) or ""


def downgrade(url: str, revision: str) -> None:
    """Take the database at `url` back to `revision`; what only later versions know is lost."""
    with _migrating(create_engine(url, poolclass=NullPool)) as (_, config):
        command.downgrade(config, revision)


def current(url: str) -> str | None:
    """The revision the database at `url` is at; None before the first migration."""
    engine = create_engine(url, poolclass=NullPool)
    try:
        return _current(engine)
    finally:
        engine.dispose()


def head() -> str:
    """The revision this version needs."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None
    return found


@contextmanager
def _migrating(engine: Engine) -> Iterator[tuple[Connection, Config]]:
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        config = _config()
        config.attributes["connection"] = connection
        yield connection, config
        connection.commit()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
        connection.commit()
    engine.dispose()


def _current(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config

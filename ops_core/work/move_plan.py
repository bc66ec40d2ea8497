"""What a move to another store would do: which pictures go, and which stay since no copies are allowed."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from ops_core.db import stored_files
from ops_core.domain.retry_plan import SkipReason
from ops_core.domain.store_moves import MovePlan
from ops_core.settings import Settings
from ops_core.work.blocked import blocked


def planned(
    engine: Engine, settings: Settings, target: str, *, source: str | None = None, delete_source: bool = False
) -> MovePlan:
    """What there is to move to the store `target`, from `source` or from wherever it is; changes nothing."""
    with engine.connect() as connection:
        kept = staying(connection, settings, delete_source=delete_source)
        return stored_files.waiting(connection, target, source, kept=kept)


def staying(connection: Connection, settings: Settings, *, delete_source: bool) -> list[str]:
    """Codes of the providers whose pictures stay where they are, by the policies in force now.

    None if originals go: then there is one copy of each picture as before.
    """
    if delete_source:
        return []
    reasons = blocked(connection, settings)
    return [code for code, reason in reasons.items() if reason is SkipReason.REHOSTING]

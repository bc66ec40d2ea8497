"""Who did what."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from ops_core.domain.redact import redact, redact_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One action, allowed or refused."""

    at: datetime
    actor: str
    action: str
    scope: Mapping[str, Any]
    outcome: str


def write(connection: Connection, *, actor: str, action: str, scope: Mapping[str, Any], outcome: str) -> None:
    """One row for one action, within the transaction that carries it out; secrets in it are left out."""
    connection.execute(
        text("INSERT INTO audit (actor, action, scope, outcome) VALUES (:actor, :action, :scope, :outcome)"),
        {
            "actor": actor,
            "action": action,
            "scope": json.dumps(redact_all(scope)),
            "outcome": redact(outcome),
        },
    )


def latest(connection: Connection, actions: Collection[str], *, limit: int, without: str = "") -> list[Entry]:
    """The last `limit` entries of `actions`, newest first; those with the outcome `without` are left out."""
    rows = connection.execute(
        text("""
            SELECT at, actor, action, scope, outcome FROM audit
            WHERE action = ANY(:actions) AND outcome <> :without
            ORDER BY at DESC, id DESC LIMIT :limit
        """),
        {"actions": list(actions), "limit": limit, "without": without},
    )
    return [Entry(**row._mapping) for row in rows]

"""Who did what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text


def write(connection: Connection, *, actor: str, action: str, scope: Mapping[str, Any], outcome: str) -> None:
    """One row for one action, within the transaction that carries it out."""
    connection.execute(
        text("INSERT INTO audit (actor, action, scope, outcome) VALUES (:actor, :action, :scope, :outcome)"),
        {"actor": actor, "action": action, "scope": json.dumps(dict(scope)), "outcome": outcome},
    )

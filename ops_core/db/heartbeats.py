"""Signs of life: which processes of the system are there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, text


def beat(engine: Engine, process: str, kind: str, facts: Mapping[str, Any] | None = None) -> None:
    """Note that `process` lives."""
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO heartbeats (process, kind, facts) VALUES (:process, :kind, :facts)
                ON CONFLICT (process) DO UPDATE SET seen_at = now(), facts = excluded.facts
            """),
            {"process": process, "kind": kind, "facts": json.dumps(dict(facts or {}))},
        )
        connection.execute(text("DELETE FROM heartbeats WHERE seen_at < now() - interval '1 hour'"))


def forget(engine: Engine, process: str) -> None:
    """The process ends in good order."""
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM heartbeats WHERE process = :process"), {"process": process})


def alive(engine: Engine, kind: str, seconds: float = 30.0) -> list[str]:
    """Processes of a kind that were heard of in the last `seconds`."""
    with engine.connect() as connection:
        return list(
            connection.scalars(
                text("""
                    SELECT process FROM heartbeats
                    WHERE kind = :kind AND seen_at > now() - make_interval(secs => :seconds) ORDER BY process
                """),
                {"kind": kind, "seconds": seconds},
            )
        )

"""What the first start asks of the database."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from sqlalchemy import Connection, text

from ops_core.db import jobs


def count_venues(connection: Connection) -> int:
    """How many venues there are."""
    return connection.scalar(text("SELECT count(*) FROM venues")) or 0


def add_provider_ids(connection: Connection, make: Callable[[str, str], Mapping[str, str]]) -> None:
    """Give every venue the ids that `make` derives from its natural key and name; those it has stay."""
    rows = connection.execute(text("SELECT id, natural_key, name FROM venues ORDER BY id")).all()
    made = [{"id": row.id, "ids": json.dumps(dict(make(row.natural_key, row.name)))} for row in rows]
    connection.execute(
        text("UPDATE venues SET provider_ids = CAST(:ids AS jsonb) || provider_ids WHERE id = :id"), made
    )


def queue_first(connection: Connection, limit: int, *, actor: str) -> int:
    """Queue the enrichment of up to `limit` venues, spread over the cities; how many.

    The few with words for stock photos come along, so that every provider is seen at work.
    """
    ids = connection.scalars(
        text("""
            SELECT id FROM (
                SELECT id, jsonb_exists(provider_ids, 'unsplash') AS stock,
                    row_number() OVER (PARTITION BY city_id ORDER BY id) AS place
                FROM venues
            ) AS ranked
            ORDER BY stock DESC, place, id LIMIT :limit
        """),
        {"limit": limit},
    ).all()
    return len(jobs.enqueue_enrichments(connection, ids, actor=actor))


def keep_moving(connection: Connection) -> None:
    """A schedule that looks at a few venues again and again, so that a demonstration never stands still."""
    connection.execute(
        text("""
            INSERT INTO schedules (name, kind, args, every_seconds, next_run_at)
            VALUES ('sandbox-traffic', 'stale', '{"limit": 3, "force": true}', 45,
                    now() + interval '30 seconds')
            ON CONFLICT (name) DO NOTHING
        """)
    )

"""Searches for ids of venues: which venues need one, and the jobs that make them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from ops_core.db.jobs import ENQUEUE_LOCK
from ops_core.db.schema import OPEN_JOB

#: Time for which a search that took no id stands: the provider would answer the same.
SEARCH_AGAIN = timedelta(days=30)


def missing(connection: Connection, keys: Mapping[str, str], *, limit: int) -> dict[int, list[str]]:
    """Venues that lack an id, and the providers to search for it: at most `limit` venues, oldest first.

    `keys` are the providers that can be searched, with the key that their ids are kept under. Left out are
    venues whose search is open, and providers that were searched within `SEARCH_AGAIN` or whose search a
    person decided.
    """
    rows = connection.execute(
        text(f"""
            SELECT v.id, lacking.providers FROM venues v
            CROSS JOIN LATERAL (
                SELECT array_agg(asked.code ORDER BY asked.place) AS providers
                FROM unnest(CAST(:codes AS text[]), CAST(:keys AS text[])) WITH ORDINALITY
                     AS asked (code, key, place)
                WHERE NOT v.provider_ids ? asked.key
                  AND NOT EXISTS (
                      SELECT FROM venue_matches m WHERE m.venue_id = v.id AND m.provider = asked.code
                      AND (m.searched_at > now() - :again OR m.state IN ('confirmed', 'rejected')))
            ) AS lacking
            WHERE lacking.providers IS NOT NULL
              AND NOT EXISTS (
                  SELECT FROM jobs WHERE venue_id = v.id AND kind = 'geocoding' AND {OPEN_JOB})
            ORDER BY v.id LIMIT :limit
        """),
        {"codes": list(keys), "keys": list(keys.values()), "again": SEARCH_AGAIN, "limit": limit},
    )
    return {row.id: list(row.providers) for row in rows}


def enqueue(
    connection: Connection,
    venues: Mapping[int, Sequence[str]],
    *,
    actor: str,
    force: bool = False,
    max_attempts: int = 3,
    first_after: float = 0.0,
    apart: float = 0.0,
) -> list[int]:
    """One search per venue that exists and has none open; the ids of the new jobs.

    Each venue comes with the providers to search, or none for all that it lacks an id of. The first job is
    due in `first_after` seconds, and each of the others `apart` seconds after the one before.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ENQUEUE_LOCK})
    return list(
        connection.execute(
            text("""
                INSERT INTO jobs (kind, actor, venue_id, city_id, args, max_attempts, scheduled_at)
                SELECT 'geocoding', :actor, venues.id, venues.city_id,
                       jsonb_build_object('venue_id', venues.id, 'force', CAST(:force AS boolean))
                       || CASE WHEN asked.providers = '[]' THEN '{}'
                               ELSE jsonb_build_object('providers', asked.providers) END,
                       :max_attempts,
                       now() + make_interval(secs => :first_after + :apart * (asked.place - 1))
                FROM unnest(CAST(:venue_ids AS bigint[]), CAST(:providers AS jsonb[])) WITH ORDINALITY
                     AS asked (id, providers, place)
                JOIN venues ON venues.id = asked.id
                ORDER BY asked.place
                ON CONFLICT (venue_id) WHERE kind = 'geocoding'
                    AND state IN ('available', 'executing', 'retryable') DO NOTHING
                RETURNING id
            """),
            {
                "actor": actor,
                "force": force,
                "max_attempts": max_attempts,
                "venue_ids": list(venues),
                "providers": [json.dumps(list(codes)) for codes in venues.values()],
                "first_after": first_after,
                "apart": apart,
            },
        ).scalars()
    )


def open_searches(connection: Connection, venue_ids: Sequence[int]) -> list[int]:
    """The searches for these venues that have not ended."""
    return list(
        connection.scalars(
            text(f"""
                SELECT id FROM jobs WHERE venue_id = ANY(:venue_ids) AND kind = 'geocoding' AND {OPEN_JOB}
                ORDER BY id
            """),
            {"venue_ids": list(venue_ids)},
        )
    )


def ended(connection: Connection, job_ids: Sequence[int]) -> Sequence[Row[Any]]:
    """Those of these searches that have ended, with their venues, in the order they ended."""
    return connection.execute(
        text("""
            SELECT jobs.id, jobs.outcome, jobs.summary, jobs.venue_id, venues.name AS venue
            FROM jobs JOIN venues ON venues.id = jobs.venue_id
            WHERE jobs.id = ANY(:ids) AND jobs.finished_at IS NOT NULL
            ORDER BY jobs.finished_at, jobs.id
        """),
        {"ids": list(job_ids)},
    ).all()


def underway(connection: Connection) -> tuple[int, int]:
    """How many searches wait, and how many run."""
    row = connection.execute(
        text(f"""
            SELECT count(*) FILTER (WHERE state <> 'executing') AS waiting,
                   count(*) FILTER (WHERE state = 'executing') AS running
            FROM jobs WHERE kind = 'geocoding' AND {OPEN_JOB}
        """)
    ).one()
    return row.waiting, row.running


def enrichment_will_ask(connection: Connection, venue_id: int) -> bool:
    """Whether the venue's open enrichment has yet to ask the providers; it is then due now, and asks all."""
    return (
        connection.execute(
            text("""
                UPDATE jobs SET scheduled_at = least(scheduled_at, now()), hinted_at = NULL,
                    args = args || '{"force": true}'
                WHERE venue_id = :venue_id AND kind = 'enrichment' AND state IN ('available', 'retryable')
                  AND NOT meta ? 'image_ids'
            """),
            {"venue_id": venue_id},
        ).rowcount
        == 1
    )

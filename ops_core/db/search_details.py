"""Details of places that searches found, where the time is over for which they may be kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from ops_core.domain.matches import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one search found."""

    venue_id: int
    provider: str
    candidates: Sequence[Candidate]


def overdue(connection: Connection, days: Mapping[str, int], *, limit: int) -> list[Found]:
    """Searches at the providers in `days` that are older than so many and still hold details.

    They are held until the transaction ends, the oldest of each provider first; those that somebody
    else holds are left out.
    """
    rows = connection.execute(
        text("""
            SELECT old.venue_id, old.provider, old.candidates
            FROM unnest(CAST(:codes AS text[]), CAST(:days AS int[])) AS kept (code, days)
            CROSS JOIN LATERAL (
                SELECT venue_id, provider, candidates FROM venue_matches
                WHERE provider = kept.code AND searched_at <= now() - make_interval(days => kept.days)
                  AND details_dropped_at IS NULL AND candidates <> '[]'
                ORDER BY searched_at LIMIT :limit FOR UPDATE SKIP LOCKED
            ) AS old
            LIMIT :limit
        """),
        {"codes": list(days), "days": list(days.values()), "limit": limit},
    )
    return [
        Found(
            venue_id=row.venue_id,
            provider=row.provider,
            candidates=[Candidate.from_json(each) for each in row.candidates],
        )
        for row in rows
    ]


def drop(connection: Connection, left: Sequence[Found]) -> None:
    """Write what is left of these searches in place of what they hold."""
    connection.execute(
        text("""
            UPDATE venue_matches AS m SET candidates = rest.candidates, details_dropped_at = now()
            FROM unnest(CAST(:venue_ids AS bigint[]), CAST(:providers AS text[]),
                        CAST(:candidates AS jsonb[])) AS rest (venue_id, provider, candidates)
            WHERE m.venue_id = rest.venue_id AND m.provider = rest.provider
        """),
        {
            "venue_ids": [each.venue_id for each in left],
            "providers": [each.provider for each in left],
            "candidates": [json.dumps([c.to_json() for c in each.candidates]) for each in left],
        },
    )

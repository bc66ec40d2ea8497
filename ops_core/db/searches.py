"""Searches for ids of venues: which venues need one, and the jobs that make them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

from ops_core.db.jobs import ENQUEUE_LOCK
from ops_core.db.schema import OPEN_JOB

#: Time for which a search that took no id stands: the provider would answer the same.
SEARCH_AGAIN = timedelta(days=30)
#: Time for which a venue is left alone after a search, whatever came of it: a provider that failed leaves
#: no answer behind, and must not be asked the same at the next click.
TRY_AGAIN = timedelta(days=1)
#: Venues that one look walks over, where few lack an id: about a fifth of a second.
LOOK_AT = 20_000

_LARGEST_ID = 2**63 - 1


def _those_lacking(which: str) -> TextClause:
    # one walk in the order of the key, and a look at a few rows for each venue: it costs by the venues it
    # walks over, however large the tables are; OFFSET 0 keeps the jobs for the few venues that lack an id
    return text(f"""
        SELECT lacking.id, lacking.providers FROM (
            SELECT v.id, ARRAY(
                SELECT asked.code
                FROM unnest(CAST(:codes AS text[]), CAST(:keys AS text[])) WITH ORDINALITY
                     AS asked (code, key, place)
                WHERE NOT v.provider_ids ? asked.key AND (
                    SELECT m.searched_at > now() - :again OR m.state IN ('confirmed', 'rejected')
                    FROM venue_matches m WHERE m.venue_id = v.id AND m.provider = asked.code
                ) IS NOT TRUE
                ORDER BY asked.place
            ) AS providers
            FROM venues v WHERE {which} ORDER BY v.id OFFSET 0
        ) AS lacking
        WHERE cardinality(lacking.providers) > 0
          AND lacking.id NOT IN (
              SELECT venue_id FROM jobs WHERE kind = 'geocoding' AND {OPEN_JOB} AND venue_id IS NOT NULL)
          AND (
              SELECT finished_at > now() - :lately FROM jobs
              WHERE venue_id = lacking.id AND kind = 'geocoding' AND finished_at IS NOT NULL
              ORDER BY finished_at DESC LIMIT 1
          ) IS NOT TRUE
        ORDER BY lacking.id LIMIT :limit
    """)


_LACKING_BETWEEN = _those_lacking("v.id > :low AND v.id <= :high")
_LACKING_AMONG = _those_lacking("v.id = ANY(:venue_ids)")

_SEARCHED_LAST = text(f"""
    SELECT coalesce(
        (SELECT (array_agg(venue_id ORDER BY id DESC))[1] FROM jobs
         WHERE kind = 'geocoding' AND {OPEN_JOB} AND venue_id IS NOT NULL),
        (SELECT venue_id FROM jobs WHERE kind = 'geocoding' AND finished_at IS NOT NULL
         ORDER BY finished_at DESC, id DESC LIMIT 1),
        0)
""")


@dataclass(frozen=True, slots=True)
class Look:
    """Venues that lack an id, as far as was looked."""

    venues: dict[int, list[str]]  #: Venue -> the providers to search.
    looked_to: int | None  #: The venue at which the look was broken off; None if all were looked at.


def missing(
    connection: Connection,
    keys: Mapping[str, str],
    *,
    limit: int,
    after: int | None = None,
    at_most: int | None = None,
) -> Look:
    """Venues that lack an id, and the providers to search for it: at most `limit` venues.

    `keys` are the providers that can be searched, with the key that their ids are kept under. Left out are
    venues whose search is open or ended within `TRY_AGAIN`, and providers that were searched within
    `SEARCH_AGAIN` or whose search a person decided.

    The look begins after the venue `after`, else after the one that was searched last, and goes round, so
    that every venue gets its turn. It ends with `limit` found, after `at_most` venues, or where it began.
    """
    start = connection.execute(_SEARCHED_LAST).scalar_one() if after is None else after
    found: dict[int, list[str]] = {}
    for low, high in ((start, _LARGEST_ID), (0, start)):
        count, last = _part(connection, low, high, at_most)
        if not count:
            continue
        rows = _lacking(connection, _LACKING_BETWEEN, keys, low=low, high=last, limit=limit - len(found))
        found |= rows
        if len(found) >= limit:
            return Look(found, max(rows))
        if at_most is not None:
            at_most -= count
            if not at_most:
                return Look(found, last)
    return Look(found, None)


def still_missing(
    connection: Connection, keys: Mapping[str, str], venue_ids: Sequence[int]
) -> dict[int, list[str]]:
    """Those of these venues that `missing` would find now, with the providers to search."""
    return _lacking(connection, _LACKING_AMONG, keys, venue_ids=list(venue_ids), limit=len(venue_ids))


def hold(connection: Connection) -> None:
    """Let nobody else make jobs until the transaction ends, so that what is seen to be missing stays so."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ENQUEUE_LOCK})


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
    hold(connection)
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


def _lacking(
    connection: Connection, question: TextClause, keys: Mapping[str, str], **bounds: Any
) -> dict[int, list[str]]:
    asked = {"codes": list(keys), "keys": list(keys.values()), "again": SEARCH_AGAIN, "lately": TRY_AGAIN}
    return {row.id: list(row.providers) for row in connection.execute(question, asked | bounds)}


def _part(connection: Connection, low: int, high: int, at_most: int | None) -> tuple[int, int]:
    """How many venues come after `low` up to `high`, no more than `at_most`, and the last of them."""
    row = connection.execute(
        text("""
            SELECT count(*) AS venues, coalesce(max(id), 0) AS last FROM (
                SELECT id FROM venues WHERE id > :low AND id <= :high
                ORDER BY id LIMIT CAST(:at_most AS bigint)
            ) AS part
        """),
        {"low": low, "high": high, "at_most": at_most},
    ).one()
    return row.venues, row.last

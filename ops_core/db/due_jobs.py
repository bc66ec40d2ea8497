"""Which jobs are due: told to the workers by the dispatcher, and claimed by workers that have room."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, text

from ops_core.db.jobs import CLAIM, ClaimedJob
from ops_core.domain.jobs import JobKind

_DUE = "state IN ('available', 'retryable') AND scheduled_at <= now()"

#: Longest time for which an open circuit puts work off, seconds, with what is added to spread it.
LONGEST_PUT_OFF = 150.0


def claim_due(
    connection: Connection,
    kinds: Collection[JobKind],
    *,
    limit: int,
    owner: str,
    lease_seconds: float,
    saturated: Collection[str] = (),
    only_known: bool = False,
) -> list[ClaimedJob]:
    """Claim up to `limit` jobs of `kinds` that are due, in order; who is being claimed is passed over.

    What a person asked for goes before what a list or a schedule asked for. Jobs that are known to
    need only providers among `saturated` are left for later; with `only_known` also those of which it is
    not known whom they need.
    """
    known = "providers <> '{}' AND" if only_known else "providers = '{}' OR"
    claimed: list[ClaimedJob] = []
    # two walks along an index that each end at their limit: no sort over all that is due
    for whose in ("parent_id IS NULL", "parent_id IS NOT NULL"):
        if len(claimed) < limit:
            rows = connection.execute(
                text(f"""
                    WITH due AS (
                        SELECT id, state FROM jobs
                        WHERE {_DUE} AND {whose} AND kind = ANY(CAST(:kinds AS job_kind[]))
                          AND ({known} NOT providers <@ CAST(:saturated AS text[]))
                        ORDER BY scheduled_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
                    ) {CLAIM}
                """),
                {
                    "kinds": [kind.value for kind in kinds],
                    "saturated": list(saturated),
                    "limit": limit - len(claimed),
                    "owner": owner,
                    "lease": lease_seconds,
                },
            )
            claimed += sorted(
                (ClaimedJob(**{**row._mapping, "kind": JobKind(row.kind)}) for row in rows),
                key=lambda job: job.id,
            )
    return claimed


def others_wait(connection: Connection, kinds: Collection[JobKind]) -> bool:
    """Whether a job of another kind than `kinds`, which nobody's list asked for, is due."""
    question = text(f"""
        SELECT EXISTS (SELECT FROM jobs WHERE {_DUE} AND parent_id IS NULL
                       AND kind <> ALL(CAST(:kinds AS job_kind[])))
    """)
    return bool(connection.scalar(question, {"kinds": [kind.value for kind in kinds]}))


def take_due(
    connection: Connection, *, limit: int, again_after: float, kinds: Sequence[JobKind]
) -> list[tuple[int, JobKind]]:
    """Due jobs to tell the workers about, marked as told; again if nobody came for `again_after` s.

    At most `limit` jobs are told of and not yet claimed at any time: a long queue waits in the
    table, where it costs nothing, and not in the broker.
    """
    rows = connection.execute(
        text("""
            WITH told AS (
                SELECT count(*) AS n FROM jobs
                WHERE state IN ('available', 'retryable')
                  AND hinted_at >= now() - make_interval(secs => :again)
            ), due AS (
                SELECT id FROM jobs
                WHERE state IN ('available', 'retryable') AND scheduled_at <= now()
                  AND kind = ANY(CAST(:kinds AS job_kind[]))
                  AND (hinted_at IS NULL OR hinted_at < now() - make_interval(secs => :again))
                -- what a person asked for goes before what a list or a schedule asked for
                ORDER BY (parent_id IS NOT NULL), scheduled_at, id
                LIMIT (SELECT greatest(:limit - n, 0) FROM told)
                FOR UPDATE SKIP LOCKED
            )
            UPDATE jobs SET hinted_at = now() FROM due WHERE jobs.id = due.id
            RETURNING jobs.id, jobs.kind, jobs.scheduled_at, (jobs.parent_id IS NOT NULL) AS later
        """),
        {"limit": limit, "again": again_after, "kinds": [kind.value for kind in kinds]},
    ).all()
    return [
        (row.id, JobKind(row.kind))
        for row in sorted(rows, key=lambda row: (row.later, row.scheduled_at, row.id))
    ]


def bring_forward(connection: Connection, provider: str) -> int:
    """Work that was put off may be asked of `provider` again now; how many jobs.

    What was put off for another reason meanwhile is put off once more: that costs it nothing. Held jobs,
    and those whose attempt broke, keep their time.
    """
    return connection.execute(
        text("""
            UPDATE jobs SET scheduled_at = now(), hinted_at = NULL
            WHERE id IN (SELECT id FROM jobs
                         WHERE state = 'available' AND scheduled_at > now()
                           AND scheduled_at < now() + make_interval(secs => :longest)
                           AND (providers = '{}' OR :provider = ANY(providers))
                         ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
        """),
        {"provider": provider, "longest": LONGEST_PUT_OFF},
    ).rowcount


def forget_hints(connection: Connection, ids: Sequence[int]) -> None:
    """The message could not be sent: let the dispatcher tell again soon."""
    connection.execute(
        text("""
            UPDATE jobs SET hinted_at = NULL
            WHERE id IN (SELECT id FROM jobs WHERE id = ANY(:ids) AND state IN ('available', 'retryable')
                         ORDER BY id FOR NO KEY UPDATE)
        """),
        {"ids": list(ids)},
    )


def mark_hinted(connection: Connection, ids: Sequence[int]) -> None:
    """A message for these jobs was sent."""
    connection.execute(
        text("""
            UPDATE jobs SET hinted_at = now()
            WHERE id IN (SELECT id FROM jobs WHERE id = ANY(:ids) AND state = 'available'
                         ORDER BY id FOR NO KEY UPDATE)
        """),
        {"ids": list(ids)},
    )

"""Asking providers for the photos of venues."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from ops_core.actions.outcomes import Queued, Refused
from ops_core.actions.steps import require, tell
from ops_core.db import audit, jobs, places
from ops_core.domain.access import Actor, Role
from ops_core.domain.jobs import JobKind
from ops_core.settings import get_settings


def enrich_venue(engine: Engine, venue_id: int, *, actor: Actor, force: bool = False) -> Queued:
    """Ask the providers for one venue's photos; a venue that is being enriched already keeps its job.

    `force` asks even if the venue was checked recently. Raises `Refused`.
    """
    scope = {"venue_id": venue_id, "force": force}
    require(engine, actor, Role.OPERATOR, "enrich_venue", scope)
    with engine.begin() as connection:
        if places.venue_context(connection, venue_id) is None:
            raise Refused(f"There is no venue #{venue_id}.")
        made = jobs.enqueue_enrichments(
            connection,
            [venue_id],
            actor=actor.name,
            force=force,
            max_attempts=get_settings().job_max_attempts,
        )
        job_id = made[0] if made else jobs.open_enrichment(connection, venue_id)
        if job_id is None:
            raise Refused(f"Venue #{venue_id} just finished another job; try again.")
        if not made:
            jobs.hurry(connection, job_id, force=force)
        outcome = f"job {job_id} queued" if made else f"job {job_id} was queued already"
        audit.write(connection, actor=actor.name, action="enrich_venue", scope=scope, outcome=outcome)
    tell(engine, JobKind.ENRICHMENT, [job_id])
    return Queued(job_id, bool(made))


def enrich_batch(engine: Engine, venue_ids: Sequence[int], *, actor: Actor, force: bool = False) -> Queued:
    """Ask the providers for the photos of several venues. Raises `Refused`."""
    ids = list(dict.fromkeys(venue_ids))
    args: dict[str, object] = {"venue_ids": ids, "force": force}
    require(engine, actor, Role.OPERATOR, "enrich_batch", args)
    if not ids:
        raise Refused("Choose at least one venue.")
    return _queue(engine, JobKind.BATCH, actor, "enrich_batch", args)


def enrich_stale(engine: Engine, *, actor: Actor, limit: int = 500, force: bool = False) -> Queued:
    """Ask the providers for the photos of the venues that are due, longest unchecked first.

    Raises `Refused`.
    """
    args: dict[str, object] = {"limit": limit, "force": force}
    require(engine, actor, Role.OPERATOR, "enrich_stale", args)
    if limit < 1:
        raise Refused("The limit must be at least 1.")
    return _queue(engine, JobKind.STALE, actor, "enrich_stale", args)


def _queue(engine: Engine, kind: JobKind, actor: Actor, action: str, args: dict[str, object]) -> Queued:
    with engine.begin() as connection:
        job_id = jobs.enqueue(
            connection, kind, actor=actor.name, args=args, max_attempts=get_settings().job_max_attempts
        )
        outcome = f"job {job_id} queued"
        audit.write(connection, actor=actor.name, action=action, scope=args, outcome=outcome)
    tell(engine, kind, [job_id])
    return Queued(job_id, True)

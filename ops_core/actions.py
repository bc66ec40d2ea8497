"""What a person can do, one function each. Buttons, the command line and notebooks call these.

Each writes its job and an audit row in one transaction, and then tells the workers. When the broker
is away the dispatcher tells them later: a click is never lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from ops_core.db import audit, jobs, places
from ops_core.domain.jobs import JobKind
from ops_core.settings import NotRunning, get_settings
from ops_core.work.dispatch import NotSent


class Refused(Exception):
    """The action was not carried out; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Queued:
    """The job that carries an action out, and whether it was there already."""

    job_id: int
    is_new: bool


def enrich_venue(engine: Engine, venue_id: int, *, actor: str, force: bool = False) -> Queued:
    """Ask the providers for one venue's photos; a venue that is being enriched already keeps its job.

    `force` asks even if the venue was checked recently.
    """
    with engine.begin() as connection:
        if places.venue_context(connection, venue_id) is None:
            raise Refused(f"There is no venue #{venue_id}.")
        made = jobs.enqueue_enrichments(
            connection, [venue_id], actor=actor, force=force, max_attempts=get_settings().job_max_attempts
        )
        job_id = made[0] if made else jobs.open_enrichment(connection, venue_id)
        if job_id is None:
            raise Refused(f"Venue #{venue_id} just finished another job; try again.")
        if not made:
            jobs.hurry(connection, job_id, force=force)
        outcome = f"job {job_id} queued" if made else f"job {job_id} was queued already"
        scope = {"venue_id": venue_id, "force": force}
        audit.write(connection, actor=actor, action="enrich_venue", scope=scope, outcome=outcome)
    _tell(engine, JobKind.ENRICHMENT, [job_id])
    return Queued(job_id, bool(made))


def enrich_batch(engine: Engine, venue_ids: Sequence[int], *, actor: str, force: bool = False) -> Queued:
    """Ask the providers for the photos of several venues."""
    ids = list(dict.fromkeys(venue_ids))
    if not ids:
        raise Refused("Choose at least one venue.")
    return _queue(engine, JobKind.BATCH, actor, "enrich_batch", {"venue_ids": ids, "force": force})


def enrich_stale(engine: Engine, *, actor: str, limit: int = 500, force: bool = False) -> Queued:
    """Ask the providers for the photos of the venues that are due, longest unchecked first."""
    if limit < 1:
        raise Refused("The limit must be at least 1.")
    return _queue(engine, JobKind.STALE, actor, "enrich_stale", {"limit": limit, "force": force})


def _queue(engine: Engine, kind: JobKind, actor: str, action: str, args: dict[str, object]) -> Queued:
    with engine.begin() as connection:
        job_id = jobs.enqueue(
            connection, kind, actor=actor, args=args, max_attempts=get_settings().job_max_attempts
        )
        audit.write(connection, actor=actor, action=action, scope=args, outcome=f"job {job_id} queued")
    _tell(engine, kind, [job_id])
    return Queued(job_id, True)


def _tell(engine: Engine, kind: JobKind, job_ids: list[int]) -> None:
    with contextlib.suppress(NotSent, NotRunning):
        # imported here so that reading pages do not load Celery
        from ops_core.tasks.send import send

        send(kind, job_ids)
        with engine.begin() as connection:
            jobs.mark_hinted(connection, job_ids)

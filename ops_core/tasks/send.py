"""Sending the messages that tell workers of due jobs."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from celery import Task
from kombu.exceptions import OperationalError

from ops_core.domain.jobs import JobKind
from ops_core.tasks.enrichment import enrich_batch, enrich_stale, enrich_venue, enrich_venues
from ops_core.tasks.geocoding import find_venues
from ops_core.tasks.retries import cleanup_scan, retry_venues
from ops_core.tasks.uses import report_uses
from ops_core.work.dispatch import TELL_AGAIN, NotSent

#: Seconds a message is worth anything: many times the dispatcher's patience, since clocks differ.
EXPIRES = 10 * TELL_AGAIN

_SINGLE: dict[JobKind, Task] = {
    JobKind.BATCH: enrich_batch,
    JobKind.STALE: enrich_stale,
    JobKind.CLEANUP: cleanup_scan,
}
#: Kinds of which one message may tell of several jobs, besides enrichments.
_MANY: dict[JobKind, Task] = {JobKind.RETRY: retry_venues, JobKind.GEOCODING: find_venues}


def send(kind: JobKind, job_ids: Sequence[int]) -> None:
    """Tell the workers of `job_ids`, all of one kind. Raises `NotSent` when the broker is away."""
    ids = list(job_ids)
    try:
        if kind in _SINGLE:
            for job_id in ids:
                _publish(_SINGLE[kind], job_id)
        elif kind in _MANY:
            _publish(_MANY[kind], ids)
        elif len(ids) == 1:
            _publish(enrich_venue, ids[0])
        else:
            _publish(enrich_venues, ids)
    except (OperationalError, OSError) as error:
        raise NotSent(str(error)) from error


def ask_for_reports() -> None:
    """Have a worker make a round of reports of use. Raises `NotSent` when the broker is away."""
    try:
        report_uses.apply_async(expires=EXPIRES)
    except (OperationalError, OSError) as error:
        raise NotSent(str(error)) from error


def _publish(task: Task, argument: int | list[int]) -> None:
    said = _in_words(argument)
    task.apply_async(
        [argument],
        # what `celery inspect active` and Flower show; a second message for the same jobs is another one
        task_id=f"{task.name}:{said}:{secrets.token_hex(3)}",
        argsrepr=f"({said})",
        # the dispatcher tells again; a stale message would only find nothing to do
        expires=EXPIRES,
    )


def _in_words(argument: int | list[int]) -> str:
    """ "job-7", "jobs-120..168": first and last."""
    ids = argument if isinstance(argument, list) else [argument]
    return f"job-{ids[0]}" if len(ids) == 1 else f"jobs-{min(ids)}..{max(ids)}"

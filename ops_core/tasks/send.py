"""Sending the messages that tell workers of due jobs."""

from __future__ import annotations

from collections.abc import Sequence

from celery import Task
from kombu.exceptions import OperationalError

from ops_core.domain.jobs import JobKind
from ops_core.tasks.enrichment import enrich_batch, enrich_stale, enrich_venue, enrich_venues
from ops_core.tasks.retries import cleanup_scan, retry_venues
from ops_core.work.dispatch import TELL_AGAIN, NotSent

#: Seconds a message is worth anything: many times the dispatcher's patience, since clocks differ.
EXPIRES = 10 * TELL_AGAIN

_SINGLE: dict[JobKind, Task] = {
    JobKind.BATCH: enrich_batch,
    JobKind.STALE: enrich_stale,
    JobKind.CLEANUP: cleanup_scan,
}


def send(kind: JobKind, job_ids: Sequence[int]) -> None:
    """Tell the workers of `job_ids`, all of one kind. Raises `NotSent` when the broker is away."""
    ids = list(job_ids)
    try:
        if kind in _SINGLE:
            for job_id in ids:
                _publish(_SINGLE[kind], job_id)
        elif kind is JobKind.RETRY:
            _publish(retry_venues, ids)
        elif len(ids) == 1:
            _publish(enrich_venue, ids[0])
        else:
            _publish(enrich_venues, ids)
    except (OperationalError, OSError) as error:
        raise NotSent(str(error)) from error


def _publish(task: Task, argument: int | list[int]) -> None:
    # the dispatcher tells again; a stale message would only find nothing to do
    task.apply_async([argument], expires=EXPIRES)

"""Claimed jobs, each run to an end: done, put off, tried again or discarded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import jobs
from ops_core.db.engine import is_unavailable
from ops_core.db.jobs import ClaimedJob
from ops_core.domain.freshness import backoff
from ops_core.work.rate_limits import PutOff
from ops_core.work.session import Session

log = logging.getLogger(__name__)

#: Seconds after which a job looks again at images that another worker holds.
IN_OTHER_HANDS = 3.0


class TryAgain(Exception):
    """The attempt broke in a way that tends to pass."""


class TakenOver(Exception):
    """The job's lease ran out and another worker has it: nothing of ours may be written any more."""


class Discard(Protocol):
    """Ends a job that cannot go on, with what it did until then. Raises `TakenOver`."""

    def __call__(self, session: Session, job: ClaimedJob, error: str, /) -> None: ...


#: Runs one claimed job to its end. May raise `PutOff`, `TryAgain` and `TakenOver`.
Work = Callable[[Session, ClaimedJob], Coroutine[Any, Any, None]]


async def run_one(session: Session, job: ClaimedJob, work: Work, discard: Discard) -> None:
    """Run one claimed job to whatever end it comes to, and write that down; raises nothing."""
    try:
        try:
            if job.lost_claims >= jobs.MAX_LOST_CLAIMS:
                error = f"workers stopped on it {job.lost_claims} times"
                await asyncio.to_thread(discard, session, job, error)
            else:
                await work(session, job)
        except PutOff as error:
            await asyncio.to_thread(_put_off, session, job, error.seconds)
        except TryAgain as error:
            await asyncio.to_thread(_try_again, session, job, str(error), discard)
    except TakenOver:
        log.warning("job %d was taken over by another worker", job.id)
    except Exception as error:
        if isinstance(error, SQLAlchemyError) and is_unavailable(error):
            # nothing can be written now: the job goes back in line when its session or its lease ends
            log.warning("job %d waits: the database is away (%s)", job.id, type(error).__name__)
            return
        log.exception("job %d broke", job.id)
        text = f"unexpected {type(error).__name__}; the worker's log has more"
        with contextlib.suppress(SQLAlchemyError, TakenOver):
            await asyncio.to_thread(_try_again, session, job, text, discard)


def claim(session: Session, job_ids: Sequence[int]) -> list[ClaimedJob]:
    """Those of `job_ids` that are due and that nobody runs, for this session."""
    with session.engine.begin() as connection:
        return jobs.claim(
            connection, job_ids, owner=session.owner, lease_seconds=session.settings.lease_seconds
        )


def _put_off(session: Session, job: ClaimedJob, seconds: float) -> None:
    with session.engine.begin() as connection:
        jobs.put_off(connection, job, seconds)


def _try_again(session: Session, job: ClaimedJob, error: str, discard: Discard) -> None:
    if job.attempt >= job.max_attempts:
        discard(session, job, error)
        return
    with session.engine.begin() as connection:
        delay = backoff(job.attempt, session.settings.job_retry_delay)
        jobs.try_again(connection, job, error=error, delay=delay)

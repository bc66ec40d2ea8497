"""Running the jobs of one message side by side, each to an end: done, put off, tried again or discarded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import jobs
from ops_core.db.engine import is_unavailable
from ops_core.db.jobs import ClaimedJob
from ops_core.domain.freshness import backoff
from ops_core.settings import Settings
from ops_core.work.rate_limits import PutOff
from ops_core.work.session import Session, open_session, run_until_stopped

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


def run(
    engine: Engine,
    settings: Settings,
    job_ids: Sequence[int],
    work: Work,
    discard: Discard,
    is_stopping: Callable[[], bool],
) -> int:
    """Do `work` for those of `job_ids` that are due and free; how many that were.

    When `is_stopping` becomes true, what is not done within `STOP_GRACE` seconds is given back.
    """
    return asyncio.run(_run(engine, settings, list(job_ids), work, discard, is_stopping))


async def _run(
    engine: Engine,
    settings: Settings,
    job_ids: list[int],
    work: Work,
    discard: Discard,
    is_stopping: Callable[[], bool],
) -> int:
    if is_stopping():
        return 0
    async with open_session(engine, settings) as session:
        claimed = await asyncio.to_thread(claim, session, job_ids)
        await run_until_stopped([run_one(session, job, work, discard) for job in claimed], is_stopping)
    return len(claimed)


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

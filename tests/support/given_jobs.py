"""Running jobs in the test's own process: the given ones and no others, as a worker session runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from ops_core.settings import Settings
from ops_core.work import job_runs
from ops_core.work.runner import KINDS
from ops_core.work.session import open_session, run_until_stopped


def run_given(
    engine: Engine,
    settings: Settings,
    job_ids: Sequence[int],
    *,
    is_stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Run those of `job_ids` that are due and free, once each; how many that were.

    When `is_stopping` becomes true, what is not done within `STOP_GRACE` seconds is given back.
    """
    return asyncio.run(_run(engine, settings, job_ids, is_stopping))


async def _run(
    engine: Engine, settings: Settings, job_ids: Sequence[int], is_stopping: Callable[[], bool]
) -> int:
    async with open_session(engine, settings) as session:
        claimed = await asyncio.to_thread(job_runs.claim, session, job_ids)
        work = [job_runs.run_one(session, job, *KINDS[job.kind]) for job in claimed]
        await run_until_stopped(work, is_stopping)
    return len(claimed)

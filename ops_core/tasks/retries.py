"""The tasks of retries. Arguments are job ids only: a message that comes twice finds the job taken."""

from __future__ import annotations

from ops_core.db.engine import get_engine
from ops_core.settings import get_settings
from ops_core.tasks.app import app
from ops_core.tasks.worker import database_is_there, is_stopping
from ops_core.work import cleanup, runner


@app.task(name="retry_venues")
def retry_venues(job_ids: list[int]) -> None:
    """Try the failed images of several venues again, then go on with what else is due."""
    if database_is_there():
        runner.run(get_engine(), get_settings(), job_ids, is_stopping=is_stopping)


@app.task(name="cleanup_scan")
def cleanup_scan(job_id: int) -> None:
    """Queue everything that can be retried, and count what cannot."""
    if database_is_there():
        cleanup.scan(get_engine(), get_settings(), job_id)

"""The tasks of searches. Arguments are job ids only: a message that comes twice finds the job taken."""

from __future__ import annotations

from ops_core.db.engine import get_engine
from ops_core.settings import get_settings
from ops_core.tasks.app import app
from ops_core.tasks.worker import database_is_there, is_stopping
from ops_core.work import runner


@app.task(name="find_venues")
def find_venues(job_ids: list[int]) -> None:
    """Find several venues at the providers that lack them, then go on with what else is due."""
    if database_is_there():
        runner.run(get_engine(), get_settings(), job_ids, is_stopping=is_stopping)

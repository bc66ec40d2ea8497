"""The dispatcher's part in retries: handing out what may begin now of every request."""

from __future__ import annotations

import logging

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import retry_release
from ops_core.db.engine import is_unavailable
from ops_core.settings import Settings

log = logging.getLogger(__name__)


def hand_out(engine: Engine, settings: Settings) -> int:
    """Let each due request begin what its window, drip and sample allow; how many jobs that made.

    Each request has a transaction of its own: a large one does not hold up the others, and neither does
    one with which something is wrong.
    """
    with engine.connect() as connection:
        due = retry_release.due(connection)
    made = 0
    for request_id in due:
        try:
            with engine.begin() as connection:
                jobs = retry_release.release(connection, request_id, max_attempts=settings.job_max_attempts)
        except SQLAlchemyError as error:
            if is_unavailable(error):
                raise
            log.warning("nothing of retry %d was handed out: %s", request_id, type(error).__name__)
        else:
            made += len(jobs)
    return made

"""The dispatcher's part in retries: handing out what may begin now of every request."""

from __future__ import annotations

from sqlalchemy import Engine

from ops_core.db import retry_release
from ops_core.settings import Settings


def hand_out(engine: Engine, settings: Settings) -> int:
    """Let each due request begin what its window, drip and sample allow; how many jobs that made.

    Each request has a transaction of its own: a large one does not hold up the others.
    """
    with engine.connect() as connection:
        due = retry_release.due(connection)
    made = 0
    for request_id in due:
        with engine.begin() as connection:
            made += len(retry_release.release(connection, request_id, max_attempts=settings.job_max_attempts))
    return made

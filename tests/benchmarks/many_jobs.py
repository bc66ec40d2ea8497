"""A database with as many finished jobs as wanted, made by the database itself (`many_jobs.sql`).

Every eighth job is a retry. What `job_totals` would count is counted there by other questions; a test
proves the two equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from ops_core.db import reference
from ops_core.domain.errors import TRANSIENT_TYPES

DAYS = 90
CITIES = 40

_STATEMENTS = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
_BLOCK = 8
_PROVIDERS = ("google_places", "wikimedia_commons", "foursquare", "here", "mapbox", "unsplash")
#: Those that stand here more than once are drawn more often.
_ERRORS = (
    *("rate_limited", "rate_limited", "rate_limited", "network_timeout", "network_timeout", "not_found"),
    *("not_found", "service_unavailable", "bad_gateway", "forbidden", "corrupt_image", "file_too_large"),
)


def load(
    engine: Engine, *, jobs: int, now: datetime, venues: int = 20_000, with_images: int | None = None
) -> None:
    """Fill an empty, migrated database: `jobs` finished jobs over the `DAYS` before `now`.

    `with_images` leaves the images and tries of all jobs but the newest away; their counts stay.
    """
    values = {
        "jobs": str(jobs),
        "now": f"CAST('{now.isoformat()}' AS timestamptz)",
        "days": str(DAYS),
        "cities": str(CITIES),
        "venues": str(venues),
        "block": str(_BLOCK),
        "providers": _words(_PROVIDERS),
        "errors": _words(_ERRORS),
        "transient": _words(TRANSIENT_TYPES),
        "without_images": str(0 if with_images is None else max(0, jobs - with_images) // _BLOCK * _BLOCK),
    }
    # drivers take several statements at once only without values beside them
    statements = re.sub(r"(?<!:):([a-z_]+)", lambda name: values[name[1]], _STATEMENTS)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0; SET LOCAL synchronous_commit = off"))
        connection.execute(text("SET LOCAL work_mem = '256MB'; SET LOCAL maintenance_work_mem = '512MB'"))
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # foreign keys unchecked
        for months in range(DAYS // 28 + 1, -1, -1):
            reference.ensure_attempt_months(connection, _months_before(now, months))
        with _without_indexes(connection, "jobs", "images", "attempts"):
            connection.exec_driver_sql(statements, execution_options={"no_parameters": True})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))


@contextmanager
def _without_indexes(connection: Connection, *tables: str) -> Iterator[None]:
    """Indexes that are no constraints are made after the rows, which takes a fraction of the time."""
    question = text("""
        SELECT indexname, replace(indexdef, ' ON ONLY ', ' ON ') AS made_by FROM pg_indexes
        WHERE tablename = ANY(:tables) AND indexname NOT IN (SELECT conname FROM pg_constraint)
    """)
    indexes = connection.execute(question, {"tables": list(tables)}).all()
    for index in indexes:
        connection.exec_driver_sql(f"DROP INDEX {index.indexname}")
    yield
    for index in indexes:
        connection.exec_driver_sql(index.made_by)


def _words(words: Iterable[str]) -> str:
    return f"CAST('{{{','.join(words)}}}' AS text[])"


def _months_before(now: datetime, months: int) -> datetime:
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    return now.replace(year=year, month=month + 1, day=1)

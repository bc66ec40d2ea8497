"""What every database needs besides its tables: provider rows, schedules, and months for the attempts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from ops_core.db.schema import Provider, Schedule
from ops_core.domain.jobs import JobKind
from ops_core.domain.providers import SEED

#: Months for which partitions of `attempts` exist in advance.
MONTHS_AHEAD = 3


def seed(connection: Connection) -> None:
    """Add provider rows and schedules that are missing; what people changed stays."""
    connection.execute(insert(Provider).on_conflict_do_nothing(), [asdict(provider) for provider in SEED])
    schedules = insert(Schedule).on_conflict_do_nothing()
    connection.execute(
        schedules.values(
            name="enrich-stale",
            kind=JobKind.STALE,
            args={"limit": 500},
            cron="15 * * * *",
            next_run_at=text("date_trunc('hour', now()) + interval '1 hour 15 minutes'"),
        )
    )
    connection.execute(
        schedules.values(
            name="cleanup-scan",
            kind=JobKind.CLEANUP,
            cron="0 4 * * *",
            next_run_at=text("date_trunc('day', now() - interval '4 hours', 'UTC') + interval '28 hours'"),
        )
    )


def ensure_attempt_months(connection: Connection, now: datetime) -> list[str]:
    """Create the partitions of `attempts` for this month and the next ones; returns the new ones."""
    made = []
    for ahead in range(MONTHS_AHEAD + 1):
        first, following = _month(now, ahead), _month(now, ahead + 1)
        name = f"attempts_{first:%Y_%m}"
        if connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is None:
            connection.execute(
                text(
                    f"CREATE TABLE {name} PARTITION OF attempts "
                    f"FOR VALUES FROM ('{first:%Y-%m-%d} 00:00+00') TO ('{following:%Y-%m-%d} 00:00+00')"
                )
            )
            made.append(name)
    return made


def _month(now: datetime, ahead: int) -> datetime:
    year, month = divmod(now.year * 12 + now.month - 1 + ahead, 12)
    return datetime(year, month + 1, 1, tzinfo=now.tzinfo)

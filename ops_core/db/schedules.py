"""The schedules people can edit, and when each is due next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text, update

from ops_core.db.schema import Schedule
from ops_core.domain.jobs import JobKind


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSchedule:
    """A schedule whose time has come, locked by this transaction."""

    name: str
    kind: JobKind
    args: dict[str, Any]
    cron: str | None
    every_seconds: int | None


def take_due(connection: Connection) -> list[DueSchedule]:
    """The schedules that are due, locked so that no other dispatcher fires them too."""
    columns = [getattr(Schedule, name) for name in DueSchedule.__dataclass_fields__]
    rows = connection.execute(
        select(*columns)
        .where(Schedule.enabled, Schedule.next_run_at <= func.now())
        .order_by(Schedule.name)
        .with_for_update(skip_locked=True)
    )
    return [DueSchedule(**row._mapping) for row in rows]


def move_on(connection: Connection, schedule: DueSchedule, next_run_at: datetime | None) -> None:
    """Note the run; the next is at `next_run_at` or, without one, an interval from now."""
    following = (
        text("now() + make_interval(secs => :seconds)").bindparams(seconds=schedule.every_seconds)
        if next_run_at is None
        else next_run_at
    )
    connection.execute(
        update(Schedule)
        .where(Schedule.name == schedule.name)
        .values(last_run_at=func.now(), next_run_at=following)
    )


def switch_off(connection: Connection, schedule: DueSchedule) -> None:
    """The schedule cannot be read: it waits for a person."""
    connection.execute(update(Schedule).where(Schedule.name == schedule.name).values(enabled=False))

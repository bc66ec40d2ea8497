"""Daily sums of tries of images that had failed before: how often such a retry succeeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from ops_core.db.schema import RetryRollup
from ops_core.domain.errors import ErrorType


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one such try adds."""

    day: date  #: UTC.
    provider: str
    error_type: ErrorType  #: What the image had failed with before this try.
    uploaded: bool


def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Add tries to their days, within the caller's transaction."""
    if not rows:
        return
    sums: dict[tuple[date, str, ErrorType], list[int]] = {}
    for row in rows:
        total = sums.setdefault((row.day, row.provider, row.error_type), [0, 0])
        total[0] += 1
        total[1] += row.uploaded
    # one order for all writers, so that two of them never wait for each other in a circle
    values = [
        {"day": day, "provider": provider, "error_type": kind, "tries": tries, "uploaded": uploaded}
        for (day, provider, kind), (tries, uploaded) in sorted(sums.items(), key=lambda item: item[0])
    ]
    statement = insert(RetryRollup).values(values)
    new = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["day", "provider", "error_type"],
            set_={
                "tries": RetryRollup.tries + new.tries,
                "uploaded": RetryRollup.uploaded + new.uploaded,
            },
        )
    )

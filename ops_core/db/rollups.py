"""Hourly sums of tries, so that charts never read the attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from ops_core.db.schema import Rollup


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one try adds, or calls that belong to no try."""

    hour: datetime
    provider: str
    error_type: str  #: Empty for an upload.
    city_id: int
    first: bool
    bytes: int
    duration_ms: int
    calls: int
    cost_usd: Decimal
    tries: int = 1


_SUMS = ("tries", "first_tries", "bytes", "duration_ms", "calls", "cost_usd")


def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Add tries to their hours, within the caller's transaction."""
    if not rows:
        return
    sums: dict[tuple[datetime, str, str, int], dict[str, Any]] = {}
    for row in rows:
        key = (row.hour, row.provider, row.error_type, row.city_id)
        total = sums.setdefault(key, dict.fromkeys(_SUMS, 0))
        total["tries"] += row.tries
        total["first_tries"] += row.first
        total["bytes"] += row.bytes
        total["duration_ms"] += row.duration_ms
        total["calls"] += row.calls
        total["cost_usd"] += row.cost_usd
    # one order for all writers, so that two of them never wait for each other in a circle
    values = [
        {"hour": hour, "provider": provider, "error_type": error_type, "city_id": city_id, **total}
        for (hour, provider, error_type, city_id), total in sorted(sums.items(), key=lambda item: item[0])
    ]
    statement = insert(Rollup).values(values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["hour", "provider", "error_type", "city_id"],
            set_={name: getattr(Rollup, name) + statement.excluded[name] for name in _SUMS},
        )
    )


def add_calls(
    connection: Connection, *, provider: str, city_id: int, calls: int, cost_usd: Decimal, duration_ms: int
) -> None:
    """Count calls about an image that belong to no job and are no try."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    row = Row(
        hour=hour,
        provider=provider,
        error_type="",
        city_id=city_id,
        first=False,
        bytes=0,
        duration_ms=duration_ms,
        calls=calls,
        cost_usd=cost_usd,
        tries=0,
    )
    add(connection, [row])

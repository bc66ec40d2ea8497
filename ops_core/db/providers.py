"""Provider rows: who may be asked, at what rate and price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, func, or_, select

from ops_core.db.rate_limits import Limits
from ops_core.db.schema import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveProvider:
    """A provider that may be asked now."""

    code: str
    priority: int
    limits: Limits
    listing_usd: Decimal
    photo_usd: Decimal


def active(connection: Connection) -> dict[str, ActiveProvider]:
    """The providers that are switched on and not paused, by code, first priority first."""
    rows = connection.execute(
        select(Provider.__table__)
        .where(Provider.active, or_(Provider.paused_until.is_(None), Provider.paused_until <= func.now()))
        .order_by(Provider.priority, Provider.code)
    )
    return {
        row.code: ActiveProvider(
            code=row.code,
            priority=row.priority,
            limits=Limits(per_second=row.per_second, per_minute=row.per_minute, per_hour=row.per_hour),
            listing_usd=row.listing_usd,
            photo_usd=row.photo_usd,
        )
        for row in rows
    }

"""Provider rows: who may be asked, at what rate and price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, func, select

from ops_core.db.schema import Provider
from ops_core.domain.permits import Limits
from ops_core.domain.providers import Rehosting


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveProvider:
    """A provider that is switched on."""

    code: str
    priority: int
    limits: Limits
    listing_usd: Decimal
    photo_usd: Decimal
    search_usd: Decimal = Decimal(0)
    rehosting: Rehosting = Rehosting.STORE
    capabilities: frozenset[str] = frozenset()  #: `photos`, `search`.
    paused_for: float = 0.0  #: Seconds for which it is paused; 0 when it may be asked now.


def active(connection: Connection) -> dict[str, ActiveProvider]:
    """The providers that are switched on, by code, first priority first."""
    paused_for = func.greatest(0, func.extract("epoch", Provider.paused_until - func.now()))
    rows = connection.execute(
        select(Provider.__table__, paused_for.label("paused_for"))
        .where(Provider.active)
        .order_by(Provider.priority, Provider.code)
    )
    return {
        row.code: ActiveProvider(
            code=row.code,
            priority=row.priority,
            limits=Limits(per_second=row.per_second, per_minute=row.per_minute, per_hour=row.per_hour),
            listing_usd=row.listing_usd,
            photo_usd=row.photo_usd,
            search_usd=row.search_usd,
            rehosting=row.rehosting,
            capabilities=frozenset(row.capabilities),
            paused_for=float(row.paused_for or 0),
        )
        for row in rows
    }


def codes(connection: Connection) -> list[str]:
    """All providers there are, switched on or not."""
    return list(connection.scalars(select(Provider.code)))


def name_of(connection: Connection, code: str) -> str | None:
    """What people call the provider `code`; None if there is none."""
    return connection.scalar(select(Provider.name).where(Provider.code == code))

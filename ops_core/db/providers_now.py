"""How providers stand at this moment: switched on, paused, silent at their own wish, what they allow."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, case, func, select

from ops_core.db import circuits
from ops_core.db.schema import Provider, RateLimit
from ops_core.domain.circuits import Circuit
from ops_core.domain.permits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderNow:
    """One provider; times that are over are None."""

    code: str
    active: bool
    limits: Limits
    paused_until: datetime | None
    paused_reason: str | None
    silent_until: datetime | None  #: It asked not to be called before (Retry-After).
    circuit: Circuit


def providers_now(connection: Connection, with_work: Collection[str]) -> list[ProviderNow]:
    """The providers `with_work`, and all whose breaker is not closed; first priority first."""
    found = {circuit.provider: circuit for circuit in circuits.all_circuits(connection)}
    shown = [code for code, circuit in found.items() if code in with_work or not circuit.is_closed]
    clock = func.clock_timestamp()
    paused = case((Provider.paused_until > clock, Provider.paused_until))
    rows = connection.execute(
        select(
            Provider.code,
            Provider.active,
            Provider.per_second,
            Provider.per_minute,
            Provider.per_hour,
            paused.label("paused_until"),
            Provider.paused_reason,
            RateLimit.blocked_until.label("silent_until"),
        )
        .outerjoin(RateLimit, and_(RateLimit.provider == Provider.code, RateLimit.blocked_until > clock))
        .where(Provider.code.in_(shown))
    )
    by_code = {row.code: row for row in rows}
    return [
        ProviderNow(
            code=code,
            active=by_code[code].active,
            limits=Limits(
                per_second=by_code[code].per_second,
                per_minute=by_code[code].per_minute,
                per_hour=by_code[code].per_hour,
            ),
            paused_until=by_code[code].paused_until,
            paused_reason=by_code[code].paused_reason,
            silent_until=by_code[code].silent_until,
            circuit=found[code],
        )
        for code in shown
    ]

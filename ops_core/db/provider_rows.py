"""The rows of providers as people read and change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from ops_core.db.schema import Provider
from ops_core.domain.provider_edits import ProviderEdit
from ops_core.domain.providers import Copies, Rehosting


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRow:
    """One provider with everything that is kept of it."""

    code: str
    name: str
    edit: ProviderEdit  #: What can be edited, as it is.
    rehosting: Rehosting
    rehosting_reason: str | None  #: Why copies are kept though the terms do not allow it.
    copies: Copies  #: What the terms say.
    terms_note: str
    terms_url: str
    paused_until: datetime | None  #: May be over.
    paused_reason: str | None


def all_rows(connection: Connection) -> list[ProviderRow]:
    """All providers, first priority first."""
    return [_row(row) for row in connection.execute(_question().order_by(Provider.priority, Provider.code))]


def hold(connection: Connection, code: str) -> ProviderRow | None:
    """The provider `code`, which nobody else changes before the transaction ends; None if there is none."""
    row = connection.execute(_question().where(Provider.code == code).with_for_update()).one_or_none()
    return None if row is None else _row(row)


def edit(connection: Connection, code: str, values: ProviderEdit) -> None:
    """Write the values that are edited together."""
    _change(connection, code, asdict(values) | {"capabilities": sorted(values.capabilities)})


def set_rehosting(connection: Connection, code: str, rehosting: Rehosting, reason: str | None) -> None:
    """What is done with the provider's photos from now on."""
    _change(connection, code, {"rehosting": rehosting, "rehosting_reason": reason})


def pause(connection: Connection, code: str, until: datetime, reason: str) -> None:
    """Ask nothing of the provider before `until`."""
    _change(connection, code, {"paused_until": until, "paused_reason": reason})


def resume(connection: Connection, code: str) -> None:
    """Ask the provider again."""
    _change(connection, code, {"paused_until": None, "paused_reason": None})


def _question() -> Select[Any]:
    return select(Provider.__table__)


def _change(connection: Connection, code: str, values: Mapping[str, Any]) -> None:
    connection.execute(update(Provider).where(Provider.code == code).values(**values))


def _row(row: Row[Any]) -> ProviderRow:
    return ProviderRow(
        code=row.code,
        name=row.name,
        edit=ProviderEdit(
            active=row.active,
            priority=row.priority,
            capabilities=frozenset(row.capabilities),
            per_second=row.per_second,
            per_minute=row.per_minute,
            per_hour=row.per_hour,
            listing_usd=row.listing_usd,
            photo_usd=row.photo_usd,
            search_usd=row.search_usd,
        ),
        rehosting=row.rehosting,
        rehosting_reason=row.rehosting_reason,
        copies=row.copies,
        terms_note=row.terms_note,
        terms_url=row.terms_url,
        paused_until=row.paused_until,
        paused_reason=row.paused_reason,
    )

"""The circuit breakers of the providers. No row means closed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.postgresql import insert

from ops_core.db.clock import server_time
from ops_core.db.schema import Circuit as Stored
from ops_core.db.schema import Provider
from ops_core.domain.circuits import Circuit

_COLUMNS = [getattr(Stored, field.name) for field in fields(Circuit)]


def load(connection: Connection, codes: Collection[str]) -> dict[str, Circuit]:
    """The circuits of the providers `codes`."""
    rows = connection.execute(select(*_COLUMNS).where(Stored.provider.in_(codes)))
    found = {row.provider: _circuit(row) for row in rows}
    return {code: found.get(code) or Circuit(provider=code) for code in codes}


def all_circuits(connection: Connection) -> list[Circuit]:
    """The circuits of all providers, first priority first."""
    codes = connection.scalars(select(Provider.code).order_by(Provider.priority, Provider.code)).all()
    return list(load(connection, codes).values())


def change(
    connection: Connection, provider: str, step: Callable[[Circuit, datetime], Circuit]
) -> tuple[Circuit, Circuit]:
    """Apply `step` to a provider's circuit, given the database's time; before and after.

    Nobody else changes the circuit meanwhile. What stays as it is is not written.
    """
    before, now = _locked(connection, provider)
    after = step(before or Circuit(provider=provider), now)
    if before is None and after != Circuit(provider=provider):
        connection.execute(insert(Stored).values(provider=provider).on_conflict_do_nothing())
        before, now = _locked(connection, provider)
        assert before is not None
        after = step(before, now)
    if before is None:
        return after, after
    if after != before:
        values = asdict(after) | {"changed_at": now}
        connection.execute(update(Stored).where(Stored.provider == provider).values(values))
    return before, after


def _locked(connection: Connection, provider: str) -> tuple[Circuit | None, datetime]:
    question = select(*_COLUMNS).where(Stored.provider == provider).with_for_update()
    row = connection.execute(question).one_or_none()
    # read in a statement of its own: the one above may have waited for the row
    return (None if row is None else _circuit(row)), server_time(connection)


def _circuit(row: Row[Any]) -> Circuit:
    return Circuit(**{field.name: getattr(row, field.name) for field in fields(Circuit)})

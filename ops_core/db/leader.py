"""Choosing one leader among equal processes with an advisory lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text

#: What one process at a time does; each has a lock of its own.
DISPATCHING = 0x766F7073
REPORTING_USES = 0x766F7074


@contextmanager
def leadership(engine: Engine, what: int = DISPATCHING) -> Iterator[Callable[[], bool]]:
    """A function that says whether this process leads now, trying to become the leader if it does not.

    The lock belongs to one connection: when that breaks, the question raises and another leads.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        held = False

        def leads() -> bool:
            nonlocal held
            if held:
                connection.execute(text("SELECT 1"))
            else:
                held = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": what}))
            return held

        try:
            yield leads
        finally:
            if held:
                # the lock ends with its connection, which is not to go back into the pool with it
                connection.invalidate()

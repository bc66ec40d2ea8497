"""How PostgreSQL goes about the questions that the code under test asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event


@contextmanager
def plans(connection: Connection) -> Iterator[list[str]]:
    """The plan of each question of the block, as text; there once the block is left."""
    asked: list[tuple[str, Any]] = []
    found: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", listen)
    try:
        yield found
    finally:
        event.remove(connection, "before_cursor_execute", listen)
    for statement, parameters in asked:
        rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        found.append("\n".join(rows.scalars()))

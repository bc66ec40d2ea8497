"""The database's clock, which all processes share."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select


def server_time(connection: Connection) -> datetime:
    """What it is now, and not when the transaction began."""
    return connection.execute(select(func.clock_timestamp())).scalar_one()

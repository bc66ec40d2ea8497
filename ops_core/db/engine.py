"""One engine per process, and what happens when the database is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ops_core.settings import get_settings

#: No question the console or a worker asks takes longer; a stuck one must not hold a connection.
STATEMENT_TIMEOUT_MS = 30_000

_SERVER_KEEPALIVE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"

# A plan made for no values in particular reads whole tables for filters that match little; the
# default price of a random read is that of turning disks.
_PLANS = "-c plan_cache_mode=force_custom_plan -c random_page_cost=2"

#: PostgreSQL's code for a statement that was ended, as its time limit does.
QUERY_CANCELED = "57014"


def make_engine(url: str, *, pool_size: int = 8) -> Engine:
    """An engine for `url`: checked connections, UTC, a statement time limit."""
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=4,
        pool_pre_ping=True,
        pool_timeout=10,
        # what providers said of places and photos does not belong in a log, where nobody drops it again
        hide_parameters=True,
        connect_args={
            "connect_timeout": 5,
            "options": (
                f"-c timezone=UTC -c statement_timeout={STATEMENT_TIMEOUT_MS} {_PLANS} {_SERVER_KEEPALIVE}"
            ),
            # a host that vanished without a word is noticed within half a minute, at both ends
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "application_name": "venue-ops",
        },
    )


@lru_cache(maxsize=1)
def get_engine() -> Engine:
    """This process's engine, for the configured database."""
    settings = get_settings()
    return make_engine(settings.require_database_url(), pool_size=settings.database_pool_size)


def forget_engine() -> None:
    """Drop the engine without touching its connections: they belong to the parent after a fork."""
    if get_engine.cache_info().currsize:
        get_engine().dispose(close=False)
    get_engine.cache_clear()


def wait_for_database(engine: Engine, *, seconds: float, give_up: Callable[[], bool] = lambda: False) -> bool:
    """Whether the database could be reached within `seconds`; asked once a second, until `give_up`."""
    end = time.monotonic() + seconds
    while True:
        try:
            with engine.connect():
                return True
        except SQLAlchemyError as error:
            if not is_unavailable(error):
                raise
        if give_up() or time.monotonic() > end:
            return False
        time.sleep(1)


def is_unavailable(error: Exception) -> bool:
    """Whether `error` says that the database cannot be reached, and not that a question was wrong."""
    if isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return True
    # a question that took too long is an OperationalError as well, and no reason to look for the server
    return isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", None) != QUERY_CANCELED


def lacks_schema(error: Exception) -> bool:
    """Whether `error` says that a table or column is missing: the database was not migrated."""
    return isinstance(error, ProgrammingError) and getattr(error.orig, "sqlstate", None) in ("42P01", "42703")

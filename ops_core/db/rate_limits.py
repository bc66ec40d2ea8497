"""Permits shared by all processes: one row a provider says where its windows stand.

The row is locked for the moment it takes to work out the next starts (`domain/permits.py`), so no two
processes are ever given the same one. The database's clock decides.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, text

from ops_core.domain import permits
from ops_core.domain.permits import Limits, Standing, Taken

# the clock is read once the row is locked: before, it would be the time at which the waiting began
_STANDING = text("""
    WITH locked AS MATERIALIZED (
        SELECT tat_second AS second, tat_minute AS minute, tat_hour AS hour, blocked_until
        FROM rate_limits WHERE provider = :provider FOR UPDATE
    )
    SELECT locked.*, clock_timestamp() AS now FROM locked
""")

_BEGIN = text("""
    INSERT INTO rate_limits (provider, tat_second, tat_minute, tat_hour, granted_at)
    SELECT :provider, t, t, t, t FROM clock_timestamp() AS t
    ON CONFLICT DO NOTHING
""")

_GRANT = text("""
    UPDATE rate_limits
    SET tat_second = :second, tat_minute = :minute, tat_hour = :hour, granted_at = :granted_at
    WHERE provider = :provider
""")

_BLOCK = text("""
    INSERT INTO rate_limits (provider, tat_second, tat_minute, tat_hour, granted_at, blocked_until)
    SELECT :provider, t, t, t, t, t + make_interval(secs => :seconds) FROM clock_timestamp() AS t
    ON CONFLICT (provider) DO UPDATE
    SET blocked_until = greatest(rate_limits.blocked_until, excluded.blocked_until)
""")

_SILENCES = text("""
    SELECT provider, extract(epoch FROM blocked_until - clock_timestamp())::float8 AS seconds
    FROM rate_limits WHERE provider = ANY(:providers) AND blocked_until > clock_timestamp()
""")


def take(
    connection: Connection,
    provider: str,
    limits: Limits,
    n: int = 1,
    *,
    longest_wait: float,
    lead: float = 0.0,
    known: Standing | None = None,
) -> Taken:
    """Up to `n` permits to call `provider`; none whose wait would be longer than `longest_wait` seconds.

    `known` is the standing after the last time this process took some: the table is unlogged, and
    after a crash of the database it is empty. No start is less than `lead` seconds away.
    """
    row = connection.execute(_STANDING, {"provider": provider}).one_or_none()
    while row is None:
        connection.execute(_BEGIN, {"provider": provider})
        row = connection.execute(_STANDING, {"provider": provider}).one_or_none()
    standing = Standing(second=row.second, minute=row.minute, hour=row.hour, blocked_until=row.blocked_until)
    if known is not None:
        standing = standing.with_uses_of(known)
    taken = permits.take(standing, limits, now=row.now, n=n, longest_wait=longest_wait, lead=lead)
    if taken.starts:
        after = taken.standing
        connection.execute(
            _GRANT,
            {
                "provider": provider,
                "second": after.second,
                "minute": after.minute,
                "hour": after.hour,
                "granted_at": taken.starts[-1],
            },
        )
    return taken


def block(connection: Connection, provider: str, seconds: float) -> None:
    """No permits for `seconds`: the provider asked for silence (Retry-After)."""
    connection.execute(_BLOCK, {"provider": provider, "seconds": seconds})


def silences(connection: Connection, providers: Collection[str]) -> dict[str, float]:
    """The seconds for which those of `providers` that asked for silence must still be left alone."""
    rows = connection.execute(_SILENCES, {"providers": list(providers)})
    return {row.provider: row.seconds for row in rows}

"""Permits shared by all processes: a generic cell rate algorithm (GCRA) in one SQL statement.

Each provider has one row with the theoretical arrival time of its second, minute and hour window.
A permit is a moment from which one call may be made; asking moves the row on, so that no two
processes are ever given the same moment. The server's clock decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

#: Calls are spaced a little wider than the limit asks, so that jitter on the way to the provider
#: cannot squeeze one call too many into its window.
_MARGIN = 1.01
#: Share of a window's limit that may be used at once after a quiet time.
_BURST_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Window:
    """One limit as GCRA sees it: seconds between calls, and seconds a burst may run ahead."""

    gap: float
    tolerance: float


def window(limit: int | None, seconds: int) -> Window:
    """The spacing that never lets more than `limit` calls into any `seconds`; no limit, no spacing."""
    if limit is None:
        return Window(0.0, 0.0)
    burst = max(1, int(limit * _BURST_SHARE))
    gap = _MARGIN * seconds / (limit - burst + 1)
    return Window(gap, gap * (burst - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A provider's limits; None means no limit in that window."""

    per_second: int | None = None
    per_minute: int | None = None
    per_hour: int | None = None


_START = """greatest(clock.t, r.tat_second - make_interval(secs => :ahead_s),
                     r.tat_minute - make_interval(secs => :ahead_m),
                     r.tat_hour - make_interval(secs => :ahead_h), r.blocked_until)"""

_TAKE = text(f"""
    WITH clock AS (SELECT clock_timestamp() AS t)
    UPDATE rate_limits AS r SET
        granted_at = {_START},
        tat_second = greatest(r.tat_second, {_START}) + make_interval(secs => :gap_s),
        tat_minute = greatest(r.tat_minute, {_START}) + make_interval(secs => :gap_m),
        tat_hour = greatest(r.tat_hour, {_START}) + make_interval(secs => :gap_h)
    FROM clock
    WHERE r.provider = :provider AND {_START} <= clock.t + make_interval(secs => :longest)
    RETURNING extract(epoch FROM granted_at - clock_timestamp())::float8
""")

_WAIT = text(f"""
    WITH clock AS (SELECT clock_timestamp() AS t)
    SELECT extract(epoch FROM {_START} - clock.t)::float8 FROM rate_limits AS r, clock
    WHERE r.provider = :provider
""")


_BEGIN = text("""
    INSERT INTO rate_limits (provider, tat_second, tat_minute, tat_hour, granted_at)
    VALUES (:provider, clock_timestamp(), clock_timestamp(), clock_timestamp(), clock_timestamp())
    ON CONFLICT DO NOTHING
""")


@dataclass(frozen=True, slots=True)
class Permit:
    """The answer to one question for a permit."""

    granted: bool
    wait: float  #: Seconds until it may be used or, refused, until asking again makes sense.


def take(connection: Connection, provider: str, limits: Limits, *, longest_wait: float) -> Permit:
    """One permit to call `provider`, unless the wait for it would be longer than `longest_wait` seconds."""
    second, minute, hour = (
        window(limits.per_second, 1),
        window(limits.per_minute, 60),
        window(limits.per_hour, 3600),
    )
    values = {
        "provider": provider,
        "gap_s": second.gap,
        "gap_m": minute.gap,
        "gap_h": hour.gap,
        "ahead_s": second.tolerance,
        "ahead_m": minute.tolerance,
        "ahead_h": hour.tolerance,
        "longest": longest_wait,
    }
    while True:
        granted = connection.scalar(_TAKE, values)
        if granted is not None:
            return Permit(True, max(0.0, granted))
        wait = connection.scalar(_WAIT, values)
        if wait is None:
            # the table is unlogged: after a crash of the database it is empty
            connection.execute(_BEGIN, {"provider": provider})
        elif wait > longest_wait:
            return Permit(False, wait)
        # else another process made the row, or the time came, between the two questions


def block(connection: Connection, provider: str, seconds: float) -> None:
    """No permits for `seconds`: the provider asked for silence (Retry-After)."""
    connection.execute(
        text("""
            UPDATE rate_limits
            SET blocked_until = greatest(blocked_until, clock_timestamp() + make_interval(secs => :seconds))
            WHERE provider = :provider
        """),
        {"provider": provider, "seconds": seconds},
    )

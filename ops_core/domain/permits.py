"""Permits to call a provider: which starts its limits allow, and when a start that was missed is lost.

A generic cell rate algorithm (GCRA) for each of the three windows: all a window needs to be remembered
by is the theoretical arrival time of its next call. A permit is an instant from which one call may be made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

#: Seconds by which `limit` calls are spread over more than their window, by the window's length in seconds.
#: A call arrives later than its permit says: its process wakes up late, a connection is made first. What
#: comes late squeezes those behind it, by some tens of milliseconds however long the window is. So the
#: margins are times, not shares: a minute is used to 99.3 %, an hour to 99.9 %, but a second, in which
#: such a delay is a good part of the whole, to 91 % only, as no limit may be exceeded.
MARGINS = {1: 0.1, 60: 0.4, 3600: 2.0}
#: Share of a window's limit that may be used at once after a quiet time; it is lost to the steady rate.
_BURST_SHARE = 0.005
_MICROSECOND = timedelta(microseconds=1)
_NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True)
class Window:
    """One limit as GCRA sees it."""

    limit: int
    length: timedelta
    gap: timedelta  #: Between two calls.
    tolerance: timedelta  #: By which a burst may run ahead.

    def span(self, calls: int) -> timedelta:
        """The least time between a start and the start `calls` later."""
        return self.gap * calls - self.tolerance


def window(limit: int, seconds: int) -> Window:
    """The spacing that never lets more than `limit` calls start in any `seconds` and their margin."""
    burst = max(1, int(limit * _BURST_SHARE))
    # rounded up: a microsecond too little, often enough, would be a call too many
    gap = ceil((seconds + MARGINS[seconds]) * 1_000_000 / (limit - burst + 1)) * _MICROSECOND
    return Window(limit, timedelta(seconds=seconds), gap, gap * (burst - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A provider's limits; None means no limit in that window."""

    per_second: int | None = None
    per_minute: int | None = None
    per_hour: int | None = None

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return any((self.per_second, self.per_minute, self.per_hour))

    def windows(self) -> tuple[Window | None, Window | None, Window | None]:
        """The windows of a second, a minute and an hour."""
        return (
            window(self.per_second, 1) if self.per_second else None,
            window(self.per_minute, 60) if self.per_minute else None,
            window(self.per_hour, 3600) if self.per_hour else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a provider's windows stand: the theoretical arrival times, and the silence it asked for."""

    second: datetime
    minute: datetime
    hour: datetime
    blocked_until: datetime | None = None

    @classmethod
    def fresh(cls, now: datetime) -> Standing:
        """Nothing used so far."""
        return cls(second=now, minute=now, hour=now)

    def with_uses_of(self, other: Standing) -> Standing:
        """What is used by either of two records of the same windows."""
        return Standing(
            second=max(self.second, other.second),
            minute=max(self.minute, other.minute),
            hour=max(self.hour, other.hour),
            blocked_until=self.blocked_until,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The answer to a question for several permits."""

    now: datetime
    starts: tuple[datetime, ...]  #: Granted, earliest first.
    wait: float | None  #: Seconds until the first of those refused could have started; None: none was.
    standing: Standing  #: After those granted.


def take(
    standing: Standing,
    limits: Limits,
    *,
    now: datetime,
    n: int = 1,
    longest_wait: float,
    lead: float = 0.0,
) -> Taken:
    """Up to `n` permits; none that starts more than `longest_wait` seconds, or less than `lead`, from `now`.

    Taking several at once gives the same starts as taking them one by one.
    """
    windows = limits.windows()
    earliest = now + timedelta(seconds=lead)
    if standing.blocked_until is not None:
        earliest = max(earliest, standing.blocked_until)
    latest = now + timedelta(seconds=max(longest_wait, lead))
    arrivals = [standing.second, standing.minute, standing.hour]
    starts: list[datetime] = []
    wait = None
    while len(starts) < n:
        start = max(earliest, *_earliest(windows, arrivals))
        if start > latest:
            wait = (start - now).total_seconds()
            break
        starts.append(start)
        for place, each in enumerate(windows):
            if each is not None:
                arrivals[place] = max(arrivals[place], start) + each.gap
    second, minute, hour = arrivals
    after = Standing(second=second, minute=minute, hour=hour, blocked_until=standing.blocked_until)
    return Taken(now=now, starts=tuple(starts), wait=wait, standing=after)


def _earliest(windows: tuple[Window | None, ...], arrivals: list[datetime]) -> Iterator[datetime]:
    for each, arrival in zip(windows, arrivals, strict=True):
        # without a limit, what was used does not matter
        yield datetime.min.replace(tzinfo=arrival.tzinfo) if each is None else arrival - each.tolerance


def good_for(limits: Limits) -> float:
    """Seconds for which a permit is good once its time has come; used later, it could overfill a window.

    Half of what the starts are apart beyond each window; the other half is for the way to the provider.
    """
    windows = [each for each in limits.windows() if each is not None]
    spare = [
        # a tighter window keeps the calls apart for the others as well
        max(other.span(each.limit) for other in windows) - each.length
        for each in windows
    ]
    return max(_NO_TIME, min(spare)).total_seconds() / 2 if spare else float("inf")


@dataclass(frozen=True, slots=True)
class Clock:
    """How far the database's clock is ahead of this process's own: at least so much, and little more."""

    ahead: float  #: Seconds; the quickest answer so far says most.
    read_at: float  #: On the own clock.

    #: Seconds two clocks may drift apart in one second.
    DRIFT = 1e-4

    @classmethod
    def read(cls, before: Clock | None, *, sent: float, server: datetime, received: float) -> Clock:
        """The database said `server` at some instant between `sent` and `received` of the own clock."""
        least, most = server.timestamp() - received, server.timestamp() - sent
        if before is None:
            return cls(least, received)
        known = before.ahead - (received - before.read_at) * cls.DRIFT
        # more than what is possible: one of the clocks was set
        return cls(least if known > most else max(known, least), received)

    def when(self, server: datetime) -> float:
        """The own clock at an instant of the database's: a little late, never early."""
        return server.timestamp() - self.ahead

"""A stretch of time, cut into hours, days, weeks or months of the viewer's calendar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

#: More than this many marks side by side cannot be told apart.
MOST_BUCKETS = 170

_HOUR = timedelta(hours=1)
_INSTANT = timedelta(microseconds=1)


class Step(StrEnum):
    """What one bucket is."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"  #: From Monday.
    MONTH = "month"


#: Up to which length of time each step is used; months beyond.
_LONGEST = (
    (timedelta(days=2, hours=1), Step.HOUR),  # two days may have an hour more
    (timedelta(days=60, hours=1), Step.DAY),
    (timedelta(weeks=MOST_BUCKETS - 2), Step.WEEK),
)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Buckets side by side: bucket i is from `edges[i]` (included) until `edges[i + 1]` (not included).

    Edges are UTC. The first and the last bucket may be cut short by what was asked for.
    """

    step: Step
    edges: tuple[datetime, ...]
    running: bool  #: Whether the last bucket's hour, day, week or month is not over yet.

    def __len__(self) -> int:
        return max(0, len(self.edges) - 1)

    @property
    def spans(self) -> list[tuple[datetime, datetime]]:
        """From when until when each bucket is."""
        return list(pairwise(self.edges))


def buckets(since: datetime, until: datetime, zone: ZoneInfo, *, now: datetime) -> Buckets:
    """[`since`, `until`) in buckets that begin with the hours, days, Mondays or months of `zone`.

    The longer the time, the larger the buckets; none for no time at all. What would be more than
    `MOST_BUCKETS` months is in the first of them.
    """
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    step = next((step for longest, step in _LONGEST if until - since <= longest), Step.MONTH)
    if since >= until:
        return Buckets(step, (), running=False)
    edges = [until]
    while edges[-1] > since:
        start = max(since, _start(edges[-1] - _INSTANT, step, zone))
        edges.append(since if len(edges) == MOST_BUCKETS else start)
    # the bucket of this very moment is the one that is not over
    running = _start(until - _INSTANT, step, zone) == _start(max(now, until), step, zone)
    return Buckets(step, tuple(reversed(edges)), running=running)


def torn_hours(edges: Sequence[datetime | None]) -> list[datetime]:
    """The whole hours (UTC) that an edge cuts in two, in order; None is an end that is open.

    Sums of whole hours cannot tell which side of the edge their jobs are on.
    """
    starts = {edge: whole_hour(edge) for edge in edges if edge is not None}
    return sorted({start for edge, start in starts.items() if start != edge})


def joined_hours(hours: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """`hours` (their starts, in order) as spans, those that follow each other as one."""
    spans: list[tuple[datetime, datetime]] = []
    for hour in hours:
        begin = spans.pop()[0] if spans and spans[-1][1] == hour else hour
        spans.append((begin, hour + _HOUR))
    return spans


def whole_hour(moment: datetime) -> datetime:
    """The start of the hour (UTC) that `moment` is in."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _start(moment: datetime, step: Step, zone: ZoneInfo) -> datetime:
    """When the bucket that `moment` is in begins; `moment` itself at the beginning of the calendar."""
    try:
        wall = moment.astimezone(zone)
        if step is Step.HOUR:
            # `fold` stays: an hour that comes twice is two buckets
            wall = wall.replace(minute=0, second=0, microsecond=0)
        else:
            wall = wall.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        if step is Step.WEEK:
            wall -= timedelta(days=wall.weekday())
        elif step is Step.MONTH:
            wall = wall.replace(day=1)
        return min(moment, wall.astimezone(UTC))
    except OverflowError:
        return moment

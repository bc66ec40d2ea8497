"""The hours in which providers failed least and had room, from the last 14 days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean

from ops_core.domain.forecast import Limits, windows
from ops_core.domain.intervals import FEW

#: Days that the choice looks back on.
DAYS = 14

#: What failures and used limits weigh in the score of an hour. Together 1.
FAILED_WEIGHT, USED_WEIGHT = 0.75, 0.25

#: Tries at the provider's share of all hours that are added to each hour: a few tries say little.
PRIOR_TRIES = FEW

#: The hour (UTC) for providers without any tries: night in Europe, and well before the nightly scan.
QUIET_HOUR = 2

#: The score of every hour when nothing is known.
_UNKNOWN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class HourSum:
    """What one provider did in one hour of the day, summed over the last `DAYS` days."""

    provider: str
    hour: int  #: 0 to 23, UTC.
    tries: int
    failed: int
    permits: int  #: That the tries took of the provider's limits.


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """One hour of the day (UTC), over the last 14 days, of the providers of a retry together.

    Shares are weighted by the images that the retry has of each provider.
    """

    hour: int  #: 0 to 23.
    tries: int
    failed_share: float | None  #: None without tries.
    used_share: float | None  #: Mean share of the limits that was used; None without limits.
    score: float  #: 0 best to 1 worst: what the choice goes by.


@dataclass(frozen=True, slots=True, kw_only=True)
class OffPeak:
    """The choice, and all it was made from."""

    start: datetime  #: The next begin of the chosen hour; aware, UTC.
    hours: tuple[Hour, ...]  #: All 24.
    why: str  #: One sentence for people: "02:00 UTC: 4 % failed of 1,200 tries, 3 % of the limit used".


def choose(
    sums: Iterable[HourSum], limits: Mapping[str, Limits], shares: Mapping[str, int], now: datetime
) -> OffPeak:
    """The hour of the day with the lowest score that begins next after `now`, an aware time.

    The score of an hour is its failed share, drawn towards the provider's share of all hours where
    tries are few, and its used share of the limits, weighted; several providers count by their images
    in `shares`. An hour in which nothing was tried has the mean score of the others and is not chosen;
    of equal hours the one that begins first is. Without any tries it is `QUIET_HOUR`.
    """
    past = _by_provider(sums, limits, {code: images for code, images in shares.items() if images > 0})
    tried = {hour: score for hour in range(24) if (score := _score(past, hour)) is not None}
    # rounding must not put the mean outside of what it is the mean of
    others = min(max(fmean(tried.values()), min(tried.values())), max(tried.values())) if tried else _UNKNOWN
    hours = tuple(_hour(past, hour, tried.get(hour, others)) for hour in range(24))
    starts = {hour: _next_begin(hour, now) for hour in range(24)}
    chosen = min(tried, key=lambda hour: (tried[hour], starts[hour]), default=QUIET_HOUR)
    return OffPeak(start=starts[chosen], hours=hours, why=_why(hours, hours[chosen]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Past:
    """One provider's hours, and what it counts."""

    weight: int
    tries: list[int]
    failed: list[int]
    used: list[float] | None  #: Share of the limits by hour; None without limits.

    def term(self, hour: int) -> float | None:
        """Its score of an hour; None if it tried nothing then."""
        if not self.tries[hour]:
            return None
        usual = sum(self.failed) / sum(self.tries)
        failed = (self.failed[hour] + PRIOR_TRIES * usual) / (self.tries[hour] + PRIOR_TRIES)
        used = min(1.0, self.used[hour]) if self.used else 0.0
        return FAILED_WEIGHT * failed + USED_WEIGHT * used


def _by_provider(
    sums: Iterable[HourSum], limits: Mapping[str, Limits], shares: Mapping[str, int]
) -> list[_Past]:
    counts = {code: [[0] * 24 for _ in range(3)] for code in sorted(shares)}
    for each in sums:
        if each.provider in counts:
            for row, count in zip(
                counts[each.provider], (each.tries, each.failed, each.permits), strict=True
            ):
                row[each.hour] += count
    found = []
    for code, (tries, failed, permits) in counts.items():
        rates = windows(limits.get(code))
        used = [count / (rates[0][0] * 3600 * DAYS) for count in permits] if rates else None
        found.append(_Past(weight=shares[code], tries=tries, failed=failed, used=used))
    return found


def _score(past: list[_Past], hour: int) -> float | None:
    """None if nobody tried anything in this hour; who tried nothing then counts as in its other hours."""
    if not any(each.tries[hour] for each in past):
        return None
    terms = []
    for each in past:
        term = each.term(hour)
        if term is None:
            others = [other for at in range(24) if (other := each.term(at)) is not None]
            term = fmean(others) if others else None
        if term is not None:
            terms.append((each.weight, term))
    # finer differences mean nothing, and those of rounding would break ties
    return round(min(1.0, _mean(terms) or 0.0), 4)


def _hour(past: list[_Past], hour: int, score: float) -> Hour:
    failed = [(each.weight, each.failed[hour] / each.tries[hour]) for each in past if each.tries[hour]]
    used = [(each.weight, each.used[hour]) for each in past if each.used is not None]
    tries = sum(each.tries[hour] for each in past)
    return Hour(hour=hour, tries=tries, failed_share=_mean(failed), used_share=_mean(used), score=score)


def _mean(weighted: list[tuple[int, float]]) -> float | None:
    total = sum(weight for weight, _ in weighted)
    return sum(weight * value for weight, value in weighted) / total if total else None


def _next_begin(hour: int, now: datetime) -> datetime:
    start = now.astimezone(UTC).replace(hour=hour, minute=0, second=0, microsecond=0)
    return start if start > now else start + timedelta(days=1)


def _why(hours: tuple[Hour, ...], chosen: Hour) -> str:
    name = f"{chosen.hour:02d}:00 UTC"
    if chosen.failed_share is None:
        return (
            f"{name}: a quiet hour as a rule; the last {DAYS} days have no full hour of tries to choose by."
        )
    tries = "1 try" if chosen.tries == 1 else f"{chosen.tries:,} tries"
    used = "" if chosen.used_share is None else f", {_percent(chosen.used_share)} of the limit used"
    failed = [hour.failed_share for hour in hours if hour.failed_share is not None]
    if len(failed) == 1:
        compared = f"; no other hour had tries in the last {DAYS} days"
    else:
        compared = f"; in the worst hour of the last {DAYS} days {_percent(max(failed))} failed"
    return f"{name}: {_percent(chosen.failed_share)} failed of {tries}{used}{compared}."


def _percent(share: float) -> str:
    return "under 1 %" if 0 < share < 0.005 else f"{100 * share:,.0f} %"

"""How much of a retry is handed to the workers now: its window, its drip, its sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from ops_core.domain.retry_options import Options

#: Images of one retry and one provider that workers may have and not have ended: enough to keep them
#: busy between two rounds of the dispatcher, few enough to be called back, and none waits behind
#: another provider's.
AHEAD = 2000
#: Share of an hour's drip that may begin at once.
_BURST_SHARE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How the images that are tried first did."""

    open: int = 0  #: Not ended; those that still wait included.
    uploaded: int = 0
    failed: int = 0

    @property
    def share(self) -> float | None:
        """Uploads of all that were tried; None if none was."""
        tried = self.uploaded + self.failed
        return self.uploaded / tried if tried else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a retry stands, as far as the next portion depends on it."""

    options: Options
    begun: Mapping[str, int]  #: By provider: images that workers have and that have not ended.
    prices: Mapping[str, Decimal]  #: By provider: dollars one image is expected to cost; all of the retry.
    sample: Sample = Sample()
    sample_decided: bool = False  #: The sample was good, or a person said to go on.
    spent_usd: Decimal = Decimal(0)  #: In the last 24 hours, and expected for what has begun.
    drip_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """What may begin now."""

    rooms: Mapping[str, int] = field(default_factory=dict)  #: At most so many images by provider.
    total: int = 0  #: And at most so many in all.
    only_sample: bool = False
    stop: str | None = None  #: Pause instead, for this reason.
    decided: bool = False  #: The sample was good: it may go on.
    drip_from: datetime | None = None
    gap: timedelta = timedelta(0)

    def drip_after(self, begun: int) -> datetime | None:
        """The drip's next arrival time once `begun` images began."""
        return None if self.drip_from is None else self.drip_from + begun * self.gap


def portion(standing: Standing, now: datetime) -> Portion:
    """How many images may begin now, and of which providers."""
    options = standing.options
    only_sample, decided = False, standing.sample_decided
    if options.sample and not decided:
        if standing.sample.open:
            only_sample = True
        else:
            stop = stop_reason(standing.sample, options.sample_share)
            if stop:
                return Portion(stop=stop)
            decided = True
    rooms = {code: max(0, AHEAD - standing.begun.get(code, 0)) for code in standing.prices}
    total = sum(rooms.values())
    drip_from, gap = None, timedelta(0)
    if options.per_hour is not None:
        drip_from, gap, dripping = _drip(options.per_hour, standing.drip_at, now)
        # what workers have and do not get to, as while none runs, would begin all at once
        behind = _burst(options.per_hour)
        rooms = {
            code: min(room, max(0, behind - standing.begun.get(code, 0))) for code, room in rooms.items()
        }
        total = min(dripping, sum(rooms.values()))
    if options.usd_per_day is not None:
        rooms = _affordable(rooms, standing.prices, options.usd_per_day - standing.spent_usd)
        total = min(total, sum(rooms.values()))
    return Portion(
        rooms=rooms,
        total=total,
        only_sample=only_sample,
        decided=decided and not standing.sample_decided,
        drip_from=drip_from,
        gap=gap,
    )


def stop_reason(sample: Sample, needed: float) -> str | None:
    """Why a retry whose sample has ended so stops; None: at a share of `needed` or more it goes on."""
    if sample.share is None:
        return "none of the sample could be tried"
    if sample.share >= needed:
        return None
    tried = sample.uploaded + sample.failed
    return (
        f"the sample came to {sample.uploaded} of {tried} uploaded ({100 * sample.share:.0f} %), "
        f"below {100 * needed:.0f} %"
    )


def _burst(per_hour: int) -> int:
    """Images of a drip that may begin at once."""
    return max(1, int(per_hour * _BURST_SHARE))


def _drip(per_hour: int, drip_at: datetime | None, now: datetime) -> tuple[datetime, timedelta, int]:
    """The cell rate algorithm: no hour ever sees more than `per_hour` begin."""
    burst = _burst(per_hour)
    gap = timedelta(seconds=3600 / (per_hour - burst + 1))
    start = max(drip_at or now, now)
    allowed = int((now + (burst - 1) * gap - start) / gap) + 1 if start <= now + (burst - 1) * gap else 0
    return start, gap, allowed


def _affordable(rooms: Mapping[str, int], prices: Mapping[str, Decimal], left: Decimal) -> dict[str, int]:
    """`rooms` cut down to what `left` dollars pay for, cheapest provider first."""
    cut: dict[str, int] = {}
    for code in sorted(rooms, key=lambda each: (prices[each], each)):
        price = prices[code]
        if price > 0:
            paid = int((max(left, Decimal(0)) / price).to_integral_value(ROUND_FLOOR))
            cut[code] = min(rooms[code], paid)
            left -= cut[code] * price
        else:
            cut[code] = rooms[code]
    return cut

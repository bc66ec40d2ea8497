"""What a retry is expected to come to: how long, how much of the limits, how many images uploaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Protocol

from ops_core.domain.errors import ErrorType
from ops_core.domain.intervals import wilson
from ops_core.domain.retry_options import Options
from ops_core.domain.retry_plan import CALLS_PER_PHOTO, USUAL_CALLS, ProviderShare, RetryPlan

#: Permits that bring in one photo: Google Places takes one to resolve it, and the download is free of
#: the limits; Wikimedia Commons needs no call to resolve it, but counts the download.
PERMITS_PER_PHOTO: Mapping[str, int] = {**CALLS_PER_PHOTO, "wikimedia_commons": 1}
#: For a provider nobody measured yet.
USUAL_PERMITS = 1

#: Images a second where nothing was measured: what one worker process does with slow downloads.
USUAL_SPEED = 10.0

_DAY = 86_400


class Limits(Protocol):
    """What a provider allows in each window; None means no limit."""

    @property
    def per_second(self) -> int | None: ...
    @property
    def per_minute(self) -> int | None: ...
    @property
    def per_hour(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """How retries of one provider and one error type went in the last 30 days."""

    provider: str
    error_type: ErrorType  #: What the images had failed with before.
    tries: int
    uploaded: int


#: Expected uploads between bounds that are further apart than this share of the images say little.
_VAGUE = 0.5


def is_vague(low: float | None, high: float | None, images: int) -> bool:
    """Whether uploads expected `low` to `high` of `images` are better given as that, without a number."""
    return low is not None and high is not None and high - low > _VAGUE * images > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KindForecast:
    """What to expect of the images of one provider and error type."""

    provider: str
    error_type: ErrorType | None
    images: int
    tries: int  #: Retries the expectation rests on; 0: no history yet.
    share: float | None  #: Expected share of uploads; None without history.
    low: float | None  #: 95 % interval (Wilson).
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderForecast:
    """What the retry takes of one provider's limits."""

    provider: str
    images: int
    permits: int  #: Calls that count against its limits.
    seconds: float  #: Until the last of them may be made, by its limits, and is downloaded.
    limit: str  #: The one that decides: "200 a minute"; empty when the downloads themselves decide.
    share_of_day: float | None  #: `permits` as a share of what a day allows; None without limits.
    used_today: float | None  #: Share of a day used since midnight UTC already.


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The whole expectation; stored with the request, and shown beside the result when it is done."""

    seconds: float  #: From its begin to its end, at the speed the limits or the drip allow.
    by_provider: tuple[ProviderForecast, ...] = ()
    kinds: tuple[KindForecast, ...] = ()
    uploaded: float | None = None  #: Images expected, of the kinds with history; None without any.
    uploaded_low: float | None = None  #: Sums of the kinds' bounds: wider than 95 % of all together.
    uploaded_high: float | None = None
    unknown: int = 0  #: Images of kinds without history.

    def to_json(self) -> dict[str, Any]:
        """As stored in `retry_requests.forecast`."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Forecast | None:
        """The forecast that `to_json` wrote; None for nothing."""
        if not stored:
            return None
        kinds = (
            KindForecast(**{**kind, "error_type": kind["error_type"] and ErrorType(kind["error_type"])})
            for kind in stored["kinds"]
        )
        by_provider = (ProviderForecast(**share) for share in stored["by_provider"])
        return cls(**{**stored, "by_provider": tuple(by_provider), "kinds": tuple(kinds)})


def make_forecast(
    plan: RetryPlan,
    limits: Mapping[str, Limits],
    history: Iterable[History],
    used_today: Mapping[str, int],
    options: Options,
    speed: float,
) -> Forecast:
    """What to expect of `plan`.

    `limits` and `used_today`, permits taken since midnight UTC, are by provider; a provider in neither
    has no limits and took none. `speed` is images a second that all workers together download. Providers
    are tried side by side; a sample that goes first adds nothing. Each image is tried once. Raises
    `ValueError` if `speed` is not positive.
    """
    if speed <= 0:
        raise ValueError(f"{speed} images a second is no speed")
    by_provider = tuple(
        _of_provider(share, limits.get(share.provider), used_today.get(share.provider, 0), speed)
        for share in plan.by_provider
    )
    kinds = _kinds(plan, history)
    known = [kind for kind in kinds if kind.share is not None]
    slowest = max((part.seconds for part in by_provider), default=0.0)
    return Forecast(
        seconds=max(slowest, plan.images / speed, _drip(plan, options)),
        by_provider=by_provider,
        kinds=kinds,
        uploaded=sum(kind.images * (kind.share or 0.0) for kind in known) if known else None,
        uploaded_low=sum(kind.images * (kind.low or 0.0) for kind in known) if known else None,
        uploaded_high=sum(kind.images * (kind.high or 0.0) for kind in known) if known else None,
        unknown=plan.images - sum(kind.images for kind in known),
    )


def permits_taken(provider: str, tries: int, calls: int) -> int:
    """Permits that `tries` of images took which charged so many counted `calls`."""
    uncounted = PERMITS_PER_PHOTO.get(provider, USUAL_PERMITS) - CALLS_PER_PHOTO.get(provider, USUAL_CALLS)
    return calls + tries * uncounted


def windows(limits: Limits | None) -> list[tuple[float, str]]:
    """Each limit as calls a second and in words, the slowest first; empty without limits."""
    if limits is None:
        return []
    found = (
        (limits.per_second, 1, "a second"),
        (limits.per_minute, 60, "a minute"),
        (limits.per_hour, 3600, "an hour"),
    )
    rates = [(calls / seconds, f"{calls:,} {word}") for calls, seconds, word in found if calls is not None]
    return sorted(rates, key=lambda rate: rate[0])


def _of_provider(share: ProviderShare, limits: Limits | None, used: int, speed: float) -> ProviderForecast:
    permits = share.images * PERMITS_PER_PHOTO.get(share.provider, USUAL_PERMITS)
    downloads = share.images / speed
    rate, words = next(iter(windows(limits)), (None, ""))
    by_limit = 0.0 if rate is None else permits / rate
    return ProviderForecast(
        provider=share.provider,
        images=share.images,
        permits=permits,
        seconds=max(by_limit, downloads),
        limit=words if by_limit >= downloads else "",
        share_of_day=None if rate is None else permits / (rate * _DAY),
        used_today=None if rate is None else used / (rate * _DAY),
    )


def _drip(plan: RetryPlan, options: Options) -> float:
    """Seconds the drip takes at least: it begins at once, with one image or with a whole day's money."""
    seconds = 0.0
    if options.per_hour is not None:
        seconds = max(0, plan.images - 1) * 3600 / options.per_hour
    if options.usd_per_day is not None:
        days = ceil(plan.cost_usd / options.usd_per_day)
        seconds = max(seconds, (days - 1) * _DAY)
    return seconds


def _kinds(plan: RetryPlan, history: Iterable[History]) -> tuple[KindForecast, ...]:
    counts: dict[tuple[str, ErrorType | None], tuple[int, int]] = {}
    for each in history:
        tries, uploaded = counts.get((each.provider, each.error_type), (0, 0))
        counts[each.provider, each.error_type] = (tries + each.tries, uploaded + each.uploaded)
    found = []
    for kind in plan.kinds:
        tries, uploaded = counts.get((kind.provider, kind.error_type), (0, 0))
        low, high = wilson(uploaded, tries) or (None, None)
        found.append(
            KindForecast(
                provider=kind.provider,
                error_type=kind.error_type,
                images=kind.images,
                tries=tries,
                share=uploaded / tries if tries else None,
                low=low,
                high=high,
            )
        )
    return tuple(found)

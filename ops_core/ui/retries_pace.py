"""How an open retry gets on: its rate and the time left, or what it waits for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from ops_core.analytics.retry_frames import Standing, seconds_left, standing
from ops_core.db.providers_now import ProviderNow
from ops_core.db.retries import Request
from ops_core.db.retry_lists import RATE_SECONDS
from ops_core.domain.circuits import admit
from ops_core.domain.retry_plan import counted
from ops_core.domain.retry_wishes import expected_time
from ops_core.ui import retries_cached
from ops_core.ui.retries_cached import Seen
from ops_core.ui.retries_words import listed, rate_words


def pace(request: Request, seen: Seen, names: Mapping[str, str]) -> list[str]:
    """Facts about how `request` gets on, plain; none once it has ended or while it is paused."""
    where = standing(request, seen.now)
    if where is Standing.CANCELLING:
        return [f"{counted(request.open, 'image')} still on the way"]
    if where in (Standing.SCHEDULED, Standing.WAITING):
        return [f"will take {expected_time(request.forecast.seconds)}"] if request.forecast else []
    if where is not Standing.RUNNING:
        return []
    now = retries_cached.providers_now()
    held = not_asked(request, now.providers, now.now)
    rate = seen.rates.get(request.id)
    stands = rate is not None and not rate and _is_quiet(request, seen.now)
    if held and (stands or len(held) == len(request.plan.by_provider)):
        return [f"waits for {listed([names.get(code, code) for code in held])}"]
    facts = []
    if rate:
        facts.append(rate_words(rate))
    elif stands:
        facts.append("nothing ended in the last minute")
    left = seconds_left(request, rate)
    if left is not None and (rate or not _is_quiet(request, seen.now)):
        facts.append(f"{expected_time(left)} left")
    return facts


def not_asked(request: Request, providers: Iterable[ProviderNow], now: datetime) -> list[str]:
    """Codes of the providers that `request` needs and nobody asks at the moment."""
    needed = {share.provider for share in request.plan.by_provider}
    return [
        each.code
        for each in providers
        if each.code in needed
        and (not each.active or each.paused_until or each.silent_until or not _is_admitted(each, now))
    ]


def _is_admitted(provider: ProviderNow, now: datetime) -> bool:
    return admit(provider.circuit, now).allowed


def _is_quiet(request: Request, now: datetime) -> bool:
    return request.started_at is not None and (now - request.started_at).total_seconds() > RATE_SECONDS

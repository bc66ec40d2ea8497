"""What a retry is expected to come to, in the words of the dialog before it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from ops_core.domain.forecast import Forecast, KindForecast, ProviderForecast, is_vague
from ops_core.domain.images import MAX_RETRIES
from ops_core.domain.retry_options import Options
from ops_core.domain.retry_plan import RetryPlan, SkipReason, counted
from ops_core.domain.retry_wishes import expected_time
from ops_core.ui.markdown import plain

#: Why images are left out, as a person reads it after their number: of one image, of several.
LEFT_OUT: Mapping[SkipReason, tuple[str, str]] = {
    SkipReason.PERMANENT: (
        "cannot succeed: its error is permanent, such as not found",
        "cannot succeed: their error is permanent, such as not found",
    ),
    SkipReason.AMBIGUOUS: (
        "needs a decision: its error could be temporary or final",
        "need a decision: their error could be temporary or final",
    ),
    SkipReason.LIMIT: (
        f"has used up its {MAX_RETRIES} automatic retries",
        f"have used up their {MAX_RETRIES} automatic retries",
    ),
    SkipReason.RECOVERED: ("is in the store already", "are in the store already"),
    SkipReason.IN_FLIGHT: ("is being retried already", "are being retried already"),
    SkipReason.PAUSED: (
        "waits: its provider is paused or switched off",
        "wait: their provider is paused or switched off",
    ),
    SkipReason.REHOSTING: (
        "may not be copied by its provider's terms",
        "may not be copied by their provider's terms",
    ),
    SkipReason.BROKEN: ("was not reached", "were not reached"),
}
#: Reasons that a person may override.
FINAL = (SkipReason.PERMANENT, SkipReason.AMBIGUOUS, SkipReason.LIMIT)

#: A limit of the person's own decides where it makes the retry longer than the providers' by this much.
_LONGER = 1.02


def takes(forecast: Forecast, options: Options, names: Mapping[str, str]) -> str:
    """How long it takes and what decides that, as Markdown."""
    length = f"Takes **{expected_time(forecast.seconds)}**"
    slowest = max(forecast.by_provider, key=lambda one: one.seconds, default=None)
    if options.drips and forecast.seconds > _LONGER * (slowest.seconds if slowest else 0.0):
        return f"{length}: {_own_limit(options)} decides."
    if slowest is None or not slowest.limit:
        return f"{length}: the downloads themselves decide."
    name = names.get(slowest.provider, slowest.provider)
    whose = plain(name) + ("'" if name.endswith("s") else "'s")
    return f"{length}: {whose} {slowest.limit} decides."


def comes_in(forecast: Forecast, images: int) -> str:
    """How many of the `images` are expected to come in, and what that rests on, as Markdown."""
    known = images - forecast.unknown
    if forecast.uploaded is None or known <= 0:
        return "No history yet: nothing like these images was retried in the last 30 days."
    low, high = forecast.uploaded_low, forecast.uploaded_high
    between = "" if low is None or high is None else f" ({low:,.0f} to {high:,.0f})"
    tries = sum(kind.tries for kind in forecast.kinds)
    retries = "1 retry" if tries == 1 else f"{tries:,} retries"
    if is_vague(low, high, known):
        said = (
            f"**{low:,.0f} to {high:,.0f} of {counted(known, 'image')}** should come in: "
            f"{retries} in the last 30 days {'says' if tries == 1 else 'say'} no more."
        )
    else:
        said = (
            f"**About {forecast.uploaded:,.0f} of {counted(known, 'image')}** should come in{between}, "
            f"from {retries} in the last 30 days."
        )
    return f"{said} {counted(forecast.unknown, 'image')} more: no history yet." if forecast.unknown else said


def of_today(part: ProviderForecast) -> str:
    """What it takes of a provider's limit of the day, beside what is used: "3 % (used: 12 %)"."""
    if part.share_of_day is None:
        return "no limit"
    return f"{_percent(part.share_of_day)} (used: {_percent(part.used_today or 0.0)})"


def beyond_today(forecast: Forecast, names: Mapping[str, str]) -> str:
    """The providers whose limits do not allow all of it today, as Markdown; empty if all do."""
    late = [
        plain(names.get(part.provider, part.provider))
        for part in forecast.by_provider
        if part.share_of_day is not None and part.share_of_day + (part.used_today or 0.0) > 1
    ]
    return f"More than is left of today's limit of {' and '.join(late)}: the rest waits." if late else ""


def share(kind: KindForecast) -> str:
    """The expected share of one kind: "82 %", or that nothing is known."""
    return "no history yet" if kind.share is None else _percent(kind.share)


def interval(kind: KindForecast) -> str:
    """Its 95 % interval: "71 to 90 %"."""
    if kind.low is None or kind.high is None:
        return ""
    return f"{100 * kind.low:.0f} to {_percent(kind.high)}"


def left_out(plan: RetryPlan) -> str:
    """What is not tried and why, as lines of Markdown; empty if all is tried."""
    lines = [
        f":material/block: **{count:,}** {LEFT_OUT[reason][count != 1]}"
        for reason, count in plan.skipped.items()
    ]
    head = f"Left out, {counted(sum(plan.skipped.values()), 'image')}:"
    return "  \n".join([head, *lines]) if lines else ""


def how(options: Options, images: int, zone: str) -> str:
    """What was chosen beyond the usual, for a viewer in `zone`, as Markdown; empty for the usual."""
    parts = []
    if options.at is not None:
        parts.append(f"Begins **{instant(options.at, zone)}**.")
    if 0 < options.sample < images:
        first = counted(options.sample, "image")
        share = f"{100 * options.sample_share:.0f} %"
        parts.append(f"**{first} first**; it goes on by itself if {share} of them or more come in.")
    if options.drips:
        limit = _own_limit(options).removeprefix("your limit of ")
        parts.append(f"**At most {limit}.**")
    if options.override:
        parts.append("**Final failures are tried too.**")
    return " ".join(parts)


def instant(at: datetime, zone: str) -> str:
    """A planned instant on the viewer's clock: "Mon 23 Nov 2026, 02:00 (Europe/Warsaw)"."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M} ({zone})"


def _own_limit(options: Options) -> str:
    if options.per_hour is not None:
        return f"your limit of {counted(options.per_hour, 'image')} an hour"
    return f"your limit of \\${options.usd_per_day:,.2f} a day"


def _percent(part: float) -> str:
    if 0 < part < 0.001:
        return "under 0.1 %"
    return f"{100 * part:,.{1 if part < 0.01 else 0}f} %" if part else "0 %"

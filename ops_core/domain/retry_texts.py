"""A planned retry in plain lines, for terminals and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from ops_core.domain.forecast import Forecast, is_vague
from ops_core.domain.off_peak import OffPeak
from ops_core.domain.retries import Scope
from ops_core.domain.retry_options import Options
from ops_core.domain.retry_plan import RetryPlan, counted
from ops_core.domain.retry_wishes import expected_time


def plan_lines(
    scope: Scope, options: Options, plan: RetryPlan, forecast: Forecast, off_peak: OffPeak | None = None
) -> list[str]:
    """What a retry would do and what is expected of it."""
    left_out = [f"Left out: {plan.skipped_in_words()}."] if plan.skipped else []
    if not plan.images:
        return [f"Nothing to retry for {scope.in_words()}.", *left_out]
    lines = [f"To be tried again ({scope.in_words()}): {plan.in_words()}, {options.in_words()}.", *left_out]
    if off_peak is not None:
        lines.append(f"Best hour: {off_peak.why.rstrip('.')}.")
    shares = {share.provider: share for share in forecast.by_provider}
    rows = [("provider", "images", "calls", "cost", "of today's limit", "takes")]
    for planned in plan.by_provider:
        share = shares.get(planned.provider)
        decides = f", by its {share.limit}" if share and share.limit else ""
        rows.append(
            (
                planned.provider,
                f"{planned.images:,}",
                f"{planned.calls:,}",
                money(planned.cost_usd),
                _of_today(share.share_of_day, share.used_today) if share else "",
                f"{expected_time(share.seconds)}{decides}" if share else "",
            )
        )
    lines += ["", *columns(rows), ""]
    return [
        *lines,
        f"In all: {expected_time(forecast.seconds)}, {counted(plan.calls, 'call')}, {money(plan.cost_usd)}.",
        expectation(forecast),
    ]


def expectation(forecast: Forecast) -> str:
    """How many uploads to expect, or that nobody can say yet."""
    if forecast.uploaded is None:
        return "Expected uploads: no history yet, nothing like these was retried in the last 30 days."
    tries = sum(kind.tries for kind in forecast.kinds)
    between = ""
    if forecast.uploaded_low is not None and forecast.uploaded_high is not None:
        between = f" ({forecast.uploaded_low:,.0f} to {forecast.uploaded_high:,.0f})"
    retries = "1 retry" if tries == 1 else f"{tries:,} retries"
    known = sum(kind.images for kind in forecast.kinds) - forecast.unknown
    expected = f"{forecast.uploaded:,.0f}{between}"
    if is_vague(forecast.uploaded_low, forecast.uploaded_high, known):
        expected = f"{between[2:-1]} of {counted(known, 'image')}"
    unknown = f"; no history yet for {counted(forecast.unknown, 'image')}" if forecast.unknown else ""
    return f"Expected uploads: {expected}, from {retries} in the last 30 days{unknown}."


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of words under each other, the first their headings; columns of numbers stand to the right."""
    lines = [""] * len(rows)
    for heading, *cells in zip(*rows, strict=True):
        width = max(map(len, (heading, *cells)))
        is_number = bool(cells) and all(cell[:1] in "0123456789$#" for cell in cells)
        for at, cell in enumerate((heading, *cells)):
            lines[at] += "  " + (cell.rjust(width) if is_number else cell.ljust(width))
    return [line.rstrip() for line in lines]


def money(usd: Decimal) -> str:
    """US dollars: "$0.007", "$12.40", "$0"."""
    if not usd:
        return "$0"
    return f"${usd:,.2f}" if usd >= 10 else f"${usd:,.3f}"


def _of_today(share: float | None, used: float | None) -> str:
    if share is None:
        return "no limit"
    return _percent(share) + (f" on top of {_percent(used)} used" if used is not None else "")


def _percent(share: float) -> str:
    return "under 1 %" if 0 < share < 0.005 else f"{100 * share:,.0f} %"

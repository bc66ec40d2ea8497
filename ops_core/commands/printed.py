"""What commands print: plans and retries in words, and as JSON for scripts; images by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ops_core.domain.errors import info
from ops_core.domain.retries import RequestState
from ops_core.domain.retry_plan import RetryPlan
from ops_core.domain.retry_texts import columns, expectation, money
from ops_core.domain.retry_wishes import expected_time

if TYPE_CHECKING:
    from ops_core.db.retries import Request
    from ops_core.domain.forecast import Forecast
    from ops_core.domain.off_peak import OffPeak

#: Image ids named with one reason; there may be a million of them.
MOST_NAMED = 500


def request_lines(request: Request) -> list[str]:
    """A retry as it is now, with what was expected beside what came of it."""
    lines = [
        f"Retry #{request.id} of {request.scope.in_words()}: {state_in_words(request)}",
        f"Ordered {when(request.created_at)} by {request.actor}: {request.options.in_words()}",
    ]
    if request.reason:
        lines.append(f"Reason: {request.reason}")
    if request.rerun_of is not None:
        lines.append(f"What failed in retry #{request.rerun_of}, once more")
    lines.append(f"Images: {counts_in_words(request)}")
    lines.append(
        f"Calls: {request.calls:,} of {request.plan.calls:,} expected; "
        f"cost: {money(request.cost_usd)} of {money(request.plan.cost_usd)} expected"
    )
    if request.forecast is not None:
        lines.append(expectation(request.forecast))
        if request.started_at and request.finished_at:
            took = (request.finished_at - request.started_at).total_seconds()
            lines.append(f"Took {expected_time(took)}; expected {expected_time(request.forecast.seconds)}.")
    return lines


def state_in_words(request: Request) -> str:
    """ "running", "paused: the sample came to ...", "cancelled by local", "begins 2026-11-23 02:00 UTC"."""
    state, why = request.state, request.state_reason or ""
    words = state.value
    if state is RequestState.PENDING and request.not_before > request.created_at:
        words = f"begins {when(request.not_before)}"
    elif state in (RequestState.PAUSED, RequestState.CANCELLED) and why:
        # "paused by anna" says it all
        words = why if why.startswith(words) else f"{words}: {why}"
    if request.finished_at is not None:
        return f"{words} {when(request.finished_at)}"
    return f"{words}, what had begun is ending" if state is RequestState.CANCELLED else words


def counts_in_words(request: Request) -> str:
    """ "12, 8 uploaded, 1 failed, 2 skipped, 1 open"."""
    parts = [f"{request.images:,}", f"{request.uploaded:,} uploaded", f"{request.failed:,} failed"]
    parts += [f"{request.skipped:,} skipped"] if request.skipped else []
    parts += [f"{request.let_go:,} let go"] if request.let_go else []
    parts += [f"{request.open:,} open"] if request.open else []
    return ", ".join(parts)


def ends_lines(ends: Iterable[Mapping[str, Any]]) -> list[str]:
    """Images of a retry counted by provider, outcome and reason (`db.retry_lists.tally`), in columns."""
    rows = [("provider", "outcome", "reason", "images")]
    for end in ends:
        state, reason, images = end["state"], end["reason"], end["images"]
        words = reason or ""
        if state == "failed" and reason:
            words = f"{reason} ({info(reason).label})"
        rows.append((end["provider"], str(state), words, f"{images:,}"))
    return columns(rows)


def list_lines(requests: Sequence[Request]) -> list[str]:
    """Retries, a line each."""
    rows = [("retry", "ordered (UTC)", "by", "state", "images", "uploaded", "failed", "open", "what")]
    rows += [
        (
            f"#{each.id}",
            f"{each.created_at:%Y-%m-%d %H:%M}",
            each.actor,
            each.state.value,
            f"{each.images:,}",
            f"{each.uploaded:,}",
            f"{each.failed:,}",
            f"{each.open:,}",
            each.scope.in_words(),
        )
        for each in requests
    ]
    return columns(rows)


def preview_json(plan: RetryPlan, forecast: Forecast, off_peak: OffPeak | None) -> dict[str, Any]:
    """Plan and forecast as scripts read them."""
    return {
        "plan": plan.to_json()
        | {"in_scope": plan.in_scope, "calls": plan.calls, "cost_usd": str(plan.cost_usd)},
        "forecast": forecast.to_json(),
        "off_peak": None if off_peak is None else {"at": off_peak.start.isoformat(), "why": off_peak.why},
    }


def request_json(request: Request) -> dict[str, Any]:
    """A retry as scripts read it: times in ISO 8601, UTC; dollars as text, exact."""
    times = ("not_before", "created_at", "started_at", "finished_at")
    numbers = ("images", "uploaded", "failed", "skipped", "let_go", "open", "calls")
    return {
        "id": request.id,
        "state": request.state.value,
        "state_reason": request.state_reason,
        "scope": request.scope.to_json(),
        "scope_in_words": request.scope.in_words(),
        "options": request.options.to_json(),
        "actor": request.actor,
        "reason": request.reason,
        "rerun_of": request.rerun_of,
        **{name: _iso(getattr(request, name)) for name in times},
        **{name: getattr(request, name) for name in numbers},
        "cost_usd": str(request.cost_usd),
        "plan": request.plan.to_json(),
        "forecast": None if request.forecast is None else request.forecast.to_json(),
    }


def named(ids: Iterable[int]) -> str:
    """ "3, 7, 12", and how many more."""
    ordered = sorted(ids)
    more = len(ordered) - MOST_NAMED
    words = ", ".join(map(str, ordered[:MOST_NAMED]))
    return f"{words} and {more:,} more" if more > 0 else words


def when(at: datetime) -> str:
    """ "2026-11-23 02:00 UTC"."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()

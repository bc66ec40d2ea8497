"""What a finished search for a venue's ids says of itself: status, cost and the keys of its `meta`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from ops_core.db.job_providers import ProviderResult
from ops_core.db.jobs import ClaimedJob, JobResult
from ops_core.db.matches import Match
from ops_core.db.places import VenueContext
from ops_core.domain.jobs import JobState, JobStatus, ProviderStatus
from ops_core.domain.matches import MatchState
from ops_core.work import report


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a report is made from."""

    job: ClaimedJob
    context: VenueContext
    results: Sequence[ProviderResult]
    matches: Mapping[str, Match]  #: What the job found, by provider.
    now: datetime

    def codes(self, state: MatchState) -> list[str]:
        """The providers at which it came to `state`."""
        return sorted(code for code, match in self.matches.items() if match.state is state)

    @property
    def failed(self) -> list[str]:
        """The providers that answered with an error."""
        return sorted(line.provider for line in self.results if line.status is ProviderStatus.FAILED)


def result(facts: Facts) -> JobResult:
    """How the job ended. One that found nothing because providers failed is discarded, not completed."""
    status = _status(facts)
    cost = sum((line.cost_usd for line in facts.results), Decimal(0))
    return JobResult(
        state=JobState.DISCARDED if status is JobStatus.ERROR else JobState.COMPLETED,
        status=status,
        cost_usd=cost,
        meta={
            "status": status,
            "ids_found": len(facts.codes(MatchState.MATCHED)),
            "to_review": len(facts.codes(MatchState.REVIEW)),
            "not_found": len(facts.codes(MatchState.NONE)),
            "providers": {line.provider: _provider(line) for line in facts.results},
            "matches": {code: _match(match) for code, match in facts.matches.items()},
            "total_cost_usd": float(cost),
            "summary": _summary(facts, status),
            "completed_at": facts.now.isoformat(),
            "execution_time_ms": report.milliseconds(facts.job, facts.now),
            "venue_context": report.venue_context(facts.context),
        },
    )


def without_venue(job: ClaimedJob, now: datetime) -> JobResult:
    """The report of a job whose venue is gone."""
    return JobResult(
        state=JobState.DISCARDED,
        status=JobStatus.ERROR,
        meta={
            "status": JobStatus.ERROR,
            "error": "Venue not found",
            "summary": "Failed - venue not found",
            "completed_at": now.isoformat(),
            "execution_time_ms": report.milliseconds(job, now),
        },
    )


def _status(facts: Facts) -> JobStatus:
    if not facts.matches:
        return JobStatus.ERROR if facts.failed else JobStatus.SKIPPED
    found, unclear = facts.codes(MatchState.MATCHED), facts.codes(MatchState.REVIEW)
    if len(found) == len(facts.matches) and not facts.failed:
        return JobStatus.SUCCESS
    if found or unclear:
        return JobStatus.PARTIAL
    return JobStatus.ERROR if facts.failed else JobStatus.FAILED


def _summary(facts: Facts, status: JobStatus) -> str:
    if status is JobStatus.SKIPPED:
        return "Skipped - no id is missing that can be searched for"
    said = [
        (facts.codes(MatchState.MATCHED), "id found at"),
        (facts.codes(MatchState.REVIEW), "a person must choose at"),
        (facts.codes(MatchState.NONE), "nothing found at"),
    ]
    parts = [f"{words} {', '.join(codes)}" for codes, words in said if codes]
    if facts.failed:
        parts.append(f"{', '.join(facts.failed)} encountered errors")
    text = "; ".join(parts)
    prefix = "Failed - " if status in (JobStatus.ERROR, JobStatus.FAILED) else ""
    return f"{prefix}{text}" if prefix else text[:1].upper() + text[1:]


def _provider(line: ProviderResult) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "status": line.status,
        "cost_usd": float(line.cost_usd),
        "duration_ms": line.duration_ms,
    }
    if line.reason:
        shown["reason"] = line.reason
    if line.error_type:
        shown["error_type"] = line.error_type
    return shown


def _match(match: Match) -> dict[str, Any]:
    return {
        "state": match.state,
        "place_id": match.place_id,
        "score": match.score,
        "candidates": len(match.candidates),
    }

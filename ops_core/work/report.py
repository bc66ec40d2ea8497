"""What a finished job on one venue says of itself: status, counts, cost and the keys of its `meta`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from ops_core.db.job_providers import JobTry, PhotoCounts, ProviderResult
from ops_core.db.jobs import ClaimedJob, JobResult
from ops_core.db.places import VenueContext
from ops_core.domain.images import AttemptOutcome, ImageState
from ops_core.domain.jobs import JobFigures, JobState, JobStatus, ProviderStatus, outcome, summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a report is made from."""

    job: ClaimedJob
    context: VenueContext
    tries: Sequence[JobTry]  #: The job's last try of each image.
    providers: Sequence[ProviderResult]
    photo_costs: Mapping[str, tuple[int, Decimal]]
    states: Mapping[int, ImageState]  #: What the chosen images are now.
    now: datetime


def result(facts: Facts) -> JobResult:
    """How the job ended. A job that found nothing because providers failed is discarded, not completed."""
    figures = _figures(facts)
    status = outcome(figures)
    cost = sum((line.cost_usd for line in facts.providers), Decimal(0))
    cost += sum((cost for _, cost in facts.photo_costs.values()), Decimal(0))
    return JobResult(
        state=JobState.DISCARDED if status is JobStatus.ERROR else JobState.COMPLETED,
        status=status,
        discovered=figures.discovered,
        uploaded=figures.uploaded,
        failed=figures.failed,
        cost_usd=cost,
        meta={
            "status": status,
            "images_discovered": figures.discovered,
            "images_uploaded": figures.uploaded,
            "images_failed": figures.failed,
            "images_existing": figures.existing,
            "images_referenced": figures.referenced,
            "images_left": figures.left,
            "failure_breakdown": _breakdown(facts),
            "failed_images": [_failed_image(item) for item in facts.tries if _is_failed(item)],
            "providers": _providers(facts),
            "imagekit_urls": [item.url for item in facts.tries if _is_uploaded(item) and item.url],
            "total_cost_usd": float(cost),
            "summary": summary(figures, {line.provider: line.status for line in facts.providers}),
            "completed_at": facts.now.isoformat(),
            "execution_time_ms": milliseconds(facts.job, facts.now),
            "venue_context": venue_context(facts.context),
            "image_ids": list(facts.states),
        },
    )


def broken(done: JobResult, error: str) -> JobResult:
    """The report of a job that could not go on: what it had `done` until then, and what it broke on."""
    return replace(
        done,
        state=JobState.DISCARDED,
        status=JobStatus.ERROR,
        meta={**done.meta, "status": JobStatus.ERROR, "error": error, "summary": f"Failed - {error}"},
        error=error,
    )


def photo_counts(facts: Facts) -> list[PhotoCounts]:
    """What bringing in the photos came to, by provider."""
    uploaded = Counter(item.provider for item in facts.tries if _is_uploaded(item))
    failed = Counter(item.provider for item in facts.tries if _is_failed(item))
    counts = []
    for line in facts.providers:
        calls, cost = facts.photo_costs.get(line.provider, (0, Decimal(0)))
        counts.append(
            PhotoCounts(
                provider=line.provider,
                uploaded=uploaded[line.provider],
                failed=failed[line.provider],
                calls=calls,
                cost_usd=cost,
            )
        )
    return counts


def milliseconds(job: ClaimedJob, now: datetime) -> int:
    """How long this attempt of the job took."""
    return max(0, round((now - job.attempted_at).total_seconds() * 1000))


def _figures(facts: Facts) -> JobFigures:
    tried = {item.image_id for item in facts.tries}
    untried = [state for image_id, state in facts.states.items() if image_id not in tried]
    counted = Counter(untried)
    return JobFigures(
        discovered=len(facts.states),
        uploaded=sum(map(_is_uploaded, facts.tries)),
        failed=sum(map(_is_failed, facts.tries)),
        existing=counted[ImageState.UPLOADED],
        referenced=counted[ImageState.REFERENCED],
        left=len(untried) - counted[ImageState.UPLOADED] - counted[ImageState.REFERENCED],
        providers_failed=sum(line.status is ProviderStatus.FAILED for line in facts.providers),
    )


def _is_uploaded(item: JobTry) -> bool:
    return item.outcome is AttemptOutcome.UPLOADED


def _is_failed(item: JobTry) -> bool:
    return item.outcome is not AttemptOutcome.UPLOADED


def _breakdown(facts: Facts) -> dict[str, int]:
    counted = Counter(str(item.error_type) for item in facts.tries if _is_failed(item))
    return dict(counted.most_common())


def _failed_image(item: JobTry) -> dict[str, Any]:
    return {
        "image_id": item.image_id,
        "provider_url": item.source_url,
        "provider": item.provider,
        "error_type": item.error_type,
        "status_code": item.status_code,
        "timestamp": item.finished_at.isoformat(),
    }


def _providers(facts: Facts) -> dict[str, dict[str, Any]]:
    counts = {line.provider: line for line in photo_counts(facts)}
    lines: dict[str, dict[str, Any]] = {}
    for line in facts.providers:
        photos = counts[line.provider]
        lines[line.provider] = {
            "status": line.status,
            "images_fetched": line.images_fetched,
            "images_uploaded": photos.uploaded,
            "images_failed": photos.failed,
            "cost_usd": float(line.cost_usd + photos.cost_usd),
            "duration_ms": line.duration_ms,
        }
        if line.error_type:
            lines[line.provider] |= {"reason": line.reason, "error_type": line.error_type}
    return lines


def venue_context(context: VenueContext) -> dict[str, Any]:
    """What `meta` keeps of the venue as it was."""
    venue = context.venue
    return {
        "venue_id": context.id,
        "venue_name": venue.name,
        "venue_address": venue.address,
        "city_id": context.city_id,
        "has_coordinates": venue.has_coordinates,
        "coordinates": f"{venue.latitude},{venue.longitude}" if venue.has_coordinates else None,
        "provider_ids_available": sorted(venue.provider_ids),
        "provider_ids_count": len(venue.provider_ids),
    }

"""Jobs: their kinds, states and outcome, and the summary a person reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class JobKind(StrEnum):
    """What a job is for, as stored in `jobs.kind`."""

    ENRICHMENT = "enrichment"  #: One venue ("individual").
    BATCH = "batch"  #: A given list of venues; spawns one enrichment each.
    STALE = "stale"  #: Finds the venues that are due; spawns one enrichment each.
    BACKFILL = "backfill"  #: A city; spawns one enrichment each.
    RETRY = "retry"  #: Tries failed images again.
    CLEANUP = "cleanup"  #: The scan over all failures.
    GEOCODING = "geocoding"  #: Finds a venue's id at a provider.


class JobState(StrEnum):
    """Where a job is in the queue, as stored in `jobs.state`. Oban's words."""

    AVAILABLE = "available"
    EXECUTING = "executing"
    RETRYABLE = "retryable"
    COMPLETED = "completed"
    DISCARDED = "discarded"
    CANCELLED = "cancelled"


OPEN_STATES = (JobState.AVAILABLE, JobState.EXECUTING, JobState.RETRYABLE)
FINISHED_STATES = (JobState.COMPLETED, JobState.DISCARDED, JobState.CANCELLED)


class JobStatus(StrEnum):
    """What came out of a job, as stored in `jobs.status` and `meta.status`."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    NO_IMAGES = "no_images"
    ERROR = "error"
    SKIPPED = "skipped"


class JobOutcome(StrEnum):
    """How a job ended, in one word: its status, or its state where that says more. As in `jobs.outcome`."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    NO_IMAGES = "no_images"
    ERROR = "error"
    SKIPPED = "skipped"
    DISCARDED = "discarded"
    CANCELLED = "cancelled"


class ProviderStatus(StrEnum):
    """How one provider did in one job, as stored in `job_providers.status`."""

    SUCCESS = "success"
    NO_IMAGES = "no_images"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFigures:
    """What one enrichment did, counted in images."""

    discovered: int  #: Chosen by rank from what the providers listed.
    uploaded: int  #: Brought into the store by this job.
    failed: int  #: Tried by this job, and failed.
    existing: int = 0  #: Were in the store before, or are in another job's hands.
    referenced: int = 0  #: Shown from their provider, as its terms ask.
    left: int = 0  #: Failed before, with no automatic try left: not tried by this job.
    providers_failed: int = 0  #: Providers that answered with an error.


def outcome(figures: JobFigures) -> JobStatus:
    """The status of an enrichment.

    `no_images` means that no provider failed and none had a photo; when nothing was found and a
    provider failed, that is `error`: a rejected key must never look like a venue without photos.
    A provider that failed beside others that delivered makes the job `partial`.
    """
    if figures.discovered == 0:
        return JobStatus.ERROR if figures.providers_failed else JobStatus.NO_IMAGES
    if figures.uploaded + figures.existing + figures.referenced == 0:
        return JobStatus.FAILED
    if figures.failed or figures.left or figures.providers_failed:
        return JobStatus.PARTIAL
    return JobStatus.SUCCESS


def summary(figures: JobFigures, providers: Mapping[str, ProviderStatus]) -> str:
    """One sentence for people: what was found where, and what became of it."""
    failed = sorted(name for name, status in providers.items() if status is ProviderStatus.FAILED)
    found = sorted(name for name, status in providers.items() if status is ProviderStatus.SUCCESS)
    if figures.discovered == 0:
        if failed:
            return f"Failed - {', '.join(failed)} encountered errors"
        if not providers:
            return "No images found - no active provider knows this venue"
        return "No images found - venue has no available photos"
    tried = figures.discovered - figures.referenced
    parts = [f"{figures.uploaded} uploaded"] if tried or figures.uploaded else []
    if figures.failed:
        parts.append(f"{figures.failed} failed")
    if figures.existing:
        parts.append(f"{figures.existing} already stored")
    if figures.referenced:
        parts.append(f"{figures.referenced} shown from their provider")
    if figures.left:
        parts.append(f"{figures.left} failed before")
    noun = "image" if figures.discovered == 1 else "images"
    text = f"Found {figures.discovered} {noun} from {', '.join(found) or 'earlier runs'}, {', '.join(parts)}"
    if failed:
        text += f"; {', '.join(failed)} encountered errors"
    return text

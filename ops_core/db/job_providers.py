"""How each provider did in a job, and what the job's tries add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert

from ops_core.db.schema import JobProvider
from ops_core.domain.errors import ErrorType
from ops_core.domain.images import AttemptOutcome
from ops_core.domain.jobs import ProviderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderResult:
    """One provider's answer to one job's question."""

    provider: str
    status: ProviderStatus
    error_type: ErrorType | None = None
    reason: str | None = None
    status_code: int | None = None
    images_fetched: int = 0
    calls: int = 0
    cost_usd: Decimal = Decimal(0)
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTry:
    """How the job's last try of one image ended."""

    image_id: int
    provider: str
    outcome: AttemptOutcome
    error_type: ErrorType | None
    status_code: int | None
    finished_at: datetime
    number: int
    url: str | None  #: Where the picture is now.
    source_url: str | None


def save(connection: Connection, job_id: int, results: Sequence[ProviderResult]) -> None:
    """Keep the answers; a later attempt of the job adds its calls and cost to what was spent before."""
    for result in results:
        statement = insert(JobProvider).values(job_id=job_id, **asdict(result))
        new = statement.excluded
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["job_id", "provider"],
                set_={
                    "status": new.status,
                    "error_type": new.error_type,
                    "reason": new.reason,
                    "status_code": new.status_code,
                    "images_fetched": new.images_fetched,
                    "duration_ms": new.duration_ms,
                    "calls": JobProvider.calls + new.calls,
                    "cost_usd": JobProvider.cost_usd + new.cost_usd,
                },
            )
        )


def load(connection: Connection, job_id: int) -> list[ProviderResult]:
    """The answers kept for a job, by provider."""
    columns = [getattr(JobProvider, name) for name in ProviderResult.__dataclass_fields__]
    rows = connection.execute(
        select(*columns).where(JobProvider.job_id == job_id).order_by(JobProvider.provider)
    )
    return [ProviderResult(**row._mapping) for row in rows]


def tries(connection: Connection, job_id: int) -> list[JobTry]:
    """The job's last try of each image, in the order they ended."""
    rows = connection.execute(
        text("""
            SELECT * FROM (
                SELECT DISTINCT ON (attempts.image_id) attempts.image_id, attempts.provider, attempts.outcome,
                    attempts.error_type, attempts.status_code, attempts.finished_at, attempts.number,
                    images.url, images.source_url
                FROM attempts JOIN images ON images.id = attempts.image_id
                WHERE attempts.job_id = :job_id
                ORDER BY attempts.image_id, attempts.number DESC
            ) AS last ORDER BY finished_at, image_id
        """),
        {"job_id": job_id},
    )
    return [
        JobTry(
            **{
                **row._mapping,
                "outcome": AttemptOutcome(row.outcome),
                "error_type": ErrorType(row.error_type) if row.error_type else None,
            }
        )
        for row in rows
    ]


def photo_costs(connection: Connection, job_id: int) -> dict[str, tuple[int, Decimal]]:
    """Calls made and money spent on the job's photos, by provider; lost tries included."""
    rows = connection.execute(
        text("""
            SELECT provider, sum(calls) AS calls, sum(cost_usd) AS cost FROM attempts
            WHERE job_id = :job_id GROUP BY provider
        """),
        {"job_id": job_id},
    )
    return {row.provider: (int(row.calls), row.cost) for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoCounts:
    """What bringing in one provider's photos came to in one job."""

    provider: str
    uploaded: int
    failed: int
    calls: int
    cost_usd: Decimal


def save_counts(connection: Connection, job_id: int, counts: PhotoCounts) -> None:
    """Add the photos' counts to the answer; called once, by the transaction that ends the job."""
    connection.execute(
        text("""
            UPDATE job_providers SET images_uploaded = :uploaded, images_failed = :failed,
                calls = calls + :calls, cost_usd = cost_usd + :cost_usd
            WHERE job_id = :job_id AND provider = :provider
        """),
        {"job_id": job_id, **asdict(counts)},
    )

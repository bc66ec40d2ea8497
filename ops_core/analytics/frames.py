"""From query to DataFrame, with declared columns and dtypes that hold for no rows at all too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from ops_core.db import operations
from ops_core.domain.errors import ErrorType, info
from ops_core.domain.jobs import JobState, JobStatus

_TIME = "datetime64[us, UTC]"

JOBS = {
    "id": "int64",
    "finished_at": _TIME,
    "kind": "str",
    "state": "str",
    "status": "str",
    "venue_id": "Int64",
    "venue": "str",
    "city": "str",
    "seconds": "float64",
    "summary": "str",
    "existing": "int64",
    "left": "int64",
    "providers_failed": "int64",
    "images_discovered": "int64",
    "images_uploaded": "int64",
    "images_failed": "int64",
    "retryable": "int64",
    "recovered": "int64",
    "first_error": "str",
    "cost_usd": "float64",
    "providers": "object",
}
PROVIDER_RESULTS = {
    "provider": "str",
    "status": "str",
    "images_fetched": "int64",
    "images_uploaded": "int64",
    "images_failed": "int64",
    "calls": "int64",
    "cost_usd": "float64",
    "seconds": "float64",
    "error_type": "str",
    "status_code": "Int64",
    "reason": "str",
}
FAILED_IMAGES = {
    "image_id": "int64",
    "provider": "str",
    "error_type": "str",
    "status_code": "Int64",
    "detail": "str",
    "finished_at": _TIME,
    "state_now": "str",
    "retry_count": "int64",
    "source_url": "str",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The four figures of the Operations page, of the jobs in one frame."""

    operations: int
    uploaded: int
    failed: int
    retryable: int
    recovered: int


def recent_jobs(connection: Connection, limit: int = 50) -> pd.DataFrame:
    """The last finished jobs, newest first; `seconds` is from the last attempt's start to the end."""
    rows = [
        {
            **row,
            "seconds": (row["finished_at"] - row["attempted_at"]).total_seconds()
            if row["attempted_at"]
            else None,
            "providers": row["providers"] or [],
        }
        for row in operations.recent_jobs(connection, limit)
    ]
    return _frame(rows, JOBS)


def figures(jobs: pd.DataFrame) -> Figures:
    """The figures of the jobs in a frame of `recent_jobs`."""
    return Figures(
        operations=len(jobs),
        uploaded=int(jobs["images_uploaded"].sum()),
        failed=int(jobs["images_failed"].sum()),
        retryable=int(jobs["retryable"].sum()),
        recovered=int(jobs["recovered"].sum()),
    )


def provider_results(connection: Connection, job_id: int) -> pd.DataFrame:
    """How each provider did in one job."""
    rows = [
        {**row, "seconds": None if row["duration_ms"] is None else row["duration_ms"] / 1000}
        for row in operations.provider_results(connection, job_id)
    ]
    return _frame(rows, PROVIDER_RESULTS)


def failed_images(connection: Connection, job_id: int) -> pd.DataFrame:
    """The images one job left failed, and what they are now."""
    rows = [dict(row) for row in operations.failed_images(connection, job_id)]
    return _frame(rows, FAILED_IMAGES)


def results_text(job: Mapping[str, Any]) -> str:
    """What came out of a job, in words: "12 discovered, 9 uploaded, 3 failed (2 recovered since)".

    A job without images says what it did instead, or why it found none.
    """
    if not job["images_discovered"]:
        return "" if pd.isna(job["summary"]) else str(job["summary"])
    text = f"{job['images_discovered']} discovered"
    if job["images_uploaded"] or not job["existing"]:
        text += f", {job['images_uploaded']} uploaded"
    if job["existing"]:
        text += f", {job['existing']} already stored"
    if job["images_failed"]:
        text += f", {job['images_failed']} failed"
    if job["recovered"]:
        text += f" ({job['recovered']} recovered since)"
    if job["left"]:
        text += f", {job['left']} failed before"
    if job["providers_failed"]:
        noun = "provider" if job["providers_failed"] == 1 else "providers"
        text += f", {job['providers_failed']} {noun} could not answer"
    return text


def outcome_label(state: str, status: str | None) -> str:
    """The word on a finished job's badge: its status, or how it ended if it never got that far."""
    if state == JobState.COMPLETED and status:
        return JobStatus(status).replace("_", " ").capitalize()
    return JobState(state).capitalize()


def error_label(error_type: str | None) -> str | None:
    """The error table's icon and label; None for no error."""
    if not error_type:
        return None
    row = info(ErrorType(error_type))
    return f"{row.icon} {row.label}"


def _frame(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    data = list(rows)
    return pd.DataFrame(
        {name: pd.Series([_plain(row[name]) for row in data], dtype=kind) for name, kind in columns.items()}
    )


def _plain(value: Any) -> Any:
    # an enum member is a string to pandas, but it must not reach Arrow as an object
    return str(value) if isinstance(value, str) else value

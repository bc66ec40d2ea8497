"""What an opened job shows, cached for seconds; each section asks when it is opened and not before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from ops_core.analytics import job_frames
from ops_core.db import job_detail, related_jobs
from ops_core.db import references as db_references
from ops_core.db.engine import get_engine
from ops_core.domain.jobs import JobKind

#: Jobs that do nothing but start other jobs.
STARTERS = (JobKind.BATCH, JobKind.STALE, JobKind.BACKFILL, JobKind.CLEANUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What shows at once: the job, what became of its images, and how its providers did."""

    job: Mapping[str, Any]
    counts: pd.DataFrame  #: `job_frames.fates`.
    providers: pd.DataFrame
    started: Mapping[str, int]  #: Jobs it started, by how they ended.
    request: Mapping[str, Any] | None  #: The retry request it works for.


def referenced(job: Mapping[str, Any]) -> int:
    """Photos the job chose that are shown from their provider."""
    return int((job["numbers"] or {}).get("images_referenced", 0))


@st.cache_data(ttl="5s", max_entries=128, show_spinner=False)
def overview(job_id: int) -> Overview | None:
    """The job of that id; None if there is none."""
    with get_engine().connect() as connection:
        row = job_detail.job(connection, job_id)
        if row is None:
            return None
        job = dict(row)
        counts = job_frames.fates(connection, job_id)
        request = related_jobs.retry_request(connection, row["request_id"]) if row["request_id"] else None
        shown = db_references.by_provider(connection, job_id) if referenced(job) else None
        return Overview(
            job=job,
            counts=counts,
            providers=job_frames.provider_results(connection, job_id, counts, shown),
            started=related_jobs.started_jobs(connection, job_id) if row["kind"] in STARTERS else {},
            request=dict(request) if request else None,
        )


@st.cache_data(ttl="5s", max_entries=64, show_spinner=False)
def failed_images(job_id: int, limit: int) -> pd.DataFrame:
    """`job_frames.failed_images`."""
    with get_engine().connect() as connection:
        return job_frames.failed_images(connection, job_id, limit)


@st.cache_data(ttl="5s", max_entries=64, show_spinner=False)
def photos(job_id: int, limit: int) -> Sequence[Mapping[str, Any]]:
    """The photos the job brought in, in the order they were chosen."""
    with get_engine().connect() as connection:
        return [dict(row) for row in job_detail.uploaded_images(connection, job_id, limit)]


@st.cache_data(ttl="5s", max_entries=64, show_spinner=False)
def references(job_id: int, limit: int) -> Sequence[Mapping[str, Any]]:
    """The photos the job found that are shown from their provider."""
    with get_engine().connect() as connection:
        return [dict(row) for row in db_references.of_job(connection, job_id, limit)]


@st.cache_data(ttl="5s", max_entries=64, show_spinner=False)
def timeline(job_id: int, limit: int) -> pd.DataFrame | None:
    """`job_frames.timeline` with the first `limit` tries; None if the job is gone."""
    with get_engine().connect() as connection:
        row = job_detail.job(connection, job_id)
        if row is None:
            return None
        errors = job_detail.errors(connection, job_id)
        tries = [dict(tried) for tried in job_detail.tries(connection, job_id, limit)]
        return job_frames.timeline(dict(row), errors, tries)


@st.cache_data(ttl="5s", max_entries=32, show_spinner=False)
def started_jobs(job_id: int, limit: int) -> Sequence[Mapping[str, Any]]:
    """The first jobs that this one started."""
    with get_engine().connect() as connection:
        return [dict(row) for row in related_jobs.first_started(connection, job_id, limit)]


@st.cache_data(ttl="5s", max_entries=16, show_spinner=False)
def raw(job_id: int) -> Mapping[str, Any] | None:
    """The job as it is stored; None if it is gone."""
    with get_engine().connect() as connection:
        row = job_detail.raw(connection, job_id)
        return None if row is None else dict(row)


def forget() -> None:
    """Forget what was read, so that the next run asks the database."""
    for read in (overview, failed_images, photos, references, timeline, started_jobs, raw):
        read.clear()

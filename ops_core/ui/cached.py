"""What pages read, cached for seconds: many open tabs cost the database one question.

Every argument is part of the key. Detail of one job is short-lived too: its images go on living.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from ops_core.analytics import frames
from ops_core.db import operations
from ops_core.db.engine import get_engine

#: Finished jobs the Operations page shows.
JOBS_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentJobs:
    """The last finished jobs, and when they were read."""

    jobs: pd.DataFrame
    read_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Underway:
    """Open jobs, and which processes were heard of: kind -> seconds since, shortest first."""

    jobs: operations.OpenJobs
    heard: dict[str, list[float]]

    def alive(self, kind: str) -> int:
        """How many processes of `kind` live."""
        return sum(age <= operations.ALIVE_SECONDS for age in self.heard.get(kind, ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetail:
    """One job and everything that belongs to it."""

    job: dict[str, Any]
    providers: pd.DataFrame
    failed: pd.DataFrame
    uploaded: Sequence[dict[str, Any]]


@st.cache_data(ttl="5s", max_entries=8, show_spinner=False)
def recent_jobs(limit: int = JOBS_SHOWN) -> RecentJobs:
    with get_engine().connect() as connection:
        return RecentJobs(jobs=frames.recent_jobs(connection, limit), read_at=datetime.now(UTC))


@st.cache_data(ttl="3s", max_entries=1, show_spinner=False)
def underway() -> Underway:
    with get_engine().connect() as connection:
        heard: dict[str, list[float]] = {}
        for row in operations.heartbeats(connection):
            heard.setdefault(row["kind"], []).append(float(row["age"]))
        return Underway(jobs=operations.open_jobs(connection), heard=heard)


@st.cache_data(ttl="30s", max_entries=1, show_spinner=False, refresh_mode="background")
def open_failures() -> operations.OpenFailures:
    with get_engine().connect() as connection:
        return operations.open_failures(connection)


@st.cache_data(ttl="5s", max_entries=64, show_spinner=False)
def job_detail(job_id: int) -> JobDetail | None:
    """The job of that id; None if there is none."""
    with get_engine().connect() as connection:
        job = operations.job(connection, job_id)
        if job is None:
            return None
        return JobDetail(
            job=dict(job),
            providers=frames.provider_results(connection, job_id),
            failed=frames.failed_images(connection, job_id),
            uploaded=[dict(image) for image in operations.uploaded_images(connection, job_id)],
        )


@st.cache_data(ttl="5m", max_entries=1, show_spinner=False)
def provider_names() -> dict[str, str]:
    """Provider code -> name."""
    with get_engine().connect() as connection:
        return operations.provider_names(connection)


def read_again() -> None:
    """Forget what was read, so that the next run asks the database."""
    recent_jobs.clear()
    underway.clear()
    open_failures.clear()
    job_detail.clear()

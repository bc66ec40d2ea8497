"""What pages read, cached for seconds, so that a click which changes something else asks nothing again.

Every argument is part of the key; the list and its figures are those of the instant a tab was refreshed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from ops_core.analytics import frames
from ops_core.db import facets as facet_counts
from ops_core.db import figures as sums
from ops_core.db import health, operations
from ops_core.db.engine import get_engine
from ops_core.db.facets import Facets
from ops_core.db.figures import Bounded, PeriodFigures
from ops_core.db.operations import Key
from ops_core.domain.filters import Filters


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsPage:
    """One page of operations, a frame of `analytics.frames.OPERATIONS`."""

    rows: pd.DataFrame
    has_newer: bool
    has_older: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Underway:
    """Open jobs, and which processes were heard of: kind -> seconds since, shortest first."""

    jobs: health.OpenJobs
    heard: dict[str, list[float]]

    def alive(self, kind: str) -> int:
        """How many processes of `kind` live."""
        return sum(age <= health.ALIVE_SECONDS for age in self.heard.get(kind, ()))


@st.cache_data(ttl="5s", max_entries=64, show_spinner=False)
def operations_page(filters: Filters, older_than: Key | None, newer_than: Key | None) -> OperationsPage:
    with get_engine().connect() as connection:
        page = operations.page(connection, filters, older_than=older_than, newer_than=newer_than)
        return OperationsPage(
            rows=frames.operations(map(dict, page.rows)), has_newer=page.has_newer, has_older=page.has_older
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryMark:
    """Whether a job's failures may be retried, and the open request that has some of them already."""

    retryable: bool = False
    request_id: int | None = None
    venue_id: int | None = None


@st.cache_data(ttl="5s", max_entries=64, show_spinner=False)
def retry_marks(job_ids: tuple[int, ...]) -> dict[int, RetryMark]:
    """The mark of each job that there is."""
    with get_engine().connect() as connection:
        return {
            row["id"]: RetryMark(
                retryable=row["retryable"] > 0, request_id=row["queued"], venue_id=row["venue_id"]
            )
            for row in operations.rows(connection, job_ids)
        }


@st.cache_data(ttl="5s", max_entries=64, show_spinner=False)
def newer(filters: Filters, since: datetime) -> int:
    """How many operations that match ended since."""
    with get_engine().connect() as connection:
        return operations.newer(connection, filters, since)


@st.cache_data(ttl="15s", max_entries=64, show_spinner=False)
def figures(filters: Filters, zone: str, now: datetime) -> PeriodFigures:
    with get_engine().connect() as connection:
        return sums.figures_for(connection, filters, ZoneInfo(zone), now)


@st.cache_data(ttl="15s", max_entries=64, show_spinner=False)
def total(filters: Filters) -> Bounded:
    with get_engine().connect() as connection:
        return sums.total(connection, filters)


@st.cache_data(ttl="30s", max_entries=64, show_spinner=False)
def facets(since: datetime | None, until: datetime | None) -> Facets:
    with get_engine().connect() as connection:
        return facet_counts.facets(connection, since, until)


@st.cache_data(ttl="3s", max_entries=1, show_spinner=False)
def underway() -> Underway:
    with get_engine().connect() as connection:
        heard: dict[str, list[float]] = {}
        for row in health.heartbeats(connection):
            heard.setdefault(row["kind"], []).append(float(row["age"]))
        return Underway(jobs=health.open_jobs(connection), heard=heard)


@st.cache_data(ttl="30s", max_entries=1, show_spinner=False, refresh_mode="background")
def open_failures() -> health.OpenFailures:
    with get_engine().connect() as connection:
        return health.open_failures(connection)


@st.cache_data(ttl="5m", max_entries=1, show_spinner=False)
def provider_names() -> dict[str, str]:
    """Provider code -> name."""
    with get_engine().connect() as connection:
        return health.provider_names(connection)


def first_job_of_request(request_id: int) -> int | None:
    """The first of the jobs that carry a retry request out."""
    with get_engine().connect() as connection:
        return operations.first_job_of_request(connection, request_id)


def server_time() -> datetime:
    """What the database's clock says now."""
    with get_engine().connect() as connection:
        return operations.server_time(connection)


def read_again() -> None:
    """Forget what was read, so that the next run asks the database."""
    for loader in (operations_page, retry_marks, newer, figures, total, facets, underway, open_failures):
        loader.clear()

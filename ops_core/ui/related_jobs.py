"""What stands around a job: the jobs it started, and the retry request it works for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from ops_core.db.related_jobs import COUNTED
from ops_core.domain.jobs import ProviderStatus
from ops_core.ui import badges, cached_detail
from ops_core.ui.fine_print import fine_print
from ops_core.ui.markdown import plain
from ops_core.ui.words_of_time import moment

#: Started jobs that are listed.
LISTED = 20


def summary(started: Mapping[str, int]) -> None:
    """How many jobs one job started, and how they did."""
    total = sum(started.values())
    counted = f"{COUNTED:,}+" if total > COUNTED else f"{total:,}"
    parts = [f"{badges.result_badge(word)} {jobs:,}" for word, jobs in started.items()]
    st.markdown(f"**Started {counted} {'job' if total == 1 else 'jobs'}** {' '.join(parts)}")


def started(job_id: int, total: int) -> None:
    """Links to the first jobs that one job started."""
    jobs = cached_detail.started_jobs(job_id, LISTED)
    if len(jobs) < total:
        fine_print(f"The first {len(jobs)}.")
    for job in jobs:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            _link(job["id"], f"Job {job['id']} · {plain(job['venue'] or 'no venue')}")
            counts = f"{job['images_uploaded']:,} uploaded, {job['images_failed']:,} failed"
            st.markdown(f"{badges.result_badge(job['outcome'] or job['state'])} :small[{counts}]")


def found_places(venue_id: int, results: pd.DataFrame) -> None:
    """A link to what a search for a venue found, at a provider where no id was taken if there is one."""
    unclear = results[results["status"] == ProviderStatus.NO_IMAGES]
    provider = (unclear if len(unclear) else results)["provider"].iloc[0]
    st.page_link(
        "pages/geocoding.py",
        label="Look at what was found, and correct it",
        icon=":material/travel_explore:",
        query_params={"match": f"{venue_id}-{provider}"},
    )


def parent(job_id: int) -> None:
    """A link to the job that started this one."""
    _link(job_id, f"Started by job {job_id}")


def retry_request(request: Mapping[str, Any], zone: str) -> None:
    """Who asked for the retry and why, and how its images stand."""
    asked = f"Asked for by {plain(request['actor'])}, {moment(request['created_at'], zone)}"
    if request["reason"]:
        asked += f": {plain(request['reason'])}"
    state = badges.retry_badge(request["state"])
    st.markdown(f"**Retry request {request['id']}** {state}  \n:small[{asked}]")
    total = sum(request["items"].values())
    counted = f"{COUNTED:,}+" if total > COUNTED else f"{total:,}"
    items = [f"{badges.retry_badge(state)} {images:,}" for state, images in sorted(request["items"].items())]
    st.markdown(f":small[{counted} {'image' if total == 1 else 'images'}] {' '.join(items)}")


def _link(job_id: int, label: str) -> None:
    here = {name: st.query_params.get_all(name) for name in st.query_params}
    opened = [word for word in here.get("job", []) if word != str(job_id)]
    st.page_link(
        "pages/operations.py",
        label=label,
        icon=":material/arrow_forward:",
        # everything else stays as it is
        query_params={**here, "job": [*opened, str(job_id)]},
    )

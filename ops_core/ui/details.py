"""One job, opened: what it did, provider by provider and image by image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ops_core.domain.errors import info
from ops_core.ui import badges, cached, gallery, tables
from ops_core.ui.markdown import plain


def job_panel(job_id: int, names: Mapping[str, str], zone: str) -> None:
    """Everything about the job of that id."""
    detail = cached.job_detail(job_id)
    if detail is None:
        st.info(f"There is no job {job_id}. Pick another row.", icon=":material/search_off:")
        return
    job = detail.job
    with st.container(border=True, key="job_panel"):
        _headline(job)
        if len(detail.providers):
            st.markdown("**Providers**")
            tables.provider_table(detail.providers, names)
        if len(detail.failed):
            st.markdown("**Failed images**")
            _breakdown(detail)
            tables.failed_image_table(detail.failed, names, zone)
        if detail.uploaded:
            st.markdown(f"**Uploaded images** :gray[(first {len(detail.uploaded)})]")
            gallery.gallery(detail.uploaded, names)
        with st.expander("Raw job data", icon=":material/data_object:"):
            st.json({"args": job["args"], "meta": job["meta"], "errors": job["errors"]}, expanded=2)


def _headline(job: Mapping[str, Any]) -> None:
    name = plain(job["venue"]) if job["venue"] else badges.words(job["kind"])
    st.markdown(f"#### {name} {badges.outcome_badge(job['state'], job['status'])}")
    facts = [f"Job {job['id']}", badges.words(job["kind"])]
    if job["venue_id"]:
        facts.append(f"venue {job['venue_id']}")
    if job["city"]:
        facts.append(plain(job["city"]))
    facts += [f"asked for by {plain(job['actor'])}", f"cost \\${job['cost_usd']:.3f}"]
    if job["attempt"] > 1:
        facts.append(f"run {job['attempt']} times")
    st.caption(" · ".join(facts))
    if job["meta"].get("summary"):
        st.markdown(plain(str(job["meta"]["summary"])))
    for entry in job["errors"]:
        st.warning(
            plain(str(entry.get("error", "It broke without a word."))),
            title=f"Run {entry.get('attempt', '?')} broke",
        )


def _breakdown(detail: cached.JobDetail) -> None:
    lines = []
    for error_type, count in detail.failed["error_type"].value_counts().items():
        row = info(str(error_type))
        lines.append(
            f"{badges.badge(f'{count} × {row.icon} {row.label}', row.colour)} "
            f":small[{row.classification.capitalize()}: {plain(row.advice)}]"
        )
    st.markdown("  \n".join(lines))

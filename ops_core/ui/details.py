"""One job, opened: what it did, provider by provider and image by image.

The head stands outside the fragment, because its buttons change the page; each section below is
loaded when it is opened, and opening it draws this panel alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from ops_core.analytics import job_frames
from ops_core.domain.jobs import JobKind
from ops_core.ui import (
    badges,
    cached_detail,
    detail_tables,
    gallery,
    job_metrics,
    raw_data,
    related_jobs,
    timeline,
    words_of_time,
)
from ops_core.ui.fine_print import fine_print
from ops_core.ui.frame import database
from ops_core.ui.markdown import plain

#: Failed images that are shown; the sentence above the table says how many there are.
FAILED_SHOWN = 200

_TITLES = {
    JobKind.ENRICHMENT: "Enrichment",
    JobKind.BATCH: "Batch of venues",
    JobKind.STALE: "Scan for venues that are due",
    JobKind.BACKFILL: "City backfill",
    JobKind.RETRY: "Retry of failed images",
    JobKind.CLEANUP: "Cleanup scan",
    JobKind.GEOCODING: "Geocoding",
}


def job_panel(
    job_id: int,
    *,
    names: Mapping[str, str],
    zone: str,
    on_close: Callable[[int], None],
    on_retry: Callable[[int], None] | None,
    on_retry_images: Callable[[tuple[int, ...]], None] | None = None,
    retryable: bool,
    queued_request: int | None,
) -> None:
    """Everything about the job of that id.

    `names` are the providers' names by code, `zone` is the viewer's time zone. `on_retry` and
    `on_retry_images`, which takes the ids of chosen images, are None for whoever may not retry;
    `queued_request` is the open retry request that has this job's images.
    """
    seen = cached_detail.overview(job_id)
    with st.container(border=True, key=f"job_{job_id}"):
        head, buttons = st.columns([4, 1])
        with head:
            if seen:
                _headline(seen.job, zone)
            else:
                st.info(
                    f"There is no job {job_id}. It may have been removed, or its number was mistyped.",
                    icon=":material/search_off:",
                )
        with (
            buttons,
            st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"),
        ):
            if seen and queued_request is not None:
                st.page_link(
                    "pages/retries.py",
                    label=f"Retry {queued_request} queued",
                    icon=":material/schedule:",
                    query_params={"retry": str(queued_request)},
                )
            elif seen and retryable and on_retry:
                st.button(
                    "Retry",
                    key=f"job_{job_id}_retry",
                    icon=":material/replay:",
                    help=f"Try the failed images of job {job_id} again; first you see what will happen",
                    on_click=on_retry,
                    args=(job_id,),
                )
            st.button(
                "Close",
                key=f"job_{job_id}_close",
                icon=":material/close:",
                type="tertiary",
                help=f"Close job {job_id}",
                on_click=on_close,
                args=(job_id,),
            )
        if seen:
            _sections(job_id, names, zone, on_retry_images)


@st.fragment
def _sections(
    job_id: int,
    names: Mapping[str, str],
    zone: str,
    on_retry_images: Callable[[tuple[int, ...]], None] | None,
) -> None:
    with database():
        seen = cached_detail.overview(job_id)
        if seen is None:
            return
        fate = job_frames.fate(seen.counts)
        job_metrics.cards(seen, fate, names)
        if seen.job["parent_id"]:
            related_jobs.parent(seen.job["parent_id"])
        if seen.request:
            related_jobs.retry_request(seen.request, zone)
        if len(seen.providers):
            st.markdown("**Providers**")
            searched = seen.job["kind"] == JobKind.GEOCODING
            detail_tables.provider_grid(seen.providers, names, searched=searched)
            if searched and seen.job["venue_id"]:
                related_jobs.found_places(seen.job["venue_id"], seen.providers)
        if fate.failed:
            st.markdown("**What failed**")
            detail_tables.failure_breakdown(job_frames.failures(seen.counts))
        if seen.started:
            related_jobs.summary(seen.started)
            box = _section(job_id, "started", "Jobs it started", "account_tree", at_first=True)
            if box.open:
                with box:
                    related_jobs.started(job_id, sum(seen.started.values()))
        if fate.failed:
            box = _section(job_id, "failed", f"Failed images ({fate.failed:,})", "error", at_first=True)
            if box.open:
                with box:
                    _failed_images(job_id, fate.failed, names, zone, on_retry_images)
        if fate.stored:
            box = _section(job_id, "photos", f"Photos ({fate.stored:,})", "photo_library", at_first=True)
            if box.open:
                with box:
                    gallery.job_photos(job_id, fate.stored, names)
        if referenced := cached_detail.referenced(seen.job):
            label = f"Shown from their provider ({referenced:,})"
            box = _section(job_id, "references", label, "link")
            if box.open:
                with box:
                    gallery.job_references(job_id, referenced, names)
        box = _section(job_id, "timeline", "Timeline", "timeline")
        if box.open:
            with box:
                timeline.job_timeline(job_id, names, zone)
        box = _section(job_id, "raw", "Raw data", "data_object")
        if box.open:
            with box:
                raw_data.job_data(job_id)


def _section(job_id: int, name: str, label: str, icon: str, at_first: bool = False) -> Any:
    """An expander whose body is to be drawn only while its `open` is true."""
    return st.expander(
        label, at_first, key=f"job_{job_id}_{name}", icon=f":material/{icon}:", on_change="rerun"
    )


def _failed_images(
    job_id: int,
    total: int,
    names: Mapping[str, str],
    zone: str,
    on_retry_images: Callable[[tuple[int, ...]], None] | None,
) -> None:
    failed = cached_detail.failed_images(job_id, FAILED_SHOWN)
    if len(failed) < total:
        fine_print(f"The first {len(failed)} of {total:,} images that the job left failed.")
    chosen = detail_tables.failed_image_table(
        failed, names, zone, key=f"job_{job_id}_failed_images", may_choose=on_retry_images is not None
    )
    if on_retry_images is None:
        return
    if not chosen:
        fine_print("Tick images to retry only those.")
    elif st.button(
        "Retry this image" if len(chosen) == 1 else f"Retry {len(chosen):,} chosen images",
        key=f"job_{job_id}_retry_images",
        icon=":material/replay:",
        help="First you see what will happen",
        on_click=on_retry_images,
        args=(chosen,),
    ):
        # the dialog is drawn by the whole page
        st.rerun()


def _headline(job: Mapping[str, Any], zone: str) -> None:
    name = plain(job["venue"]) if job["venue"] else _TITLES[JobKind(job["kind"])]
    st.markdown(f"#### {name} {badges.result_badge(job['outcome'] or job['state'])}", anchors=False)
    facts = [f"Job {job['id']}", badges.words(job["kind"])]
    if job["venue_id"]:
        facts.append(f"venue {job['venue_id']}")
    if job["city"]:
        facts.append(plain(job["city"]))
    facts.append(f"asked for by {plain(job['actor'])}")
    began, ended = job["attempted_at"], job["finished_at"]
    if began:
        facts.append(f"started {words_of_time.moment(began, zone)}")
    if ended:
        facts.append(f"finished {words_of_time.moment(ended, zone, after=began)}")
    if began and ended:
        facts.append(f"took {words_of_time.duration(ended - began)}")
    facts.append(f"cost \\${job['cost_usd']:.3f}")
    fine_print(" · ".join(facts))

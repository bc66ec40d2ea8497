"""The figures of one job: what came of it then, and what its images are now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ops_core.analytics.job_frames import Fate
from ops_core.db.job_detail import TRIES_SEEN
from ops_core.domain.jobs import JobKind
from ops_core.ui import badges
from ops_core.ui.cached_detail import Overview, referenced
from ops_core.ui.fine_print import fine_print
from ops_core.ui.markdown import plain
from ops_core.ui.words_of_time import duration

#: Numbers of a job's meta that are shown, and those that stand elsewhere on the panel.
_NUMBERS_SHOWN = 8
_ELSEWHERE = {"execution_time_ms", "total_cost_usd"}


def cards(seen: Overview, fate: Fate, names: Mapping[str, str]) -> None:
    """All figures of the job: of its images if it has to do with any, else the numbers it wrote down."""
    job = seen.job
    has_images = job["kind"] != JobKind.GEOCODING and bool(
        job["venue_id"] or job["images_discovered"] or job["images_failed"] or fate.uploaded or fate.failed
    )
    if has_images:
        st.markdown(f"**{_results(job, fate)}**")
    if job["summary"]:
        fine_print(plain(job["summary"]))
    with st.grid(4, min_column_width=140, gap="xsmall"):
        if has_images:
            _images(job, fate)
        else:
            _numbers(job["numbers"] or {})
        _course(job, fate)
    if has_images:
        _per_provider(seen, names)
    if moved := _moved_on(fate):
        fine_print(moved)
    if not fate.complete:
        fine_print(f"What its images are now is counted over {TRIES_SEEN:,} of its tries.")


def _results(job: Mapping[str, Any], fate: Fate) -> str:
    """In words: "12 discovered, 9 uploaded, 3 failed, 2 recovered since"."""
    parts = [
        f"{job['images_discovered']:,} discovered",
        f"{_uploaded(job, fate):,} uploaded",
        f"{_failed(job, fate):,} failed",
    ]
    if fate.recovered:
        parts.append(f"{fate.recovered:,} recovered since")
    if job["images_existing"]:
        parts.append(f"{job['images_existing']:,} already stored")
    if shown := referenced(job):
        parts.append(f"{shown:,} shown from their provider")
    if job["images_left"]:
        parts.append(f"{job['images_left']:,} failed before")
    return ", ".join(parts)


def _uploaded(job: Mapping[str, Any], fate: Fate) -> int:
    # the row is written when the job ends; until then its tries say more
    return max(int(job["images_uploaded"]), fate.uploaded)


def _failed(job: Mapping[str, Any], fate: Fate) -> int:
    return int(job["images_failed"]) if job["finished_at"] else fate.failed


def _images(job: Mapping[str, Any], fate: Fate) -> None:
    _card("Discovered", job["images_discovered"], "Photos chosen from what the providers listed.")
    _card("Uploaded", _uploaded(job, fate), "Photos this job brought into the store.", "green")
    _card(
        "Failed",
        _failed(job, fate),
        "Photos this job tried and left failed; the small line says how many are in the store by now.",
        "red",
        note=f"{fate.recovered:,} recovered" if fate.recovered else None,
        note_colour="green",
    )
    _card(
        "Still failed now",
        fate.failed_now,
        "Of these, failed at this moment. Retryable are those with a transient error and automatic retries "
        "left; what a later job tried again counts there.",
        "red",
        note=f"{fate.retryable_now:,} retryable now" if fate.failed_now else None,
        note_colour="orange" if fate.retryable_now else "gray",
    )
    _card(
        "Already stored",
        job["images_existing"],
        "Chosen photos that were in the store before, or that another job had in hand.",
    )
    if shown := referenced(job):
        _card(
            "Shown from provider",
            shown,
            "Chosen photos that are not copied, as their providers' terms ask.",
            "blue",
        )
    if job["images_left"]:
        _card(
            "Failed before",
            job["images_left"],
            "Chosen photos that had failed before with no automatic retry left; this job did not try them.",
        )


def _numbers(numbers: Mapping[str, Any]) -> None:
    for key in sorted(numbers.keys() - _ELSEWHERE)[:_NUMBERS_SHOWN]:
        _card(plain(badges.words(key)), numbers[key])


def _course(job: Mapping[str, Any], fate: Fate) -> None:
    began, ended = job["attempted_at"], job["finished_at"]
    _card(
        "Took",
        duration(ended - began) if began and ended else "—",
        "From the start of its last run to its end.",
    )
    uploaded = _uploaded(job, fate)
    _card(
        "Cost",
        f"\\${job['cost_usd']:.3f}",
        "What the providers charge for its calls, in US dollars, and that for each uploaded photo.",
        note=f"\\${job['cost_usd'] / uploaded:.4f} each" if uploaded and job["cost_usd"] else None,
    )
    lost = job["lost_claims"]
    _card(
        "Attempts",
        f"{job['attempt']} of {job['max_attempts']}",
        "Runs of the job so far, and how many there may be. A run whose worker stopped does not count.",
        note=f"{lost} {'worker' if lost == 1 else 'workers'} lost" if lost else None,
        note_colour="orange",
    )


def _moved_on(fate: Fate) -> str:
    parts = []
    if fate.later:
        parts.append(f"{fate.later:,} failed again in a later job")
    if fate.underway:
        parts.append(f"{fate.underway:,} waiting or being uploaded now")
    return f"Of its failed images: {', '.join(parts)}." if parts else ""


def _per_provider(seen: Overview, names: Mapping[str, str]) -> None:
    uploaded = [
        f"{badges.provider_badge(row['provider'], names)} {row['images_uploaded']:,}"
        for row in seen.providers.to_dict("records")
        if row["images_uploaded"]
    ]
    if uploaded:
        st.markdown(f":small[Images uploaded per provider:] {' '.join(uploaded)}")


def _card(
    label: str,
    value: Any,
    help_text: str | None = None,
    colour: str | None = None,
    *,
    note: str | None = None,
    note_colour: Any = "gray",
) -> None:
    text = f"{value:,}" if isinstance(value, int | float) else str(value)
    st.metric(
        label,
        f":{colour}[{text}]" if colour and value else text,
        help=help_text,
        border=True,
        height="stretch",
        delta=note,
        delta_color=note_colour,
        delta_arrow="off",
    )

"""Tables: the finished jobs with their selection, and the two of one job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from ops_core.analytics.frames import error_label, outcome_label, results_text
from ops_core.ui import badges

#: Session keys: the id of the picked job, the table's own state, the ids in the order they were drawn.
PICKED, _TABLE, _DRAWN = "operations_picked", "operations_table", "operations_drawn"

#: Pixels of a row and of the header with its borders, and how many rows show before the table scrolls.
_ROW, _HEADER, _ROWS_SEEN = 40, 38, 12


def job_table(jobs: pd.DataFrame, names: Mapping[str, str], zone: str) -> int | None:
    """The finished jobs; returns the id of the picked one.

    The pick is kept by id: rows move when new jobs arrive, and Streamlit remembers positions only.
    It is also in the address (`?job=`), so that a job can be shown to somebody else.
    """
    state = st.session_state
    ids = jobs["id"].tolist()
    if PICKED not in state:
        state[PICKED] = _id_in_address()
    picked: int | None = state[PICKED]
    selection: Any = {"selection": {"rows": [ids.index(picked)] if picked in ids else []}}
    if _TABLE in state:
        state[_TABLE] = selection
    st.dataframe(
        _job_cells(jobs, names),
        key=_TABLE,
        on_select=_remember,
        selection_mode="single-row",
        selection_default=selection,
        hide_index=True,
        row_height=_ROW,
        height=min(len(jobs), _ROWS_SEEN) * _ROW + _HEADER,
        column_config=_job_columns(names, zone),
        alt="The last finished jobs",
    )
    state[_DRAWN] = ids
    return picked


def provider_table(results: pd.DataFrame, names: Mapping[str, str]) -> None:
    """How each provider did in one job."""
    column = st.column_config
    table = pd.DataFrame(
        {
            "provider": badges.cells(results["provider"].map(lambda code: names.get(code, code))),
            "status": badges.cells(results["status"].map(badges.words)),
            "listed": results["images_fetched"],
            "uploaded": results["images_uploaded"],
            "failed": results["images_failed"],
            "calls": results["calls"],
            "cost": results["cost_usd"],
            "seconds": results["seconds"],
            "error": badges.cells(results["error_type"].map(error_label, na_action="ignore")),
            "reason": _text(results["reason"]),
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        row_height=_ROW,
        column_config={
            "provider": badges.provider_column(names, "Provider"),
            "status": badges.provider_status_column(),
            "listed": column.NumberColumn("Listed", help="Photos it knows of"),
            "uploaded": column.NumberColumn("Uploaded"),
            "failed": column.NumberColumn("Failed"),
            "calls": column.NumberColumn("Calls", help="Calls to its API"),
            "cost": column.NumberColumn("Cost", format="$%.3f"),
            "seconds": column.NumberColumn("Took", format="%.1f s"),
            "error": badges.error_column(),
            "reason": column.TextColumn("Reason", width="large"),
        },
        alt="How each provider did",
    )


def failed_image_table(failed: pd.DataFrame, names: Mapping[str, str], zone: str) -> None:
    """The images one job left failed, as they were then, and what they are now."""
    column = st.column_config
    table = pd.DataFrame(
        {
            "provider": badges.cells(failed["provider"].map(lambda code: names.get(code, code))),
            "error": badges.cells(failed["error_type"].map(error_label)),
            "http": _text(failed["status_code"]),
            "detail": _text(failed["detail"]),
            "finished_at": failed["finished_at"],
            "now": badges.cells(failed["state_now"].map(badges.words)),
            "retries": failed["retry_count"],
            "url": failed["source_url"],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        row_height=_ROW,
        column_config={
            "provider": badges.provider_column(names, "Provider"),
            "error": badges.error_column(),
            "http": column.TextColumn("HTTP", help="The status the other side answered with"),
            "detail": column.TextColumn("Detail", width="medium"),
            "finished_at": column.DatetimeColumn("Tried at", format="D MMM, HH:mm:ss", timezone=zone),
            "now": badges.image_state_column("Now"),
            "retries": column.NumberColumn("Retries", help="Automatic retries so far"),
            "url": column.LinkColumn("Address", display_text="Open", help="The photo at its provider"),
        },
        alt="Images that failed",
    )


def _job_cells(jobs: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    records: list[dict[str, Any]] = [
        dict(zip(jobs.columns, row, strict=True)) for row in jobs.itertuples(index=False)
    ]
    outcomes = [
        outcome_label(job["state"], None if pd.isna(job["status"]) else job["status"]) for job in records
    ]
    return pd.DataFrame(
        {
            "finished_at": jobs["finished_at"],
            "venue": _text(jobs["venue"], nothing="—"),
            "status": badges.cells(pd.Series(outcomes, dtype="str")),
            "results": pd.Series([results_text(job) for job in records], dtype="str"),
            "first_error": _text(jobs["first_error"], error_label),
            "seconds": jobs["seconds"],
            "cost": jobs["cost_usd"],
            "providers": jobs["providers"].map(lambda codes: [names.get(code, code) for code in codes]),
            "city": _text(jobs["city"], nothing="—"),
            "kind": jobs["kind"].map(badges.words),
            "venue_id": jobs["venue_id"],
            "id": jobs["id"],
        }
    )


def _job_columns(names: Mapping[str, str], zone: str) -> dict[str, Any]:
    column = st.column_config
    return {
        "finished_at": column.DatetimeColumn("Finished", format="D MMM, HH:mm:ss", timezone=zone, width=112),
        "venue": column.TextColumn("Venue", width=190),
        "city": column.TextColumn("City", width=72),
        "status": badges.outcome_column(),
        "seconds": column.NumberColumn(
            "Took", format="%.1f s", width=62, help="From the job's start to its end"
        ),
        "results": column.TextColumn("Results", width=222),
        "first_error": column.TextColumn(
            "First failure", width=145, help="The first reason why an image or a provider failed"
        ),
        "cost": column.NumberColumn(
            "Cost", format="$%.3f", width=64, help="What the providers charge for the job's calls"
        ),
        "providers": badges.provider_column(names, "Providers"),
        "kind": column.TextColumn("Kind"),
        "venue_id": column.NumberColumn("Venue id", format="%d"),
        "id": column.NumberColumn("Job", format="%d"),
    }


def _text(values: pd.Series, words: Callable[[Any], str | None] = str, nothing: str = "") -> pd.Series:
    """`values` in words; `nothing` where there is none."""
    return pd.Series([nothing if pd.isna(value) else words(value) for value in values], dtype="str")


def _remember() -> None:
    state = st.session_state
    rows = state[_TABLE].selection.rows
    state[PICKED] = state[_DRAWN][rows[0]] if rows else None
    if rows:
        st.query_params["job"] = str(state[PICKED])
    else:
        st.query_params.pop("job", None)


def _id_in_address() -> int | None:
    word = st.query_params.get("job", "")
    return int(word) if word.isascii() and word.isdigit() and len(word) < 19 else None

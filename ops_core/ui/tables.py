"""The table of operations: one row for each, ticked for bulk actions, with a button for details and retry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import pandas as pd
import streamlit as st

from ops_core.analytics.frames import error_label, kind_label, outcome_label, results_text, standing
from ops_core.ui import badges
from ops_core.ui.address import BASE

#: Session keys: ids that are ticked, on whichever page; the ids in the order they were drawn.
TICKED, _DRAWN = "operations_ticked", "operations_drawn"
#: Session keys of the table and of its two columns of buttons.
_TABLE, _DETAILS, _RETRY = "operations_table", "operations_details", "operations_retry"

#: Pixels of a row and of the header with its borders, and how many rows show before the table scrolls:
#: few beside opened details, so that these are seen without a search.
_ROW, _HEADER, _ROWS_SEEN, _ROWS_BESIDE = 40, 38, 12, 4

OPEN, CLOSE = ":material/expand_more: Open", ":material/expand_less: Close"
RETRY = ":material/replay: Retry"

Act = Callable[[int], None]


def operations_table(
    rows: pd.DataFrame,
    *,
    names: Mapping[str, str],
    zone: str,
    opened: Sequence[int],
    on_open: Act,
    on_retry: Act | None,
) -> None:
    """The operations of one page; `on_retry` is None for those who may not.

    Rows move when new operations arrive, and Streamlit remembers positions only: ticks are kept by
    id, and a button acts on the id that was drawn in its row.
    """
    state = st.session_state
    ids = rows["id"].tolist()
    ticked: set[int] = state.setdefault(TICKED, set())
    selection: Any = {"selection": {"rows": [row for row, job_id in enumerate(ids) if job_id in ticked]}}
    if _TABLE in state:
        state[_TABLE] = selection
    st.dataframe(
        _cells(rows, names, opened, may_retry=on_retry is not None),
        key=_TABLE,
        on_select=_remember,
        selection_mode="multi-row",
        selection_default=selection,
        hide_index=True,
        row_height=_ROW,
        height=min(len(rows), _ROWS_BESIDE if opened else _ROWS_SEEN) * _ROW + _HEADER,
        column_config=_columns(names, zone, ids, on_open, on_retry),
        alt="Operations, newest first",
    )
    state[_DRAWN] = ids


def ticked() -> tuple[int, ...]:
    """The ids of the operations that are ticked."""
    return tuple(sorted(st.session_state.get(TICKED, ())))


def untick() -> None:
    """For callbacks: tick nothing."""
    st.session_state[TICKED] = set()


def _cells(
    rows: pd.DataFrame, names: Mapping[str, str], opened: Sequence[int], *, may_retry: bool
) -> pd.DataFrame:
    records: list[dict[str, Any]] = [
        dict(zip(rows.columns, row, strict=True)) for row in rows.itertuples(index=False)
    ]
    table = {
        "details": [CLOSE if job["id"] in opened else OPEN for job in records],
        "finished_at": rows["finished_at"],
        "venue": [_venue_link(job) for job in records],
        "status": badges.cells(rows["outcome"].map(outcome_label)),
        "standing": badges.cells(pd.Series([standing(job) for job in records], dtype="object")),
        "retry": [
            RETRY if may_retry and job["retryable"] and pd.isna(job["queued"]) else None for job in records
        ],
        "results": pd.Series([results_text(job) for job in records], dtype="str"),
        "first_error": _text(rows["first_error"], error_label),
        "seconds": rows["seconds"],
        "cost": rows["cost_usd"],
        "city": _text(rows["city"], nothing="—"),
        "kind": rows["kind"].map(kind_label),
        "providers": rows["providers"].map(lambda codes: [names.get(code, code) for code in codes]),
        "id": rows["id"],
    }
    if not may_retry:
        del table["retry"]
    return pd.DataFrame(table)


def _columns(
    names: Mapping[str, str], zone: str, ids: list[int], on_open: Act, on_retry: Act | None
) -> dict[str, Any]:
    column = st.column_config
    return {
        "details": column.ButtonColumn(
            "Details", key=_DETAILS, on_click=_act, args=(_DETAILS, ids, on_open), type="tertiary", width=84
        ),
        "finished_at": column.DatetimeColumn("Finished", format="D MMM, HH:mm:ss", timezone=zone, width=112),
        "venue": column.LinkColumn(
            "Venue", display_text=r"#(.*)$", width=170, help="Opens all operations of the venue"
        ),
        "status": badges.outcome_column(),
        "standing": badges.standing_column(),
        "seconds": column.NumberColumn(
            "Took", format="%.1f s", width=62, help="From the start of the last run to the end"
        ),
        "results": column.TextColumn("Results", width=300),
        "first_error": column.TextColumn(
            "First failure", width=140, help="The first reason why an image or a provider failed"
        ),
        "cost": column.NumberColumn(
            "Cost", format="$%.3f", width=62, help="What the providers charge for the operation's calls"
        ),
        "retry": column.ButtonColumn(
            "Action", key=_RETRY, on_click=_act, args=(_RETRY, ids, on_retry), type="secondary", width=84
        ),
        "city": column.TextColumn("City"),
        "kind": column.TextColumn("Kind"),
        "providers": badges.provider_column(names, "Providers"),
        "id": column.NumberColumn("Id", format="%d", help="The operation's own number"),
    }


def _venue_link(job: Mapping[str, Any]) -> str:
    """The address of the venue's operations; what follows # is shown."""
    if pd.isna(job["venue_id"]):
        return ""
    name = "Venue" if pd.isna(job["venue"]) else " ".join(str(job["venue"]).split())
    shown = quote(f"{job['venue_id']} · {name}", safe=" ,.;:!'()&@/+-·")
    return f"{BASE}/operations?venue={job['venue_id']}&period=all#{shown}"


def _text(values: pd.Series, words: Callable[[Any], str | None] = str, nothing: str = "") -> pd.Series:
    """`values` in words; `nothing` where there is none."""
    return pd.Series([nothing if pd.isna(value) else words(value) for value in values], dtype="str")


def _act(key: str, ids: list[int], act: Act | None) -> None:
    """A button was clicked: `ids` are those of the run that drew it."""
    click = st.session_state[key]
    if act is not None and click is not None and click.row < len(ids):
        act(ids[click.row])


def _remember() -> None:
    state = st.session_state
    drawn: list[int] = state[_DRAWN]
    rows = state[_TABLE].selection.rows
    state[TICKED] = (state[TICKED] - set(drawn)) | {drawn[row] for row in rows if row < len(drawn)}

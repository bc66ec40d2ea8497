"""The images of one retry: a page of them as a table, filtered by what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pandas as pd
import streamlit as st

from ops_core.analytics import palette
from ops_core.analytics.frames import error_label
from ops_core.db.retries import Request
from ops_core.domain.errors import ERRORS
from ops_core.domain.images import ImageState
from ops_core.domain.retries import OPEN_ITEM_STATES, ItemState
from ops_core.domain.retry_plan import SkipReason
from ops_core.ui import badges, retries_cached
from ops_core.ui.address import BASE
from ops_core.ui.fine_print import fine_print

#: Pixels of a row and of the header with its borders; rows that show before the table scrolls.
_ROW, _HEADER, _ROWS_SEEN = 40, 38, 10

#: Word and colour of what became of an image.
_OUTCOMES: dict[ItemState, tuple[str, str]] = {
    ItemState.QUEUED: ("Waiting", "gray"),
    ItemState.RUNNING: ("Running", "blue"),
    ItemState.UPLOADED: ("Uploaded", "green"),
    ItemState.FAILED: ("Failed", "red"),
    ItemState.SKIPPED: ("Skipped", "yellow"),
    ItemState.RELEASED: ("Let go", "violet"),
}
#: What an image is at this moment.
_NOW: dict[ImageState, str] = {
    ImageState.UPLOADED: "In the store",
    ImageState.UPLOADING: "Uploading",
    ImageState.DISCOVERED: "Not tried yet",
    ImageState.FAILED: "Failed",
    ImageState.PERMANENTLY_FAILED: "Set aside",
    ImageState.REFERENCED: "Shown from its provider",
}
_ALL = "All"
_FILTERS: dict[str, tuple[ItemState, ...]] = {
    _ALL: (),
    "Open": OPEN_ITEM_STATES,
    **{_OUTCOMES[state][0]: (state,) for state in ItemState if state not in OPEN_ITEM_STATES},
}
_ERROR_COLOURS = {f"{row.icon} {row.label}": row.colour for row in ERRORS.values()}


def items(request: Request, *, names: Mapping[str, str], zone: str, tick: int) -> None:
    """The images of `request`; `tick` changes when it is time to read them again."""
    key = f"retry_{request.id}_items"
    chosen = st.segmented_control(
        "What became of them",
        list(_FILTERS),
        default=_ALL,
        required=True,
        key=f"{key}_filter",
        label_visibility="collapsed",
        on_change=_turn,
        args=(key,),
    )
    turned = st.session_state.get(f"{key}_page", {})
    page = retries_cached.items(
        request.id, _FILTERS.get(chosen or _ALL, ()), turned.get("after"), turned.get("before"), tick
    )
    if page.rows.empty:
        fine_print("No image here." if chosen == _ALL else f"No image is in “{chosen}” here.")
    else:
        _table(page.rows, names, zone)
    _paging(key, page)


def _turn(key: str, **where: int) -> None:
    """For callbacks: the page next to an image; without one, the first."""
    st.session_state[f"{key}_page"] = where


def _paging(key: str, page: retries_cached.Items) -> None:
    if not (page.has_before or page.has_after):
        return
    ids = page.rows["image_id"]
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}_paging"):
        st.button(
            "First",
            key=f"{key}_first",
            icon=":material/first_page:",
            disabled=not page.has_before,
            on_click=_turn,
            args=(key,),
        )
        st.button(
            "Previous",
            key=f"{key}_previous",
            icon=":material/chevron_left:",
            disabled=not page.has_before or ids.empty,
            on_click=_turn,
            args=(key,),
            kwargs={} if ids.empty else {"before": int(ids.iloc[0])},
        )
        st.button(
            "Next",
            key=f"{key}_next",
            icon=":material/chevron_right:",
            icon_position="right",
            disabled=not page.has_after or ids.empty,
            on_click=_turn,
            args=(key,),
            kwargs={} if ids.empty else {"after": int(ids.iloc[-1])},
        )
        if not ids.empty:
            st.caption(f"{len(ids):,} here, by image number", width="content")


def _table(rows: pd.DataFrame, names: Mapping[str, str], zone: str) -> None:
    column = st.column_config
    table = pd.DataFrame(
        {
            "image": rows["image_id"],
            "venue": [_venue_link(*venue) for venue in zip(rows["venue_id"], rows["venue"], strict=True)],
            "provider": badges.cells(rows["provider"].map(lambda code: names.get(code, code))),
            "was": badges.cells(rows["was_error"].map(error_label, na_action="ignore")),
            "outcome": badges.cells(rows["state"].map(lambda state: _OUTCOMES[ItemState(state)][0])),
            "reason": badges.cells(rows["reason"].map(reason_words, na_action="ignore")),
            "now": badges.cells(rows["now_state"].map(lambda state: _NOW[ImageState(state)])),
            "sample": rows["sample"],
            "ended": rows["finished_at"],
            "job": [_job_link(job) for job in rows["job_id"]],
        }
    )
    if not rows["sample"].any():
        del table["sample"]
    st.dataframe(
        table,
        hide_index=True,
        row_height=_ROW,
        height=min(len(table), _ROWS_SEEN) * _ROW + _HEADER,
        placeholder="",
        column_config={
            "image": column.NumberColumn("Image", format="%d", width=70),
            "venue": column.LinkColumn(
                "Venue", display_text=r"#(.*)$", width=140, help="Opens all operations of the venue"
            ),
            "provider": badges.provider_column(names, "Provider"),
            "was": _badges("Had failed with", _ERROR_COLOURS, "When this retry was ordered"),
            "outcome": _badges(
                "Outcome", dict(_OUTCOMES.values()), "What became of it in this retry", width=96
            ),
            "reason": _badges("Reason", _reasons(), "Why it failed or was skipped", width=150),
            "now": _badges(
                "Now", _now(), "What the image is at this moment, whoever tried it last", width=112
            ),
            "sample": column.CheckboxColumn("Sample", help="Was tried first"),
            "ended": column.DatetimeColumn("Ended", format="D MMM, HH:mm:ss", timezone=zone, width=112),
            "job": column.LinkColumn(
                "Job", display_text=r"#(.*)$", help="Opens the operation that tried it", width=64
            ),
        },
        alt="Images of the retry",
    )


def reason_words(reason: str) -> str:
    """A skip reason or an error type, as people read it."""
    if reason in list(SkipReason):
        words = SkipReason(reason).words
        return words[:1].upper() + words[1:]
    return error_label(reason) or reason


def item_tick(request: Request, now: datetime) -> int:
    """What changes when it is time to read a page of images again: every 2 s while they change."""
    period = 30 if request.finished_at else 2
    return int(now.timestamp() // period)


def _reasons() -> dict[str, str]:
    return _ERROR_COLOURS | {reason_words(reason): "gray" for reason in SkipReason}


def _now() -> dict[str, str]:
    return {word: palette.IMAGE_STATE[state] for state, word in _NOW.items()}


def _badges(label: str, colours: Mapping[str, str], help_text: str, width: int | None = None) -> Any:
    return st.column_config.MultiselectColumn(
        label, options=list(colours), color=list(colours.values()), help=help_text, width=width
    )


def _venue_link(venue_id: int, name: str) -> str:
    shown = quote(" ".join(name.split()), safe=" ,.;:!'()&@/+-·")
    return f"{BASE}/operations?venue={venue_id}&period=all#{shown}"


def _job_link(job_id: Any) -> str | None:
    return None if pd.isna(job_id) else f"{BASE}/operations?job={job_id}#{job_id}"

"""What one job's providers did, what failed, and its failed images."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from ops_core.analytics.frames import error_label
from ops_core.domain.errors import Classification, info
from ops_core.domain.jobs import ProviderStatus
from ops_core.ui import badges
from ops_core.ui.fine_print import fine_print
from ops_core.ui.markdown import plain

#: Pixels of a row.
_ROW = 40

_CLASSES = {
    Classification.TRANSIENT: "Transient: likely to pass",
    Classification.PERMANENT: "Permanent: cannot become right by trying again",
    Classification.AMBIGUOUS: "Ambiguous: a person decides",
}

#: How a search for a venue at a provider went, where that is not how a listing goes: badge and icon.
_SEARCHED = {
    ProviderStatus.SUCCESS: ("Id found", "green", "check_circle"),
    ProviderStatus.NO_IMAGES: ("No id taken", "gray", "search_off"),
}


def provider_grid(results: pd.DataFrame, names: Mapping[str, str], *, searched: bool = False) -> None:
    """A card for each provider: how it did and why, what it listed, and what it cost.

    Those of a job that `searched` for a venue listed no photos.
    """
    with st.grid("auto", min_column_width=260, gap="small"):
        for values in results.itertuples(index=False):
            row = dict(zip(results.columns, values, strict=True))
            with st.container(border=True, gap="xxsmall", height="stretch"):
                _provider_card(row, names, searched=searched)


def failure_breakdown(failures: pd.DataFrame) -> None:
    """The images a job left failed, by error type: how many, whether trying again may help, what to do."""
    with st.grid("auto", min_column_width=360, gap="small"):
        for row in failures.to_dict("records"):
            kind = info(row["error_type"])
            marks = [badges.error_badge(row["error_type"], row["images"])]
            if kind.retryable:
                marks.append(badges.badge("Retryable", "orange", "replay"))
            if row["recovered"]:
                marks.append(badges.badge(f"{row['recovered']:,} recovered since", "green", "check_circle"))
            st.markdown(f"{' '.join(marks)}  \n:small[{_CLASSES[kind.classification]}. {plain(kind.advice)}]")


def failed_image_table(
    failed: pd.DataFrame, names: Mapping[str, str], zone: str, *, key: str, may_choose: bool
) -> tuple[int, ...]:
    """The images one job left failed, as they were then, and what they are now.

    Hands back the ids of those that are ticked, which are kept by id: Streamlit remembers positions
    only, and rows may move. Nobody ticks unless they `may_choose`.
    """
    column = st.column_config
    ids: list[int] = failed["image_id"].tolist()
    table = pd.DataFrame(
        {
            "provider": badges.cells(failed["provider"].map(lambda code: names.get(code, code))),
            "error": badges.cells(failed["error_type"].map(error_label)),
            "http": failed["status_code"],
            "finished_at": failed["finished_at"],
            "now": badges.cells(failed["now"]),
            "retries": failed["retries"],
            "url": failed["source_url"],
            "detail": failed["detail"],
            "image": failed["image_id"],
        }
    )
    choosing: dict[str, Any] = {}
    state, ticked_key, drawn_key = st.session_state, f"{key}_ticked", f"{key}_drawn"
    if may_choose:
        ticked: set[int] = state.setdefault(ticked_key, set())
        selection: Any = {"selection": {"rows": [row for row, image in enumerate(ids) if image in ticked]}}
        if key in state:
            state[key] = selection
        choosing = {
            "key": key,
            "on_select": partial(_remember, key, ticked_key, drawn_key),
            "selection_mode": "multi-row",
            "selection_default": selection,
        }
    st.dataframe(
        table,
        **choosing,
        hide_index=True,
        row_height=_ROW,
        placeholder="",
        column_config={
            "provider": badges.provider_column(names, "Provider"),
            "error": badges.error_column(),
            "http": column.NumberColumn("HTTP", format="%d", help="The status the other side answered with"),
            "finished_at": column.DatetimeColumn("Tried at", format="D MMM YYYY, HH:mm:ss", timezone=zone),
            "now": badges.now_column("Now", "What the image is at this moment, whoever tried it last"),
            "retries": column.TextColumn(
                "Retries", help="Automatic retries so far, and how many there may be"
            ),
            "url": column.LinkColumn(
                "Address",
                width="medium",
                help="The photo at its provider; secrets were cut out before storing",
            ),
            "detail": column.TextColumn("Detail", width="medium"),
            "image": column.NumberColumn("Image", format="%d"),
        },
        alt="Images that failed",
    )
    if not may_choose:
        return ()
    state[drawn_key] = ids
    # what is not in the table any more is not meant either
    return tuple(image for image in ids if image in state[ticked_key])


def _remember(key: str, ticked_key: str, drawn_key: str) -> None:
    drawn: list[int] = st.session_state[drawn_key]
    rows = st.session_state[key].selection.rows
    st.session_state[ticked_key] = {drawn[row] for row in rows if row < len(drawn)}


def _provider_card(row: Mapping[str, Any], names: Mapping[str, str], *, searched: bool) -> None:
    known = not pd.isna(row["status"])
    if searched and row["status"] in _SEARCHED:
        result = badges.badge(*_SEARCHED[row["status"]])
    else:
        result = badges.result_badge(row["status"]) if known else badges.badge("Images only", "gray", "image")
    st.markdown(f"{badges.provider_badge(row['provider'], names)} {result}")
    if not pd.isna(row["error_type"]):
        code = "" if pd.isna(row["status_code"]) else f" HTTP {row['status_code']}"
        st.markdown(f"{badges.error_badge(row['error_type'])}{code}")
    if not pd.isna(row["reason"]):
        fine_print(plain(row["reason"]))
    if not searched:
        st.markdown(" · ".join(_images(row)))
    calls = "1 call" if row["calls"] == 1 else f"{row['calls']:,} calls"
    took = "" if pd.isna(row["seconds"]) else f" · {row['seconds']:.1f} s"
    fine_print(f"{calls} · \\${row['cost_usd']:.3f}{took}")


def _images(row: Mapping[str, Any]) -> list[str]:
    parts = [f"**{row['images_fetched']:,}** listed"]
    if row["images_referenced"]:
        parts.append(f"**{row['images_referenced']:,}** shown from there")
    # of a provider whose photos are all shown from there, the store has nothing to tell
    if row["images_uploaded"] or row["images_failed"] or not row["images_referenced"]:
        failed = f"{row['images_failed']:,} failed"
        parts.append(f"**{row['images_uploaded']:,}** uploaded")
        parts.append(f":red[**{failed}**]" if row["images_failed"] else failed)
    return parts

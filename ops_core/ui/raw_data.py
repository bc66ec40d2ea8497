"""A job as it is stored: its args, meta and errors, to read, to copy and to keep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from ops_core.ui import cached_detail
from ops_core.ui.fine_print import fine_print

#: Characters of JSON that are still shown; more makes a browser slow.
LONGEST_SHOWN = 200_000


def job_data(job_id: int) -> None:
    """The job's args, meta and errors as JSON that folds, with copy and download."""
    row = cached_detail.raw(job_id)
    if row is None:
        return
    text = as_json(row)
    with st.container(horizontal=True):
        st.download_button(
            "Download JSON",
            partial(as_json, row),
            f"job-{job_id}.json",
            "application/json",
            key=f"job_{job_id}_download",
            icon=":material/download:",
            on_click="ignore",
        )
        if len(text) <= LONGEST_SHOWN:
            with st.popover(
                "Copy", icon=":material/content_copy:", width="content", key=f"job_{job_id}_copy"
            ):
                fine_print("The button in the corner of the text copies all of it.")
                st.code(text, "json", height=320)
    if len(text) > LONGEST_SHOWN:
        fine_print(f"{len(text):,} characters are too many to show here: download them.")
        return
    st.json({key: row[key] for key in ("args", "meta", "errors")}, expanded=2)


def as_json(row: Mapping[str, Any]) -> str:
    """The job as a JSON document."""
    return json.dumps(dict(row), ensure_ascii=False, indent=2)

"""What happened in one job, in order of time."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from ops_core.analytics.frames import error_label
from ops_core.ui import badges, cached_detail
from ops_core.ui.fine_print import fine_print

#: Tries that are shown; the first ones, for they tell how it began.
TRIES_SHOWN = 200


def job_timeline(job_id: int, names: Mapping[str, str], zone: str) -> None:
    """The job's runs and the tries of its images, oldest first."""
    events = cached_detail.timeline(job_id, TRIES_SHOWN)
    if events is None:
        return
    if events["provider"].notna().sum() == TRIES_SHOWN:
        fine_print(f"Oldest first: the first {TRIES_SHOWN} tries of images.")
    else:
        fine_print("Oldest first: the job's runs, and each try of an image.")
    column = st.column_config
    st.dataframe(
        pd.DataFrame(
            {
                "at": events["at"],
                "what": events["what"],
                "provider": badges.cells(
                    events["provider"].map(lambda code: names.get(code, code), na_action="ignore")
                ),
                "result": badges.cells(events["result"].map(badges.event_word, na_action="ignore")),
                "error": badges.cells(events["error_type"].map(error_label, na_action="ignore")),
                "http": events["status_code"],
                "seconds": events["seconds"],
                "kilobytes": events["kilobytes"],
                "cost": events["cost_usd"],
                "detail": events["detail"],
            }
        ),
        hide_index=True,
        placeholder="",
        column_config={
            "at": column.DatetimeColumn("Began", format="D MMM YYYY, HH:mm:ss.SSS", timezone=zone),
            "what": column.TextColumn("What"),
            "provider": badges.provider_column(names, "Provider"),
            "result": badges.event_column("Result"),
            # sized by what is seen first, it would hide errors further down
            "error": {**badges.error_column(), "width": 170},
            "http": column.NumberColumn("HTTP", format="%d", help="The status the other side answered with"),
            "seconds": column.NumberColumn("Took", format="%.2f s"),
            "kilobytes": column.NumberColumn("Read", format="%.0f kB", help="Bytes that were downloaded"),
            "cost": column.NumberColumn("Cost", format="$%.3f"),
            "detail": column.TextColumn("Detail", width="large"),
        },
        alt="What happened in the job",
    )

"""The off-peak hour that was chosen, what it was chosen from, and why."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from ops_core.analytics import off_peak_chart, palette
from ops_core.domain.off_peak import OffPeak
from ops_core.ui import retry_sentences
from ops_core.ui.markdown import plain


def draw(choice: OffPeak, *, zone: str) -> None:
    """The begin in words, the 24 hours as a strip in the viewer's time, and their numbers on request."""
    why = choice.why.removeprefix(f"{choice.start:%H:%M} UTC: ")
    st.markdown(f"Begins **{retry_sentences.instant(choice.start, zone)}**: {plain(why)}")
    theme = palette.DARK if st.context.theme.type == "dark" else palette.LIGHT
    st.plotly_chart(
        off_peak_chart.strip(choice, zone=ZoneInfo(zone), theme=theme),
        key="retry_off_peak",
        theme=None,
        config={"displayModeBar": False, "displaylogo": False},
        alt="How many tries failed in each hour of the day, with the chosen hour marked",
    )
    st.caption(
        f"Tries that failed by hour of the day ({plain(zone)}), full hours of the last 14 days: "
        "pale is few, red is many, a dash is no try. The frame is the chosen hour."
    )
    if st.toggle("Show the numbers", key="retry_off_peak_numbers"):
        hours = off_peak_chart.local_hours(choice, ZoneInfo(zone))
        st.dataframe(
            pd.DataFrame(
                {
                    "hour": [clock for clock, _ in hours],
                    "tries": [hour.tries for _, hour in hours],
                    "failed": [hour.failed_share for _, hour in hours],
                    "used": [hour.used_share for _, hour in hours],
                    "chosen": [hour.hour == choice.start.hour for _, hour in hours],
                }
            ),
            hide_index=True,
            height=240,
            placeholder="",
            column_config={
                "hour": "Hour",
                "tries": st.column_config.NumberColumn("Tries"),
                "failed": st.column_config.NumberColumn("Failed", format="percent"),
                "used": st.column_config.NumberColumn("Of the limits used", format="percent"),
                "chosen": st.column_config.CheckboxColumn("Chosen"),
            },
            alt="The hours of the day in numbers",
        )

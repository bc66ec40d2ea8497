"""What the charts show, cached: the same page asks once, however often it is drawn.

Every argument is part of the key; `now` is the instant that the page's data are from.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from ops_core.analytics import chart_frames
from ops_core.analytics.chart_frames import Course
from ops_core.db.engine import get_engine
from ops_core.domain.filters import Filters

_WAIT = "Counting …"


@st.cache_data(ttl="30s", max_entries=32, show_spinner=_WAIT)
def course(filters: Filters, zone: str, now: datetime) -> Course:
    """`chart_frames.course`."""
    with get_engine().connect() as connection:
        return chart_frames.course(connection, filters, ZoneInfo(zone), now)


@st.cache_data(ttl="30s", max_entries=32, show_spinner=_WAIT)
def failures(filters: Filters, zone: str, now: datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`chart_frames.failures`."""
    over_time = course(filters, zone, now)
    with get_engine().connect() as connection:
        return chart_frames.failures(connection, filters, over_time)


@st.cache_data(ttl="30s", max_entries=32, show_spinner=_WAIT)
def providers(filters: Filters) -> pd.DataFrame:
    """`chart_frames.providers`."""
    with get_engine().connect() as connection:
        return chart_frames.providers(connection, filters)

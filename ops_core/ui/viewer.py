"""What the viewer's browser says of itself."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st


def zone_name() -> str:
    """The viewer's time zone; UTC if the browser does not say, or says one that nobody knows."""
    zone = st.context.timezone or "UTC"
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"
    return zone

"""What an action has to say after the run that carried it out: kept until the next run shows it."""

from __future__ import annotations

import streamlit as st

_NOTICES = "notices"


def keep(message: str, icon: str = ":material/check_circle:") -> None:
    """Show `message` (Markdown) as a toast at the next run."""
    st.session_state.setdefault(_NOTICES, []).append((message, icon))


def show() -> None:
    """Show what was kept, once."""
    for message, icon in st.session_state.pop(_NOTICES, ()):
        st.toast(message, icon=icon, duration="long")

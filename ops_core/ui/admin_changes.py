"""The last changes of providers: who, when, what; refusals too."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from ops_core.db.audit import Entry
from ops_core.ui import badges, providers_read
from ops_core.ui.fine_print import fine_print
from ops_core.ui.markdown import plain
from ops_core.ui.words_of_time import moment

_DONE = {
    "edit_provider": ("Edited", "blue", "edit"),
    "allow_copies": ("Copies allowed", "orange", "content_copy"),
    "forbid_copies": ("Reference only", "blue", "link"),
    "pause_provider": ("Paused", "orange", "pause_circle"),
    "resume_provider": ("Resumed", "green", "play_circle"),
    "close_circuit": ("Breaker closed", "green", "power"),
}
_REFUSED = "refused: "


def recent(*, names: Mapping[str, str], zone: str) -> None:
    """The newest first, in plain words."""
    st.subheader("Recent changes", anchor=False)
    found = providers_read.changes()
    if not found:
        st.caption("Nobody has changed a provider so far.")
    for entry in found:
        with st.container(gap="xxsmall"):
            st.markdown(_what(entry, names))
            fine_print(f"{moment(entry.at, zone)} · {plain(entry.actor)}")


def _what(entry: Entry, names: Mapping[str, str]) -> str:
    label, colour, icon = _DONE[entry.action]
    code = str(entry.scope.get("provider", ""))
    said = entry.outcome.replace(" -> ", " → ")
    if said.startswith(_REFUSED):
        label, colour, icon = f"{label}: refused", "red", "block"
        said = said.removeprefix(_REFUSED)
    return f"{badges.provider_badge(code, names)} {badges.badge(label, colour, icon)} {plain(said)}"

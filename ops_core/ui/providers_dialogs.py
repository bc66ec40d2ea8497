"""The one dialog of the Admin page that is open, if one is."""

from __future__ import annotations

import streamlit as st

from ops_core.ui import providers_asked, providers_copies, providers_edit, providers_pause
from ops_core.ui.frame import database
from ops_core.ui.markdown import plain
from ops_core.ui.providers_asked import Kind

_DIALOGS = {
    Kind.EDIT: ("Edit {}", ":material/edit:", providers_edit.draw),
    Kind.PAUSE: ("Pause {}", ":material/pause:", providers_pause.draw),
    Kind.COPY: ("Keep copies of {} photos", ":material/content_copy:", providers_copies.draw_copy),
    Kind.REFERENCE: ("Keep no more copies of {} photos", ":material/link:", providers_copies.draw_reference),
}


def draw() -> None:
    """Draw the dialog if one was asked for; to be called once, at the end of the page."""
    asked = providers_asked.current()
    if asked is None:
        return
    if not providers_asked.is_filled():
        # whoever left the page and came back finds no empty fields, which would mean "no limit"
        providers_asked.give_up()
        return
    title, icon, _ = _DIALOGS[asked.kind]
    st.dialog(
        title.format(plain(asked.row.name)), width="medium", icon=icon, on_dismiss=providers_asked.give_up
    )(_body)()


def _body() -> None:
    asked = providers_asked.current()
    if asked is None:
        st.rerun()
        return
    with database():
        _DIALOGS[asked.kind][2](asked)

"""The dialog that pauses a provider."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st
from sqlalchemy import Engine

from ops_core import actions
from ops_core.db.provider_rows import ProviderRow
from ops_core.domain.access import Actor
from ops_core.ui import providers_asked
from ops_core.ui.markdown import plain
from ops_core.ui.providers_asked import FIELD, REASON_LENGTH, Asked, Kind
from ops_core.ui.viewer import zone_name
from ops_core.ui.words_of_time import moment

#: How long a pause may be, in words; an hour is the usual.
LENGTHS = {
    "15 min": timedelta(minutes=15),
    "1 hour": timedelta(hours=1),
    "4 hours": timedelta(hours=4),
    "1 day": timedelta(days=1),
    "7 days": timedelta(days=7),
}


def ask(row: ProviderRow) -> None:
    """For callbacks: open the dialog."""
    providers_asked.ask(Kind.PAUSE, row, {"length": "1 hour", "reason": ""})


def draw(asked: Asked) -> None:
    """How long, and why."""
    st.markdown(
        f"{plain(asked.row.name)} is asked for nothing until then: its photos wait, and venues are enriched "
        "without it. Calls that have begun end."
    )
    if asked.note:
        st.warning(asked.note, icon=":material/info:")
    st.segmented_control("For how long", list(LENGTHS), key=f"{FIELD}length", required=True)
    st.text_input(
        "Reason",
        key=f"{FIELD}reason",
        max_chars=REASON_LENGTH,
        placeholder="Quota used up, new contract, …",
        live=True,
    )
    confirm, cancel = st.columns(2)
    confirm.button(
        "Pause",
        key="provider_pause_confirm",
        type="primary",
        width="stretch",
        disabled=not providers_asked.reason(),
        on_click=_pause,
        args=(asked,),
    )
    cancel.button("Cancel", key="provider_cancel", width="stretch", on_click=providers_asked.give_up)


def _pause(asked: Asked) -> None:
    # a segment can be clicked off
    length = LENGTHS[providers_asked.field("length") or "1 hour"]
    reason, zone = providers_asked.reason(), zone_name()

    def pause(engine: Engine, actor: Actor) -> str:
        until = actions.pause_provider(
            engine, asked.row.code, actor=actor, reason=reason, minutes=length / timedelta(minutes=1)
        )
        return f"{plain(asked.row.name)} is paused until {moment(until, zone)}"

    providers_asked.carry_out(asked, pause)

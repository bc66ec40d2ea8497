"""The dialog that edits a provider's row: what is saved is what stands in its fields, over what was shown."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import streamlit as st
from sqlalchemy import Engine

from ops_core import actions
from ops_core.db.provider_rows import ProviderRow
from ops_core.domain import provider_edits
from ops_core.domain.access import Actor
from ops_core.domain.provider_edits import DEAREST_USD, LOWEST_PRIORITY, MOST_CALLS, ProviderEdit
from ops_core.settings import get_settings
from ops_core.ui import providers_asked, providers_words
from ops_core.ui.fine_print import fine_print
from ops_core.ui.markdown import plain
from ops_core.ui.providers_asked import FIELD, Asked, Kind

_LIMITS = (("per_second", "A second"), ("per_minute", "A minute"), ("per_hour", "An hour"))
_PRICES = (("listing_usd", "Listing"), ("photo_usd", "Photo"), ("search_usd", "Search"))
_PRICE_HELP = {
    "listing_usd": "One call that lists a venue's photos.",
    "photo_usd": "One call that fetches a photo.",
    "search_usd": "One call that searches for a venue.",
}


def ask(row: ProviderRow) -> None:
    """For callbacks: open the dialog."""
    providers_asked.ask(Kind.EDIT, row, _fields(row.edit))


def draw(asked: Asked) -> None:
    """The fields and the two buttons."""
    row = asked.row
    theirs = provider_edits.documented(row.code, google_legacy=get_settings().google_places_api == "legacy")
    if asked.note:
        st.warning(asked.note, icon=":material/info:")
    with st.form(f"provider_form_{row.code}", border=False, enter_to_submit=False):
        st.toggle(
            "Switched on", key=f"{FIELD}active", help="Off: it is asked for nothing until it is on again."
        )
        st.number_input(
            "Priority",
            1,
            LOWEST_PRIORITY,
            step=1,
            key=f"{FIELD}priority",
            help="1 is asked for first; of photos that are equally good, those of the first are taken.",
        )
        st.markdown("Asked for")
        with st.container(horizontal=True):
            st.checkbox("Photos of venues", key=f"{FIELD}photos")
            st.checkbox(
                "Venues by name and place",
                key=f"{FIELD}search",
                disabled=theirs is not None and "search" not in theirs.capabilities,
            )
        st.markdown("Calls at most, by all workers together; empty for no limit")
        for column, (name, label) in zip(st.columns(3), _LIMITS, strict=True):
            column.number_input(
                label, 1, MOST_CALLS[name], value=None, step=1, key=FIELD + name, placeholder="no limit"
            )
        st.markdown("Price of a call, US dollars")
        for column, (name, label) in zip(st.columns(3), _PRICES, strict=True):
            column.number_input(
                label,
                0.0,
                float(DEAREST_USD),
                step=0.001,
                format="%.6g",
                key=FIELD + name,
                help=_PRICE_HELP[name],
            )
        if theirs is not None:
            fine_print(
                f"Documented: priority {theirs.priority}; {providers_words.limits(theirs)}; "
                f"{providers_words.prices(row.code, theirs)}"
            )
        st.form_submit_button("Save", type="primary", width="stretch", on_click=_save, args=(asked,))
    # outside: no button of a form does anything while one of its fields holds what cannot be
    st.button("Cancel", key="provider_cancel", width="stretch", on_click=providers_asked.give_up)


def wanted() -> ProviderEdit:
    """What the fields say."""
    field = providers_asked.field
    values: dict[str, Any] = {name: field(name) for name, _ in _LIMITS}
    values |= {name: _dollars(field(name)) for name, _ in _PRICES}
    return ProviderEdit(
        active=bool(field("active")),
        priority=int(field("priority")),
        capabilities=frozenset(name for name in ("photos", "search") if field(name)),
        **values,
    )


def _save(shown: Asked) -> None:
    asked = providers_asked.current()
    if asked is None:
        return  # the second click of a double click
    edit = wanted()

    def save(engine: Engine, actor: Actor) -> str:
        done = actions.edit_provider(engine, asked.row.code, edit, actor=actor, seen=shown.row.edit)
        said = ", ".join(done).replace(" -> ", " → ")
        return f"{plain(asked.row.name)}: {plain(said)}" if done else ""

    try:
        providers_asked.carry_out(asked, save)
    except actions.RowChanged as changed:
        both = provider_edits.merged(shown.row.edit, edit, changed.now)
        for name, value in _fields(both).items():
            st.session_state[FIELD + name] = value
        providers_asked.keep(
            replace(asked, row=replace(asked.row, edit=changed.now), note=_meanwhile(shown.row, changed.now))
        )


def _meanwhile(row: ProviderRow, now: ProviderEdit) -> str:
    said = ", ".join(provider_edits.changes(row.edit, now)).replace(" -> ", " → ")
    return (
        f"Somebody changed this while you were reading: **{plain(said)}**. Nothing was saved yet. The fields "
        "hold that now, together with what you changed yourself: look, and save again."
    )


def _fields(edit: ProviderEdit) -> dict[str, Any]:
    return {
        "active": edit.active,
        "priority": edit.priority,
        "photos": "photos" in edit.capabilities,
        "search": "search" in edit.capabilities,
        **{name: getattr(edit, name) for name, _ in _LIMITS},
        **{name: float(getattr(edit, name)) for name, _ in _PRICES},
    }


def _dollars(typed: float) -> Decimal:
    # the shortest digits that mean this number are those that were typed
    return Decimal(repr(float(typed)))

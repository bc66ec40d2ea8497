"""The dialogs that switch copies of a provider's photos on and off; on takes more than a click."""

from __future__ import annotations

import streamlit as st
from sqlalchemy import Engine

from ops_core import actions
from ops_core.db.provider_rows import ProviderRow
from ops_core.domain import provider_edits
from ops_core.domain.access import Actor
from ops_core.domain.providers import Copies, Rehosting
from ops_core.ui import providers_asked, providers_read, providers_words
from ops_core.ui.markdown import plain
from ops_core.ui.providers_asked import FIELD, REASON_LENGTH, Asked, Kind

RIGHT = "I have the right to keep copies"


def ask(row: ProviderRow) -> None:
    """For callbacks: open the dialog that turns the policy of `row` around."""
    kind = Kind.REFERENCE if row.rehosting is Rehosting.STORE else Kind.COPY
    providers_asked.ask(kind, row, {"reason": "", "right": False})


def draw_copy(asked: Asked) -> None:
    """Keeping copies from now on."""
    row = asked.row
    allowed = row.copies is Copies.ALLOWED
    if not allowed:
        st.warning(
            f"{providers_words.terms(row)}  \nKeep copies only if a contract or a permission allows you to.",
            title=providers_words.TERMS[row.copies],
            icon=":material/gavel:",
        )
    st.markdown(
        f"New photos of {plain(row.name)} are then copied into the store; those that are referenced follow "
        "when their venue is asked for again."
    )
    _note(asked)
    if not allowed:
        _reason("Why copies may be kept", "The contract or the permission that allows them")
        st.checkbox(RIGHT, key=f"{FIELD}right")
    can = allowed or not provider_edits.why_not_copied(
        row.name, row.copies, reason=providers_asked.reason(), confirmed=bool(providers_asked.field("right"))
    )
    _buttons("Keep copies", "provider_copies_on", asked, can=can)


def draw_reference(asked: Asked) -> None:
    """Keeping no more copies."""
    row = asked.row
    kept = providers_read.copies_kept().get(row.code, 0)
    stays = (
        f"**{providers_words.count(kept)}** {'copy is' if kept == 1 else 'copies are'} kept and "
        f"{'stays' if kept == 1 else 'stay'}."
        if kept
        else "None are kept so far."
    )
    st.markdown(f"New photos of {plain(row.name)} are then not copied, but shown from the provider. {stays}")
    _note(asked)
    _reason("Reason (you may leave it empty)", "For whoever asks later")
    _buttons("Reference only", "provider_copies_off", asked, can=True)


def _note(asked: Asked) -> None:
    if asked.note:
        st.warning(asked.note, icon=":material/info:")


def _reason(label: str, placeholder: str) -> None:
    st.text_input(label, key=f"{FIELD}reason", max_chars=REASON_LENGTH, placeholder=placeholder, live=True)


def _buttons(label: str, key: str, asked: Asked, *, can: bool) -> None:
    confirm, cancel = st.columns(2)
    confirm.button(
        label,
        key=key,
        type="primary",
        width="stretch",
        disabled=not can,
        on_click=_switch,
        args=(asked,),
    )
    cancel.button("Cancel", key="provider_cancel", width="stretch", on_click=providers_asked.give_up)


def _switch(asked: Asked) -> None:
    code, name = asked.row.code, plain(asked.row.name)
    reason, confirmed = providers_asked.reason(), bool(providers_asked.field("right"))

    def switch(engine: Engine, actor: Actor) -> str:
        if asked.kind is Kind.COPY:
            done = actions.allow_copies(engine, code, actor=actor, reason=reason, confirmed=confirmed)
            return f"Photos of {name} are copied from now on" if done else ""
        done = actions.forbid_copies(engine, code, actor=actor, reason=reason)
        return f"Photos of {name} are only referenced from now on" if done else ""

    providers_asked.carry_out(asked, switch)

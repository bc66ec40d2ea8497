"""What an admin is about to change of a provider, kept in the session until it is done or given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import streamlit as st
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core import actions
from ops_core.db.engine import get_engine, is_unavailable
from ops_core.db.provider_rows import ProviderRow
from ops_core.domain.access import Actor
from ops_core.ui import notices, sign_in
from ops_core.ui.markdown import plain

#: Every key of a field in these dialogs begins with this.
FIELD = "provider_field_"
#: Characters of a reason; enough for two sentences.
REASON_LENGTH = 300

_KEY, _NOTE = "provider_asked", "provider_note"


class Kind(StrEnum):
    """What is changed."""

    EDIT = "edit"
    PAUSE = "pause"
    COPY = "copy"  #: Keep copies from now on.
    REFERENCE = "reference"  #: Keep no more copies.


@dataclass(frozen=True, slots=True)
class Asked:
    """One dialog."""

    kind: Kind
    row: ProviderRow  #: As it was shown.
    note: str = ""  #: What became of the last click, as Markdown.


def ask(kind: Kind, row: ProviderRow, values: dict[str, Any]) -> None:
    """For callbacks: open a dialog at the next run; its fields begin with `values`, by their short names."""
    forget_note()
    give_up()
    for name, value in values.items():
        st.session_state[FIELD + name] = value
    st.session_state[_KEY] = Asked(kind, row)


def current() -> Asked | None:
    """What is being changed now."""
    asked: Asked | None = st.session_state.get(_KEY)
    return asked


def keep(asked: Asked) -> None:
    """Remember it for the next run."""
    st.session_state[_KEY] = asked


def give_up() -> None:
    """For callbacks: close the dialog, and forget what was typed."""
    st.session_state.pop(_KEY, None)
    for key in [key for key in st.session_state if str(key).startswith(FIELD)]:
        st.session_state.pop(key, None)


def is_filled() -> bool:
    """Whether the fields still hold something: Streamlit empties those of a page that was left."""
    return any(str(key).startswith(FIELD) for key in st.session_state)


def field(name: str) -> Any:
    """What stands in a field; None if it is not drawn."""
    return st.session_state.get(FIELD + name)


def reason() -> str:
    """The reason that was typed."""
    return str(field("reason") or "").strip()


def carry_out(asked: Asked, what: Callable[[Engine, Actor], str]) -> None:
    """For callbacks: do `what`, an action that hands back what to tell (Markdown); the dialog then closes.

    If it is refused, the dialog stays and says why. A second click of a dialog that is done is none.
    """
    if current() is None:
        return
    said = attempt(lambda engine, actor: _tell(what(engine, actor)))
    if said is None:
        give_up()
    else:
        keep(replace(current() or asked, note=plain(said)))


def attempt(what: Callable[[Engine, Actor], Any]) -> str | None:
    """Do `what`, an action, as who is here now; why it was not done, in a sentence, or None.

    Raises `RowChanged`, which its dialog answers.
    """
    actor = sign_in.here()
    if actor is None:
        return None  # the sign-in screen comes up by itself
    try:
        what(get_engine(), actor)
    except actions.RowChanged:
        raise
    except actions.Refused as refused:
        return str(refused)
    except SQLAlchemyError as error:
        if not is_unavailable(error):
            raise
        return "The database cannot be reached. Nothing was changed; try again in a minute."
    return None


def note(code: str) -> str:
    """Why the last click on a button of this provider was not carried out, if it was not."""
    said: tuple[str, str] | None = st.session_state.get(_NOTE)
    return said[1] if said and said[0] == code else ""


def set_note(code: str, said: str | None) -> None:
    """Say it beside the provider at the next run."""
    forget_note()
    if said:
        st.session_state[_NOTE] = code, said


def forget_note() -> None:
    """For callbacks: the person has moved on."""
    st.session_state.pop(_NOTE, None)


def _tell(message: str) -> None:
    if message:
        notices.keep(message)

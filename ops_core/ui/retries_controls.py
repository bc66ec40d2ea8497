"""What a person can do with a retry: pause, resume, cancel, re-run, copy its link.

Only what makes sense where it stands is drawn. Who may not sees it disabled, with the reason; the
check itself stands in the actions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import streamlit as st
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core import actions
from ops_core.analytics.retry_frames import Standing
from ops_core.db.engine import get_engine, is_unavailable
from ops_core.db.retries import Request
from ops_core.domain.access import Actor, Role
from ops_core.domain.retries import Scope
from ops_core.domain.retry_plan import counted
from ops_core.ui import retries_cached, retry_dialog, sign_in
from ops_core.ui.address import BASE
from ops_core.ui.fine_print import fine_print
from ops_core.ui.markdown import plain

#: Session key: what the last click on a retry's control came to, by its id, if not to what was asked.
_NOTES = "retries_notes"

_PAUSABLE = (Standing.SCHEDULED, Standing.WAITING, Standing.RUNNING)
_RESUMABLE = (Standing.PAUSED, Standing.STOPPED)
_ENDED = (Standing.COMPLETED, Standing.CANCELLED)

Verb = Callable[..., Any]


def controls(request: Request, where: Standing, *, may_retry: bool) -> None:
    """The buttons of one retry, which stands at `where`."""
    if where in _PAUSABLE:
        _button(
            request,
            "Pause",
            "pause",
            actions.pause_retry,
            "What is running finishes; nothing more begins.",
            may_retry=may_retry,
        )
    if where in _RESUMABLE:
        stopped = where is Standing.STOPPED
        _button(
            request,
            "Go on anyway" if stopped else "Resume",
            "play_arrow",
            actions.resume_retry,
            "Tries the other images too, although the sample did badly." if stopped else "Goes on.",
            may_retry=may_retry,
        )
    if where in (*_PAUSABLE, *_RESUMABLE):
        _cancel(request, may_retry=may_retry)
    if where in _ENDED and request.failed:
        clicked = st.button(
            f"Re-run {request.failed:,} failed",
            key=f"retry_{request.id}_rerun",
            icon=":material/replay:",
            disabled=not may_retry,
            help="Tries those again that are still failing; you see first what will happen." + who(may_retry),
            on_click=retry_dialog.ask,
            args=(Scope(request=request.id),),
        )
        if clicked:
            # the dialog is drawn by the whole page
            st.rerun()
    _copy_link(request.id)


def note(request_id: int) -> None:
    """Why the last click on this retry was not carried out, if it was not."""
    said = st.session_state.get(_NOTES, {}).get(request_id)
    if said:
        st.warning(plain(said), icon=":material/info:")


def other_notes(shown: Collection[int]) -> None:
    """The same for a retry that is not among those `shown` any more."""
    for request_id in st.session_state.get(_NOTES, {}):
        if request_id not in shown:
            note(request_id)


def forget_notes() -> None:
    """For callbacks: a person has moved on."""
    st.session_state.pop(_NOTES, None)


def act(request_id: int, verb: Verb) -> None:
    """For callbacks: have `verb` (an action on one retry) done by who is here now."""
    forget_notes()
    said = attempt(lambda engine, actor: verb(engine, request_id, actor=actor))
    if said:
        st.session_state[_NOTES] = {request_id: said}


def attempt(what: Callable[[Engine, Actor], Any]) -> str | None:
    """Do `what`, an action, as who is here now; why it was not done, in a sentence, or None."""
    actor = sign_in.here()
    if actor is None:
        return None  # the sign-in screen comes up by itself
    try:
        what(get_engine(), actor)
    except actions.Refused as refused:
        return str(refused)
    except SQLAlchemyError as error:
        if not is_unavailable(error):
            raise
        return "The database cannot be reached. Nothing was changed; try again in a minute."
    finally:
        retries_cached.forget()
    return None


def _button(request: Request, label: str, icon: str, verb: Verb, help_text: str, *, may_retry: bool) -> None:
    st.button(
        label,
        key=f"retry_{request.id}_{icon}",
        icon=f":material/{icon}:",
        help=help_text + who(may_retry),
        disabled=not may_retry,
        on_click=act,
        args=(request.id, verb),
    )


def _cancel(request: Request, *, may_retry: bool) -> None:
    if not may_retry:
        st.button(
            "Cancel",
            key=f"retry_{request.id}_cancel",
            icon=":material/close:",
            disabled=True,
            help=who(may_retry).strip(),
        )
        return
    box = st.popover(
        "Cancel",
        icon=":material/close:",
        key=f"retry_{request.id}_cancel",
        help="Asks once more.",
        on_change="rerun",
    )
    if box.open:
        with box:
            st.markdown(
                f"What is running finishes. Up to **{counted(request.open, 'image')}** without a result are "
                "let go: they stay failed, and can be retried later."
            )
            st.button(
                f"Cancel retry {request.id}",
                key=f"retry_{request.id}_cancel_now",
                icon=":material/block:",
                type="primary",
                on_click=act,
                args=(request.id, actions.cancel_retry),
            )


def _copy_link(request_id: int) -> None:
    box = st.popover(
        "Link",
        icon=":material/link:",
        key=f"retry_{request_id}_link",
        type="tertiary",
        help="Copy the link to this retry",
        on_change="rerun",
    )
    if box.open:
        with box:
            fine_print("The button in the corner copies it.")
            st.code(link_to(request_id), None, wrap_lines=True)


def link_to(request_id: int) -> str:
    """The address of one retry, as whole as the browser tells ours."""
    url = urlsplit(st.context.url or "")
    path = f"{BASE}/retries"
    return urlunsplit((url.scheme, url.netloc, path, f"retry={request_id}", ""))


def who(may_retry: bool) -> str:
    """To end a help text with: what is missing to those who may not."""
    return "" if may_retry else f" This takes the role {Role.OPERATOR.word}: ask an admin for it."

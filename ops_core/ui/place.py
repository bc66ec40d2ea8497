"""Where a person is on the Operations page: filters, page and opened jobs, in the session and the address.

The address tells what the session holds, so that a link shows the same view. Streamlit's own binding
of widgets to the address writes their labels, which carry counts here; codes and ids are kept instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import streamlit as st

from ops_core.db.operations import Key
from ops_core.domain.filters import as_id
from ops_core.ui.address_filters import Choice, choice_from, instant_of, instant_word, params_of

#: Jobs that one address can open; each loads its own details.
MOST_OPEN = 5

_CHOICE, _OPEN, _OLDER, _NEWER, _WRITTEN = (
    "place_choice",
    "place_open",
    "place_older",
    "place_newer",
    "place_written",
)
_MOVED = "place_moved"  #: Set by callbacks until the next run has seen it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the page shows."""

    choice: Choice
    open_jobs: tuple[int, ...]  #: In the order they were opened.
    older_than: Key | None
    newer_than: Key | None


def arrive(widget: str) -> bool:
    """Bring the address into the session if it says something else than we wrote; whether it did.

    `widget` is the key of one that the page always draws.
    """
    params = {name: st.query_params.get_all(name) for name in st.query_params}
    state = st.session_state
    if state.pop(_MOVED, False):
        # a click moved us; the browser may not have heard of the address we wrote the run before
        return False
    if params == state.get(_WRITTEN):
        return False
    if not params and _CHOICE in state and widget not in state:
        # widgets forget what they held when another page is drawn; its link back says nothing
        return True
    state[_CHOICE] = choice_from(params)
    ids = [number for word in params.get("job", []) if (number := as_id(word)) is not None]
    state[_OPEN] = tuple(dict.fromkeys(ids))[-MOST_OPEN:]
    state[_OLDER], state[_NEWER] = _key(params, "before"), _key(params, "after")
    if state[_OLDER]:
        state[_NEWER] = None
    return True


def here() -> Place:
    """What the session holds now."""
    state = st.session_state
    return Place(
        choice=cast(Choice, state[_CHOICE]),
        open_jobs=state[_OPEN],
        older_than=state[_OLDER],
        newer_than=state[_NEWER],
    )


def tell(*, arrived: bool) -> None:
    """Write the session's place into the address.

    Also when it seems to stand there already: after a link to the page itself only Streamlit knows.
    """
    place = here()
    params = params_of(place.choice)
    if place.open_jobs:
        params["job"] = [str(job_id) for job_id in place.open_jobs]
    for name, key in (("before", place.older_than), ("after", place.newer_than)):
        if key:
            params[name] = [_word(key)]
    if arrived or params != st.session_state.get(_WRITTEN):
        st.query_params.from_dict(params)
    st.session_state[_WRITTEN] = params


def choose(choice: Choice) -> None:
    """Take up another choice, from its first page."""
    if st.session_state[_CHOICE] != choice:
        st.session_state[_CHOICE] = choice
        go()


def go(*, older_than: Key | None = None, newer_than: Key | None = None) -> None:
    """Turn to the page next to a key; without one, to the newest."""
    st.session_state[_OLDER], st.session_state[_NEWER] = older_than, newer_than
    st.session_state[_MOVED] = True


def toggle(job_id: int) -> None:
    """Open a job's details, or close them; the first opened gives way to one too many."""
    opened: tuple[int, ...] = st.session_state[_OPEN]
    if job_id in opened:
        st.session_state[_OPEN] = tuple(other for other in opened if other != job_id)
    else:
        st.session_state[_OPEN] = (*opened, job_id)[-MOST_OPEN:]
    st.session_state[_MOVED] = True


def open_all(job_ids: Sequence[int]) -> None:
    """Open the details of these jobs and no others, as many as there may be."""
    st.session_state[_OPEN] = tuple(job_ids)[:MOST_OPEN]
    st.session_state[_MOVED] = True


def close_all() -> None:
    """Close all details."""
    st.session_state[_OPEN] = ()
    st.session_state[_MOVED] = True


def _word(key: Key) -> str:
    return f"{instant_word(key.finished_at)}-{key.id}"


def _key(params: dict[str, list[str]], name: str) -> Key | None:
    words = params.get(name, [])
    time, _, job = (words[-1] if words else "").partition("-")
    finished_at, job_id = instant_of(time), as_id(job)
    return None if finished_at is None or job_id is None else Key(finished_at, job_id)

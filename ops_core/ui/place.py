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
from ops_core.ui.address_filters import (
    Choice,
    Params,
    choice_from,
    instant_of,
    instant_word,
    last_word,
    params_of,
)
from ops_core.ui.page_address import MOST_OPEN, PageAddress, opened_in, toggled

_CHOICE, _OPEN, _OLDER, _NEWER = "place_choice", "place_open", "place_older", "place_newer"
_ADDRESS = PageAddress("place", holds=_CHOICE)


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
    return _ADDRESS.arrive(widget, _take_up)


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
    """Write the session's place into the address."""
    place = here()
    params = {
        **params_of(place.choice),
        "job": [str(job_id) for job_id in place.open_jobs],
        "before": [_word(place.older_than)] if place.older_than else [],
        "after": [_word(place.newer_than)] if place.newer_than else [],
    }
    _ADDRESS.write(params, arrived=arrived)


def choose(choice: Choice) -> None:
    """Take up another choice, from its first page."""
    if st.session_state[_CHOICE] != choice:
        st.session_state[_CHOICE] = choice
        go()


def go(*, older_than: Key | None = None, newer_than: Key | None = None) -> None:
    """Turn to the page next to a key; without one, to the newest."""
    st.session_state[_OLDER], st.session_state[_NEWER] = older_than, newer_than
    _ADDRESS.moved()


def toggle(job_id: int) -> None:
    """Open a job's details, or close them; the first opened gives way to one too many."""
    st.session_state[_OPEN] = toggled(st.session_state[_OPEN], job_id)
    _ADDRESS.moved()


def open_all(job_ids: Sequence[int]) -> None:
    """Open the details of these jobs and no others, as many as there may be."""
    st.session_state[_OPEN] = tuple(job_ids)[:MOST_OPEN]
    _ADDRESS.moved()


def close_all() -> None:
    """Close all details."""
    st.session_state[_OPEN] = ()
    _ADDRESS.moved()


def _take_up(params: Params) -> None:
    state = st.session_state
    state[_CHOICE] = choice_from(params)
    state[_OPEN] = opened_in(params, "job")
    state[_OLDER], state[_NEWER] = _key(last_word(params, "before")), _key(last_word(params, "after"))
    if state[_OLDER]:
        state[_NEWER] = None


def _word(key: Key) -> str:
    return f"{instant_word(key.finished_at)}-{key.id}"


def _key(word: str) -> Key | None:
    time, _, job = word.partition("-")
    finished_at, job_id = instant_of(time), as_id(job)
    return None if finished_at is None or job_id is None else Key(finished_at, job_id)

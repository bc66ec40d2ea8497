"""Where a person is on the Picture quality page: list, filters, page; and its address.

As on the other pages, the address tells what the session holds, so that a link shows the same view.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from ops_core.db.picture_lists import Key, Narrowed, Which
from ops_core.domain.filters import as_id

_WHICH, _NARROWED, _AFTER, _WRITTEN, _MOVED = (
    "quality_which",
    "quality_narrowed",
    "quality_after",
    "quality_written",
    "quality_moved",
)
#: Longest code of a provider that is taken from an address.
_MOST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the page shows."""

    which: Which
    narrowed: Narrowed
    after: Key | None  #: The list goes on from here; None is its beginning.


def arrive(widget: str) -> bool:
    """Bring the address into the session if it says something else than we wrote; whether it did.

    `widget` is the key of one that the page always draws.
    """
    params = {name: st.query_params.get_all(name) for name in st.query_params}
    state = st.session_state
    if state.pop(_MOVED, False) or params == state.get(_WRITTEN):
        # a click moved us, and the browser may not have heard of it yet; or nothing is new
        return False
    if not params and _WHICH in state and widget not in state:
        # the link back from another page says nothing
        return True
    word = _last(params, "show")
    state[_WHICH] = Which(word) if word in list(Which) else Which.SEVERAL
    state[_NARROWED] = Narrowed(
        provider=_last(params, "provider")[:_MOST] or None, city_id=as_id(_last(params, "city"))
    )
    state[_AFTER] = _key(_last(params, "after"))
    return True


def here() -> Place:
    """What the session holds now."""
    state = st.session_state
    return Place(which=state[_WHICH], narrowed=state[_NARROWED], after=state[_AFTER])


def tell(*, arrived: bool = False) -> None:
    """Write the session's place into the address."""
    place = here()
    params: dict[str, list[str]] = {}
    if place.which is not Which.SEVERAL:
        params["show"] = [place.which.value]
    if place.narrowed.provider:
        params["provider"] = [place.narrowed.provider]
    if place.narrowed.city_id:
        params["city"] = [str(place.narrowed.city_id)]
    if place.after:
        params["after"] = [f"{place.after.venues}-{place.after.id}"]
    if arrived or params != st.session_state.get(_WRITTEN):
        st.query_params.from_dict(params)
    st.session_state[_WRITTEN] = params


def show(which: Which) -> None:
    """For callbacks: another list, from its beginning; the filters stay."""
    st.session_state[_WHICH] = which
    go(None)


def narrow(narrowed: Narrowed) -> None:
    """For callbacks: what fits these filters, from the beginning."""
    st.session_state[_NARROWED] = narrowed
    go(None)


def go(after: Key | None) -> None:
    """For callbacks: the page after a key; without one, the first."""
    st.session_state[_AFTER] = after
    st.session_state[_MOVED] = True


def _last(params: dict[str, list[str]], name: str) -> str:
    return (params.get(name) or [""])[-1]


def _key(word: str) -> Key | None:
    venues, _, number = word.partition("-")
    key_id = as_id(number)
    if key_id is None:
        return None
    return Key(as_id(venues) or 0, key_id)

"""Where a person is on the Picture quality page: list, filters, page; and its address.

As on the other pages, the address tells what the session holds, so that a link shows the same view.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from ops_core.db.picture_lists import Key, Narrowed, Which
from ops_core.domain.filters import as_id
from ops_core.ui.address_filters import Params, last_word
from ops_core.ui.page_address import PageAddress

_WHICH, _NARROWED, _AFTER = "quality_which", "quality_narrowed", "quality_after"
_ADDRESS = PageAddress("quality", holds=_WHICH)
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
    return _ADDRESS.arrive(widget, _take_up)


def here() -> Place:
    """What the session holds now."""
    state = st.session_state
    return Place(which=state[_WHICH], narrowed=state[_NARROWED], after=state[_AFTER])


def tell(*, arrived: bool = False) -> None:
    """Write the session's place into the address."""
    place = here()
    provider, city_id, after = place.narrowed.provider, place.narrowed.city_id, place.after
    params = {
        "show": [place.which.value] if place.which is not Which.SEVERAL else [],
        "provider": [provider] if provider else [],
        "city": [str(city_id)] if city_id else [],
        "after": [f"{after.venues}-{after.id}"] if after else [],
    }
    _ADDRESS.write(params, arrived=arrived)


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
    _ADDRESS.moved()


def _take_up(params: Params) -> None:
    state = st.session_state
    word = last_word(params, "show")
    state[_WHICH] = Which(word) if word in list(Which) else Which.SEVERAL
    state[_NARROWED] = Narrowed(
        provider=last_word(params, "provider")[:_MOST] or None, city_id=as_id(last_word(params, "city"))
    )
    state[_AFTER] = _key(last_word(params, "after"))


def _key(word: str) -> Key | None:
    venues, _, number = word.partition("-")
    key_id = as_id(number)
    if key_id is None:
        return None
    return Key(as_id(venues) or 0, key_id)

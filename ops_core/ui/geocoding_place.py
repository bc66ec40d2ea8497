"""Where a person is on the Geocoding page: filters, pages, the opened match; and its address.

As on the other pages, the address tells what the session holds, so that a link shows the same view.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import streamlit as st

from ops_core.db.match_lists import Key, Wanted
from ops_core.domain.filters import as_id
from ops_core.domain.matches import MatchState
from ops_core.ui.address_filters import Params, instant_of, instant_word, last_word
from ops_core.ui.page_address import PageAddress

_WANTED, _OPEN = "geo_wanted", "geo_open"
_ADDRESS = PageAddress("geo", holds=_WANTED)
#: Longest code of a provider that is taken from an address.
_MOST = 60


class List(StrEnum):
    """The two lists of the page; each is turned by itself."""

    REVIEW = "review"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Which page of a list: that next to a key, or the newest."""

    older_than: Key | None = None
    newer_than: Key | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the page shows."""

    wanted: Wanted
    opened: tuple[int, str] | None  #: Venue and provider of the match that is opened.
    turns: dict[List, Turn]


def arrive(widget: str) -> bool:
    """Bring the address into the session if it says something else than we wrote; whether it did.

    `widget` is the key of one that the page always draws.
    """
    return _ADDRESS.arrive(widget, _take_up)


def here() -> Place:
    """What the session holds now."""
    state = st.session_state
    return Place(
        wanted=state[_WANTED],
        opened=state[_OPEN],
        turns={which: state[_turn(which)] for which in List},
    )


def tell(*, arrived: bool = False) -> None:
    """Write the session's place into the address."""
    place = here()
    params: dict[str, list[str]] = {
        "state": [state.value for state in place.wanted.states],
        "provider": [place.wanted.provider] if place.wanted.provider else [],
        "city": [str(place.wanted.city_id)] if place.wanted.city_id else [],
        "match": [f"{place.opened[0]}-{place.opened[1]}"] if place.opened else [],
    }
    for which, turn in place.turns.items():
        for side, key in (("before", turn.older_than), ("after", turn.newer_than)):
            params[_name(which, side)] = [_word(key)] if key else []
    _ADDRESS.write(params, arrived=arrived)


def choose(wanted: Wanted) -> None:
    """For callbacks: other matches, from the newest."""
    if st.session_state[_WANTED] != wanted:
        st.session_state[_WANTED] = wanted
        for which in List:
            go(which)


def go(which: List, *, older_than: Key | None = None, newer_than: Key | None = None) -> None:
    """For callbacks: the page of a list next to a key; without one, the newest."""
    st.session_state[_turn(which)] = Turn(older_than=older_than, newer_than=newer_than)
    _ADDRESS.moved()


def toggle(venue_id: int, provider: str) -> None:
    """For callbacks: open a match, or close it."""
    opened = (venue_id, provider)
    st.session_state[_OPEN] = None if st.session_state[_OPEN] == opened else opened
    _ADDRESS.moved()


def _take_up(params: Params) -> None:
    state = st.session_state
    words = [word for word in params.get("state", []) if word in list(MatchState)]
    state[_WANTED] = Wanted(
        states=tuple(dict.fromkeys(MatchState(word) for word in words)),
        provider=last_word(params, "provider")[:_MOST] or None,
        city_id=as_id(last_word(params, "city")),
    )
    state[_OPEN] = _match(last_word(params, "match"))
    for which in List:
        older, newer = (_key(last_word(params, _name(which, side))) for side in ("before", "after"))
        state[_turn(which)] = Turn(older_than=older, newer_than=None if older else newer)


def _turn(which: List) -> str:
    return f"geo_turn_{which}"


def _name(which: List, side: str) -> str:
    return side if which is List.ALL else f"{which}_{side}"


def _match(word: str) -> tuple[int, str] | None:
    number, _, provider = word.partition("-")
    venue_id = as_id(number)
    return (venue_id, provider[:_MOST]) if venue_id is not None and provider else None


def _word(key: Key) -> str:
    return f"{instant_word(key.searched_at)}-{key.venue_id}-{key.provider}"


def _key(word: str) -> Key | None:
    time, _, rest = word.partition("-")
    searched_at, match = instant_of(time), _match(rest)
    return None if searched_at is None or match is None else Key(searched_at, *match)

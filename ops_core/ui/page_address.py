"""The address of a page that tells what its session holds, so that a link shows the same view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from ops_core.domain.filters import as_id
from ops_core.ui.address_filters import Params

#: Rows that one address can open; each loads its own details.
MOST_OPEN = 5


@dataclass(frozen=True, slots=True)
class PageAddress:
    """The address of one page, and what the session knows of it."""

    page: str  #: What the names in the session begin with.
    holds: str  #: The name of something that the session holds from the first visit on.

    def arrive(self, widget: str, take_up: Callable[[Params], None]) -> bool:
        """Have `take_up` bring the address into the session if it says something new; whether it did.

        `widget` is the key of one that the page always draws.
        """
        params = {name: st.query_params.get_all(name) for name in st.query_params}
        state = st.session_state
        # after a click that moved us, the browser may not have heard of what we wrote the run before
        if state.pop(self._moved, False) or params == state.get(self._written):
            return False
        # widgets forget what they held when another page is drawn; its link back says nothing
        if params or self.holds not in state or widget in state:
            take_up(params)
        return True

    def write(self, params: dict[str, list[str]], *, arrived: bool) -> None:
        """Put what the session holds into the address; parts without a value are left out.

        When the run arrived, also if it seems to stand there already: after a link to the page itself only
        Streamlit knows.
        """
        told = {name: values for name, values in params.items() if values}
        if arrived or told != st.session_state.get(self._written):
            st.query_params.from_dict(told)
        st.session_state[self._written] = told

    def moved(self) -> None:
        """For callbacks: the session holds something else now, whatever the address says."""
        st.session_state[self._moved] = True

    def forget_move(self) -> None:
        """The move was seen: the next run takes up what is new in the address."""
        st.session_state.pop(self._moved, None)

    @property
    def _written(self) -> str:
        return f"{self.page}_written"

    @property
    def _moved(self) -> str:
        return f"{self.page}_moved"


def opened_in(params: Params, name: str) -> tuple[int, ...]:
    """The ids of the rows that an address opens, the last ones if they are too many."""
    ids = [number for word in params.get(name, ()) if (number := as_id(word)) is not None]
    return tuple(dict.fromkeys(ids))[-MOST_OPEN:]


def toggled(opened: tuple[int, ...], row: int) -> tuple[int, ...]:
    """`opened` with `row` opened, or closed; the first opened gives way to one too many."""
    if row in opened:
        return tuple(other for other in opened if other != row)
    return (*opened, row)[-MOST_OPEN:]

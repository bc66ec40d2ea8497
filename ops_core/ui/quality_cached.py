"""What the Picture quality page reads, cached for a moment, so that many tabs cost what one does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ops_core.db import match_lists, picture_lists
from ops_core.db.engine import get_engine
from ops_core.db.picture_lists import Counts, Key, Narrowed, Page, Which


@st.cache_data(ttl="15s", max_entries=64, show_spinner=False)
def page(which: Which, narrowed: Narrowed, after: Key | None) -> Page:
    """One page of a list."""
    with get_engine().connect() as connection:
        return picture_lists.page(connection, which, narrowed, after)


@st.cache_data(ttl="15s", max_entries=64, show_spinner=False)
def images_of(picture_id: int, limit: int) -> Sequence[Mapping[str, Any]]:
    """The first images of a picture, venue by venue."""
    with get_engine().connect() as connection:
        return picture_lists.images_of(connection, picture_id, limit)


@st.cache_data(ttl="30s", max_entries=1, show_spinner=False, refresh_mode="background")
def counts() -> Counts:
    """How many there are of everything."""
    with get_engine().connect() as connection:
        return picture_lists.counts(connection)


@st.cache_data(ttl="5m", max_entries=1, show_spinner=False)
def cities() -> dict[int, str]:
    """City id -> name."""
    with get_engine().connect() as connection:
        return match_lists.cities(connection)


def forget() -> None:
    """Forget what was read, so that the next run asks the database."""
    for read in (page, images_of, counts, cities):
        read.clear()

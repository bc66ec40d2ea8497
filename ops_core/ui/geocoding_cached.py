"""What the Geocoding page reads, cached for a moment, so that many tabs cost what one does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import streamlit as st

from ops_core import actions
from ops_core.db import match_lists, operations, providers, searches
from ops_core.db.engine import get_engine
from ops_core.db.match_lists import Counts, Key, Listed, Page, Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Underway:
    """Searches that have not ended."""

    waiting: int
    running: int


@st.cache_data(ttl="2s", max_entries=64, show_spinner=False)
def page(wanted: Wanted, older_than: Key | None, newer_than: Key | None, limit: int) -> Page:
    """One page of matches."""
    with get_engine().connect() as connection:
        return match_lists.page(connection, wanted, older_than=older_than, newer_than=newer_than, limit=limit)


@st.cache_data(ttl="2s", max_entries=64, show_spinner=False)
def one(venue_id: int, provider: str) -> Listed | None:
    """One match; None if the venue was not searched for there."""
    with get_engine().connect() as connection:
        return match_lists.one(connection, venue_id, provider)


@st.cache_data(ttl="5s", max_entries=8, show_spinner=False)
def counts(since: datetime) -> Counts:
    """Matches by state, and what was searched since."""
    with get_engine().connect() as connection:
        return match_lists.counts(connection, since)


@st.cache_data(ttl="5s", max_entries=1, show_spinner=False)
def to_choose() -> int:
    """Searches that wait for a person to choose."""
    with get_engine().connect() as connection:
        return match_lists.to_choose(connection)


@st.cache_data(ttl="2s", max_entries=1, show_spinner=False)
def underway() -> Underway:
    """Searches that wait and run."""
    with get_engine().connect() as connection:
        waiting, running = searches.underway(connection)
        return Underway(waiting=waiting, running=running)


@st.cache_data(ttl="2s", max_entries=8, show_spinner=False)
def newer(than: datetime) -> int:
    """How many providers were searched since."""
    with get_engine().connect() as connection:
        return match_lists.newer(connection, than)


@st.cache_data(ttl="10s", max_entries=16, show_spinner=False)
def missing(limit: int, after: int | None) -> actions.MissingIds:
    """What a search for missing ids would ask; looks on after that venue, if one is given."""
    return actions.preview_missing_ids(get_engine(), limit=limit, after=after)


@st.cache_data(ttl="5m", max_entries=1, show_spinner=False)
def cities() -> dict[int, str]:
    """City id -> name."""
    with get_engine().connect() as connection:
        return match_lists.cities(connection)


@st.cache_data(ttl="1m", max_entries=1, show_spinner=False)
def search_prices() -> dict[str, Decimal]:
    """What one search costs at the providers that are switched on, US dollars."""
    with get_engine().connect() as connection:
        return {code: each.search_usd for code, each in providers.active(connection).items()}


def server_time() -> datetime:
    """What the database's clock says now."""
    with get_engine().connect() as connection:
        return operations.server_time(connection)


def forget() -> None:
    """Read everything again at the next run."""
    for loader in (page, one, counts, underway, newer, missing):
        loader.clear()

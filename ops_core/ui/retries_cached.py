"""What the Retries page reads, cached for a moment, so that many tabs cost what one does.

`tick` is part of a key and nothing else: it changes as often as it makes sense to ask again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from ops_core.analytics import retry_frames
from ops_core.db import operations, retry_lists
from ops_core.db import providers as provider_rows
from ops_core.db import providers_now as providers_db
from ops_core.db.engine import get_engine
from ops_core.db.providers_now import ProviderNow
from ops_core.db.retries import Request
from ops_core.db.retry_lists import Names, Which
from ops_core.domain.retries import ItemState

#: Open requests that strips look at; the newest.
MOST_OPEN = 200

#: Silence of a provider of which nothing is said: it is over before anybody has read it, and words that
#: come and go would move the page.
SHORT_SILENCE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Which requests a page of the list has, by id, newest first."""

    ids: tuple[int, ...]
    has_newer: bool
    has_older: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Requests as they were at one moment."""

    now: datetime  #: By the database's clock.
    requests: Mapping[int, Request]
    rates: Mapping[int, float]  #: Images a minute, of those that run.
    names: Names


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidersNow:
    """Providers as they were at one moment."""

    now: datetime  #: By the database's clock.
    providers: Sequence[ProviderNow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The images of one request, counted."""

    ends: pd.DataFrame  #: `retry_frames.ENDS`.
    remaining: pd.DataFrame  #: `retry_frames.REMAINING`.
    skipped: pd.DataFrame  #: `retry_frames.SKIPPED`.


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """One page of the images of a request, a frame of `retry_frames.ITEMS`."""

    rows: pd.DataFrame
    has_before: bool
    has_after: bool


@st.cache_data(ttl="1s", max_entries=64, show_spinner=False)
def listed(which: Which, older_than: int | None, newer_than: int | None) -> Listed:
    """One page of the list."""
    with get_engine().connect() as connection:
        page = retry_lists.page(connection, which, older_than=older_than, newer_than=newer_than)
        return Listed(
            ids=tuple(request.id for request in page.requests),
            has_newer=page.has_newer,
            has_older=page.has_older,
        )


@st.cache_data(ttl="1s", max_entries=64, show_spinner=False)
def seen(ids: tuple[int, ...]) -> Seen:
    """The requests of these ids as they are now."""
    with get_engine().connect() as connection:
        return _seen(connection, retry_lists.of_ids(connection, ids))


@st.cache_data(ttl="2s", max_entries=1, show_spinner=False)
def all_open() -> Seen:
    """The open requests, the newest `MOST_OPEN` of them."""
    with get_engine().connect() as connection:
        page = retry_lists.page(connection, Which.OPEN, limit=MOST_OPEN)
        return _seen(connection, {request.id: request for request in page.requests})


@st.cache_data(ttl="2s", max_entries=1, show_spinner=False)
def providers_now() -> ProvidersNow:
    """The providers that open retries need, and all whose breaker is not closed."""
    needed = {
        share.provider for request in all_open().requests.values() for share in request.plan.by_provider
    }
    with get_engine().connect() as connection:
        now = operations.server_time(connection)
        found = providers_db.providers_now(connection, needed)
    return ProvidersNow(now=now, providers=[_without_short_silence(each, now) for each in found])


@st.cache_data(ttl="2s", max_entries=1, show_spinner=False)
def providers_not_asked() -> ProvidersNow:
    """The active providers that are paused or whose breaker is not closed, whoever needs them."""
    with get_engine().connect() as connection:
        now = operations.server_time(connection)
        found = providers_db.providers_now(connection, provider_rows.codes(connection))
    return ProvidersNow(
        now=now,
        providers=[
            each for each in found if each.active and (each.paused_until or not each.circuit.is_closed)
        ],
    )


def _without_short_silence(provider: ProviderNow, now: datetime) -> ProviderNow:
    is_short = provider.silent_until is not None and provider.silent_until <= now + SHORT_SILENCE
    return replace(provider, silent_until=None) if is_short else provider


def _seen(connection: Any, requests: Mapping[int, Request]) -> Seen:
    going = [each.id for each in requests.values() if each.finished_at is None and each.started_at]
    return Seen(
        now=operations.server_time(connection),
        requests=requests,
        rates=retry_lists.rates(connection, going) if going else {},
        names=retry_lists.names(connection, list(requests.values())),
    )


@st.cache_data(ttl="2s", max_entries=64, show_spinner=False)
def newer(which: Which, than: int) -> int:
    """How many requests came after that one."""
    with get_engine().connect() as connection:
        return retry_lists.newer(connection, which, than)


@st.cache_data(ttl="10m", max_entries=64, show_spinner=False)
def counted(request_id: int, failed: int, tick: int) -> Counted:
    """What became of the images of a request, of which `failed` failed."""
    with get_engine().connect() as connection:
        tally = retry_lists.tally(connection, request_id)
        since = retry_lists.since(connection, request_id) if failed <= retry_lists.SINCE_LIMIT else None
    return Counted(
        ends=retry_frames.ends(tally),
        remaining=retry_frames.remaining(tally, since),
        skipped=retry_frames.skipped(tally),
    )


@st.cache_data(ttl="10m", max_entries=64, show_spinner=False)
def items(
    request_id: int, states: tuple[ItemState, ...], after: int | None, before: int | None, tick: int
) -> Items:
    """One page of the images of a request."""
    with get_engine().connect() as connection:
        page = retry_lists.items(connection, request_id, states, after=after, before=before)
        return Items(rows=retry_frames.items(page.rows), has_before=page.has_before, has_after=page.has_after)


@st.cache_data(ttl="10m", max_entries=32, show_spinner=False)
def course(request_id: int, begin: datetime, end: datetime, tick: int) -> pd.DataFrame:
    """A frame of `retry_frames.COURSE`."""
    step = retry_frames.course_step(end - begin)
    with get_engine().connect() as connection:
        rows = retry_lists.course(connection, request_id, begin=begin, step=step)
    return retry_frames.course(rows, begin=begin, end=end, step=step)


@st.cache_data(ttl="5s", max_entries=64, show_spinner=False)
def reruns(request_id: int) -> Sequence[int]:
    """The requests that tried again what failed in this one."""
    with get_engine().connect() as connection:
        return retry_lists.reruns(connection, request_id)


@st.cache_data(ttl="2s", max_entries=16, show_spinner=False)
def raw(request_id: int) -> Mapping[str, Any] | None:
    """The request as it is stored."""
    with get_engine().connect() as connection:
        return retry_lists.raw(connection, request_id)


def forget() -> None:
    """Forget what was read, so that the next run asks the database."""
    for read in (listed, seen, all_open, providers_now, newer, counted, items, course, reruns, raw):
        read.clear()

"""The Operations page around its table: header, paging, bulk actions, opened jobs, empty screens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from ops_core.db.operations import Key
from ops_core.domain.access import Actor, Role
from ops_core.domain.filters import Filters
from ops_core.domain.retries import Scope
from ops_core.ui import cached, exports, filters, live, notices, page_address, place, retry_dialog, tables
from ops_core.ui import details as details_panel
from ops_core.ui.cached import OperationsPage, RetryMark


def header(*, may_retry: bool, now: datetime, zone: str) -> None:
    """Title and purpose; at the right what a person can do with all of it, and how fresh it is."""
    notices.show()
    heading, corner = st.columns([1, 1], vertical_alignment="top")
    heading.title("Operations", anchor=False)
    heading.caption("What every finished job did for its venue and images, and how to put it right.")
    with corner, st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        if may_retry:
            st.button(
                "Retry all failed",
                key="retry_all",
                icon=":material/replay:",
                help="Scans all venues and retries every failed image whose error may pass. You see first "
                "what will happen.",
                on_click=retry_dialog.ask,
                args=(Scope(everything=True),),
            )
        live.controls()
    with corner, st.container(horizontal=True, horizontal_alignment="right"):
        st.caption(live.read_at(now, zone), width="content")


def operations(
    page: OperationsPage, chosen: Filters, jobs: int, *, names: Mapping[str, str], zone: str, person: Actor
) -> None:
    """The table of one page with what belongs to all of it; `jobs` operations match in all."""
    may_retry = person.role >= Role.OPERATOR
    count = f"{jobs:,}"
    with st.container(horizontal=True, vertical_alignment="center", key="table_bar"):
        st.markdown(f"**{count} operation{'' if count == '1' else 's'}**", width="content")
        live.announcer(chosen)
        st.space("stretch")
        if may_retry:
            _bulk(page.rows, chosen, count)
        exports.buttons(place.here().choice, as_of=live.as_of(), zone=ZoneInfo(zone), person=person)
    opened = place.here().open_jobs
    if opened:
        _paging(page, zone)
    tables.operations_table(
        page.rows,
        names=names,
        zone=zone,
        opened=opened,
        on_open=place.toggle,
        on_retry=retry_dialog.ask_for_job if may_retry else None,
    )
    if not opened:
        _paging(page, zone)


def nothing(chosen: Filters) -> None:
    """Nothing to list: because nothing happened yet, or because of the filters, or of the page."""
    here = place.here()
    live.announcer(chosen)
    if here.older_than or here.newer_than:
        st.info("There are no operations on this side of the list.", icon=":material/last_page:")
        st.button("To the newest", key="to_newest", icon=":material/first_page:", on_click=place.go)
    elif chosen.narrowed or (chosen.since is not None and _any_at_all(chosen)):
        with st.container(border=True, key="no_match"):
            st.markdown("#### :material/filter_alt: No operation matches")
            st.markdown("Nothing that ended in these dates fits all the filters above.")
            with st.container(horizontal=True):
                st.button("Clear all filters", key="clear_all", type="primary", on_click=filters.clear)
                st.button("Look at all time", key="all_time", on_click=filters.all_time)
    else:
        st.info(
            "Load venues with `venue-ops venues load FILE`. The dispatcher has their photos asked for within "
            "the hour, and each job that a worker finishes appears here.",
            title="No operations yet",
            icon=":material/photo_library:",
        )


def details(*, names: Mapping[str, str], zone: str, may_retry: bool) -> None:
    """The opened jobs, the latest opened first."""
    opened = place.here().open_jobs
    if len(opened) > 1:
        st.button("Close all details", key="close_all", icon=":material/close:", on_click=place.close_all)
    marks = cached.retry_marks(opened) if opened else {}
    for job_id in reversed(opened):
        mark = marks.get(job_id, RetryMark())
        details_panel.job_panel(
            job_id,
            names=names,
            zone=zone,
            on_close=place.toggle,
            on_retry=retry_dialog.ask_for_job if may_retry else None,
            on_retry_images=_retry_images if may_retry else None,
            retryable=mark.retryable,
            queued_request=mark.request_id,
        )


def _retry_images(ids: tuple[int, ...]) -> None:
    retry_dialog.ask(Scope(images=ids))


def _bulk(rows: pd.DataFrame, chosen: Filters, count: str) -> None:
    """Retry what is ticked, or everything that matches."""
    ticked = tables.ticked()
    if ticked:
        elsewhere = len(set(ticked) - set(rows["id"]))
        note = f" ({elsewhere} on other pages)" if elsewhere else ""
        st.button(
            f"Retry {len(ticked)} ticked{note}",
            key="retry_ticked",
            icon=":material/replay:",
            on_click=retry_dialog.ask,
            args=(Scope(jobs=ticked),),
        )
        st.button(
            f"Open {min(len(ticked), page_address.MOST_OPEN)} ticked",
            key="open_ticked",
            icon=":material/expand_more:",
            on_click=place.open_all,
            args=(ticked,),
        )
        st.button("Untick", key="untick", icon=":material/close:", type="tertiary", on_click=tables.untick)
    else:
        st.button(
            f"Retry all {count} matching",
            key="retry_matching",
            icon=":material/replay:",
            help="Retries the failed images of all operations that match the filters, on every page. "
            "Tick rows to retry only those.",
            on_click=retry_dialog.ask,
            args=(Scope(filters=chosen), f"all {count} operations that match"),
        )


def _paging(page: OperationsPage, zone: str) -> None:
    first, last = page.rows.iloc[0], page.rows.iloc[-1]
    begin, end = (row["finished_at"].tz_convert(zone) for row in (last, first))
    with st.container(horizontal=True, vertical_alignment="center", key="paging"):
        st.button(
            "Newest",
            key="newest",
            icon=":material/first_page:",
            disabled=not page.has_newer,
            on_click=place.go,
        )
        st.button(
            "Newer",
            key="newer",
            icon=":material/chevron_left:",
            disabled=not page.has_newer,
            on_click=place.go,
            kwargs={"newer_than": _key(first)},
        )
        st.button(
            "Older",
            key="older",
            icon=":material/chevron_right:",
            icon_position="right",
            disabled=not page.has_older,
            on_click=place.go,
            kwargs={"older_than": _key(last)},
        )
        st.caption(
            f"{len(page.rows)} here, finished {begin:%d %b %H:%M} to {end:%d %b %H:%M}", width="content"
        )


def _key(row: pd.Series) -> Key:
    return Key(row["finished_at"].to_pydatetime(), int(row["id"]))


def _any_at_all(chosen: Filters) -> bool:
    return bool(cached.total(Filters(until=chosen.until)).count)

"""A retry, opened: forecast against result, what remains, its images, its course, and the order itself.

Counting the images of a large retry takes a moment, so it is done less often than its row is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from ops_core.analytics import palette, retry_charts
from ops_core.analytics.retry_frames import Comparison, compared
from ops_core.db.retries import Request
from ops_core.domain.errors import ErrorType, info
from ops_core.domain.forecast import is_vague
from ops_core.domain.retry_plan import counted
from ops_core.domain.retry_wishes import expected_time
from ops_core.ui import badges, retries_cached, retries_items, retries_place
from ops_core.ui.chart_tables import Table
from ops_core.ui.fine_print import fine_print
from ops_core.ui.markdown import plain
from ops_core.ui.retries_cached import Counted, Seen
from ops_core.ui.words_of_time import duration

#: Images from which counting them all takes too long to do it every two seconds.
_MANY = 20_000

_BARE = {"displayModeBar": False, "displaylogo": False}


def details(request: Request, seen: Seen, *, names: Mapping[str, str], zone: str) -> None:
    """Everything about `request`, as it was when it was `seen`."""
    _order(request)
    tick, end = _tick(request, seen.now)
    counts = retries_cached.counted(request.id, request.failed, tick)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Forecast and result**")
        _comparison(compared(request, seen.now), images=request.images, is_open=request.finished_at is None)
    with right:
        st.markdown("**Providers so far**" if request.finished_at is None else "**Providers**")
        _providers(counts.ends, names)
    if len(counts.remaining):
        st.markdown("**What failed in it**")
        _remaining(counts)
    if len(counts.skipped):
        parts = [
            badges.badge(
                f"{row['images']:,} × {retries_items.reason_words(row['reason'])}", "gray", "skip_next"
            )
            for row in counts.skipped.to_dict("records")
        ]
        st.markdown(f"**What was skipped** {' '.join(parts)}")
    box = _section(request, "images", f"Images ({request.images:,})", "photo_library", at_first=True)
    if box.open:
        with box:
            retries_items.items(
                request, names=names, zone=zone, tick=retries_items.item_tick(request, seen.now)
            )
    box = _section(request, "course", "Course", "show_chart")
    if box.open:
        with box:
            _course(request, end, tick, zone)
    box = _section(request, "raw", "Scope, options and raw data", "data_object")
    if box.open:
        with box:
            _raw(request.id)


def _section(request: Request, name: str, label: str, icon: str, *, at_first: bool = False) -> Any:
    """An expander whose body is to be drawn only while its `open` is true."""
    return st.expander(
        label, at_first, key=f"retry_{request.id}_{name}", icon=f":material/{icon}:", on_change="rerun"
    )


def _tick(request: Request, now: datetime) -> tuple[int, datetime]:
    """What changes when it is time to count again, and the end of the course until then."""
    period = 30 if request.finished_at else 2 if request.images <= _MANY else 15
    tick = int(now.timestamp() // period)
    return tick, request.finished_at or datetime.fromtimestamp(tick * period, UTC)


def _order(request: Request) -> None:
    """Why it was ordered, what was left out, and the retries before and after it."""
    if request.reason:
        st.markdown(f"Reason: {plain(request.reason)}")
    left_out = request.plan.skipped_in_words()
    tried = f"Tries {request.plan.in_words()}"
    fine_print(f"{tried}; left out when it was ordered: {plain(left_out)}" if left_out else tried)
    again = retries_cached.reruns(request.id)
    if request.rerun_of is None and not again:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if request.rerun_of is not None:
            _open(request, request.rerun_of, f"Runs again what failed in retry {request.rerun_of}")
        for number in again:
            _open(request, number, f"Run again by retry {number}")


def _open(request: Request, other: int, label: str) -> None:
    st.button(
        label,
        key=f"retry_{request.id}_to_{other}",
        icon=":material/arrow_forward:",
        type="tertiary",
        disabled=other in retries_place.here().opened,
        help=f"Opens retry {other}",
        on_click=retries_place.toggle,
        args=(other,),
    )


def _comparison(found: Comparison, *, images: int, is_open: bool) -> None:
    so_far = " so far" if is_open else ""
    uploaded = found.uploaded
    if uploaded.expected is None:
        expected = "no history yet"
    else:
        expected = f"{uploaded.low or 0:,.0f} to {uploaded.high or 0:,.0f}"
        if not is_vague(uploaded.low, uploaded.high, images):
            expected = f"about {uploaded.expected:,.0f} ({expected})"
        if found.unknown:
            expected += f"; no history yet for {found.unknown:,}"
    verdict = (
        ""
        if is_open
        else {
            "within": " :green-badge[:material/check: as expected]",
            "more": " :blue-badge[:material/arrow_upward: more than expected]",
            "fewer": " :orange-badge[:material/arrow_downward: fewer than expected]",
        }.get(uploaded.verdict or "", "")
    )
    seconds, calls, cost = found.seconds, found.calls, found.cost_usd
    took = "not begun" if seconds.result is None else duration(pd.Timedelta(seconds=seconds.result))
    st.table(
        pd.DataFrame(
            {
                "": ["Time", "Uploaded", "Calls", "Cost"],
                "Expected": [
                    "not known" if seconds.expected is None else expected_time(seconds.expected),
                    expected,
                    f"{calls.expected:,.0f}",
                    f"\\${cost.expected:,.3f}",
                ],
                f"Result{so_far}": [
                    took,
                    f"{uploaded.result:,.0f}{verdict}",
                    f"{calls.result:,.0f}",
                    f"\\${cost.result:,.3f}",
                ],
            }
        ),
        border="horizontal",
        hide_index=True,
    )


def _providers(ends: pd.DataFrame, names: Mapping[str, str]) -> None:
    lines = []
    for row in ends.to_dict("records"):
        parts = [f"**{row['uploaded']:,}** uploaded", f"{row['failed']:,} failed"]
        parts += [
            f"{row[name]:,} {word}"
            for name, word in (("skipped", "skipped"), ("let_go", "let go"), ("open", "open"))
            if row[name]
        ]
        lines.append(f"{badges.provider_badge(row['provider'], names)} {' · '.join(parts)}")
    st.markdown("  \n".join(lines))


def _remaining(counts: Counted) -> None:
    with st.grid("auto", min_column_width=340, gap="small"):
        for row in counts.remaining.to_dict("records"):
            kind = info(ErrorType(row["error_type"]))
            marks = [badges.error_badge(row["error_type"], row["images"])]
            if kind.retryable:
                marks.append(badges.badge("Retryable", "orange", "replay"))
            for name, word, colour, icon in (
                ("recovered", "recovered since", "green", "check_circle"),
                ("trying", "being tried", "blue", "autorenew"),
            ):
                if not pd.isna(row[name]) and row[name]:
                    marks.append(badges.badge(f"{row[name]:,} {word}", colour, icon))
            st.markdown(f"{' '.join(marks)}  \n:small[{plain(kind.advice)}]")


def _course(request: Request, end: datetime, tick: int, zone: str) -> None:
    begin = request.started_at or request.created_at
    rows = retries_cached.course(request.id, begin, max(begin, end), tick)
    theme = palette.DARK if st.context.theme.type == "dark" else palette.LIGHT
    figure = retry_charts.course(rows, images=request.images, zone=ZoneInfo(zone), theme=theme)
    if figure is None:
        st.info(
            "Nothing has ended yet: the course begins with the first image.", icon=":material/monitoring:"
        )
        return
    key = f"retry_{request.id}_course"
    st.plotly_chart(
        figure,
        key=f"{key}_chart",
        theme=None,
        config=_BARE,
        alt="Images uploaded, failed and skipped over time, as lines that only rise",
    )
    table = Table(rows, _course_columns)
    with st.container(horizontal=True, vertical_alignment="center"):
        wanted = st.toggle("Show the data", key=f"{key}_data")
        st.download_button(
            "CSV",
            table.csv,
            f"retry-{request.id}-course.csv",
            "text/csv; charset=utf-8",
            key=f"{key}_csv",
            on_click="ignore",
            icon=":material/download:",
            help="Download the data of this chart; times are in UTC.",
        )
    if wanted:
        st.dataframe(table.rows, hide_index=True, column_config=table.columns(zone), placeholder="")


def _course_columns(zone: str) -> dict[str, Any]:
    column = st.column_config
    return {
        "until": column.DatetimeColumn("By", format="D MMM YYYY, HH:mm:ss", timezone=zone, pinned=True),
        **{
            name: column.NumberColumn(label, format="localized")
            for name, label in (
                ("uploaded", "Uploaded"),
                ("failed", "Failed"),
                ("skipped", "Skipped"),
                ("let_go", "Let go"),
            )
        },
    }


def _raw(request_id: int) -> None:
    row = retries_cached.raw(request_id)
    if row is None:
        return
    fine_print(f"Retry {request_id} as it is stored; {counted(len(row), 'field')}.")
    st.download_button(
        "Download JSON",
        partial(json.dumps, dict(row), ensure_ascii=False, indent=2),
        f"retry-{request_id}.json",
        "application/json",
        key=f"retry_{request_id}_download",
        icon=":material/download:",
        on_click="ignore",
    )
    st.json({name: row[name] for name in ("scope", "options", "plan", "forecast", "reason")}, expanded=2)

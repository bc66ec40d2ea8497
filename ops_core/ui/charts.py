"""The charts of the Operations page: drawn when opened, each with its data, and a click narrows the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
import streamlit as st

from ops_core.analytics import charts, palette
from ops_core.domain.errors import ErrorType
from ops_core.domain.filters import Filters
from ops_core.domain.intervals import FEW
from ops_core.ui import cached_charts, chart_tables
from ops_core.ui.frame import database

#: Keys of the expander, of the tabs, and of how often a mark was clicked.
OPEN, TAB, _CLICKS = "operations_charts", "operations_chart", "operations_chart_clicks"
_BARE = {"displayModeBar": False, "displaylogo": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """What stands behind a mark that was clicked; None leaves the page's filter as it is."""

    since: datetime | None = None
    until: datetime | None = None
    error_type: ErrorType | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the charts are of, and whom to tell of a click."""

    filters: Filters
    zone: str
    now: datetime
    names: Mapping[str, str]
    on_pick: Callable[[Pick], None]

    @property
    def theme(self) -> palette.Theme:
        return palette.DARK if st.context.theme.type == "dark" else palette.LIGHT


def charts_section(
    filters: Filters,
    *,
    zone: str,
    now: datetime,
    names: Mapping[str, str],
    on_pick: Callable[[Pick], None],
) -> None:
    """The charts of the operations that match `filters`, for a viewer in `zone`.

    `on_pick` is called once for each click on a mark, before the whole page runs again.
    """
    _section(_Asked(filters=filters, zone=zone, now=now, names=names, on_pick=on_pick))


@st.fragment
def _section(asked: _Asked) -> None:
    section = st.expander("Charts", key=OPEN, on_change="rerun")
    if not section.open:
        return
    with section, database():
        for tab, draw in zip(st.tabs(list(_TABS), key=TAB, on_change="rerun"), _TABS.values(), strict=True):
            if tab.open:
                with tab:
                    draw(asked)


def _success(asked: _Asked) -> None:
    course = cached_charts.course(asked.filters, asked.zone, asked.now)
    figure = charts.success_over_time(course, zone=ZoneInfo(asked.zone), theme=asked.theme)
    _chart(asked, "success", figure, edges=course.buckets.edges, alt="Success rate over time, as two lines")
    st.caption(
        "Images that the operations tried for the first time ever, by when the operation finished: the "
        "share that came into the store at once, and the share that is in the store now, whichever later "
        f"operation brought it in. Hollow marks stand for fewer than {FEW} images; a dotted line leads to "
        "a time that is not over yet."
    )
    _data("success", chart_tables.success(course), asked)


def _images(asked: _Asked) -> None:
    course = cached_charts.course(asked.filters, asked.zone, asked.now)
    failures, _ = cached_charts.failures(asked.filters, asked.zone, asked.now)
    figure = charts.images_over_time(course, failures, zone=ZoneInfo(asked.zone), theme=asked.theme)
    _chart(
        asked,
        "images",
        figure,
        edges=course.buckets.edges,
        alt="Images uploaded and failed over time, as bars by error type",
    )
    st.caption(
        "Photos that the operations brought into the store, and below them photos they left failed, by "
        "the error of the last try in that operation, whatever became of them since. A paler bar stands "
        "for a time that is not over yet."
    )
    _data("images", chart_tables.images(course, failures), asked)


def _providers(asked: _Asked) -> None:
    providers = cached_charts.providers(asked.filters)
    _, failures = cached_charts.failures(asked.filters, asked.zone, asked.now)
    figure = charts.providers_compared(providers, names=asked.names, theme=asked.theme)
    codes = tuple(providers["provider"])
    _chart(
        asked, "providers", figure, providers=codes, alt="Success rate of each provider, with its interval"
    )
    st.caption(
        "Of each provider's photos that the operations tried: the share they brought into the store, with"
        f" its 95 % interval. Hollow marks stand for fewer than {FEW} images. The time is how long the "
        "provider took to answer with its list of photos; the cost is what it charged for lists and "
        "photos."
    )
    _data("providers", chart_tables.providers(providers, failures, asked.names), asked, shown=True)


def _cost(asked: _Asked) -> None:
    course = cached_charts.course(asked.filters, asked.zone, asked.now)
    figure = charts.cost_over_time(course, zone=ZoneInfo(asked.zone), theme=asked.theme)
    _chart(asked, "cost", figure, edges=course.buckets.edges, alt="Cost over time, as bars")
    st.caption(
        "What the operations cost at the providers' prices, in US dollars, by when they finished. A paler"
        " bar stands for a time that is not over yet."
    )
    _data("cost", chart_tables.cost(course), asked)


_TABS: dict[str, Callable[[_Asked], None]] = {
    "Success rate": _success,
    "Uploaded and failed": _images,
    "Providers": _providers,
    "Cost": _cost,
}


def _chart(
    asked: _Asked,
    name: str,
    figure: go.Figure | None,
    *,
    alt: str,
    edges: Sequence[datetime] = (),
    providers: Sequence[str] = (),
) -> None:
    if figure is None:
        st.info("Nothing to draw for these filters.", icon=":material/monitoring:")
        return
    # a new key after each click: what was selected then is not selected still
    key = f"operations_chart_{name}_{st.session_state.get(_CLICKS, 0)}"
    st.plotly_chart(
        figure,
        key=key,
        theme=None,
        config=_BARE,
        selection_mode="points",
        on_select=partial(_clicked, key, edges, providers, asked.on_pick),
        alt=alt,
    )


def _clicked(
    key: str, edges: Sequence[datetime], providers: Sequence[str], on_pick: Callable[[Pick], None]
) -> None:
    picked = pick_of(st.session_state[key]["selection"]["points"], edges, providers)
    if picked is None:
        return
    st.session_state[_CLICKS] = st.session_state.get(_CLICKS, 0) + 1
    on_pick(picked)
    # the click came from a part of the page; the filters are all over it
    st.rerun()


def pick_of(
    points: Sequence[Mapping[str, Any]], edges: Sequence[datetime], providers: Sequence[str]
) -> Pick | None:
    """What the first of the `points` a browser names stands for; None if it is no mark of these charts."""
    match [point.get("customdata") for point in points[:1]]:
        case [[None, str(code)]] if code in providers:
            return Pick(provider=code)
        case [[int(number), str(word)]] if 0 <= number < len(edges) - 1:
            known = ErrorType(word) if word in list(ErrorType) else None
            return Pick(since=edges[number], until=edges[number + 1], error_type=known)
    return None


def _data(name: str, table: chart_tables.Table, asked: _Asked, *, shown: bool = False) -> None:
    """The chart's data: as a table, on request unless `shown`, and as a file."""
    if table.rows.empty:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        wanted = shown or st.toggle("Show the data", key=f"operations_chart_data_{name}")
        st.download_button(
            "CSV",
            table.csv,
            f"{name}-{asked.now:%Y%m%d-%H%M%S}.csv",
            "text/csv; charset=utf-8",
            key=f"operations_chart_csv_{name}",
            on_click="ignore",
            icon=":material/download:",
            help="Download the data of this chart; times are in UTC.",
        )
    if wanted:
        st.dataframe(table.rows, hide_index=True, column_config=table.columns(asked.zone), placeholder="")

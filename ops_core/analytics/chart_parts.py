"""What the charts have in common: layout, axes, and the words beside marks (in HTML, as Plotly draws it)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import plotly.graph_objects as go

from ops_core.analytics.palette import Theme
from ops_core.domain.buckets import Buckets, Step

#: Labels under the time axis; more would run into each other on a phone.
_TICKS = 6
_CLEAR = "rgba(0,0,0,0)"
_FONT = '"Source Sans", "Segoe UI", Roboto, Arial, sans-serif'


def layout(theme: Theme, *, height: int) -> go.Layout:
    axis = {"fixedrange": True, "zeroline": False, "automargin": True, "gridcolor": theme.line}
    return go.Layout(
        template="none",
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        font={"family": _FONT, "size": 13, "color": theme.ink},
        legend={
            "orientation": "h",
            "traceorder": "normal",
            "yanchor": "bottom",
            "y": 1.02,
            "xanchor": "left",
            "x": 0,
        },
        hoverlabel={
            "bgcolor": theme.panel,
            "bordercolor": theme.line,
            "font": {"color": theme.ink},
            "align": "left",
        },
        hovermode="closest",
        # a finger that scrolls the page must not move the chart
        dragmode=False,
        bargap=0.25,
        xaxis=axis | {"showgrid": False},
        yaxis=axis,
    )


def time_axis(buckets: Buckets, zone: ZoneInfo) -> dict[str, Any]:
    """Buckets side by side, as wide as each other, with the viewer's times under some of them."""
    count = len(buckets)
    stride = max(1, -(-count // _TICKS))
    shown = list(range(0, count, stride))
    words: list[str] = []
    day = None
    for number in shown:
        local = buckets.edges[number].astimezone(zone)
        if buckets.step is Step.HOUR:
            words.append(
                f"{local:%H:%M}" if local.date() == day else f"{local:%H:%M}<br>{local.day} {local:%b}"
            )
        elif buckets.step is Step.MONTH:
            words.append(f"{local:%b %Y}")
        else:
            words.append(f"{local.day} {local:%b}")
        day = local.date()
    return {"tickvals": shown, "ticktext": words, "range": [-0.6, count - 0.4], "ticks": "outside"}


def amounts(theme: Theme, title: str) -> dict[str, Any]:
    return {
        "title": {"text": title},
        "rangemode": "tozero",
        "tickformat": ",",
        "nticks": 5,
        "fixedrange": True,
        "zeroline": False,
        "automargin": True,
        "gridcolor": theme.line,
    }


def span_words(row: Mapping[Any, Any], step: Step, zone: ZoneInfo) -> str:
    """From when until when a bucket is, on the viewer's clock."""
    since, until = row["since"].astimezone(zone), row["until"].astimezone(zone)
    first, last = _day(since), _day(until)
    if step is not Step.HOUR and _is_midnight(since) and _is_midnight(until):
        last = _day(until - timedelta(microseconds=1))
        words = first if first == last else f"{first} to {last}"
    elif first == last:
        words = f"{first}, {since:%H:%M} to {until:%H:%M}"
    else:
        words = f"{first}, {since:%H:%M} to {last}, {until:%H:%M}"
    return f"{words} (not over yet)" if row["running"] else words


def _day(local: datetime) -> str:
    return f"{local:%a} {local.day} {local:%b %Y}"


def _is_midnight(local: datetime) -> bool:
    return (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0)


def share_words(row: Mapping[Any, Any], prefix: str, successes: int, tried: int) -> str:
    if not tried:
        return "No image tried"
    words = f"{row[f'{prefix}rate']:.1%}: {successes:,} of {image_count(tried)}"
    words += f"<br>95 % interval: {row[f'{prefix}low']:.1%} to {row[f'{prefix}high']:.1%}"
    return f"{words}<br>Few images: read with care" if row["few"] else words


def image_count(count: int) -> str:
    return f"{count:,} image" if count == 1 else f"{count:,} images"


def operation_count(count: int) -> str:
    return f"{count:,} operation" if count == 1 else f"{count:,} operations"


def plain_words(text: str) -> str:
    """Words from outside, shown as they are: Plotly draws some HTML."""
    return escape(" ".join(text.split()), quote=False)


def dollars(amount: float) -> str:
    """An amount as people read it: cents, and more digits where it is less than a dollar."""
    return f"${amount:,.2f}" if amount >= 1 or not amount else f"${amount:.4f}"

"""The charts as Plotly figures: data in, figure out; None where there is nothing to draw.

Each mark carries what it stands for: `customdata` is the number of its bucket (None for all of
them) and a word: an error type or a provider's code, or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import plotly.graph_objects as go

from ops_core.analytics.chart_frames import NO_TYPE, Course
from ops_core.analytics.chart_parts import (
    amounts,
    dollars,
    image_count,
    layout,
    operation_count,
    plain_words,
    share_words,
    span_words,
    time_axis,
)
from ops_core.analytics.palette import Theme, error_pattern, provider_colour
from ops_core.domain.errors import ErrorType, info

#: Error types with bars of their own; the others share one.
MOST_TYPES = 8
#: In place of an error type: all that have no bar of their own.
OTHER_TYPES = "other"

#: How strong a bar is whose time is not over.
_RUNNING = 0.5
#: Shares over time: label, the columns' prefix, the column of images, colour, mark and its size.
#: Where both are the same, one mark lies on the other.
_RATES = (
    ("In the end", "stored_", "stored", "green", "circle", 11),
    ("At the first try", "first_", "first_uploaded", "blue", "diamond", 8),
)


def success_over_time(course: Course, *, zone: ZoneInfo, theme: Theme) -> go.Figure | None:
    """Of the images first tried in each bucket: the shares that came in at once, and that are in now.

    Marks of few images are hollow; the line to a bucket that is not over is dashed.
    """
    rows = course.rows
    if not rows["first_tried"].sum():
        return None
    figure = go.Figure(layout=layout(theme, height=340))
    figure.update_layout(xaxis=time_axis(course.buckets, zone))
    figure.update_yaxes(range=[-0.02, 1.05], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1])
    spans = [span_words(row, course.buckets.step, zone) for row in rows.to_dict("records")]
    for label, prefix, column, colour, symbol, size in _RATES:
        mark = theme.shades[colour].mark
        rates = [None if pd.isna(rate) else float(rate) for rate in rows[f"{prefix}rate"]]
        settled = len(rates) - 1 if course.buckets.running else len(rates)
        line = {
            "name": label,
            "legendgroup": label,
            "showlegend": False,
            "hoverinfo": "skip",
            "mode": "lines",
        }
        figure.add_scatter(
            x=list(range(settled)), y=rates[:settled], line={"color": mark, "width": 2}, **line
        )
        if 0 < settled < len(rates):
            ends = {"x": [settled - 1, settled], "y": rates[settled - 1 :]}
            figure.add_scatter(**ends, line={"color": mark, "width": 2, "dash": "dot"}, **line)
        figure.add_scatter(
            x=list(range(len(rates))),
            y=rates,
            mode="markers",
            name=label,
            legendgroup=label,
            marker={
                "color": mark,
                "size": size,
                "symbol": [f"{symbol}-open" if small else symbol for small in rows["few"]],
                "line": {"width": 2, "color": mark},
            },
            customdata=[[number, ""] for number in range(len(rates))],
            hoverinfo="text",
            hovertext=[
                f"<b>{label}</b><br>{span}<br>{share_words(row, prefix, row[column], row['first_tried'])}"
                for row, span in zip(rows.to_dict("records"), spans, strict=True)
            ],
        )
    return figure


def images_over_time(
    course: Course, failures: pd.DataFrame, *, zone: ZoneInfo, theme: Theme
) -> go.Figure | None:
    """Images uploaded in each bucket, and below them those left failed, by error type."""
    rows = course.rows
    if not rows["uploaded"].sum() + rows["failed"].sum():
        return None
    types = _by_type(failures, {since: number for number, since in enumerate(rows["since"])})
    # on a phone each type has a line of its own in the legend
    figure = go.Figure(layout=layout(theme, height=400 + 14 * len(types)))
    figure.update_layout(
        barmode="stack",
        xaxis=time_axis(course.buckets, zone) | {"anchor": "y2"},
        yaxis=amounts(theme, "Uploaded") | {"domain": [0.56, 1]},
        yaxis2=amounts(theme, "Failed") | {"domain": [0, 0.46]},
    )
    spans = [span_words(row, course.buckets.step, zone) for row in rows.to_dict("records")]
    numbers = list(range(len(rows)))
    figure.add_bar(
        x=numbers,
        y=rows["uploaded"].tolist(),
        name="Uploaded",
        marker={"color": theme.shades["green"].mark, "opacity": _strengths(course)},
        customdata=[[number, ""] for number in numbers],
        hoverinfo="text",
        hovertext=[
            f"<b>Uploaded</b><br>{span}<br>{image_count(uploaded)} in {operation_count(jobs)}"
            for span, uploaded, jobs in zip(spans, rows["uploaded"], rows["operations"], strict=True)
        ],
    )
    for kind, images in types:
        label, colour, pattern = _type_looks(kind, theme)
        at = sorted(images)
        figure.add_bar(
            x=at,
            y=[images[number] for number in at],
            yaxis="y2",
            name=label,
            marker={
                "color": colour,
                "pattern": pattern,
                "opacity": [_strengths(course)[number] for number in at],
            },
            customdata=[[number, kind] for number in at],
            hoverinfo="text",
            hovertext=[
                f"<b>{label}</b><br>{spans[number]}<br>{images[number]:,} of "
                f"{image_count(rows['failed'].iloc[number])} left failed"
                for number in at
            ],
        )
    return figure


def providers_compared(
    providers: pd.DataFrame, *, names: Mapping[str, str], theme: Theme
) -> go.Figure | None:
    """Each provider's share of images brought in, with its interval; the one with most images on top."""
    rows = providers[providers["rate"].notna()].to_dict("records")
    if not rows:
        return None
    figure = go.Figure(layout=layout(theme, height=70 + 42 * len(rows)))
    figure.update_layout(showlegend=False)
    figure.update_xaxes(
        range=[-0.02, 1.05], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1], showgrid=True
    )
    labels = [plain_words(names.get(row["provider"], row["provider"])) for row in rows]
    figure.update_yaxes(
        range=[len(rows) - 0.5, -0.5], tickvals=list(range(len(rows))), ticktext=labels, showgrid=False
    )
    colours = [theme.shades[provider_colour(row["provider"])].mark for row in rows]
    for number, (row, label, colour) in enumerate(zip(rows, labels, colours, strict=True)):
        figure.add_scatter(
            x=[row["rate"]],
            y=[number],
            mode="markers",
            marker={
                "color": colour,
                "size": 11,
                "symbol": "circle-open" if row["few"] else "circle",
                "line": {"width": 2, "color": colour},
            },
            error_x={
                "array": [row["high"] - row["rate"]],
                "arrayminus": [row["rate"] - row["low"]],
                "color": colour,
                "thickness": 2,
                "width": 6,
            },
            customdata=[[None, row["provider"]]],
            hoverinfo="text",
            hovertext=[
                f"<b>{label}</b><br>"
                + share_words(row, "", row["uploaded"], row["uploaded"] + row["failed"])
                + f"<br>in {operation_count(row['operations'])}"
            ],
        )
    return figure


def cost_over_time(course: Course, *, zone: ZoneInfo, theme: Theme) -> go.Figure | None:
    """What the operations of each bucket cost, in US dollars."""
    rows = course.rows
    if not rows["cost_usd"].sum():
        return None
    figure = go.Figure(layout=layout(theme, height=320))
    figure.update_layout(
        showlegend=False,
        xaxis=time_axis(course.buckets, zone),
        yaxis=amounts(theme, "") | {"tickprefix": "$"},
    )
    figure.add_bar(
        x=list(range(len(rows))),
        y=rows["cost_usd"].tolist(),
        marker={"color": theme.shades["violet"].mark, "opacity": _strengths(course)},
        customdata=[[number, ""] for number in range(len(rows))],
        hoverinfo="text",
        hovertext=[
            f"<b>{dollars(row['cost_usd'])}</b><br>{span_words(row, course.buckets.step, zone)}<br>"
            f"{operation_count(row['operations'])}, {image_count(row['uploaded'])} uploaded"
            + (f"<br>{dollars(row['cost_usd'] / row['uploaded'])} an image" if row["uploaded"] else "")
            for row in rows.to_dict("records")
        ],
    )
    return figure


def _by_type(failures: pd.DataFrame, places: Mapping[Any, int]) -> list[tuple[str, dict[int, int]]]:
    """Error types, most images first, each with its images by number of bucket; the rarest are one."""
    totals = failures.groupby("error_type")["images"].sum().sort_values(ascending=False, kind="stable")
    kept = list(totals.index[:MOST_TYPES]) if len(totals) > MOST_TYPES + 1 else list(totals.index)
    found: dict[str, dict[int, int]] = {kind: {} for kind in kept}
    for row in failures.to_dict("records"):
        images = found.setdefault(row["error_type"] if row["error_type"] in kept else OTHER_TYPES, {})
        number = places[row["since"]]
        images[number] = images.get(number, 0) + row["images"]
    return list(found.items())


def _type_looks(kind: str, theme: Theme) -> tuple[str, str, dict[str, Any]]:
    """Label, colour and pattern of an error type."""
    pattern = {"fgcolor": theme.page, "size": 6, "solidity": 0.3}
    if kind in (NO_TYPE, OTHER_TYPES):
        label = "Other error types" if kind else "Error type not kept"
        return (
            label,
            theme.shades["gray"].mark,
            pattern | {"shape": "/" if kind else "", "fillmode": "overlay"},
        )
    row = info(kind)
    shape, fill = error_pattern(ErrorType(kind))
    mark = theme.shades[row.colour].mark
    if fill == "replace":
        pattern |= {"fgcolor": mark}
    return f"{row.icon} {row.label}", mark, pattern | {"shape": shape, "fillmode": fill}


def _strengths(course: Course) -> list[float]:
    return [_RUNNING if running else 1.0 for running in course.rows["running"]]

"""The course of one retry as a Plotly figure."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pandas as pd
import plotly.graph_objects as go

from ops_core.analytics.chart_parts import amounts, image_count, layout
from ops_core.analytics.palette import Theme

#: Label, column, colour and dash of each line: they differ by more than their colour.
_LINES = (
    ("Uploaded", "uploaded", "green", "solid"),
    ("Failed", "failed", "red", "dash"),
    ("Skipped", "skipped", "gray", "dot"),
    ("Let go", "let_go", "violet", "dashdot"),
)

#: Up to so many images and in so short a time, each image and each second has its mark on the axes.
_FEW_IMAGES, _FEW_SECONDS = 5, pd.Timedelta(seconds=6)


def course(rows: pd.DataFrame, *, images: int, zone: ZoneInfo, theme: Theme) -> go.Figure | None:
    """Images by what became of them, summed up over time; `rows` is a frame of `retry_frames.COURSE`.

    The thin line at the top is all `images` of the retry. None while nothing has ended.
    """
    lines = [line for line in _LINES if rows[line[1]].any()]
    if not lines:
        return None
    local = rows["until"].dt.tz_convert(zone)
    times = local.dt.tz_localize(None).tolist()
    took = local.iloc[-1] - local.iloc[0]
    long = took > pd.Timedelta(minutes=5)
    figure = go.Figure(layout=layout(theme, height=320))
    figure.update_layout(showlegend=True, yaxis=amounts(theme, "Images") | {"range": [0, images * 1.08]})
    # the day stands under the first time of it
    figure.update_xaxes(type="date", nticks=6, tickformat="%H:%M\n%-d %b" if long else "%H:%M:%S\n%-d %b")
    # by itself, an axis would count half images, and write one second several times
    if images <= _FEW_IMAGES:
        figure.update_yaxes(tickmode="linear", tick0=0, dtick=1)
    if took <= _FEW_SECONDS:
        figure.update_xaxes(tickmode="linear", dtick=1000)
    for label, column, colour, dash in lines:
        counts = rows[column].tolist()
        figure.add_scatter(
            x=times,
            y=counts,
            mode="lines",
            name=f"{label} {counts[-1]:,}",
            line={"color": theme.shades[colour].mark, "width": 2.5, "dash": dash},
            hoverinfo="text",
            hovertext=[
                f"<b>{image_count(count)} {label.lower()}</b><br>by {at.day} {at:%b %Y, %H:%M:%S}"
                for count, at in zip(counts, local, strict=True)
            ],
        )
    figure.add_hline(y=images, line={"color": theme.shades["gray"].mark, "width": 1})
    figure.add_annotation(
        x=1,
        xref="paper",
        xanchor="right",
        y=images,
        yanchor="bottom",
        text=f"all {image_count(images)}",
        showarrow=False,
        font={"color": theme.shades["gray"].text, "size": 12},
    )
    return figure

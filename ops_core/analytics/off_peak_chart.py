"""The hours of a day beside each other: in which of them providers failed least."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import plotly.graph_objects as go

from ops_core.analytics.chart_parts import layout
from ops_core.analytics.palette import Theme
from ops_core.domain.off_peak import Hour, OffPeak

#: The share of failures from which a cell has the full colour, if no hour has more.
_FULL = 0.2
#: Hours between two labels: what fits on a phone.
_STRIDE = 6


def local_hours(choice: OffPeak, zone: ZoneInfo) -> list[tuple[str, Hour]]:
    """The 24 hours in the order of the viewer's day, each with its begin on their clock: "02:00"."""
    moments = []
    for hour in choice.hours:
        # the one that begins within a day of the chosen begin: clocks may be put forward later
        ahead = (hour.hour - choice.start.hour) % 24
        moments.append((_clock(choice.start + timedelta(hours=ahead), zone), hour))
    return sorted(moments, key=lambda each: each[0])


def strip(choice: OffPeak, *, zone: ZoneInfo, theme: Theme) -> go.Figure:
    """A cell for each hour, the stronger the more tries failed; an outline and a word mark the chosen one."""
    hours = local_hours(choice, zone)
    numbers = list(range(len(hours)))
    shares = [hour.failed_share for _, hour in hours]
    most = max([_FULL, *(share for share in shares if share is not None)])
    figure = go.Figure(layout=layout(theme, height=104))
    figure.add_heatmap(
        x=numbers,
        y=[0],
        z=[shares],
        zmin=0,
        zmax=most,
        colorscale=[
            [0, theme.shades["green"].fill],
            [0.35, theme.shades["yellow"].fill],
            [1, theme.shades["red"].mark],
        ],
        showscale=False,
        xgap=2,
        hoverinfo="text",
        hovertext=[[_words(clock, hour) for clock, hour in hours]],
        hoverongaps=True,
    )
    chosen = next(number for number, (_, hour) in enumerate(hours) if hour.hour == choice.start.hour)
    figure.add_shape(
        type="rect",
        x0=chosen - 0.5,
        x1=chosen + 0.5,
        y0=-0.5,
        y1=0.5,
        line={"color": theme.ink, "width": 2.5},
    )
    figure.add_annotation(x=chosen, y=0.5, text="▼", showarrow=False, yshift=8, font={"color": theme.ink})
    empty = [number for number in numbers if shares[number] is None]
    figure.add_scatter(x=empty, y=[0] * len(empty), mode="text", text="–", hoverinfo="skip", showlegend=False)
    figure.update_layout(margin={"l": 14, "r": 14, "t": 18, "b": 28})
    figure.update_xaxes(
        range=[-0.5, len(hours) - 0.5],
        tickvals=numbers[::_STRIDE],
        ticktext=[clock for clock, _ in hours][::_STRIDE],
        automargin=False,
        ticklabeloverflow="allow",
    )
    figure.update_yaxes(visible=False, range=[-0.6, 0.6])
    return figure


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%H:%M}"


def _words(clock: str, hour: Hour) -> str:
    if hour.failed_share is None:
        return f"<b>{clock}</b><br>No tries in the last 14 days"
    tries = "1 try" if hour.tries == 1 else f"{hour.tries:,} tries"
    used = "" if hour.used_share is None else f"<br>{hour.used_share:.0%} of the limits used"
    return f"<b>{clock}</b><br>{hour.failed_share:.1%} of {tries} failed{used}"

"""The table of searches: one row for each venue and provider, with a button to look closer and correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import pandas as pd
import streamlit as st

from ops_core.analytics import match_frames
from ops_core.analytics.match_frames import STATES
from ops_core.db.match_lists import Listed
from ops_core.domain.matches import MatchState
from ops_core.domain.place_links import page_of
from ops_core.domain.providers import why_details_go
from ops_core.ui import badges, geocoding_card, geocoding_place
from ops_core.ui.address import BASE

#: Pixels of a row and of the header with its borders; rows that show before the table scrolls.
_ROW, _HEADER, _ROWS_SEEN = 40, 38, 12

_TABLE, _CHANGE = "geo_table", "geo_change"
OPEN, CLOSE = ":material/expand_more: Change", ":material/expand_less: Close"


def table(
    rows: Sequence[Listed], *, opened: tuple[int, str] | None, names: Mapping[str, str], zone: str
) -> None:
    """The searches of one page."""
    frame = match_frames.matches(rows)
    keys = [(row.match.venue_id, row.match.provider) for row in rows]
    column = st.column_config
    shown = pd.DataFrame(
        {
            "change": [CLOSE if key == opened else OPEN for key in keys],
            "venue": [_venue_link(row) for row in rows],
            "provider": badges.cells(frame["provider"].map(lambda code: names.get(code, code))),
            "state": badges.cells(frame["state"].map(lambda state: STATES[MatchState(state)][0])),
            "place": frame["place"],
            "score": frame["score"],
            "reason": frame["reason"],
            "searched_at": frame["searched_at"],
            "candidates": frame["candidates"],
            "place_id": frame["place_id"],
            "page": [_place_link(row) for row in rows],
            "details": [_details(row, names) for row in rows],
            "city": frame["city"],
            "decided_by": frame["decided_by"],
            "job": [_job_link(job) for job in frame["job_id"]],
        }
    )
    st.dataframe(
        shown,
        key=_TABLE,
        hide_index=True,
        row_height=_ROW,
        height=min(len(shown), _ROWS_SEEN) * _ROW + _HEADER,
        placeholder="",
        column_config={
            "change": column.ButtonColumn(
                "Details", key=_CHANGE, on_click=_open, args=(keys,), type="tertiary", width=94
            ),
            "venue": column.LinkColumn(
                "Venue", display_text=r"#(.*)$", width=180, help="Opens all operations of the venue"
            ),
            "provider": badges.provider_column(names, "Provider"),
            "state": column.MultiselectColumn(
                "Result",
                options=[word for word, _ in STATES.values()],
                color=[colour for _, colour in STATES.values()],
                width=116,
            ),
            "place": column.TextColumn(
                "Place",
                width=180,
                help="The place whose id was taken, else the best that was found. Where its provider's terms "
                "do not let its name be kept, its id",
            ),
            "score": column.ProgressColumn(
                "Score", format="%.2f", min_value=0, max_value=1, width=110, help="Of that place"
            ),
            "reason": column.TextColumn("Why", width=320),
            "searched_at": column.DatetimeColumn(
                "Searched", format="D MMM, HH:mm:ss", timezone=zone, width=112
            ),
            "candidates": column.NumberColumn("Found", format="%d", width=60, help="Places that were found"),
            "place_id": column.TextColumn("Id taken", width=160),
            "page": column.LinkColumn("At provider", display_text="open", width=84, help="Opens that place"),
            "details": column.TextColumn("Details of places", help="Names, addresses and coordinates"),
            "city": column.TextColumn("City"),
            "decided_by": column.TextColumn("Decided by"),
            "job": column.LinkColumn("Job", display_text=r"#(.*)$", help="Opens the search", width=64),
        },
        alt="Searches for venues, newest first",
    )


def _open(keys: list[tuple[int, str]]) -> None:
    """A button was clicked: `keys` are those of the run that drew it."""
    click: Any = st.session_state[_CHANGE]
    if click is not None and click.row < len(keys):
        geocoding_card.forget_notes()
        geocoding_place.toggle(*keys[click.row])


def _venue_link(row: Listed) -> str:
    """The address of the venue's operations; what follows # is shown."""
    shown = quote(f"{row.match.venue_id} · {' '.join(row.venue.split())}", safe=" ,.;:!'()&@/+-·")
    return f"{BASE}/operations?venue={row.match.venue_id}&period=all#{shown}"


def _place_link(row: Listed) -> str | None:
    best = row.match.best
    place_id = best.place_id if best else row.match.place_id
    return page_of(row.match.provider, place_id, best.name if best else None) if place_id else None


def _details(row: Listed, names: Mapping[str, str]) -> str | None:
    if row.match.details_dropped_at is None:
        return None
    code = row.match.provider
    return f"no longer kept: {why_details_go(code, names.get(code, code))}"


def _job_link(job_id: Any) -> str | None:
    return None if pd.isna(job_id) else f"{BASE}/operations?job={job_id}#{job_id}"

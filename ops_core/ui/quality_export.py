"""The chosen list as a CSV file: a row for each picture, or for each image where the list has images."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import streamlit as st

from ops_core.analytics import picture_frames
from ops_core.analytics.exports import Rows, csv_file
from ops_core.db import audit, picture_lists
from ops_core.db.engine import get_engine
from ops_core.db.exports import snapshot
from ops_core.db.picture_lists import Narrowed, Which
from ops_core.domain.access import Actor

#: Rows of a file, which is made in memory; the list goes from what matters most to what matters least.
MOST_ROWS = 10_000
_PIECE = 500


def button(which: Which, narrowed: Narrowed, *, person: Actor) -> None:
    """Offer the whole list, not only this page of it."""
    st.download_button(
        "CSV",
        partial(file, which, narrowed, person),
        f"pictures-{which}-{datetime.now(UTC):%Y%m%d-%H%M%S}.csv",
        "text/csv; charset=utf-8",
        key="quality_csv",
        on_click="ignore",
        icon=":material/download:",
        help=f"Download all of this list that fits the filters, its first {MOST_ROWS:,} rows at most.",
    )


def file(which: Which, narrowed: Narrowed, person: Actor) -> bytes:
    """The file's bytes; that it was taken is in the audit."""
    columns = picture_frames.IMAGES if which.is_of_images else picture_frames.PICTURES
    data = b"".join(csv_file(list(columns), _pieces(which, narrowed)))
    with get_engine().begin() as connection:
        audit.write(
            connection,
            actor=person.name,
            action="export_pictures",
            scope={"show": which, "provider": narrowed.provider, "city": narrowed.city_id},
            outcome=f"{len(data):,} bytes written",
        )
    return data


def _pieces(which: Which, narrowed: Narrowed) -> Iterator[Rows]:
    as_frame = picture_frames.images if which.is_of_images else picture_frames.pictures
    after, left = None, MOST_ROWS
    with snapshot(get_engine()) as connection:
        while left > 0:
            page = picture_lists.page(connection, which, narrowed, after, limit=min(_PIECE, left))
            piece = as_frame(page.rows).astype(object)
            yield piece.where(piece.notna(), None).itertuples(index=False)
            after, left = page.further, left - len(page.rows)
            if after is None:
                return

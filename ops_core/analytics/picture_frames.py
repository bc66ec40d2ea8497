"""Pictures that repeat, and images that are blank or tiny, as DataFrames and in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from ops_core.analytics.columns import TIME, frame
from ops_core.domain.pictures import PictureFlag

PICTURES = {
    "picture": "int64",
    "venues": "int64",
    "images": "int64",
    "placeholder": "bool",
    "providers": "object",  # codes
    "first_seen": TIME,
    "venue": "str",  # of the first of its images, as what follows
    "city": "str",
    "image": "int64",
    "url": "str",
}
IMAGES = {
    "image": "int64",
    "flags": "object",
    "venue_id": "int64",
    "venue": "str",
    "city": "str",
    "provider": "str",
    "width": "Int64",
    "height": "Int64",
    "url": "str",
}


def pictures(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows of `db.picture_lists.page` of a list of pictures, in their order."""
    return frame(
        (
            {
                **row,
                "picture": row["picture_id"],
                "placeholder": PictureFlag.PLACEHOLDER in row["picture_flags"],
                "first_seen": row["created_at"],
                "image": row["id"],
            }
            for row in rows
        ),
        PICTURES,
    )


def images(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows of `db.picture_lists.page` of a list of images, in their order."""
    return frame(({**row, "image": row["id"]} for row in rows), IMAGES)


def headline(venues: int, images: int) -> str:
    """What a picture is, in a sentence: "The same picture on 14 venues", "The same picture twice"."""
    if venues > 1:
        return f"The same picture on {venues:,} venues"
    if images > 1:
        return f"The same picture {'twice' if images == 2 else f'{images:,} times'} at one venue"
    return "A picture on one venue"

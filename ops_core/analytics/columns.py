"""Frames with declared columns: the names and dtypes hold for no rows at all too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

#: The dtype of a point in time.
TIME = "datetime64[us, UTC]"


def frame(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """`rows` as a frame of exactly `columns` (name -> dtype)."""
    data = list(rows)
    return pd.DataFrame(
        {name: pd.Series([_plain(row[name]) for row in data], dtype=kind) for name, kind in columns.items()}
    )


def _plain(value: Any) -> Any:
    # an enum member is a string to pandas, but it must not reach Arrow as an object
    return str(value) if isinstance(value, str) else value

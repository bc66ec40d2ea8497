"""The charts' data as tables: which columns, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from ops_core.analytics.chart_frames import NO_TYPE, Course
from ops_core.analytics.exports import csv_file
from ops_core.domain.errors import info

_column = st.column_config


@dataclass(frozen=True, slots=True)
class Table:
    """Rows, and their columns for a viewer in a time zone."""

    rows: pd.DataFrame
    columns: Callable[[str], dict[str, Any]]

    def csv(self) -> bytes:
        """The rows as a file; times in UTC, cells that could run as formulas made harmless."""
        rows = self.rows.itertuples(index=False, name=None)
        cells = [[None if pd.isna(value) else value for value in row] for row in rows]
        return b"".join(csv_file(list(self.rows.columns), [cells]))


def success(course: Course) -> Table:
    """First tries, bucket by bucket, and the shares they make."""
    rows = course.rows.drop(columns=["operations", "uploaded", "failed", "cost_usd", "few"])
    return Table(
        rows,
        lambda zone: {
            **_times(zone),
            "first_tried": _number("First tried", "Images whose first try of all was by these operations"),
            "first_uploaded": _number("Uploaded at once", "Of these, those that the first try brought in"),
            "first_rate": _percent("At the first try"),
            "first_low": _percent("From", "Lower end of the 95 % interval"),
            "first_high": _percent("To", "Upper end of the 95 % interval"),
            "stored": _number("In the store now", "Of those first tried, those in the store now"),
            "stored_rate": _percent("In the end"),
            "stored_low": _percent("From ", "Lower end of the 95 % interval"),
            "stored_high": _percent("To ", "Upper end of the 95 % interval"),
        },
    )


def images(course: Course, failures: pd.DataFrame) -> Table:
    """Images uploaded and failed, bucket by bucket; one column for each error type that there was."""
    rows = course.rows[["since", "until", "running", "operations", "uploaded", "failed"]].copy()
    kinds = failures.groupby("error_type")["images"].sum().sort_values(ascending=False, kind="stable").index
    by_type = failures.pivot(index="since", columns="error_type", values="images")
    for kind in kinds:
        found = rows["since"].map(by_type[kind]).fillna(0).astype("int64")
        rows[kind or "type_not_kept"] = found
    labels = {kind or "type_not_kept": _type_words(kind) for kind in kinds}
    return Table(
        rows,
        lambda zone: {
            **_times(zone),
            "operations": _number("Operations"),
            "uploaded": _number("Uploaded"),
            "failed": _number("Failed"),
            **{name: _number(label) for name, label in labels.items()},
        },
    )


def providers(rows: pd.DataFrame, failures: pd.DataFrame, names: Mapping[str, str]) -> Table:
    """Providers side by side, with their failures by type in words."""
    words: dict[str, list[str]] = {}
    for row in failures.to_dict("records"):
        words.setdefault(row["provider"], []).append(f"{_type_words(row['error_type'])} {row['images']:,}")
    table = rows.drop(columns=["few"])
    table.insert(1, "name", [names.get(code, code) for code in table["provider"]])
    table["failures"] = [", ".join(words.get(code, [])) for code in table["provider"]]
    return Table(
        table,
        lambda zone: {
            "provider": None,
            "name": _column.TextColumn("Provider", pinned=True),
            "operations": _number("Operations", "Finished operations that asked it or fetched from it"),
            "fetched": _number("Photos listed"),
            "uploaded": _number("Uploaded"),
            "failed": _number("Failed"),
            "rate": _percent("Success rate", "Uploaded, of the images tried"),
            "low": _percent("From", "Lower end of the 95 % interval"),
            "high": _percent("To", "Upper end of the 95 % interval"),
            "median_seconds": _column.NumberColumn(
                "Median time", format="%.2f s", help="Half of its answers took no longer"
            ),
            "cost_usd": _column.NumberColumn("Cost", format="$%.4f"),
            "cost_per_image": _column.NumberColumn(
                "Cost per image", format="$%.4f", help="Its cost for each uploaded image"
            ),
            "failures": _column.TextColumn("Failures by type", width="large"),
        },
    )


def cost(course: Course) -> Table:
    """What operations cost, bucket by bucket."""
    return Table(
        course.rows[["since", "until", "running", "operations", "uploaded", "cost_usd"]],
        lambda zone: {
            **_times(zone),
            "operations": _number("Operations"),
            "uploaded": _number("Images uploaded"),
            "cost_usd": _column.NumberColumn("Cost", format="$%.4f"),
        },
    )


def _times(zone: str) -> dict[str, Any]:
    return {
        "since": _column.DatetimeColumn("From", format="D MMM YYYY, HH:mm", timezone=zone, pinned=True),
        "until": _column.DatetimeColumn("Until", format="D MMM YYYY, HH:mm", timezone=zone),
        "running": _column.CheckboxColumn("Not over yet"),
    }


def _number(label: str, help_text: str | None = None) -> Any:
    return _column.NumberColumn(label, format="localized", help=help_text)


def _percent(label: str, help_text: str | None = None) -> Any:
    return _column.NumberColumn(label, format="percent", help=help_text)


def _type_words(kind: str) -> str:
    if kind == NO_TYPE:
        return "Error type not kept"
    row = info(kind)
    return f"{row.icon} {row.label}"

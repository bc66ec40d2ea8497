"""The data of the charts as DataFrames, with declared columns and dtypes that hold for no rows at all too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from sqlalchemy import Connection

from ops_core.analytics.columns import TIME, frame
from ops_core.db import charts, figures
from ops_core.db.figures import Sums
from ops_core.domain.buckets import Buckets
from ops_core.domain.filters import Filters
from ops_core.domain.intervals import few, wilson

COURSE = {
    "since": TIME,
    "until": TIME,
    "running": "bool",  #: The last one: its hour, day, week or month is not over.
    "operations": "int64",
    "uploaded": "int64",
    "failed": "int64",
    "cost_usd": "float64",
    "first_tried": "int64",
    "first_uploaded": "int64",
    "first_rate": "float64",  #: None where nothing was tried, as all rates and their intervals.
    "first_low": "float64",
    "first_high": "float64",
    "stored": "int64",
    "stored_rate": "float64",
    "stored_low": "float64",
    "stored_high": "float64",
    "few": "bool",
}
FAILURES = {"since": TIME, "until": TIME, "error_type": "str", "images": "int64"}
PROVIDERS = {
    "provider": "str",
    "operations": "int64",
    "fetched": "int64",
    "uploaded": "int64",
    "failed": "int64",
    "rate": "float64",  #: Uploaded of those tried; None where none was.
    "low": "float64",
    "high": "float64",
    "few": "bool",
    "median_seconds": "float64",
    "cost_usd": "float64",
    "cost_per_image": "float64",  #: None where none was uploaded.
}
PROVIDER_FAILURES = {"provider": "str", "error_type": "str", "images": "int64"}

#: In place of an error type: failures of which the type was not kept.
NO_TYPE = ""


@dataclass(frozen=True, slots=True)
class Course:
    """How operations went, bucket by bucket: a frame of `COURSE`, one row each."""

    buckets: Buckets
    rows: pd.DataFrame


def course(connection: Connection, filters: Filters, zone: ZoneInfo, now: datetime) -> Course:
    """The figures of the operations that match, over their time."""
    cut = figures.buckets_for(connection, filters, zone, now)
    return Course(cut, course_of(cut, figures.figures(connection, filters, cut.edges)))


def course_of(buckets: Buckets, series: Sequence[Sums]) -> pd.DataFrame:
    """A frame of `COURSE`: the sums of each bucket, and the shares they make."""
    last = len(buckets) - 1
    return frame(
        (
            {
                "since": since,
                "until": until,
                "running": buckets.running and number == last,
                "operations": sums.jobs,
                "uploaded": sums.uploaded,
                "failed": sums.failed,
                "cost_usd": float(sums.cost_usd),
                "first_tried": sums.first_tried,
                "first_uploaded": sums.first_uploaded,
                "stored": sums.first_stored,
                "few": few(sums.first_tried),
                **_share("first_", sums.first_uploaded, sums.first_tried),
                **_share("stored_", sums.first_stored, sums.first_tried),
            }
            for number, ((since, until), sums) in enumerate(zip(buckets.spans, series, strict=True))
        ),
        COURSE,
    )


def failures(connection: Connection, filters: Filters, course: Course) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Images left failed by error type: over time (`FAILURES`), and by provider (`PROVIDER_FAILURES`)."""
    rows = charts.failures(connection, filters, course.buckets.edges)
    return failures_over_time(course, rows), provider_failures(rows)


def failures_over_time(course: Course, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame of `FAILURES` of rows of `db.charts.failures`; a bucket's types add up to its failed images.

    What the rows do not tell of a bucket's failures has no type.
    """
    sums: dict[tuple[int, str], int] = {}
    untold = [int(failed) for failed in course.rows["failed"]]
    for row in rows:
        place = row["bucket"] - 1
        sums[place, row["error_type"]] = sums.get((place, row["error_type"]), 0) + row["images"]
        untold[place] -= row["images"]
    sums |= {(place, NO_TYPE): images for place, images in enumerate(untold) if images > 0}
    spans = course.buckets.spans
    return frame(
        (
            {"since": spans[place][0], "until": spans[place][1], "error_type": kind, "images": images}
            for (place, kind), images in sorted(sums.items())
        ),
        FAILURES,
    )


def provider_failures(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame of `PROVIDER_FAILURES` of rows of `db.charts.failures`, most images first for each provider."""
    sums: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row["provider"], row["error_type"])
        sums[key] = sums.get(key, 0) + row["images"]
    ordered = sorted(sums.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    return frame(
        ({"provider": code, "error_type": kind, "images": images} for (code, kind), images in ordered),
        PROVIDER_FAILURES,
    )


def providers(connection: Connection, filters: Filters) -> pd.DataFrame:
    """How each provider did in the operations that match: a frame of `PROVIDERS`."""
    return providers_of(charts.providers(connection, filters))


def providers_of(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame of `PROVIDERS` of rows of `db.charts.providers`, most images tried first."""
    lines = [
        {
            "provider": row["provider"],
            "operations": row["jobs"],
            "fetched": row["fetched"],
            "uploaded": row["uploaded"],
            "failed": row["failed"],
            "few": few(row["uploaded"] + row["failed"]),
            "median_seconds": None if row["median_ms"] is None else row["median_ms"] / 1000,
            "cost_usd": float(row["cost_usd"]),
            "cost_per_image": float(row["cost_usd"]) / row["uploaded"] if row["uploaded"] else None,
            **_share("", row["uploaded"], row["uploaded"] + row["failed"]),
        }
        for row in rows
    ]
    lines.sort(key=lambda line: (-line["uploaded"] - line["failed"], line["provider"]))
    return frame(lines, PROVIDERS)


def _share(prefix: str, successes: int, tried: int) -> dict[str, float | None]:
    # a count that went wrong must not take the whole chart away
    interval = wilson(min(successes, tried), tried)
    if interval is None:
        return {f"{prefix}rate": None, f"{prefix}low": None, f"{prefix}high": None}
    low, high = interval
    return {f"{prefix}rate": successes / tried, f"{prefix}low": low, f"{prefix}high": high}

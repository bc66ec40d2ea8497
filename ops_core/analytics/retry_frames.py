"""Retry requests as values and frames that pages show: how far one is, its images, its course."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import pandas as pd

from ops_core.analytics.columns import TIME, frame
from ops_core.db.retries import Request
from ops_core.domain.images import ImageState
from ops_core.domain.retries import ItemState, RequestState

#: Of fewer images ended, the rate says less than the forecast.
_TELLING = 5
#: Seconds that one point of a course may stand for, and how many points there are at most.
_STEPS = (1, 5, 15, 60, 300, 900, 3600, 6 * 3600, 86_400, 7 * 86_400)
_MOST_POINTS = 150

ITEMS = {
    "image_id": "int64",
    "venue_id": "int64",
    "venue": "str",
    "provider": "str",
    "sample": "bool",
    "was_error": "str",
    "state": "str",
    "reason": "str",
    "job_id": "Int64",
    "finished_at": TIME,
    "now_state": "str",
    "now_error": "str",
}
COURSE = {"until": TIME, "uploaded": "int64", "failed": "int64", "skipped": "int64", "let_go": "int64"}
ENDS = {
    "provider": "str",
    "open": "int64",
    "uploaded": "int64",
    "failed": "int64",
    "skipped": "int64",
    "let_go": "int64",
}
REMAINING = {"error_type": "str", "images": "int64", "recovered": "Int64", "trying": "Int64"}
SKIPPED = {"reason": "str", "images": "int64"}

_ENDS = {
    ItemState.UPLOADED: "uploaded",
    ItemState.FAILED: "failed",
    ItemState.SKIPPED: "skipped",
    ItemState.RELEASED: "let_go",
}


class Standing(StrEnum):
    """What a person is told of a request: its state, and what its times and counts make of it."""

    SCHEDULED = "scheduled"
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"  #: Paused by itself: its sample did badly.
    CANCELLING = "cancelling"  #: What had begun finishes.
    COMPLETED = "completed"
    CANCELLED = "cancelled"


def standing(request: Request, now: datetime) -> Standing:
    """Where `request` is at `now`, the database's clock."""
    match request.state:
        case RequestState.PENDING:
            return Standing.SCHEDULED if request.not_before > now else Standing.WAITING
        case RequestState.RUNNING:
            return Standing.RUNNING
        case RequestState.PAUSED:
            sample = sample_of(request)
            return Standing.STOPPED if sample and sample.did_badly else Standing.PAUSED
        case RequestState.COMPLETED:
            return Standing.COMPLETED
        case RequestState.CANCELLED:
            return Standing.CANCELLING if request.finished_at is None else Standing.CANCELLED


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSoFar:
    """How a canary's first images do, while nothing else was begun."""

    images: int
    ended: int
    uploaded: int
    share: float  #: Of uploads, from which it goes on by itself.

    @property
    def did_badly(self) -> bool:
        """Whether all of it has ended, with fewer uploads than it takes to go on."""
        return self.ended == self.images and self.uploaded < self.share * self.images


def sample_of(request: Request) -> SampleSoFar | None:
    """The sample of a canary that is still to be decided; None for all others."""
    options = request.options
    undecided = options.sample and not request.sample_decided and request.finished_at is None
    if not undecided or request.state is RequestState.CANCELLED:
        return None
    images = min(options.sample, request.images)
    # until it is decided nothing else begins: all that ended are of the sample
    ended = min(images, request.images - request.open)
    return SampleSoFar(images=images, ended=ended, uploaded=request.uploaded, share=options.sample_share)


def ended_share(request: Request) -> float:
    """The part of its images that have an end, 0 to 1."""
    return 1 - request.open / request.images if request.images else 1.0


def seconds_left(request: Request, per_minute: float | None) -> float | None:
    """Seconds until a running request is done: by its rate, or by its forecast while that says little.

    None if nobody can say.
    """
    if request.state is not RequestState.RUNNING or not request.open:
        return None
    if per_minute and request.images - request.open >= _TELLING:
        return request.open * 60 / per_minute
    if request.forecast is None or request.images - request.open >= _TELLING:
        return None
    return request.forecast.seconds * request.open / request.images


def items(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame of `ITEMS` of rows of `db.retry_lists.items`."""
    return frame(rows, ITEMS)


def ends(tally: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame of `ENDS`: what became of the images of each provider; of rows of `db.retry_lists.tally`."""
    lines: dict[str, dict[str, Any]] = {}
    for row in tally:
        line = lines.setdefault(row["provider"], {**dict.fromkeys(ENDS, 0), "provider": row["provider"]})
        line[_ENDS.get(ItemState(row["state"]), "open")] += row["images"]
    return frame((lines[provider] for provider in sorted(lines)), ENDS)


def remaining(tally: Iterable[Mapping[str, Any]], since: Iterable[Mapping[str, Any]] | None) -> pd.DataFrame:
    """A frame of `REMAINING`: error types that images ended failed with, most first.

    `recovered` of them are in the store by now and `trying` are being tried; nothing without `since`.
    """
    counts: dict[str, int] = {}
    for row in tally:
        if row["state"] == ItemState.FAILED:
            counts[row["reason"]] = counts.get(row["reason"], 0) + row["images"]
    later: dict[tuple[str, str], int] = {}
    for row in since or ():
        later[row["reason"], row["state"]] = row["images"]
    return frame(
        (
            {
                "error_type": kind,
                "images": images,
                "recovered": None if since is None else later.get((kind, ImageState.UPLOADED), 0),
                "trying": None if since is None else later.get((kind, ImageState.UPLOADING), 0),
            }
            for kind, images in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        ),
        REMAINING,
    )


def skipped(tally: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame of `SKIPPED`: why images were left alone after all, most first."""
    counts: dict[str, int] = {}
    for row in tally:
        if row["state"] == ItemState.SKIPPED:
            counts[row["reason"]] = counts.get(row["reason"], 0) + row["images"]
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return frame(({"reason": reason, "images": images} for reason, images in ordered), SKIPPED)


def course_step(length: timedelta) -> int:
    """Seconds that one point of a course of that length stands for."""
    return next((step for step in _STEPS if length.total_seconds() / step <= _MOST_POINTS), _STEPS[-1])


def course(rows: Iterable[Mapping[str, Any]], *, begin: datetime, end: datetime, step: int) -> pd.DataFrame:
    """A frame of `COURSE` of rows of `db.retry_lists.course`: what had ended by each time, from none on.

    Times at which nothing ended are left out but for those beside a change, so that a line drawn through
    the points is flat where nothing happened.
    """
    by_time: dict[datetime, dict[str, int]] = {}
    for row in rows:
        by_time.setdefault(row["since"], {})[_ENDS[ItemState(row["state"])]] = row["images"]
    sums = dict.fromkeys(_ENDS.values(), 0)
    points: dict[datetime, dict[str, int]] = {begin: dict(sums)}
    for since in sorted(by_time):
        if since > begin:
            points.setdefault(since, dict(sums))
        for name, images in by_time[since].items():
            sums[name] += images
        points[min(since + timedelta(seconds=step), max(end, since))] = dict(sums)
    if end > max(points):
        points[end] = dict(sums)
    return frame(({"until": at, **points[at]} for at in sorted(points)), COURSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One thing that was forecast, beside what it came to; amounts are None where nobody knows."""

    expected: float | None
    low: float | None = None
    high: float | None = None
    result: float | None  #: So far, while the retry is open.

    @property
    def verdict(self) -> str | None:
        """Where the result lies beside the interval; None without one."""
        if self.low is None or self.high is None or self.result is None:
            return None
        # counts are whole, bounds are not
        if self.result < int(self.low):
            return "fewer"
        return "more" if self.result > self.high + 1 else "within"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A retry's forecast and its result, side by side."""

    seconds: Compared
    uploaded: Compared  #: Its interval is that of the images with history.
    unknown: int  #: Images of kinds without history.
    calls: Compared
    cost_usd: Compared


def compared(request: Request, now: datetime) -> Comparison:
    """The forecast of `request`, and what it came to by `now`."""
    forecast, plan = request.forecast, request.plan
    took = None
    if request.started_at is not None:
        took = ((request.finished_at or now) - request.started_at).total_seconds()
    return Comparison(
        seconds=Compared(expected=forecast.seconds if forecast else None, result=took),
        uploaded=Compared(
            expected=forecast.uploaded if forecast else None,
            low=forecast.uploaded_low if forecast else None,
            # any number of the images that nobody can say anything of may come in
            high=forecast.uploaded_high + forecast.unknown
            if forecast and forecast.uploaded_high is not None
            else None,
            result=request.uploaded,
        ),
        unknown=forecast.unknown if forecast else plan.images,
        calls=Compared(expected=plan.calls, result=request.calls),
        cost_usd=Compared(expected=float(plan.cost_usd), result=float(request.cost_usd)),
    )

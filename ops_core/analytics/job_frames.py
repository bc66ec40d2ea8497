"""One job as DataFrames with declared columns and dtypes that hold for no rows at all too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from ops_core.analytics.columns import TIME, frame
from ops_core.db import job_detail
from ops_core.domain.images import MAX_RETRIES, ImageState

PROVIDER_RESULTS = {
    "provider": "str",
    "status": "str",
    "images_fetched": "int64",
    "images_uploaded": "int64",
    "images_failed": "int64",
    "images_referenced": "int64",
    "calls": "int64",
    "cost_usd": "float64",
    "seconds": "float64",
    "error_type": "str",
    "status_code": "Int64",
    "reason": "str",
}
FATES = {
    "provider": "str",
    "error_type": "str",
    "images": "int64",
    "stored": "int64",
    "failed_now": "int64",
    "retryable_now": "int64",
    "later": "int64",
    "tries": "int64",
}
FAILURES = {"error_type": "str", "images": "int64", "recovered": "int64", "retryable_now": "int64"}
FAILED_IMAGES = {
    "image_id": "int64",
    "provider": "str",
    "error_type": "str",
    "status_code": "Int64",
    "detail": "str",
    "finished_at": TIME,
    "now": "str",
    "retries": "str",
    "source_url": "str",
}
TIMELINE = {
    "at": TIME,
    "what": "str",
    "provider": "str",
    "result": "str",
    "error_type": "str",
    "status_code": "Int64",
    "seconds": "float64",
    "kilobytes": "float64",
    "cost_usd": "float64",
    "detail": "str",
}

#: What an image that a job left failed is now, as people read it.
NOW = {
    ImageState.UPLOADED: "Uploaded since",
    ImageState.UPLOADING: "Uploading",
    ImageState.DISCOVERED: "Waiting",
    ImageState.FAILED: "Failed",
    ImageState.PERMANENTLY_FAILED: "Set aside",
    ImageState.REFERENCED: "Shown from its provider",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of the images one job tried: then, and today."""

    uploaded: int  #: Brought in by the job.
    stored: int  #: Of these, in the store now.
    failed: int  #: Left failed by the job.
    recovered: int  #: Of these, in the store now.
    failed_now: int  #: Of these, failed now, whoever tried last.
    retryable_now: int  #: Of these, those automatic retries may touch and no later job has tried.
    later: int  #: Of `failed_now`, those that a later job tried again.
    complete: bool  #: Whether all tries were counted.

    @property
    def underway(self) -> int:
        """Failed then, and waiting or in a worker's hands now."""
        return self.failed - self.recovered - self.failed_now


def fates(connection: Connection, job_id: int) -> pd.DataFrame:
    """What became of the images a job tried, by provider and error type (none: brought in)."""
    return frame([dict(row) for row in job_detail.fates(connection, job_id)], FATES)


def fate(counts: pd.DataFrame) -> Fate:
    """The sums of a frame of `fates`."""
    failed = counts[counts["error_type"].notna()]
    brought_in = counts[counts["error_type"].isna()]
    return Fate(
        uploaded=int(brought_in["images"].sum()),
        stored=int(brought_in["stored"].sum()),
        failed=int(failed["images"].sum()),
        recovered=int(failed["stored"].sum()),
        failed_now=int(failed["failed_now"].sum()),
        retryable_now=int(failed["retryable_now"].sum()),
        later=int(failed["later"].sum()),
        complete=bool((counts["tries"] < job_detail.TRIES_SEEN).all()),
    )


def failures(counts: pd.DataFrame) -> pd.DataFrame:
    """Of a frame of `fates`: the images left failed by error type, most first."""
    sums: dict[str, dict[str, Any]] = {}
    for row in counts[counts["error_type"].notna()].to_dict("records"):
        empty = {"error_type": row["error_type"], "images": 0, "recovered": 0, "retryable_now": 0}
        line = sums.setdefault(row["error_type"], empty)
        line["images"] += row["images"]
        line["recovered"] += row["stored"]
        line["retryable_now"] += row["retryable_now"]
    return frame(sorted(sums.values(), key=lambda line: (-line["images"], line["error_type"])), FAILURES)


def provider_results(
    connection: Connection, job_id: int, counts: pd.DataFrame, referenced: Mapping[str, int] | None = None
) -> pd.DataFrame:
    """How each provider did in a job: its answer, and the images of `counts`, a frame of `fates`.

    `referenced` counts, by provider, those that are shown from there (`db.references.by_provider`). The
    answer's own image counts are written when the job ends; until then its tries say more. A provider that
    was not asked, only fetched from, has a status of none.
    """
    lines = {
        row["provider"]: _provider_line(dict(row)) for row in job_detail.provider_results(connection, job_id)
    }
    tried: dict[str, dict[str, int]] = {}
    for count in counts.to_dict("records"):
        sums = tried.setdefault(count["provider"], {"images_uploaded": 0, "images_failed": 0})
        sums["images_uploaded" if pd.isna(count["error_type"]) else "images_failed"] += count["images"]
    for provider, sums in tried.items():
        line = lines.setdefault(provider, _provider_line({"provider": provider}))
        line |= {name: max(line[name], images) for name, images in sums.items()}
    for provider, images in (referenced or {}).items():
        lines.setdefault(provider, _provider_line({"provider": provider}))["images_referenced"] = images
    return frame([lines[provider] for provider in sorted(lines)], PROVIDER_RESULTS)


def failed_images(connection: Connection, job_id: int, limit: int = 200) -> pd.DataFrame:
    """The images one job left failed, and what they are now."""
    rows = [
        {
            **row,
            "now": NOW[ImageState(row["state_now"])],
            "retries": f"{row['retry_count']} of {MAX_RETRIES}",
        }
        for row in job_detail.failed_images(connection, job_id, limit)
    ]
    return frame(rows, FAILED_IMAGES)


def timeline(job: Mapping[str, Any], errors: Any, tries: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """What happened in a job, oldest first: queued, runs that broke, tries of images, the end.

    `errors` is whatever the job holds there; an entry without a readable time comes first.
    """
    rows = [_event(job["inserted_at"], "Queued", detail=f"Asked for by {job['actor']}")]
    if job["attempted_at"]:
        rows.append(_event(job["attempted_at"], f"Run {max(job['attempt'], 1)} began"))
    rows += [_broken_run(entry) for entry in (errors if isinstance(errors, list) else [])]
    rows += [_try(row) for row in tries]
    if job["finished_at"]:
        rows.append(_event(job["finished_at"], "Ended", result=job["outcome"]))
    first = datetime.min.replace(tzinfo=UTC)
    return frame(sorted(rows, key=lambda row: row["at"] or first), TIMELINE)


def _try(row: Mapping[str, Any]) -> dict[str, Any]:
    return _event(
        row["started_at"],
        f"Image {row['image_id']}, try {row['number']}",
        provider=row["provider"],
        result=row["outcome"],
        error_type=row["error_type"],
        status_code=row["status_code"],
        seconds=(row["finished_at"] - row["started_at"]).total_seconds(),
        kilobytes=None if row["bytes"] is None else row["bytes"] / 1000,
        cost_usd=row["cost_usd"],
        detail=row["detail"],
    )


def _broken_run(entry: Any) -> dict[str, Any]:
    known = entry if isinstance(entry, Mapping) else {"error": entry}
    number = known.get("attempt")
    return _event(
        _moment(known.get("at")),
        f"Run {number} broke" if isinstance(number, int) else "A run broke",
        result="broke",
        detail=str(known.get("error") or "It broke without a word."),
    )


def _moment(word: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(word))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _event(at: datetime | None, what: str, **values: Any) -> dict[str, Any]:
    return {**dict.fromkeys(TIMELINE), "at": at, "what": what, **values}


def _provider_line(row: Mapping[str, Any]) -> dict[str, Any]:
    counts = ("images_fetched", "images_uploaded", "images_failed", "images_referenced", "calls", "cost_usd")
    zero = dict.fromkeys(counts, 0)
    line = {**dict.fromkeys(PROVIDER_RESULTS), **zero, **row}
    milliseconds = line.pop("duration_ms", None)
    return line | {"seconds": None if milliseconds is None else milliseconds / 1000}

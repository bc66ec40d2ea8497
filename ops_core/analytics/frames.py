"""From query to DataFrame: the list of operations, and the words in which it tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from ops_core.analytics.columns import TIME, frame
from ops_core.domain.errors import ErrorType, info
from ops_core.domain.jobs import JobKind, JobOutcome

OPERATIONS = {
    "id": "int64",
    "finished_at": TIME,
    "kind": "str",
    "outcome": "str",
    "venue_id": "Int64",
    "venue": "str",
    "city": "str",
    "seconds": "float64",  # from the last attempt's start to the end
    "summary": "str",
    "existing": "int64",
    "left": "int64",
    "referenced": "int64",  # shown from their provider
    "providers_failed": "int64",
    "images_discovered": "int64",
    "images_uploaded": "int64",
    "images_failed": "int64",
    "retryable": "int64",
    "recovered": "int64",
    "failed_later": "int64",  # of images it left failed: failed again in a later job
    "queued": "Int64",  # the open retry request that holds some of its images
    "first_error": "str",
    "cost_usd": "float64",
    "providers": "object",
}


def operations(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows of `db.operations.page`, in their order."""
    return frame(
        (
            {
                **row,
                "seconds": (row["finished_at"] - row["attempted_at"]).total_seconds()
                if row["attempted_at"]
                else None,
            }
            for row in rows
        ),
        OPERATIONS,
    )


def results_text(job: Mapping[str, Any]) -> str:
    """What came out of a job, in words: "12 discovered, 9 uploaded, 3 failed, 2 recovered since".

    A job without images says what it did instead, or why it found none.
    """
    if not job["images_discovered"]:
        return "" if pd.isna(job["summary"]) else str(job["summary"])
    text = f"{job['images_discovered']} {'retried' if job['kind'] == JobKind.RETRY else 'discovered'}"
    if job["images_uploaded"] or not (job["existing"] or job["referenced"]):
        text += f", {job['images_uploaded']} uploaded"
    if job["existing"]:
        text += f", {job['existing']} already stored"
    if job["images_failed"]:
        text += f", {job['images_failed']} failed"
    if job["recovered"]:
        text += f", {job['recovered']} recovered since"
    if job["referenced"]:
        text += f", {job['referenced']} shown from their provider"
    if job["left"]:
        text += f", {job['left']} failed before"
    if job["providers_failed"]:
        noun = "provider" if job["providers_failed"] == 1 else "providers"
        text += f", {job['providers_failed']} {noun} could not answer"
    return text


def standing(job: Mapping[str, Any]) -> str | None:
    """What became of a job's failures, in a word; None for a job that left none."""
    if not pd.isna(job["queued"]):
        return QUEUED
    if not job["images_failed"]:
        return FAILED_BEFORE if job["left"] else None
    if job["retryable"]:
        return RETRYABLE
    if job["recovered"] == job["images_failed"]:
        return RECOVERED
    return FAILED_LATER if job["recovered"] + job["failed_later"] == job["images_failed"] else STILL_FAILED


QUEUED, RETRYABLE, RECOVERED = "Queued", "Retryable", "Recovered"
FAILED_LATER, STILL_FAILED, FAILED_BEFORE = "Failed again", "Still failed", "Failed before"


def outcome_label(outcome: str) -> str:
    """The word on a finished job's badge."""
    return JobOutcome(outcome).replace("_", " ").capitalize()


def kind_label(kind: str) -> str:
    """What a job of that kind is about."""
    return "Individual venue" if kind == JobKind.ENRICHMENT else kind.replace("_", " ").capitalize()


def error_label(error_type: str | None) -> str | None:
    """The error table's icon and label; None for no error."""
    if not error_type:
        return None
    row = info(ErrorType(error_type))
    return f"{row.icon} {row.label}"

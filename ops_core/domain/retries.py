"""Retry requests: an order to try failed images again, and the images in it."""

from __future__ import annotations

from enum import StrEnum


class RequestState(StrEnum):
    """Where a retry request is, as stored in `retry_requests.state`."""

    PENDING = "pending"  #: Written; nothing claimed yet.
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class ItemState(StrEnum):
    """Where one image of a retry request is, as stored in `retry_items.state`."""

    QUEUED = "queued"
    RUNNING = "running"
    UPLOADED = "uploaded"
    FAILED = "failed"
    SKIPPED = "skipped"
    RELEASED = "released"  #: The request was cancelled before its turn came.

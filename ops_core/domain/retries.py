"""Retry requests: an order to try failed images again, what it covers, and the images in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from ops_core.domain.errors import ErrorType
from ops_core.domain.filters import Filters, View
from ops_core.domain.jobs import JobKind, JobOutcome


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


OPEN_ITEM_STATES = (ItemState.QUEUED, ItemState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a retry covers: exactly one of its parts. Raises `ValueError` for none or several."""

    venues: tuple[int, ...] = ()  #: Ids: the failed images of these venues.
    jobs: tuple[int, ...] = ()  #: Ids of operations: the images these left failed, whatever they are now.
    filters: Filters | None = None  #: The failed images of all operations that match.
    everything: bool = False  #: All failed images.

    def __post_init__(self) -> None:
        given = (bool(self.venues), bool(self.jobs), self.filters is not None, self.everything)
        if sum(given) != 1:
            raise ValueError("A scope is venues, operations, a filter or everything: exactly one of them.")
        object.__setattr__(self, "venues", tuple(sorted(set(self.venues))))
        object.__setattr__(self, "jobs", tuple(sorted(set(self.jobs))))

    def in_words(self) -> str:
        """ "venue #12", "3 operations", "all operations that match", "all venues"."""
        if self.venues:
            return f"venue #{self.venues[0]}" if len(self.venues) == 1 else f"{len(self.venues):,} venues"
        if self.jobs:
            return f"operation #{self.jobs[0]}" if len(self.jobs) == 1 else f"{len(self.jobs):,} operations"
        return "all venues" if self.everything else "all operations that match"

    def to_json(self) -> dict[str, Any]:
        """As stored in `retry_requests.scope` and in audit rows."""
        if self.filters is not None:
            return {"filters": _filters_to_json(self.filters)}
        if self.everything:
            return {"everything": True}
        return {"venues": list(self.venues)} if self.venues else {"jobs": list(self.jobs)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Scope:
        """The scope that `to_json` wrote. Raises `ValueError` for anything that is no scope."""
        filters = stored.get("filters")
        return cls(
            venues=tuple(stored.get("venues", ())),
            jobs=tuple(stored.get("jobs", ())),
            filters=None if filters is None else _filters_from_json(filters),
            everything=bool(stored.get("everything", False)),
        )


def _filters_to_json(filters: Filters) -> dict[str, Any]:
    return {
        "view": filters.view.value,
        "providers": list(filters.providers),
        "error_types": [kind.value for kind in filters.error_types],
        "outcomes": [outcome.value for outcome in filters.outcomes],
        "kinds": [kind.value for kind in filters.kinds],
        "cities": list(filters.cities),
        "venue": filters.venue,
        "text": filters.text,
        "since": filters.since.isoformat() if filters.since else None,
        "until": filters.until.isoformat() if filters.until else None,
    }


def _filters_from_json(stored: Mapping[str, Any]) -> Filters:
    since, until = stored.get("since"), stored.get("until")
    return Filters(
        view=View(stored.get("view", View.ALL)),
        providers=tuple(stored.get("providers", ())),
        error_types=tuple(map(ErrorType, stored.get("error_types", ()))),
        outcomes=tuple(map(JobOutcome, stored.get("outcomes", ()))),
        kinds=tuple(map(JobKind, stored.get("kinds", ()))),
        cities=tuple(stored.get("cities", ())),
        venue=stored.get("venue", ""),
        text=stored.get("text", ""),
        since=datetime.fromisoformat(since) if since else None,
        until=datetime.fromisoformat(until) if until else None,
    )

"""Retry requests: an order to try failed images again, what it covers, and the images in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from ops_core.domain.errors import ErrorType, info
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
class Failures:
    """Failed images by what they are now; an empty part means any. Raises `ValueError` if all are empty."""

    providers: tuple[str, ...] = ()  #: Codes.
    error_types: tuple[ErrorType, ...] = ()  #: Of the last try.
    cities: tuple[int, ...] = ()
    venues: tuple[int, ...] = ()
    since: datetime | None = None  #: The last try was at this instant or later.
    until: datetime | None = None  #: And before this one.

    def __post_init__(self) -> None:
        for name in ("providers", "error_types", "cities", "venues"):
            object.__setattr__(self, name, tuple(sorted(set(getattr(self, name)))))
        if not any(getattr(self, name) for name in self.__slots__):
            raise ValueError(
                "Name a provider, an error type, a city, a venue or a time: one of them at least."
            )
        if self.since and self.until and self.since >= self.until:
            raise ValueError("The begin of the time must be before its end.")

    def in_words(self) -> str:
        """ "failures of foursquare, Rate limited, 2 cities, since 2026-11-01 00:00 UTC"."""
        parts = [", ".join(self.providers), ", ".join(info(kind).label for kind in self.error_types)]
        parts += [_numbered(self.cities, "city", "cities"), _numbered(self.venues, "venue", "venues")]
        if self.since:
            parts.append(f"since {self.since:%Y-%m-%d %H:%M} UTC")
        if self.until:
            parts.append(f"until {self.until:%Y-%m-%d %H:%M} UTC")
        return "failures of " + ", ".join(part for part in parts if part)

    def to_json(self) -> dict[str, Any]:
        """As stored; `from_json` reads it."""
        return {
            "providers": list(self.providers),
            "error_types": [kind.value for kind in self.error_types],
            "cities": list(self.cities),
            "venues": list(self.venues),
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Failures:
        """The failures that `to_json` wrote."""
        since, until = stored.get("since"), stored.get("until")
        return cls(
            providers=tuple(stored.get("providers", ())),
            error_types=tuple(map(ErrorType, stored.get("error_types", ()))),
            cities=tuple(stored.get("cities", ())),
            venues=tuple(stored.get("venues", ())),
            since=datetime.fromisoformat(since) if since else None,
            until=datetime.fromisoformat(until) if until else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a retry covers: exactly one of its parts. Raises `ValueError` for none or several."""

    images: tuple[int, ...] = ()  #: Ids of images.
    venues: tuple[int, ...] = ()  #: Ids: the failed images of these venues.
    jobs: tuple[int, ...] = ()  #: Ids of operations: the images these left failed, whatever they are now.
    request: int | None = None  #: A retry request: the images that ended failed in it.
    failures: Failures | None = None  #: Failed images by what they are now.
    filters: Filters | None = None  #: The failed images of all operations that match.
    everything: bool = False  #: All failed images.

    def __post_init__(self) -> None:
        given = [bool(getattr(self, name)) for name in ("images", "venues", "jobs")]
        given += [getattr(self, name) is not None for name in ("request", "failures", "filters")]
        if sum([*given, self.everything]) != 1:
            raise ValueError(
                "A scope is images, venues, operations, a retry, failures, a filter or everything: "
                "exactly one of them."
            )
        for name in ("images", "venues", "jobs"):
            object.__setattr__(self, name, tuple(sorted(set(getattr(self, name)))))

    def in_words(self) -> str:
        """ "image #7", "venue #12", "3 operations", "what failed in retry #4", "all venues"."""
        if self.failures is not None:
            return self.failures.in_words()
        if self.request is not None:
            return f"what failed in retry #{self.request}"
        named = (
            _numbered(self.images, "image", "images")
            or _numbered(self.venues, "venue", "venues")
            or _numbered(self.jobs, "operation", "operations")
        )
        return named or ("all venues" if self.everything else "all operations that match")

    def to_json(self) -> dict[str, Any]:
        """As stored in `retry_requests.scope` and in audit rows."""
        if self.filters is not None:
            return {"filters": _filters_to_json(self.filters)}
        if self.failures is not None:
            return {"failures": self.failures.to_json()}
        if self.request is not None:
            return {"request": self.request}
        if self.everything:
            return {"everything": True}
        return {name: list(ids) for name in ("images", "venues", "jobs") if (ids := getattr(self, name))}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Scope:
        """The scope that `to_json` wrote. Raises `ValueError` for anything that is no scope."""
        filters, failures = stored.get("filters"), stored.get("failures")
        return cls(
            images=tuple(stored.get("images", ())),
            venues=tuple(stored.get("venues", ())),
            jobs=tuple(stored.get("jobs", ())),
            request=stored.get("request"),
            failures=None if failures is None else Failures.from_json(failures),
            filters=None if filters is None else _filters_from_json(filters),
            everything=bool(stored.get("everything", False)),
        )


def _numbered(ids: tuple[int, ...], one: str, many: str) -> str:
    if not ids:
        return ""
    return f"{one} #{ids[0]}" if len(ids) == 1 else f"{len(ids):,} {many}"


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

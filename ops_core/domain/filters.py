"""Which operations a person looks at: a value that the page, its charts, exports and retries share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from ops_core.domain.errors import ErrorType
from ops_core.domain.jobs import JobKind, JobOutcome

#: Shorter words match nearly everything and no index helps; a number is looked up as an id at any length.
SHORTEST_TEXT = 3
#: Longer than anybody types; what lies beyond is cut off.
LONGEST_TEXT = 200
#: Largest id PostgreSQL's bigint holds.
LARGEST_ID = 2**63 - 1


class View(StrEnum):
    """The quick views, as they stand in the address."""

    ALL = "all"
    CITIES = "cities"  #: City backfills.
    VENUES = "venues"  #: Operations on one venue: enrichments and retries.
    PARTIAL = "partial"  #: Some images are in, some failed.
    FAILED = "failed"  #: Nothing came of it.


class Period(StrEnum):
    """The date ranges on offer, as they stand in the address."""

    TODAY = "today"
    WEEK = "7d"
    MONTH = "30d"
    EVER = "all"
    CUSTOM = "custom"


VIEW_KINDS: dict[View, tuple[JobKind, ...]] = {
    View.CITIES: (JobKind.BACKFILL,),
    View.VENUES: (JobKind.ENRICHMENT, JobKind.RETRY),
}
VIEW_OUTCOMES: dict[View, tuple[JobOutcome, ...]] = {
    View.PARTIAL: (JobOutcome.PARTIAL,),
    View.FAILED: (JobOutcome.FAILED, JobOutcome.ERROR, JobOutcome.DISCARDED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Finished jobs that match every part; an empty part matches all.

    Values within one part are alternatives. Times are aware; `since` is included, `until` is not.
    """

    view: View = View.ALL
    providers: tuple[str, ...] = ()  #: Codes; the job asked one of them.
    error_types: tuple[ErrorType, ...] = ()  #: An image or a provider of the job failed with one of them.
    outcomes: tuple[JobOutcome, ...] = ()
    kinds: tuple[JobKind, ...] = ()
    cities: tuple[int, ...] = ()  #: Ids.
    venue: str = ""  #: An id, or part of a name.
    text: str = ""  #: Part of the summary, or the id of a job or venue.
    since: datetime | None = None
    until: datetime | None = None

    @property
    def facet(self) -> tuple[str, tuple[str, ...]] | None:
        """The hourly sums (a facet, values of it) that together count each of these jobs once.

        None if only a look at the jobs can tell. A job has one city, but may have several providers
        and error types, so that the sums of two of these do not add up.
        """
        facets = {
            "city": tuple(str(city) for city in self.cities),
            "provider": self.providers,
            "error_type": tuple(str(error_type) for error_type in self.error_types),
        }
        given = [(name, values) for name, values in facets.items() if values]
        if self.venue or self.text or len(given) > 1:
            return None
        name, values = given[0] if given else ("all", ("",))
        return (name, values) if name == "city" or len(values) == 1 else None

    @property
    def by_sums(self) -> bool:
        """Whether hourly sums of jobs can answer (`facet`)."""
        return self.facet is not None

    @property
    def narrowed(self) -> bool:
        """Whether anything but the dates narrows the choice."""
        return replace(self, since=None, until=None) != Filters()


def tidy(words: str) -> str:
    """Free text as it is searched: trimmed, one space between words, no NUL, not longer than sensible."""
    return " ".join(words.replace("\x00", " ").split())[:LONGEST_TEXT].strip()


def as_id(words: str) -> int | None:
    """The id that `words` spell, with or without a leading #; None if they spell none."""
    digits = words.removeprefix("#")
    if digits.isascii() and digits.isdigit() and len(digits) <= 19 and int(digits) <= LARGEST_ID:
        return int(digits)
    return None


def too_short(words: str) -> bool:
    """Whether `words` are some, but too few letters to search for."""
    return bool(words) and as_id(words) is None and len(words) < SHORTEST_TEXT


def span(
    period: Period, *, now: datetime, zone: ZoneInfo, first: date | None = None, last: date | None = None
) -> tuple[datetime | None, datetime]:
    """From when (None: from the beginning) until when a period reaches; days begin in the viewer's `zone`.

    `first` and `last` are the days of a custom period, both included. It never reaches beyond `now`.
    """
    today = now.astimezone(zone).date()
    if period is Period.EVER:
        return None, now
    if period is Period.CUSTOM:
        first, last = first or today, last or today
        first, last = min(first, last), max(first, last)
        until = now if last >= date.max else min(now, _midnight(last + timedelta(days=1), zone))
        return min(_midnight(first, zone), until), until
    if period is Period.TODAY:
        return _midnight(today, zone), now
    days = 7 if period is Period.WEEK else 30
    return now - timedelta(days=days), now


def previous(filters: Filters) -> Filters | None:
    """The same choice in the period of the same length just before; None for all time."""
    if filters.since is None or filters.until is None:
        return None
    try:
        return replace(filters, since=filters.since - (filters.until - filters.since), until=filters.since)
    except OverflowError:
        return None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    try:
        return datetime.combine(day, time(), zone).astimezone(UTC)
    except OverflowError:  # the first day of the calendar, east of Greenwich
        return datetime.combine(day, time(), UTC)

"""A retry in words: what it covers, how it goes, where it stands and how long it may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from ops_core.analytics.frames import kind_label, outcome_label
from ops_core.analytics.retry_frames import SampleSoFar, Standing, standing
from ops_core.db.retries import Request
from ops_core.db.retry_lists import Names
from ops_core.domain.errors import info
from ops_core.domain.filters import Filters
from ops_core.domain.retries import Failures, Scope
from ops_core.domain.retry_options import Options, When
from ops_core.domain.retry_plan import counted
from ops_core.ui import badges
from ops_core.ui.words_of_time import moment

#: Word, colour and icon of each standing.
_STANDINGS: dict[Standing, tuple[str, str, str]] = {
    Standing.SCHEDULED: ("Scheduled", "violet", "schedule"),
    Standing.WAITING: ("Waiting", "gray", "hourglass_empty"),
    Standing.RUNNING: ("Running", "blue", "autorenew"),
    Standing.PAUSED: ("Paused", "orange", "pause_circle"),
    Standing.STOPPED: ("Stopped after its sample", "orange", "front_hand"),
    Standing.CANCELLING: ("Cancelling", "gray", "hourglass_bottom"),
    Standing.COMPLETED: ("Completed", "green", "check_circle"),
    Standing.CANCELLED: ("Cancelled", "gray", "block"),
}


def scope_words(scope: Scope, names: Names, providers: Mapping[str, str], zone: str) -> str:
    """What a retry covers, for people: "Klub Żaczek (venue #12)", "Failures of Foursquare, Rate limited"."""
    if scope.venues and all(venue in names.venues for venue in scope.venues):
        called = listed([f"{names.venues[venue]}" for venue in scope.venues])
        return f"{called} (venue #{scope.venues[0]})" if len(scope.venues) == 1 else called
    if scope.failures:
        parts = _failures(scope.failures, names, providers, zone)
        return f"Failures of {', '.join(parts)}"
    if scope.filters:
        narrowed = _filters(scope.filters, names, providers, zone)
        return f"Operations: {', '.join(narrowed)}" if narrowed else "All operations"
    if scope.everything:
        return "Everything retryable"
    words = scope.in_words()
    return words[:1].upper() + words[1:]


def mode_words(options: Options, zone: str) -> str:
    """How a retry goes, its begin on the clock of `zone`: "at 23 Nov 2026, 02:00, at most 100 an hour"."""
    if options.at is None:
        return options.in_words()
    said = "off-peak," if options.when is When.OFF_PEAK else "at"
    more = replace(options, when=When.NOW, at=None).in_words().removeprefix("now")
    return f"{said} {_begin(options.at, zone)}{more}"


def standing_badge(request: Request, now: datetime, zone: str) -> str:
    """Where a retry stands, as Markdown."""
    where = standing(request, now)
    word, colour, icon = _STANDINGS[where]
    if where is Standing.SCHEDULED:
        begin, today = (at.astimezone(ZoneInfo(zone)) for at in (request.not_before, now))
        same_day = begin.date() == today.date()
        word = f"Scheduled for {begin:%H:%M}" if same_day else f"Scheduled for {begin.day} {begin:%b, %H:%M}"
    return badges.badge(word, colour, icon)


def sample_words(sample: SampleSoFar) -> str:
    """How a canary's first images do: "Sample: 4 of 10 done, 3 uploaded; goes on by itself at 80 %"."""
    said = f"Sample: {sample.ended:,} of {sample.images:,} done, {sample.uploaded:,} uploaded"
    if sample.ended == sample.images:
        return said
    return f"{said}; goes on by itself at {100 * sample.share:.0f} %"


def rate_words(per_minute: float) -> str:
    """ "120 images a minute", "3.5 images a minute"."""
    shown = f"{per_minute:,.0f}" if per_minute >= 10 else f"{per_minute:.1f}".removesuffix(".0")
    return f"{shown} image{'' if shown == '1' else 's'} a minute"


def done_words(request: Request) -> str:
    """ "340 of 1,000 images"."""
    return f"{request.images - request.open:,} of {counted(request.images, 'image')}"


def _begin(at: datetime, zone: str) -> str:
    return moment(at, zone).rpartition(":")[0]


def _failures(failures: Failures, names: Names, providers: Mapping[str, str], zone: str) -> list[str]:
    parts = [providers.get(code, code) for code in failures.providers]
    parts += [info(kind).label for kind in failures.error_types]
    parts += _places(failures.cities, names.cities, "city", "cities")
    parts += _places(failures.venues, names.venues, "venue", "venues")
    return parts + _times(failures.since, failures.until, zone)


def _filters(filters: Filters, names: Names, providers: Mapping[str, str], zone: str) -> list[str]:
    parts = [kind_label(kind) for kind in filters.kinds]
    parts += [outcome_label(outcome) for outcome in filters.outcomes]
    if filters.view.value != "all":
        parts.append(badges.words(filters.view))
    parts += [providers.get(code, code) for code in filters.providers]
    parts += [info(kind).label for kind in filters.error_types]
    parts += _places(filters.cities, names.cities, "city", "cities")
    parts += [f'"{word}"' for word in (filters.venue, filters.text) if word]
    return parts + _times(filters.since, filters.until, zone)


def _places(ids: tuple[int, ...], names: Mapping[int, str], one: str, many: str) -> list[str]:
    if not ids:
        return []
    if all(each in names for each in ids):
        return [names[each] for each in ids]
    return [f"{one} #{ids[0]}" if len(ids) == 1 else f"{len(ids):,} {many}"]


def _times(since: datetime | None, until: datetime | None, zone: str) -> list[str]:
    parts = []
    if since:
        parts.append(f"since {_begin(since, zone)}")
    if until:
        parts.append(f"until {_begin(until, zone)}")
    return parts


def listed(words: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

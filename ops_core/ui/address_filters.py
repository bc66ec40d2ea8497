"""The filters as they stand in the address: the page, its links and the export read and write them here.

Whatever stands there never raises: what is not understood is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from ops_core.domain.errors import ErrorType
from ops_core.domain.filters import Filters, Period, View, as_id, span, tidy, too_short
from ops_core.domain.jobs import JobKind, JobOutcome

Params = Mapping[str, Sequence[str]]
Word = TypeVar("Word", bound=StrEnum)

#: More values of one part than there ever are; what lies beyond is left out.
_MOST = 100
#: Days that calendars, time zones and PostgreSQL all know.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 32_503_680_000_000_000  # microseconds until the year 3000
_FIRST_DAY, _LAST_DAY = date(1970, 1, 2), date(2999, 12, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a person chose, as the widgets and the address hold it: a period, not yet its instants."""

    view: View = View.ALL
    providers: tuple[str, ...] = ()
    error_types: tuple[ErrorType, ...] = ()
    outcomes: tuple[JobOutcome, ...] = ()
    kinds: tuple[JobKind, ...] = ()
    cities: tuple[int, ...] = ()
    venue: str = ""
    text: str = ""
    period: Period = Period.WEEK
    first: date | None = None  #: Of a custom period, in the viewer's zone; included.
    last: date | None = None  #: Included.
    since: datetime | None = None  #: Of a custom period chosen in a chart, instead of whole days; included.
    until: datetime | None = None  #: Not included.

    def filters(self, now: datetime, zone: ZoneInfo) -> Filters:
        """What it means at `now` for a viewer in `zone`. Too short words do not filter."""
        since, until = span(self.period, now=now, zone=zone, first=self.first, last=self.last)
        if self.since and self.until:
            since, until = min(self.since, now), min(self.until, now)
        return Filters(
            view=self.view,
            providers=self.providers,
            error_types=self.error_types,
            outcomes=self.outcomes,
            kinds=self.kinds,
            cities=self.cities,
            venue="" if too_short(self.venue) else self.venue,
            text="" if too_short(self.text) else self.text,
            since=since,
            until=until,
        )


def choice_from(params: Params) -> Choice:
    """The choice that stands in the address."""
    first, last = _day(params, "from"), _day(params, "to")
    period = _one(params, "period", Period, Period.WEEK)
    since, until = _instant(params, "from"), _instant(params, "to")
    if period is not Period.CUSTOM:
        first = last = since = until = None
    elif since and until and since < until:
        first = last = None
    elif first or last:
        since = until = None
    else:
        period, since, until = Period.WEEK, None, None
    return Choice(
        view=_one(params, "view", View, View.ALL),
        providers=_all(params, "provider"),
        error_types=_words(params, "error", ErrorType),
        outcomes=_words(params, "status", JobOutcome),
        kinds=_words(params, "kind", JobKind),
        cities=tuple(number for word in _all(params, "city") if (number := as_id(word))),
        venue=tidy(last_word(params, "venue")),
        text=tidy(last_word(params, "q")),
        period=period,
        first=first,
        last=last,
        since=since,
        until=until,
    )


def params_of(choice: Choice) -> dict[str, list[str]]:
    """The choice as it stands in the address; what is not narrowed is left out."""
    params = {
        "view": [choice.view.value] if choice.view is not View.ALL else [],
        "provider": list(choice.providers),
        "error": [error.value for error in choice.error_types],
        "status": [outcome.value for outcome in choice.outcomes],
        "kind": [kind.value for kind in choice.kinds],
        "city": [str(city) for city in choice.cities],
        "venue": [choice.venue] if choice.venue else [],
        "q": [choice.text] if choice.text else [],
        "period": [choice.period.value] if choice.period is not Period.WEEK else [],
        "from": [bound.isoformat() for bound in (choice.since or choice.first,) if bound],
        "to": [bound.isoformat() for bound in (choice.until or choice.last,) if bound],
    }
    return {name: values for name, values in params.items() if values}


def instant_word(instant: datetime) -> str:
    """An instant as it stands in the address: microseconds since 1970, which lose nothing."""
    return str((instant - _EPOCH) // timedelta(microseconds=1))


def instant_of(word: str) -> datetime | None:
    """The instant that `instant_word` wrote; None for anything else, and beyond the year 2999."""
    microseconds = as_id(word)
    if microseconds is None or microseconds > _LATEST:
        return None
    return _EPOCH + timedelta(microseconds=microseconds)


def _all(params: Params, name: str) -> tuple[str, ...]:
    """The values of one part, each once."""
    words = (tidy(word) for word in list(params.get(name, ()))[:_MOST])
    return tuple(dict.fromkeys(word for word in words if word))


def last_word(params: Params, name: str) -> str:
    """The last value of one part; empty if it has none."""
    values = list(params.get(name, ()))
    return values[-1] if values else ""


def _words(params: Params, name: str, kind: type[Word]) -> tuple[Word, ...]:
    known = {member.value: member for member in kind}
    return tuple(known[word] for word in _all(params, name) if word in known)


def _one(params: Params, name: str, kind: type[Word], otherwise: Word) -> Word:
    found = {member.value: member for member in kind}
    return found.get(last_word(params, name), otherwise)


def _day(params: Params, name: str) -> date | None:
    try:
        day = date.fromisoformat(last_word(params, name))
    except ValueError:
        return None
    return day if _FIRST_DAY <= day <= _LAST_DAY else None


def _instant(params: Params, name: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(last_word(params, name)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    has_time = len(last_word(params, name)) > len("2026-11-22")
    return instant if has_time and _FIRST_DAY <= instant.date() <= _LAST_DAY else None

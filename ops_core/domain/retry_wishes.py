"""A retry in a person's words, from the command line or a notebook, made into its scope and options."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation

from ops_core.domain.errors import ErrorType
from ops_core.domain.filters import LARGEST_ID, as_id
from ops_core.domain.retries import Failures, Scope
from ops_core.domain.retry_options import Options, When

#: A point in time as people give it: an instant, a day, how long ago, or any of them in words.
Moment = str | datetime | date | timedelta

#: Share of its sample that lets a retry go on by itself, unless somebody says otherwise.
USUAL_SHARE = Options().sample_share

_AGO = re.compile(r"(\d{1,6}) ?([mhdw])", re.IGNORECASE)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


class Unclear(ValueError):
    """The words make no retry; the message says why and what to write."""


@dataclass(frozen=True, slots=True)
class CityName:
    """A city as people call it."""

    id: int
    name: str
    country: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the database knows by name, of what a wish speaks of."""

    providers: Sequence[str]  #: All codes.
    cities: Sequence[CityName] = ()  #: All, or those that the wish may mean.


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which failed images a person wants tried again, as given; `scope` makes sense of it."""

    images: Sequence[int] = ()
    venues: Sequence[int] = ()
    jobs: Sequence[int] = ()
    request: int | None = None
    providers: Sequence[str] = ()
    error_types: Sequence[str] = ()
    cities: Sequence[str] = ()  #: Ids, names, or names with their country: "Kraków, Poland".
    since: Moment | None = None
    until: Moment | None = None
    everything: bool = False


def scope(wish: Wish, known: Known, *, now: datetime, zone: tzinfo | None) -> Scope:
    """The scope that `wish` means. Raises `Unclear` for none, for several at once, and for unknown words.

    `zone` is where the person's clock stands; None for the clock of this machine.
    """
    narrowed = bool(wish.providers or wish.error_types or wish.cities)
    narrowed |= wish.since is not None or wish.until is not None
    failures = narrowed or bool(wish.venues)
    given = {
        "images": bool(wish.images),
        "operations": bool(wish.jobs),
        "an earlier retry": wish.request is not None,
        "everything": wish.everything,
        "venues or what failed": failures,
    }
    named = [name for name, is_given in given.items() if is_given]
    if not named:
        raise Unclear(
            "Say what to retry: venues, images, operations, an earlier retry, a provider, an error type, "
            "a city, a time, or all."
        )
    if len(named) > 1:
        raise Unclear(
            f"One retry covers one kind of thing, and this names {' and '.join(named)}: leave one out. Only "
            "venues, providers, error types, cities and times go together."
        )
    for name in ("images", "venues", "jobs"):
        _check_ids(name, getattr(wish, name))
    if wish.request is not None:
        _check_ids("retries", [wish.request])
    if not narrowed:
        return Scope(
            images=tuple(wish.images),
            venues=tuple(wish.venues),
            jobs=tuple(wish.jobs),
            request=wish.request,
            everything=wish.everything,
        )
    since = None if wish.since is None else instant(wish.since, now=now, zone=zone)
    until = None if wish.until is None else instant(wish.until, now=now, zone=zone)
    if since is not None and since >= now:
        raise Unclear(f"Nothing can have failed since {since:%Y-%m-%d %H:%M} UTC: that is still to come.")
    try:
        return Scope(
            failures=Failures(
                providers=tuple(_one_of(word, known.providers, "provider") for word in wish.providers),
                error_types=tuple(error_type(word) for word in wish.error_types),
                cities=tuple(_city(word, known.cities) for word in wish.cities),
                venues=tuple(wish.venues),
                since=since,
                until=until,
            )
        )
    except Unclear:
        raise
    except ValueError as wrong:
        raise Unclear(str(wrong)) from None


def options(
    *,
    now: datetime,
    zone: tzinfo | None,
    at: Moment | None = None,
    per_hour: int | None = None,
    usd_per_day: str | float | Decimal | None = None,
    sample: int | None = None,
    sample_share: float | None = None,
    override: bool = False,
) -> Options:
    """The options as given, `sample_share` from 0 to 1. Raises `Unclear`."""
    if sample_share is not None and not sample:
        raise Unclear("A share of uploads belongs to a sample: say how many images to try first.")
    begins = None if at is None else begin(at, now=now, zone=zone)
    try:
        return Options(
            when=When.NOW if begins is None else When.AT,
            at=begins,
            per_hour=per_hour,
            usd_per_day=None if usd_per_day is None else dollars(usd_per_day),
            sample=sample or 0,
            sample_share=USUAL_SHARE if sample_share is None else sample_share,
            override=override,
        )
    except Unclear:
        raise
    except ValueError as wrong:
        raise Unclear(str(wrong)) from None


def instant(words: Moment, *, now: datetime, zone: tzinfo | None) -> datetime:
    """When something was: "7d", "24h", "30m" or "2w" ago, a day (its begin), or a day and time. UTC.

    What has no time zone of its own is read on the clock of `zone`. Raises `Unclear`.
    """
    try:
        if isinstance(words, timedelta):
            return now.astimezone(UTC) - abs(words)
        if isinstance(words, str):
            ago = _AGO.fullmatch(words.strip())
            if ago:
                unit = _UNITS[ago[2].lower()]
                return now.astimezone(UTC) - timedelta(**{unit: int(ago[1])})
            words = datetime.fromisoformat(words.strip())
        return _utc(words, zone)
    except (ValueError, OverflowError):
        raise Unclear(
            f'"{words}" is no time: write how long ago (30m, 24h, 7d, 2w), or a day such as 2026-11-23, '
            "with a time if needed: 2026-11-23T14:00."
        ) from None


def begin(words: Moment, *, now: datetime, zone: tzinfo | None) -> datetime:
    """When something is to begin: the next time the clock of `zone` shows "02:00", or a day and time. UTC.

    A `timedelta` counts from now. Raises `Unclear`, also for what is over.
    """
    try:
        if isinstance(words, timedelta):
            begins = now.astimezone(UTC) + words
        elif isinstance(words, str) and (clock := _CLOCK.fullmatch(words.strip())):
            begins = _next(time(int(clock[1]), int(clock[2])), now, zone)
        else:
            if isinstance(words, str):
                words = datetime.fromisoformat(words.strip())
            begins = _utc(words, zone)
    except (ValueError, OverflowError):
        raise Unclear(
            f'"{words}" is no time: write a time of day such as 02:00, or a day and time: 2026-11-23T02:00.'
        ) from None
    if begins <= now:
        raise Unclear(f"{begins:%Y-%m-%d %H:%M} UTC is over: leave the time out to begin now.")
    return begins


def error_type(word: str) -> ErrorType:
    """The error type named `word`: "rate_limited", also "rate-limited" or "Rate limited".

    Raises `Unclear` with the known ones.
    """
    tidy = re.sub(r"[\s-]+", "_", word.strip().lower())
    return ErrorType(_one_of(tidy, [kind.value for kind in ErrorType], "error type", said=word))


def dollars(amount: str | float | Decimal) -> Decimal:
    """US dollars as given: "2.50", "$2.50", 2.5. Raises `Unclear`."""
    try:
        found = Decimal(str(amount).strip().removeprefix("$"))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise Unclear(f'"{amount}" is no amount: write US dollars such as 2.50.')
    return found


def expected_time(seconds: float) -> str:
    """How long something is expected to take, as roughly as it is known: "about 4 min"."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"about {seconds / 3600:.0f} h"
    return f"about {seconds / 86400:,.0f} days"


def _utc(at: datetime | date, zone: tzinfo | None) -> datetime:
    if not isinstance(at, datetime):
        at = datetime.combine(at, time())
    if at.tzinfo is None and zone is not None:
        at = at.replace(tzinfo=zone)
    return at.astimezone(UTC)  # without a zone: as the clock of this machine


def _next(clock: time, now: datetime, zone: tzinfo | None) -> datetime:
    today = now.astimezone(zone).date()
    # a third day, for the night in which a clock is put forward over that time
    days = (datetime.combine(today + timedelta(days=ahead), clock) for ahead in range(3))
    return next(at for at in (_utc(day, zone) for day in days) if at > now)


def _check_ids(name: str, ids: Iterable[int]) -> None:
    for each in ids:
        if not 1 <= each <= LARGEST_ID:
            raise Unclear(f"{each} is no id: the ids of {_NOUNS.get(name, name)} are numbers from 1.")


_NOUNS: Mapping[str, str] = {"jobs": "operations"}


def _one_of(word: str, known: Sequence[str], noun: str, *, said: str | None = None) -> str:
    if word in known:
        return word
    near = difflib.get_close_matches(word, known, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    names = ", ".join(known) or "none"
    raise Unclear(f'There is no {noun} "{word if said is None else said}".{meant} Known: {names}.')


def _city(word: str, cities: Sequence[CityName]) -> int:
    number = as_id(word.strip())
    if number is not None:
        found = [city for city in cities if city.id == number]
    else:
        said = _folded(word)
        found = [
            city for city in cities if said in (_folded(city.name), _folded(f"{city.name}, {city.country}"))
        ]
    if not found:
        raise Unclear(f'There is no city "{word}": write its id or its name.')
    if len(found) > 1:
        several = "; ".join(f"{city.name}, {city.country} (#{city.id})" for city in found)
        raise Unclear(f'There are {len(found)} cities called "{word}": {several}. Write the id of one.')
    return found[0].id


def _folded(name: str) -> str:
    return re.sub(r"[\s,]+", " ", name).strip().casefold()

"""Changing a provider's row: which values are taken, what a change is in words, who may keep copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from ops_core.domain.providers import SEED, Copies

#: What a provider can be asked for, as in `providers.capabilities`, and in words.
CAPABILITIES: Mapping[str, str] = {"photos": "photos", "search": "venues"}

LOWEST_PRIORITY = 99
#: Most calls a window may be given: beyond it calls stand closer together than the limiter can tell apart.
MOST_CALLS: Mapping[str, int] = {"per_second": 10_000, "per_minute": 600_000, "per_hour": 36_000_000}
#: The dearest call, US dollars: a price beyond it is a slip (a price per thousand calls, most likely).
DEAREST_USD = Decimal(5)
#: Digits after the point with which prices are stored.
PRICE_DIGITS = 6
#: Longest time a provider is paused for; for longer it is switched off.
LONGEST_PAUSE = timedelta(days=366)

#: Listing a venue's photos through Google's legacy interface (Place Details), US dollars; not verified.
GOOGLE_LEGACY_LISTING_USD = Decimal("0.017")

_PRICES = {"listing_usd": "listing price", "photo_usd": "photo price", "search_usd": "search price"}
_NO_LIMIT = "none"
_LIMITS = {"per_second": "a second", "per_minute": "a minute", "per_hour": "an hour"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEdit:
    """What is edited of a row together. Limits are calls, None for no limit; prices US dollars a call."""

    active: bool
    priority: int
    capabilities: frozenset[str]
    per_second: int | None = None
    per_minute: int | None = None
    per_hour: int | None = None
    listing_usd: Decimal = Decimal(0)
    photo_usd: Decimal = Decimal(0)
    search_usd: Decimal = Decimal(0)


def problems(edit: ProviderEdit) -> dict[str, str]:
    """What cannot be taken, by field: sentences that say what to do. Empty if all can."""
    found: dict[str, str] = {}
    if not 1 <= edit.priority <= LOWEST_PRIORITY:
        found["priority"] = f"Give a priority from 1 to {LOWEST_PRIORITY}; 1 is asked for first."
    if not edit.capabilities or not edit.capabilities <= CAPABILITIES.keys():
        found["capabilities"] = "Leave photos or venues on; to ask for nothing, switch the provider off."
    for field, window in _LIMITS.items():
        limit, most = getattr(edit, field), MOST_CALLS[field]
        if limit is not None and not 1 <= limit <= most:
            found[field] = f"Give from 1 to {most:,} calls {window}, or leave it empty for no limit."
    for field, name in _PRICES.items():
        usd: Decimal = getattr(edit, field)
        if not (usd.is_finite() and 0 <= usd <= DEAREST_USD):
            found[field] = (
                f"Give a {name} from $0 to ${DEAREST_USD} a call: divide a price for 1,000 calls by 1,000."
            )
        elif usd != round(usd, PRICE_DIGITS):
            found[field] = f"Give the {name} with at most {PRICE_DIGITS} digits after the point."
    return found


def changes(before: ProviderEdit, after: ProviderEdit) -> tuple[str, ...]:
    """What is different, in words for audit rows: "photo price $0.007 -> $0.01". Empty if nothing is."""
    switched = () if before.active == after.active else ("switched on" if after.active else "switched off",)
    old, new = _values(before), _values(after)
    return (*switched, *(f"{name} {old[name]} -> {new[name]}" for name in old if old[name] != new[name]))


def departures(documented: ProviderEdit, now: ProviderEdit) -> tuple[str, ...]:
    """The documented values that are not those of `now`: "photo price $0.007", "no limit an hour"."""
    theirs, ours = _values(documented), _values(now)
    return tuple(
        f"no {name}" if theirs[name] == _NO_LIMIT else f"{name} {theirs[name]}"
        for name in theirs
        if theirs[name] != ours[name]
    )


def merged(seen: ProviderEdit, wanted: ProviderEdit, now: ProviderEdit) -> ProviderEdit:
    """What a person `wanted` to change of what they had `seen`, put onto what it is `now`."""
    values: dict[str, Any] = {
        field.name: getattr(
            now if getattr(wanted, field.name) == getattr(seen, field.name) else wanted, field.name
        )
        for field in fields(ProviderEdit)
    }
    return ProviderEdit(**values)


def is_looser(before: ProviderEdit, after: ProviderEdit) -> bool:
    """Whether work that was put off may begin sooner: the provider is on again, or a limit was raised."""
    raised = any(
        old is not None and (new is None or new > old)
        for old, new in ((getattr(before, field), getattr(after, field)) for field in _LIMITS)
    )
    return after.active and (raised or not before.active)


def limits_in_words(edit: ProviderEdit) -> str:
    """ "50 a second, 3,000 a minute"; "no limit"."""
    parts = [f"{_limit(edit, field)} {each}" for field, each in _LIMITS.items() if getattr(edit, field)]
    return ", ".join(parts) or "no limit"


def asked_for(edit: ProviderEdit) -> str:
    """ "photos and venues"."""
    # what no version knows is shown as it is
    return " and ".join(CAPABILITIES.get(each, each) for each in sorted(edit.capabilities)) or "nothing"


def price(usd: Decimal) -> str:
    """US dollars with all their digits: "$0.01875", "$0.007", "$0"."""
    return f"${usd.normalize():f}" if usd else "$0"


def documented(code: str, *, google_legacy: bool = False) -> ProviderEdit | None:
    """The documented values of a provider, as new databases have them; None for one that has none.

    `google_legacy`: Google is asked through its legacy interface, which costs more.
    """
    for terms in SEED:
        if terms.code == code:
            is_legacy = google_legacy and code == "google_places"
            return ProviderEdit(
                active=True,
                priority=terms.priority,
                capabilities=frozenset(terms.capabilities),
                per_second=terms.per_second,
                per_minute=terms.per_minute,
                per_hour=terms.per_hour,
                listing_usd=GOOGLE_LEGACY_LISTING_USD if is_legacy else terms.listing_usd,
                photo_usd=terms.photo_usd,
                search_usd=terms.search_usd,
            )
    return None


def why_not_copied(name: str, copies: Copies, *, reason: str, confirmed: bool) -> str | None:
    """Why photos of the provider `name` cannot be copied yet, in a sentence that says what to do; None if so.

    Where the terms do not allow copies, that takes a reason, and somebody who confirms the right to them.
    """
    if copies is Copies.ALLOWED:
        return None
    if not confirmed:
        return f"{_terms_of(name, copies)}: confirm that you have the right to keep copies."
    if not reason.strip():
        return f"{_terms_of(name, copies)}: give a reason, such as the contract that allows them."
    return None


def why_no_pause(reason: str, until: datetime, now: datetime) -> str | None:
    """Why a provider cannot be paused like that, in a sentence that says what to do; None if it can."""
    if not reason.strip():
        return "Give a reason for the pause: others will ask."
    if until <= now:
        return "Give an end of the pause that is still to come."
    if until > now + LONGEST_PAUSE:
        return f"Pause it for at most {LONGEST_PAUSE.days} days; for longer, switch it off."
    return None


def whole_minute(at: datetime) -> datetime:
    """`at`, or the next full minute after it: two clicks in a row then pause until the same moment."""
    floor = at.replace(second=0, microsecond=0)
    return floor if floor == at else floor + timedelta(minutes=1)


def _terms_of(name: str, copies: Copies) -> str:
    if copies is Copies.FORBIDDEN:
        return f"The terms of {name} forbid copies"
    return f"The terms of {name} do not say that copies are allowed"


def _values(edit: ProviderEdit) -> dict[str, str]:
    """All but whether it is on, by name, in words."""
    return {
        "priority": str(edit.priority),
        "asked for": asked_for(edit),
        **{f"limit {each}": _limit(edit, field) for field, each in _LIMITS.items()},
        **{name: price(getattr(edit, field)) for field, name in _PRICES.items()},
    }


def _limit(edit: ProviderEdit, field: str) -> str:
    limit: int | None = getattr(edit, field)
    return _NO_LIMIT if limit is None else f"{limit:,}"

"""Finding venues at providers: ordering searches, and deciding what they could not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine

from ops_core.actions.outcomes import Refused
from ops_core.actions.steps import require, tell
from ops_core.db import audit, places, providers, searches
from ops_core.domain.access import Actor, Role
from ops_core.domain.jobs import JobKind
from ops_core.settings import get_settings
from ops_core.work import geocode

#: Venues that one click searches for, unless it says otherwise: about a minute of work, and a bounded bill.
USUAL_LIMIT = 200
#: The most.
MOST_VENUES = 5_000

#: Why there is nothing to order.
NOTHING_MISSING = (
    "No id is missing, but where it was searched for within "
    f"{searches.SEARCH_AGAIN.days} days, the venue was searched within a day, or a person decided"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingIds:
    """What a search for missing ids would ask: the order that a person sees before giving it."""

    venues: Mapping[int, Sequence[str]]  #: Venue -> the providers to search.
    searches: Mapping[str, int]  #: Provider -> how many venues it is searched for.
    cost_usd: Decimal  #: At one call each; a provider may take more.
    more: bool  #: Whether venues are left beyond the limit.
    looked_at: int | None = None  #: Only so many venues were looked at; None if all were.
    looked_to: int | None = None  #: The last of these: the next look goes on after it.


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchesQueued:
    """The searches that carry an action out."""

    job_ids: tuple[int, ...]  #: New ones.
    open_ids: tuple[int, ...] = ()  #: Searches for other venues, which were open already.
    needless: int = 0  #: Venues that were searched, or decided by a person, since they were shown.


def preview_missing_ids(
    engine: Engine,
    *,
    limit: int = USUAL_LIMIT,
    after: int | None = None,
    at_most: int | None = searches.LOOK_AT,
) -> MissingIds:
    """Venues that lack an id of a provider that can be searched, at most `limit` of them; changes nothing.

    Searches within `searches.SEARCH_AGAIN`, venues searched within `searches.TRY_AGAIN`, open searches, and
    what people decided are left alone. Looks at `at_most` venues (None: at all), from `after` on or from the
    venue that was searched last. Raises `Refused`.
    """
    if not 1 <= limit <= MOST_VENUES:
        raise Refused(f"The limit must be between 1 and {MOST_VENUES:,}.")
    with engine.connect() as connection:
        asked = _asked(connection)
        look = searches.missing(connection, asked, limit=limit + 1, after=after, at_most=at_most)
        prices = {code: provider.search_usd for code, provider in providers.active(connection).items()}
    venues = dict(list(look.venues.items())[:limit])
    counts = {code: sum(code in codes for codes in venues.values()) for code in asked}
    more = len(look.venues) > limit
    part = look.looked_to is not None and not more
    return MissingIds(
        venues=venues,
        searches={code: count for code, count in counts.items() if count},
        cost_usd=sum((count * prices[code] for code, count in counts.items()), Decimal(0)),
        more=more,
        looked_at=at_most if part else None,
        looked_to=look.looked_to if part else None,
    )


def find_venue_ids(
    engine: Engine,
    venue_ids: Sequence[int],
    *,
    actor: Actor,
    force: bool = False,
    only: Sequence[str] = (),
) -> SearchesQueued:
    """Search for these venues at every provider whose id they lack; a search that is open is not doubled.

    `force` searches again where a person had decided; `only` names the providers to search, if not all.
    Raises `Refused`.
    """
    ids, asked = list(dict.fromkeys(venue_ids)), list(dict.fromkeys(only))
    scope: dict[str, Any] = {"venue_ids": ids, "force": force} | ({"providers": asked} if asked else {})
    require(engine, actor, Role.OPERATOR, "find_venue_ids", scope)
    try:
        with engine.begin() as connection:
            if not ids:
                raise Refused("Choose at least one venue.")
            if len(ids) > MOST_VENUES:
                raise Refused(f"Choose at most {MOST_VENUES:,} venues at once.")
            gone = places.unknown_venues(connection, ids)
            if gone:
                raise Refused(f"There is no venue {', '.join(f'#{each}' for each in gone[:5])}.")
            _require_searchable(connection, asked)
            searches.hold(connection)
            open_ids = searches.open_searches(connection, ids)
            made = _enqueue(connection, dict.fromkeys(ids, asked), actor, force=force)
            queued = SearchesQueued(job_ids=made, open_ids=tuple(open_ids))
            _audit(connection, actor, "find_venue_ids", scope, _outcome(queued))
    except Refused as refused:
        _audit_refused(engine, actor, "find_venue_ids", scope, refused)
        raise
    _tell(engine, queued)
    return queued


def find_missing_ids(engine: Engine, preview: MissingIds, *, actor: Actor) -> SearchesQueued:
    """Search for the venues of `preview`, each at the providers it was shown with; no other is searched.

    What is no longer missing is left out, so that a second click and a second person order nothing twice.
    Raises `Refused`.
    """
    ids = list(preview.venues)
    scope = {"venue_ids": ids, "searches": dict(preview.searches)}
    require(engine, actor, Role.OPERATOR, "find_missing_ids", scope)
    try:
        with engine.begin() as connection:
            _require_searchable(connection)
            if not ids:
                raise Refused(f"{NOTHING_MISSING}.")
            if len(ids) > MOST_VENUES:
                raise Refused(f"Choose at most {MOST_VENUES:,} venues at once.")
            queued = _order(connection, preview, actor)
            _audit(connection, actor, "find_missing_ids", scope, _outcome(queued))
    except Refused as refused:
        _audit_refused(engine, actor, "find_missing_ids", scope, refused)
        raise
    _tell(engine, queued)
    return queued


def _order(connection: Connection, preview: MissingIds, actor: Actor) -> SearchesQueued:
    ids = list(preview.venues)
    searches.hold(connection)  # before looking: whoever came first has then made their jobs
    lacking = searches.still_missing(connection, _asked(connection), ids)
    wanted = {
        venue_id: [code for code in codes if code in lacking.get(venue_id, ())]
        for venue_id, codes in preview.venues.items()
    }
    open_ids = searches.open_searches(connection, ids)
    made = _enqueue(connection, {key: codes for key, codes in wanted.items() if codes}, actor, force=False)
    return SearchesQueued(
        job_ids=made, open_ids=tuple(open_ids), needless=len(ids) - len(made) - len(open_ids)
    )


def _asked(connection: Connection) -> dict[str, str]:
    """The providers that can be searched at this moment, with the keys of their ids."""
    active = providers.active(connection)
    able = geocode.searchable(active, get_settings())
    return {code: key for code, key in able.items() if not active[code].paused_for}


def _require_searchable(connection: Connection, only: Sequence[str] = ()) -> None:
    active, settings = providers.active(connection), get_settings()
    able = geocode.searchable(active, settings)
    for code in only:
        if code not in able:
            whys = geocode.why_not_searchable([code] if code in active else [], settings)
            why = " ".join(whys) or "It is switched off, or finds no venues."
            raise Refused(f"“{code}” cannot be searched. {why}")
    if not able:
        whys = geocode.why_not_searchable(active, settings)
        raise Refused(f"No provider can be searched. {' '.join(whys) or 'None that finds venues is on.'}")


def _enqueue(
    connection: Connection, venues: Mapping[int, Sequence[str]], actor: Actor, *, force: bool
) -> tuple[int, ...]:
    made = searches.enqueue(
        connection,
        venues,
        actor=actor.name,
        force=force,
        max_attempts=get_settings().job_max_attempts,
    )
    return tuple(made)


def _outcome(queued: SearchesQueued) -> str:
    made = queued.job_ids
    words = ["none queued"]
    if len(made) == 1:
        words = [f"1 search queued: job {made[0]}"]
    elif made:
        words = [f"{len(made):,} searches queued: jobs {made[0]} to {made[-1]}"]
    if queued.open_ids:
        words.append(f"{len(queued.open_ids):,} open already")
    if queued.needless:
        words.append(f"{queued.needless:,} need none any more")
    return "; ".join(words)


def _tell(engine: Engine, queued: SearchesQueued) -> None:
    tell(engine, JobKind.GEOCODING, queued.job_ids[: get_settings().venues_per_task])


def _audit(connection: Connection, actor: Actor, action: str, scope: Mapping[str, Any], outcome: str) -> None:
    audit.write(connection, actor=actor.name, action=action, scope=scope, outcome=outcome)


def _audit_refused(
    engine: Engine, actor: Actor, action: str, scope: Mapping[str, Any], refused: Refused
) -> None:
    with engine.begin() as connection:
        _audit(connection, actor, action, scope, f"refused: {refused}")

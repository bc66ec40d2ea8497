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


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingIds:
    """What a search for missing ids would ask now."""

    venues: Mapping[int, Sequence[str]]  #: Venue -> the providers to search.
    searches: Mapping[str, int]  #: Provider -> how many venues it is searched for.
    cost_usd: Decimal  #: At one call each; a provider may take more.
    more: bool  #: Whether venues are left beyond the limit.


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchesQueued:
    """The searches that carry an action out."""

    job_ids: tuple[int, ...]  #: New ones.
    open_ids: tuple[int, ...] = ()  #: Searches for the other venues, which were open already.


def preview_missing_ids(engine: Engine, *, limit: int = USUAL_LIMIT) -> MissingIds:
    """What `find_missing_ids` would search for now; changes nothing."""
    with engine.connect() as connection:
        return _missing(connection, limit)


def find_venue_ids(
    engine: Engine, venue_ids: Sequence[int], *, actor: Actor, force: bool = False
) -> SearchesQueued:
    """Search for these venues at every provider whose id they lack; a search that is open is not doubled.

    `force` searches again where a person had decided. Raises `Refused`.
    """
    ids = list(dict.fromkeys(venue_ids))
    scope: dict[str, Any] = {"venue_ids": ids, "force": force}
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
            _require_searchable(connection)
            queued = _enqueue(connection, dict.fromkeys(ids, ()), actor, force=force)
            _audit(connection, actor, "find_venue_ids", scope, _outcome(queued))
    except Refused as refused:
        _audit_refused(engine, actor, "find_venue_ids", scope, refused)
        raise
    _tell(engine, queued)
    return queued


def find_missing_ids(engine: Engine, *, actor: Actor, limit: int = USUAL_LIMIT) -> SearchesQueued:
    """Search for venues that lack an id of a provider that can be searched, at most `limit` of them.

    Searches within `searches.SEARCH_AGAIN`, open ones, and what people decided are left alone. Raises
    `Refused` when nothing is left to search for.
    """
    scope = {"limit": limit}
    require(engine, actor, Role.OPERATOR, "find_missing_ids", scope)
    try:
        with engine.begin() as connection:
            _require_searchable(connection)
            found = _missing(connection, limit)
            if not found.venues:
                raise Refused(
                    "No id is missing that was not searched for within "
                    f"{searches.SEARCH_AGAIN.days} days, or decided by a person."
                )
            queued = _enqueue(connection, found.venues, actor, force=False)
            _audit(connection, actor, "find_missing_ids", scope, _outcome(queued))
    except Refused as refused:
        _audit_refused(engine, actor, "find_missing_ids", scope, refused)
        raise
    _tell(engine, queued)
    return queued


def _missing(connection: Connection, limit: int) -> MissingIds:
    if not 1 <= limit <= MOST_VENUES:
        raise Refused(f"The limit must be between 1 and {MOST_VENUES:,}.")
    active = providers.active(connection)
    asked = {
        code: key
        for code, key in geocode.searchable(active, get_settings()).items()
        if not active[code].paused_for
    }
    found = searches.missing(connection, asked, limit=limit + 1) if asked else {}
    venues = dict(list(found.items())[:limit])
    counts = {code: sum(code in codes for codes in venues.values()) for code in asked}
    return MissingIds(
        venues=venues,
        searches={code: count for code, count in counts.items() if count},
        cost_usd=sum((count * active[code].search_usd for code, count in counts.items()), Decimal(0)),
        more=len(found) > limit,
    )


def _require_searchable(connection: Connection) -> None:
    active, settings = providers.active(connection), get_settings()
    if not geocode.searchable(active, settings):
        whys = geocode.why_not_searchable(active, settings)
        raise Refused(f"No provider can be searched. {' '.join(whys) or 'None that finds venues is on.'}")


def _enqueue(
    connection: Connection, venues: Mapping[int, Sequence[str]], actor: Actor, *, force: bool
) -> SearchesQueued:
    open_before = searches.open_searches(connection, list(venues))
    made = searches.enqueue(
        connection,
        venues,
        actor=actor.name,
        force=force,
        max_attempts=get_settings().job_max_attempts,
    )
    return SearchesQueued(job_ids=tuple(made), open_ids=tuple(open_before))


def _outcome(queued: SearchesQueued) -> str:
    made, left = queued.job_ids, len(queued.open_ids)
    if not made:
        return f"none queued; {left:,} open already"
    words = f"1 search queued: job {made[0]}"
    if len(made) > 1:
        words = f"{len(made):,} searches queued: jobs {made[0]} to {made[-1]}"
    return f"{words}; {left:,} open already" if left else words


def _tell(engine: Engine, queued: SearchesQueued) -> None:
    tell(engine, JobKind.GEOCODING, queued.job_ids[: get_settings().venues_per_task])


def _audit(connection: Connection, actor: Actor, action: str, scope: Mapping[str, Any], outcome: str) -> None:
    audit.write(connection, actor=actor.name, action=action, scope=scope, outcome=outcome)


def _audit_refused(
    engine: Engine, actor: Actor, action: str, scope: Mapping[str, Any], refused: Refused
) -> None:
    with engine.begin() as connection:
        _audit(connection, actor, action, scope, f"refused: {refused}")

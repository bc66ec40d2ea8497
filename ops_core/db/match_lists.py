"""Searches for venues to look at: pages of what they found, counts, and what they cost.

Pages go by key, so the last one costs what the first one does. Every count stops at `COUNT_LIMIT`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    func,
    literal,
    select,
    tuple_,
)

from ops_core.db.health import bounded
from ops_core.db.matches import Match, match_of
from ops_core.db.schema import City, JobRollup, Venue, VenueMatch
from ops_core.domain.jobs import JobKind
from ops_core.domain.matches import MatchState, id_key

#: Rows on one page of the table.
PAGE_SIZE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which matches: all that fit every part that is given."""

    states: tuple[MatchState, ...] = ()
    provider: str | None = None
    city_id: int | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A place in the list, which is newest first."""

    searched_at: datetime
    venue_id: int
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A match, and the venue it is of."""

    match: Match
    venue: str
    address: str
    city: str
    latitude: float | None
    longitude: float | None
    venue_has: str | None  #: The id that the venue has at the provider now.

    @property
    def key(self) -> Key:
        """Its place in the list."""
        return Key(self.match.searched_at, self.match.venue_id, self.match.provider)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of the matches, newest first."""

    rows: Sequence[Listed]
    has_newer: bool
    has_older: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many matches are in each state; a count of `COUNT_LIMIT` + 1 means "more"."""

    by_state: dict[MatchState, int] = field(default_factory=dict)
    searches: int = 0  #: Jobs that ended since the given time.
    cost_usd: Decimal = Decimal(0)  #: Of these.


def page(
    connection: Connection,
    wanted: Wanted,
    *,
    older_than: Key | None = None,
    newer_than: Key | None = None,
    limit: int = PAGE_SIZE,
) -> Page:
    """The newest matches that fit, or those next to a key."""
    order = (VenueMatch.searched_at, VenueMatch.venue_id, VenueMatch.provider)
    key = older_than or newer_than
    question = _listed().where(*_conditions(wanted)).limit(limit + 1)
    if key is not None:
        bound = tuple_(literal(key.searched_at), literal(key.venue_id), literal(key.provider))
        beyond = tuple_(*order) < bound if older_than else tuple_(*order) > bound
        question = question.where(beyond)
    forwards = older_than is None and newer_than is not None
    question = question.order_by(*(each.asc() if forwards else each.desc() for each in order))
    found = connection.execute(question).all()
    more, found = len(found) > limit, found[:limit]
    rows = [_of_row(row) for row in (reversed(found) if forwards else found)]
    return Page(
        rows=rows,
        has_newer=more if forwards else older_than is not None,
        has_older=True if forwards else more,
    )


def one(connection: Connection, venue_id: int, provider: str) -> Listed | None:
    """The match of one venue at one provider."""
    row = connection.execute(
        _listed().where(VenueMatch.venue_id == venue_id, VenueMatch.provider == provider)
    ).one_or_none()
    return None if row is None else _of_row(row)


def newer(connection: Connection, than: datetime) -> int:
    """How many searches at providers were made since."""
    return connection.scalar(select(bounded(VenueMatch.venue_id, VenueMatch.searched_at > than))) or 0


def counts(connection: Connection, since: datetime) -> Counts:
    """How many matches are in each state, and what was searched since (by the hour)."""
    states = {state: _in_state(state).label(state.value) for state in MatchState}
    row = connection.execute(select(*states.values())).mappings().one()
    jobs, cost = connection.execute(
        select(
            func.coalesce(func.sum(JobRollup.jobs), 0), func.coalesce(func.sum(JobRollup.cost_usd), 0)
        ).where(
            JobRollup.facet == "all",
            JobRollup.value == "",
            JobRollup.kind == JobKind.GEOCODING,
            JobRollup.hour >= since,
        )
    ).one()
    return Counts(
        by_state={state: row[state.value] for state in MatchState}, searches=int(jobs), cost_usd=cost
    )


def to_choose(connection: Connection) -> int:
    """How many searches wait for a person to choose."""
    return connection.scalar(select(_in_state(MatchState.REVIEW))) or 0


def _in_state(state: MatchState) -> ScalarSelect[int]:
    return bounded(VenueMatch.venue_id, VenueMatch.state == state)


def cities(connection: Connection) -> dict[int, str]:
    """The name of each city by its id, by name."""
    rows = connection.execute(select(City.id, City.name, City.country).order_by(City.name, City.id))
    return {row.id: f"{row.name}, {row.country}" for row in rows}


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.states:
        conditions.append(VenueMatch.state.in_(wanted.states))
    if wanted.provider is not None:
        conditions.append(VenueMatch.provider == wanted.provider)
    if wanted.city_id is not None:
        conditions.append(Venue.city_id == wanted.city_id)
    return conditions


def _listed() -> Select[tuple[object, ...]]:
    columns = [getattr(VenueMatch, name) for name in Match.__dataclass_fields__]
    return (
        select(
            *columns,
            Venue.name.label("venue"),
            Venue.address,
            Venue.latitude,
            Venue.longitude,
            Venue.provider_ids,
            City.name.label("city"),
        )
        .join(Venue, Venue.id == VenueMatch.venue_id)
        .join(City, City.id == Venue.city_id)
    )


def _of_row(row: Row[tuple[object, ...]]) -> Listed:
    return Listed(
        match=match_of(row),
        venue=row.venue,
        address=row.address,
        city=row.city,
        latitude=row.latitude,
        longitude=row.longitude,
        venue_has=row.provider_ids.get(id_key(row.provider)),
    )

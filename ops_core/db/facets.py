"""What the filters offer: the choices that exist in a stretch of time, with their numbers of operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    Text,
    func,
    literal,
    select,
    tuple_,
    union_all,
)

from ops_core.db.figures import in_torn_hours, in_whole_hours
from ops_core.db.job_filter import conditions
from ops_core.db.schema import City, Job, JobFacet, JobRollup
from ops_core.domain.errors import ErrorType
from ops_core.domain.filters import Filters
from ops_core.domain.jobs import JobKind, JobOutcome

_Choice = TypeVar("_Choice", bound=str)


@dataclass(frozen=True, slots=True)
class CityChoice:
    """A city that has operations."""

    id: int
    name: str
    country: str
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """Each choice with its operations, most first; one operation may have several providers and errors."""

    providers: Mapping[str, int]
    error_types: Mapping[ErrorType, int]
    outcomes: Mapping[JobOutcome, int]
    kinds: Mapping[JobKind, int]
    cities: tuple[CityChoice, ...]  #: By name.


def facets(connection: Connection, since: datetime | None, until: datetime | None) -> Facets:
    """The choices among the operations from `since` (included) until `until` (not included)."""
    values: dict[str, dict[str, int]] = {"provider": {}, "error_type": {}}
    for facet, value, jobs in connection.execute(_values(since, until)):
        values[facet][value] = values[facet].get(value, 0) + int(jobs)
    kinds: dict[JobKind, int] = {}
    outcomes: dict[JobOutcome, int] = {}
    cities: list[CityChoice] = []
    for row in connection.execute(_sums(since, until)):
        if row.kind is not None:
            kinds[row.kind] = int(row.jobs)
        elif row.outcome is not None:
            outcomes[JobOutcome(row.outcome)] = int(row.jobs)
        elif row.name is not None:
            cities.append(CityChoice(row.city_id, row.name, row.country, int(row.jobs)))
    return Facets(
        providers=_most_first(values["provider"]),
        error_types=_most_first({ErrorType(word): jobs for word, jobs in values["error_type"].items()}),
        outcomes=_most_first(outcomes),
        kinds=_most_first(kinds),
        cities=tuple(sorted(cities, key=lambda city: (city.name, city.country))),
    )


def _values(since: datetime | None, until: datetime | None) -> CompoundSelect[Any]:
    rolled = (
        select(JobFacet.facet, JobFacet.value, func.sum(JobFacet.jobs))
        .where(*in_whole_hours(JobFacet.hour, (since, until)))
        .group_by(JobFacet.facet, JobFacet.value)
    )
    words = {"provider": Job.providers, "error_type": Job.error_types}
    single = [
        select(literal(facet, Text), func.unnest(column).label("word"), func.count(Job.id))
        .where(*_single(since, until))
        .group_by("word")
        for facet, column in words.items()
    ]
    return union_all(rolled, *single)


def _sums(since: datetime | None, until: datetime | None) -> Select[Any]:
    rolled = (
        select(JobRollup.kind, JobRollup.outcome, JobRollup.city_id, func.sum(JobRollup.jobs).label("jobs"))
        .where(*in_whole_hours(JobRollup.hour, (since, until)))
        .group_by(JobRollup.kind, JobRollup.outcome, JobRollup.city_id)
    )
    single = (
        select(Job.kind, Job.outcome, func.coalesce(Job.city_id, 0), func.count(Job.id))
        .where(*_single(since, until))
        .group_by(Job.kind, Job.outcome, Job.city_id)
    )
    found = union_all(rolled, single).subquery("found")
    parts = (found.c.kind, found.c.outcome, found.c.city_id)
    by_part = (
        select(*parts, func.sum(found.c.jobs).label("jobs"))
        .group_by(func.grouping_sets(*(tuple_(part) for part in parts)))
        .subquery("by_part")
    )
    return select(by_part, City.name, City.country).outerjoin(City, City.id == by_part.c.city_id)


def _single(since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    """The jobs that sums of whole hours cannot tell."""
    return [*conditions(Filters(since=since, until=until)), in_torn_hours((since, until))]


def _most_first(choices: Mapping[_Choice, int]) -> dict[_Choice, int]:
    ordered = sorted(choices.items(), key=lambda choice: (-choice[1], str(choice[0])))
    return {choice: jobs for choice, jobs in ordered if jobs}

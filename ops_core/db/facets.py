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
    Text,
    cast,
    func,
    literal,
    select,
    union_all,
)

from ops_core.db.figures import in_torn_hours, in_whole_hours
from ops_core.db.job_filter import conditions
from ops_core.db.schema import City, Job, JobRollup
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
    kinds: dict[JobKind, int] = {}
    outcomes: dict[JobOutcome, int] = {}
    for kind, ended, jobs in connection.execute(_of_all(since, until)):
        outcome = JobOutcome(ended)
        kinds[kind] = kinds.get(kind, 0) + int(jobs)
        outcomes[outcome] = outcomes.get(outcome, 0) + int(jobs)
    counts: dict[str, dict[str, int]] = {facet: {} for facet in ("city", "provider", "error_type")}
    for facet, value, jobs in connection.execute(_of_values(since, until)):
        counts[facet][value] = counts[facet].get(value, 0) + int(jobs)
    return Facets(
        providers=_most_first(counts["provider"]),
        error_types=_most_first({ErrorType(word): jobs for word, jobs in counts["error_type"].items()}),
        outcomes=_most_first(outcomes),
        kinds=_most_first(kinds),
        cities=_cities(connection, {int(city_id): jobs for city_id, jobs in counts["city"].items()}),
    )


def _cities(connection: Connection, jobs: Mapping[int, int]) -> tuple[CityChoice, ...]:
    named = connection.execute(select(City.id, City.name, City.country).where(City.id.in_(jobs)))
    cities = [CityChoice(*city, jobs[city.id]) for city in named]
    return tuple(sorted(cities, key=lambda city: (city.name, city.country)))


def _of_all(since: datetime | None, until: datetime | None) -> CompoundSelect[Any]:
    """Operations by kind and outcome."""
    rolled = (
        select(JobRollup.kind, JobRollup.outcome, func.sum(JobRollup.jobs))
        .where(JobRollup.facet == "all", JobRollup.value == "")
        .where(*in_whole_hours(JobRollup.hour, (since, until)))
        .group_by(JobRollup.kind, JobRollup.outcome)
    )
    single = (
        select(Job.kind, Job.outcome, func.count(Job.id))
        .where(*_single(since, until))
        .group_by(Job.kind, Job.outcome)
    )
    return union_all(rolled, single)


def _of_values(since: datetime | None, until: datetime | None) -> CompoundSelect[Any]:
    """Operations by facet and value."""
    rolled = (
        select(JobRollup.facet, JobRollup.value, func.sum(JobRollup.jobs))
        .where(JobRollup.facet != "all", *in_whole_hours(JobRollup.hour, (since, until)))
        .group_by(JobRollup.facet, JobRollup.value)
    )
    words = {
        "city": cast(Job.city_id, Text),
        "provider": func.unnest(Job.providers),
        "error_type": func.unnest(Job.error_types),
    }
    single = [
        select(literal(facet, Text), word.label("word"), func.count(Job.id))
        .where(*_single(since, until), *([Job.city_id.is_not(None)] if facet == "city" else []))
        .group_by("word")
        for facet, word in words.items()
    ]
    return union_all(rolled, *single)


def _single(since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    """The jobs that sums of whole hours cannot tell."""
    return [*conditions(Filters(since=since, until=until)), in_torn_hours((since, until))]


def _most_first(choices: Mapping[_Choice, int]) -> dict[_Choice, int]:
    ordered = sorted(choices.items(), key=lambda choice: (-choice[1], str(choice[0])))
    return {choice: jobs for choice, jobs in ordered if jobs}

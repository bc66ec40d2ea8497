"""Filters as SQL: one set of conditions for lists, counts, figures, charts, exports and retries."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BindParameter, Boolean, ColumnElement, Text, literal, literal_column, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute

from ops_core.db.schema import Job, JobRollup, Venue
from ops_core.domain.filters import VIEW_KINDS, VIEW_OUTCOMES, Filters, as_id


def conditions(filters: Filters) -> list[ColumnElement[bool]]:
    """What a finished job must fulfil to be among those of `filters`."""
    found: list[ColumnElement[bool]] = [Job.finished_at.is_not(None)]
    if filters.since is not None:
        found.append(Job.finished_at >= filters.since)
    if filters.until is not None:
        found.append(Job.finished_at < filters.until)
    found += _kinds_and_outcomes(filters, Job)
    if filters.cities:
        found.append(Job.city_id.in_(filters.cities))
    if filters.providers:
        found.append(Job.providers.overlap(_texts(filters.providers)))
    if filters.error_types:
        # said again so that the partial index is used
        found += [
            literal_column("jobs.error_types <> '{}'", Boolean),
            Job.error_types.overlap(_texts(filters.error_types)),
        ]
    if filters.venue:
        found.append(_venue(filters.venue))
    if filters.text:
        number, said = as_id(filters.text), _contains(Job.summary, filters.text)
        found.append(said if number is None else or_(Job.id == number, Job.venue_id == number, said))
    return found


def of_sums(filters: Filters) -> list[ColumnElement[bool]] | None:
    """What hourly sums must fulfil to be of the jobs of `filters`, the dates aside; None if none are."""
    if filters.facet is None:
        return None
    name, values = filters.facet
    return [JobRollup.facet == name, JobRollup.value.in_(values), *_kinds_and_outcomes(filters, JobRollup)]


def _kinds_and_outcomes(filters: Filters, table: type[Job] | type[JobRollup]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if kinds := VIEW_KINDS.get(filters.view):
        found.append(table.kind.in_(kinds))
    if outcomes := VIEW_OUTCOMES.get(filters.view):
        found.append(table.outcome.in_([str(outcome) for outcome in outcomes]))
    if filters.kinds:
        found.append(table.kind.in_(filters.kinds))
    if filters.outcomes:
        found.append(table.outcome.in_([str(outcome) for outcome in filters.outcomes]))
    return found


def _venue(words: str) -> ColumnElement[bool]:
    number = as_id(words)
    if number is not None:
        return Job.venue_id == number
    return Job.venue_id.in_(select(Venue.id).where(_contains(Venue.name, words)))


def _contains(
    column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None], words: str
) -> ColumnElement[bool]:
    for mark in ("\\", "%", "_"):
        words = words.replace(mark, "\\" + mark)
    return column.ilike(f"%{words}%", escape="\\")


def _texts(words: Sequence[str]) -> BindParameter[list[str]]:
    return literal([str(word) for word in words], ARRAY(Text))

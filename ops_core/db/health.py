"""How the system is: work in hand, failures that are open, and which processes live.

Every count stops at `COUNT_LIMIT`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, func, literal, select
from sqlalchemy.engine import RowMapping

from ops_core.db.schema import Heartbeat, Image, Job, Provider
from ops_core.domain.errors import Classification, of_class
from ops_core.domain.images import ImageState
from ops_core.domain.jobs import JobState

#: Counting further costs time and tells a person nothing more; shown as "10,000+".
COUNT_LIMIT = 10_000

#: Seconds after which a process that has not been heard of counts as gone.
ALIVE_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJobs:
    """How many jobs are open; each count stops at `COUNT_LIMIT` + 1, which means "more"."""

    waiting: int  #: For a worker, or for another try.
    running: int  #: In a worker's hands.


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFailures:
    """Failed images by what can be done; each count stops at `COUNT_LIMIT` + 1, which means "more"."""

    transient: int  #: Automatic retries still touch them.
    ambiguous: int  #: They wait for a person's decision.
    permanent: int  #: They cannot become right by trying again.
    given_up: int  #: Their automatic retries are used up.

    @property
    def need_a_person(self) -> bool:
        """Whether somebody has to look: automatic retries will not end all of them."""
        return bool(self.ambiguous + self.permanent + self.given_up)


def open_jobs(connection: Connection) -> OpenJobs:
    """The jobs that are not finished now."""
    question = select(
        bounded(Job.id, Job.state.in_((JobState.AVAILABLE, JobState.RETRYABLE))).label("waiting"),
        bounded(Job.id, Job.state == JobState.EXECUTING).label("running"),
    )
    return OpenJobs(**connection.execute(question).mappings().one())


def open_failures(connection: Connection) -> OpenFailures:
    """The images that are failed now. A class with few of them costs a walk over all failures: cache it."""

    def failed(classification: Classification) -> ScalarSelect[int]:
        of_these = Image.error_type.in_(of_class(classification))
        return bounded(Image.id, Image.state == ImageState.FAILED, of_these)

    question = select(
        failed(Classification.TRANSIENT).label("transient"),
        failed(Classification.AMBIGUOUS).label("ambiguous"),
        failed(Classification.PERMANENT).label("permanent"),
        bounded(Image.id, Image.state == ImageState.PERMANENTLY_FAILED).label("given_up"),
    )
    return OpenFailures(**connection.execute(question).mappings().one())


def heartbeats(connection: Connection) -> Sequence[RowMapping]:
    """The processes heard of within a day, by kind, latest first; `age` in seconds of the server's clock."""
    age = func.extract("epoch", func.now() - Heartbeat.seen_at)
    question = (
        select(Heartbeat.process, Heartbeat.kind, Heartbeat.started_at, Heartbeat.seen_at, age.label("age"))
        .where(age < 24 * 3600)
        .order_by(Heartbeat.kind, Heartbeat.seen_at.desc())
    )
    return connection.execute(question).mappings().all()


def provider_names(connection: Connection) -> dict[str, str]:
    """The name people know each provider by, by code, most important first."""
    rows = connection.execute(select(Provider.code, Provider.name).order_by(Provider.priority, Provider.code))
    return {row.code: row.name for row in rows}


def ping(connection: Connection) -> None:
    """Ask the database for the least it can answer."""
    connection.execute(select(literal(1)))


def bounded(column: Any, *conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    """The number of rows that meet `conditions`; counting stops at `COUNT_LIMIT` + 1, which means "more"."""
    some = select(column).where(*conditions).limit(COUNT_LIMIT + 1).subquery()
    return select(func.count()).select_from(some).scalar_subquery()

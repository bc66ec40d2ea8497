"""Operations read out whole: all that match, piece by piece, from one moment of the database."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, case, exists, func, select, text
from sqlalchemy.orm import aliased

from ops_core.db.job_filter import conditions
from ops_core.db.references import CHOSEN_BY_JOB
from ops_core.db.schema import Attempt, City, Image, Job, Venue
from ops_core.domain.filters import Filters
from ops_core.domain.images import AttemptOutcome, ImageState

#: Rows that are in memory at a time.
PIECE = 1000
#: The database works this long on one piece before it gives up.
STATEMENT_SECONDS = 300
#: A reader that takes nothing for this long is dropped: it holds a connection, and old rows in the tables.
IDLE_SECONDS = 120

_Later = aliased(Attempt)

#: Images of a job whose last try in it failed and that are in the store now.
_RECOVERED = (
    select(func.count())
    .select_from(Attempt)
    .join(Image, Image.id == Attempt.image_id)
    .where(
        Attempt.job_id == Job.id,
        Attempt.outcome != AttemptOutcome.UPLOADED,
        Image.state == ImageState.UPLOADED,
        # a job that was run again tries an image again
        ~exists().where(
            _Later.job_id == Attempt.job_id,
            _Later.image_id == Attempt.image_id,
            _Later.number > Attempt.number,
        ),
    )
    .correlate(Job)
    .scalar_subquery()
)

_ALL = (
    select(
        Job.id,
        Job.kind,
        Job.outcome,
        Job.inserted_at.label("queued_at"),
        Job.attempted_at.label("started_at"),
        Job.finished_at,
        func.extract("epoch", Job.finished_at - Job.attempted_at).label("duration_s"),
        Job.venue_id,
        Venue.name.label("venue"),
        City.name.label("city"),
        Job.images_discovered,
        Job.images_uploaded,
        Job.images_failed,
        case((Job.images_failed > 0, _RECOVERED), else_=0).label("images_recovered_since"),
        Job.images_failed_now,
        Job.images_retryable_now,
        Job.images_existing,
        CHOSEN_BY_JOB.label("images_referenced"),
        Job.images_left,
        Job.providers,
        Job.error_types,
        Job.first_error,
        Job.cost_usd,
        Job.summary,
        Job.actor,
        Job.request_id,
    )
    .outerjoin(Venue, Venue.id == Job.venue_id)
    .outerjoin(City, City.id == Job.city_id)
    .order_by(Job.finished_at.desc(), Job.id.desc())
)

#: What each row has, in this order.
COLUMNS: tuple[str, ...] = tuple(_ALL.selected_columns.keys())


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that reads a long while, always the database as it was at its first question."""
    with engine.connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"))
            connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"))
            yield connection


def operations(connection: Connection, filters: Filters) -> Generator[Sequence[Sequence[Any]], None, None]:
    """The finished jobs that match, newest first, each as `COLUMNS`; `PIECE` of them at a time."""
    streamed = {"stream_results": True, "yield_per": PIECE}
    with connection.execute(_ALL.where(*conditions(filters)), execution_options=streamed) as rows:
        yield from rows.partitions()

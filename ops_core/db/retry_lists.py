"""Retry requests to look at: pages of them, how fast they go, and the images in one.

Pages go by key (ids rise with time), so the last one costs what the first one does. How far a request
is stands in its row; its items are read only where somebody opened it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, func, select, text

from ops_core.db import retries
from ops_core.db.retries import Request
from ops_core.db.schema import City, Image, RetryItem, RetryRequest, Venue
from ops_core.domain.retries import ItemState

#: Requests on one page, and images of one request.
PAGE_SIZE, ITEMS_PAGE = 25, 50
#: New requests are counted no further: "99+".
NEW_LIMIT = 99
#: Seconds over which the rate is taken, and images after which it is taken from those alone.
RATE_SECONDS, RATE_IMAGES = 60, 5000
#: Of a request with more failed images, what became of them since is not counted.
SINCE_LIMIT = 20_000
#: Ids in one scope that are looked up by name; more are only counted.
NAMED = 3


class Which(StrEnum):
    """Which requests a list has."""

    OPEN = "open"
    DONE = "done"  #: Completed, or cancelled and at rest.
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Requests, newest first, and whether there are others on either side."""

    requests: Sequence[Request]
    has_newer: bool
    has_older: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the ids that scopes speak of are called."""

    venues: Mapping[int, str] = field(default_factory=dict)
    cities: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsPage:
    """Images of a request by id, and whether there are others on either side."""

    rows: Sequence[Mapping[str, Any]]
    has_before: bool
    has_after: bool


def page(
    connection: Connection,
    which: Which,
    *,
    older_than: int | None = None,
    newer_than: int | None = None,
    limit: int = PAGE_SIZE,
) -> Page:
    """The newest requests, or those next to an id on one side of it; at most one side is given."""
    question = select(*retries.COLUMNS).where(*_which(which)).limit(limit + 1)
    if newer_than is not None:
        found = connection.execute(
            question.where(RetryRequest.id > newer_than).order_by(RetryRequest.id)
        ).all()
        rows = found[:limit][::-1]
        has_newer = len(found) > limit
        has_older = bool(rows) and _any(connection, which, RetryRequest.id < rows[-1].id)
    else:
        if older_than is not None:
            question = question.where(RetryRequest.id < older_than)
        found = connection.execute(question.order_by(RetryRequest.id.desc())).all()
        rows = found[:limit]
        has_older = len(found) > limit
        first = rows[0].id if rows else older_than
        has_newer = older_than is not None and _any(
            connection, which, RetryRequest.id > first if rows else RetryRequest.id >= older_than
        )
    return Page(requests=[retries.as_request(row) for row in rows], has_newer=has_newer, has_older=has_older)


def newer(connection: Connection, which: Which, than: int) -> int:
    """How many requests came after that id, counted to just above `NEW_LIMIT`."""
    some = select(RetryRequest.id).where(*_which(which), RetryRequest.id > than).limit(NEW_LIMIT + 1)
    return connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()


def of_ids(connection: Connection, ids: Sequence[int]) -> dict[int, Request]:
    """The requests with these ids, as far as there are any."""
    rows = connection.execute(select(*retries.COLUMNS).where(RetryRequest.id.in_(ids)))
    return {row.id: retries.as_request(row) for row in rows}


def names(connection: Connection, requests: Sequence[Request]) -> Names:
    """The names of the venues and cities that the scopes of these requests speak of, if they are few."""
    venues: set[int] = set()
    cities: set[int] = set()
    for request in requests:
        scope = request.scope
        parts = [(venues, scope.venues)]
        if scope.failures:
            parts += [(venues, scope.failures.venues), (cities, scope.failures.cities)]
        if scope.filters:
            parts.append((cities, scope.filters.cities))
        for found, ids in parts:
            found.update(ids if len(ids) <= NAMED else ())
    return Names(
        venues=_names(connection, Venue, venues),
        cities=_names(connection, City, cities),
    )


def rates(connection: Connection, ids: Sequence[int]) -> dict[int, float]:
    """Images a minute that ended over the last minute, of requests that have begun."""
    rows = connection.execute(
        text("""
            SELECT r.id, recent.images, extract(epoch FROM now() - greatest(
                r.started_at, now() - make_interval(secs => :seconds),
                CASE WHEN recent.images = :most THEN recent.oldest END))::float8 AS seconds
            FROM retry_requests AS r CROSS JOIN LATERAL (
                SELECT count(*) AS images, min(finished_at) AS oldest FROM (
                    SELECT finished_at FROM retry_items
                    WHERE request_id = r.id AND finished_at > now() - make_interval(secs => :seconds)
                    ORDER BY finished_at DESC LIMIT :most) AS latest
            ) AS recent
            WHERE r.id = ANY(:ids) AND r.started_at IS NOT NULL
        """),
        {"ids": list(ids), "seconds": RATE_SECONDS, "most": RATE_IMAGES},
    )
    # the first moments say nothing yet
    return {row.id: row.images * 60 / max(row.seconds, 1.0) for row in rows}


def items(
    connection: Connection,
    request_id: int,
    states: Sequence[ItemState] = (),
    *,
    after: int | None = None,
    before: int | None = None,
    limit: int = ITEMS_PAGE,
) -> ItemsPage:
    """The first images of a request, or those next to an image on one side; of these states, or of any.

    They keep their places while they change: the order is that of their ids.
    """
    mine = [RetryItem.request_id == request_id]
    if states:
        mine.append(RetryItem.state.in_(states))
    key = RetryItem.image_id
    question = select(key).where(*mine).limit(limit + 1)
    if before is not None:
        found = connection.scalars(question.where(key < before).order_by(key.desc())).all()
        ids = found[:limit][::-1]
        has_before, has_after = len(found) > limit, True
    else:
        if after is not None:
            question = question.where(key > after)
        found = connection.scalars(question.order_by(key)).all()
        ids = found[:limit]
        has_before, has_after = after is not None, len(found) > limit
    return ItemsPage(
        rows=_item_rows(connection, request_id, ids) if ids else [],
        has_before=has_before,
        has_after=has_after,
    )


def _item_rows(connection: Connection, request_id: int, ids: Sequence[int]) -> Sequence[Mapping[str, Any]]:
    columns = [
        getattr(RetryItem, name)
        for name in (
            "image_id",
            "provider",
            "was_error",
            "sample",
            "state",
            "reason",
            "job_id",
            "finished_at",
        )
    ]
    rows = connection.execute(
        select(
            *columns,
            Image.state.label("now_state"),
            Image.error_type.label("now_error"),
            Image.venue_id,
            Venue.name.label("venue"),
        )
        .join(Image, Image.id == RetryItem.image_id)
        .join(Venue, Venue.id == Image.venue_id)
        .where(RetryItem.request_id == request_id, RetryItem.image_id.in_(ids))
        .order_by(RetryItem.image_id)
    )
    return [dict(row) for row in rows.mappings()]


def tally(connection: Connection, request_id: int) -> Sequence[Mapping[str, Any]]:
    """The images of a request counted by provider, state and reason."""
    rows = connection.execute(
        select(RetryItem.provider, RetryItem.state, RetryItem.reason, func.count().label("images"))
        .where(RetryItem.request_id == request_id)
        .group_by(RetryItem.provider, RetryItem.state, RetryItem.reason)
        .order_by(RetryItem.provider, RetryItem.state, RetryItem.reason)
    )
    return [dict(row) for row in rows.mappings()]


def since(connection: Connection, request_id: int) -> Sequence[Mapping[str, Any]]:
    """What the images that ended failed in a request are now: counted by the error of then and state."""
    rows = connection.execute(
        select(RetryItem.reason, Image.state, func.count().label("images"))
        .join(Image, Image.id == RetryItem.image_id)
        .where(RetryItem.request_id == request_id, RetryItem.state == ItemState.FAILED)
        .group_by(RetryItem.reason, Image.state)
        .order_by(RetryItem.reason, Image.state)
    )
    return [dict(row) for row in rows.mappings()]


def course(
    connection: Connection, request_id: int, *, begin: datetime, step: float
) -> Sequence[Mapping[str, Any]]:
    """Images that ended, counted by state and by `step` seconds from `begin`, oldest first."""
    rows = connection.execute(
        text("""
            SELECT date_bin(make_interval(secs => :step), finished_at, :begin) AS since, state,
                count(*) AS images
            FROM retry_items WHERE request_id = :id AND finished_at IS NOT NULL
            GROUP BY 1, 2 ORDER BY 1, 2
        """),
        {"id": request_id, "begin": begin, "step": step},
    )
    return [dict(row) for row in rows.mappings()]


def reruns(connection: Connection, request_id: int, limit: int = 20) -> list[int]:
    """The requests that tried again what failed in this one, oldest first."""
    return list(
        connection.scalars(
            select(RetryRequest.id)
            .where(RetryRequest.rerun_of == request_id)
            .order_by(RetryRequest.id)
            .limit(limit)
        )
    )


def raw(connection: Connection, request_id: int) -> Mapping[str, Any] | None:
    """The request as it is stored, but for the token of its click; None if there is none."""
    found: Mapping[str, Any] | None = connection.execute(
        text("SELECT to_jsonb(retry_requests) - 'token' FROM retry_requests WHERE id = :id"),
        {"id": request_id},
    ).scalar()
    return found


def _which(which: Which) -> list[Any]:
    match which:
        case Which.OPEN:
            return [RetryRequest.finished_at.is_(None)]
        case Which.DONE:
            return [RetryRequest.finished_at.is_not(None)]
        case Which.ALL:
            return []


def _any(connection: Connection, which: Which, condition: Any) -> bool:
    some = select(RetryRequest.id).where(and_(*_which(which), condition)).limit(1)
    return connection.execute(some).first() is not None


def _names(connection: Connection, table: type[Venue] | type[City], ids: set[int]) -> dict[int, str]:
    if not ids:
        return {}
    rows = connection.execute(select(table.id, table.name).where(table.id.in_(ids)))
    return {row.id: row.name for row in rows}

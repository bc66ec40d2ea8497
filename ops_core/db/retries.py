"""Retry requests and their items: written in one transaction with their jobs, worked off, completed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert

from ops_core.db import retry_scope
from ops_core.db.schema import Image, RetryItem, RetryRequest
from ops_core.domain.errors import ErrorType
from ops_core.domain.images import MAX_RETRIES, ImageState
from ops_core.domain.retries import OPEN_ITEM_STATES, ItemState, RequestState, Scope
from ops_core.domain.retry_plan import ItemEnd, RetryPlan

#: Longest a statement of `submit` may take, milliseconds: half a million items outlast the usual limit.
SUBMIT_TIMEOUT_MS = 120_000

_SCAN_LOCK = 0x7363616E


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A retry request and how far it is."""

    id: int
    actor: str
    scope: Scope
    reason: str | None
    state: RequestState
    plan: RetryPlan
    created_at: datetime
    finished_at: datetime | None
    items: Mapping[ItemState, int]  #: Images by what became of them; states without any are not listed.


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a request was written with; `plan` counts what was inserted, and nothing else."""

    request_id: int
    plan: RetryPlan
    job_ids: list[int]  #: One job for each venue.


def submit(
    connection: Connection,
    scope: Scope,
    *,
    actor: str,
    token: str,
    reason: str = "",
    parent_id: int | None = None,
    max_attempts: int = 3,
) -> Written | None:
    """Write a request with its items and jobs; None if there is one with this `token` already.

    An image that another request takes up at the same moment stays with one of the two.
    """
    connection.execute(
        text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": str(SUBMIT_TIMEOUT_MS)}
    )
    request_id = connection.scalar(
        insert(RetryRequest)
        .values(token=token, actor=actor, scope=scope.to_json(), reason=reason or None)
        .on_conflict_do_nothing(index_elements=["token"])
        .returning(RetryRequest.id)
    )
    if request_id is None:
        return None
    plan = _insert_items(connection, request_id, scope)
    connection.execute(update(RetryRequest).where(RetryRequest.id == request_id).values(plan=plan.to_json()))
    job_ids = _insert_jobs(connection, request_id, actor, parent_id, max_attempts)
    return Written(request_id=request_id, plan=plan, job_ids=job_ids)


def _insert_items(connection: Connection, request_id: int, scope: Scope) -> RetryPlan:
    """The items of all images that are tried, and the plan that says exactly what was inserted."""
    found = retry_scope.facts(scope)
    tried = retry_scope.eligible(found)
    inserted = (
        insert(RetryItem)
        .from_select(
            ["request_id", "image_id"],
            # one order for all requests: two of them must not wait for each other in a circle
            select(literal(request_id), found.c.id).where(tried).order_by(found.c.id),
        )
        .on_conflict_do_nothing()
        .returning(RetryItem.image_id)
        .cte("inserted")
    )
    # what could be tried but was not inserted, another request took up a moment ago
    taken = found.c.in_open_request | (tried & inserted.c.image_id.is_(None))
    rows = connection.execute(
        retry_scope.grouped(found, taken).outerjoin(inserted, inserted.c.image_id == found.c.id)
    ).all()
    venues = connection.scalar(
        select(func.count(Image.venue_id.distinct()))
        .join(RetryItem, RetryItem.image_id == Image.id)
        .where(RetryItem.request_id == request_id)
    )
    return retry_scope.plan_of(connection, rows, venues=venues or 0)


def _insert_jobs(
    connection: Connection, request_id: int, actor: str, parent_id: int | None, max_attempts: int
) -> list[int]:
    rows = connection.execute(
        text("""
            INSERT INTO jobs (kind, actor, venue_id, city_id, request_id, parent_id, args, max_attempts)
            SELECT 'retry', :actor, venues.id, venues.city_id, :request_id, :parent_id,
                   jsonb_build_object('venue_id', venues.id, 'request_id', CAST(:request_id AS bigint)),
                   :max_attempts
            FROM (SELECT DISTINCT images.venue_id FROM retry_items
                  JOIN images ON images.id = retry_items.image_id
                  WHERE retry_items.request_id = :request_id) AS tried
            JOIN venues ON venues.id = tried.venue_id
            ORDER BY venues.id RETURNING id
        """),
        {"request_id": request_id, "actor": actor, "parent_id": parent_id, "max_attempts": max_attempts},
    )
    return list(rows.scalars())


def request(connection: Connection, request_id: int) -> Request | None:
    """The request with this id, or None."""
    return _request(connection, RetryRequest.id == request_id)


def request_of_token(connection: Connection, token: str) -> Request | None:
    """The request a click made before, or None."""
    return _request(connection, RetryRequest.token == token)


def _request(connection: Connection, which: Any) -> Request | None:
    columns = [getattr(RetryRequest, name) for name in Request.__dataclass_fields__ if name != "items"]
    row = connection.execute(select(*columns).where(which)).one_or_none()
    if row is None:
        return None
    counted = (
        select(RetryItem.state, func.count().label("images"))
        .where(RetryItem.request_id == row.id)
        .group_by(RetryItem.state)
    )
    counts = {each.state: each.images for each in connection.execute(counted)}
    return Request(
        **{
            **row._mapping,
            "scope": Scope.from_json(row.scope),
            "plan": RetryPlan.from_json(row.plan),
            "items": {state: counts[state] for state in ItemState if state in counts},
        }
    )


def begin(connection: Connection, request_id: int, venue_id: int) -> list[int]:
    """Mark a venue's part of a request as running; its open images, best first."""
    connection.execute(
        update(RetryRequest)
        .where(RetryRequest.id == request_id, RetryRequest.state == RequestState.PENDING)
        .values(state=RequestState.RUNNING)
    )
    items = open_items(connection, request_id, venue_id)
    connection.execute(
        update(RetryItem)
        .where(
            RetryItem.request_id == request_id,
            RetryItem.image_id.in_([item.image_id for item in items]),
            RetryItem.state == ItemState.QUEUED,
        )
        .values(state=ItemState.RUNNING)
    )
    return [item.image_id for item in items]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItem:
    """An image of a request that has no end yet, and what it is now."""

    image_id: int
    provider: str
    state: ImageState
    error_type: ErrorType | None
    at_limit: bool


def open_items(connection: Connection, request_id: int, venue_id: int) -> list[OpenItem]:
    """A venue's images in a request that have no end yet, best first."""
    rows = connection.execute(
        select(
            Image.id.label("image_id"),
            Image.provider,
            Image.state,
            Image.error_type,
            (Image.retry_count >= MAX_RETRIES).label("at_limit"),
        )
        .join(RetryItem, RetryItem.image_id == Image.id)
        .where(
            Image.venue_id == venue_id,
            RetryItem.request_id == request_id,
            RetryItem.state.in_(OPEN_ITEM_STATES),
        )
        .order_by(Image.position, Image.id)
    )
    return [OpenItem(**row._mapping) for row in rows]


def hold(connection: Connection, request_id: int) -> None:
    """Keep others from ending parts of this request until the transaction ends.

    Without it, two jobs that end at once would each see the other's items open, and nobody would
    complete the request. It comes before all other locks of the transaction.
    """
    connection.execute(
        text("SELECT FROM retry_requests WHERE id = :id FOR NO KEY UPDATE"), {"id": request_id}
    )


def end_items(connection: Connection, request_id: int, ends: Mapping[int, ItemEnd]) -> None:
    """Write what became of images, by image id, and complete the request if none is open any more."""
    rows = [{"image_id": key, "state": end.state, "reason": end.reason} for key, end in ends.items()]
    connection.execute(
        text("""
            UPDATE retry_items SET state = new.state::item_state, reason = new.reason, finished_at = now()
            FROM jsonb_to_recordset(CAST(:ends AS jsonb)) AS new(image_id bigint, state text, reason text)
            WHERE retry_items.request_id = :id AND retry_items.image_id = new.image_id
              AND retry_items.state IN ('queued', 'running')
        """),
        {"id": request_id, "ends": json.dumps(rows)},
    )
    connection.execute(
        text("""
            UPDATE retry_requests SET state = 'completed', finished_at = now()
            WHERE id = :id AND finished_at IS NULL AND NOT EXISTS (
                SELECT FROM retry_items WHERE request_id = :id AND state IN ('queued', 'running'))
        """),
        {"id": request_id},
    )


def scan_asked_for(connection: Connection, token: str) -> int | None:
    """The cleanup scan that is open, or that a click with this `token` made before.

    Whoever asks holds all others off until the transaction ends, so that two clicks make one scan.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCAN_LOCK})
    found: int | None = connection.scalar(
        text("""
            SELECT id FROM (
                SELECT id, false AS ended FROM jobs
                WHERE kind = 'cleanup' AND state IN ('available', 'executing', 'retryable')
                UNION ALL
                SELECT id, true FROM jobs
                WHERE kind = 'cleanup' AND finished_at IS NOT NULL AND args->>'token' = :token
            ) AS scans ORDER BY ended DESC, id LIMIT 1
        """),
        {"token": token},
    )
    return found

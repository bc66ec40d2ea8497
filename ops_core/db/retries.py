"""Retry requests and their items: written in one transaction, worked off, completed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert

from ops_core.db import forecast as forecasts
from ops_core.db import retry_scope
from ops_core.db.schema import Image, RetryItem, RetryRequest
from ops_core.domain.errors import ErrorType
from ops_core.domain.forecast import Forecast
from ops_core.domain.images import MAX_RETRIES, ImageState
from ops_core.domain.retries import OPEN_ITEM_STATES, ItemState, RequestState, Scope
from ops_core.domain.retry_options import Options
from ops_core.domain.retry_plan import ItemEnd, RetryPlan, SkipReason

#: Longest a statement on all items of a request may take, milliseconds: half a million of them outlast
#: the usual limit on a busy machine, and what could be ordered must be possible to cancel.
ALL_ITEMS_TIMEOUT_MS = 120_000

_SCAN_LOCK = 0x7363616E


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A retry request and how far it is."""

    id: int
    actor: str
    scope: Scope
    options: Options
    reason: str | None
    state: RequestState
    state_reason: str | None  #: Why it is paused or cancelled, for people.
    plan: RetryPlan
    forecast: Forecast | None
    rerun_of: int | None
    not_before: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    sample_decided: bool
    images: int
    uploaded: int
    failed: int
    skipped: int
    let_go: int  #: Released by a cancel before their turn came.
    calls: int
    cost_usd: Decimal

    @property
    def open(self) -> int:
        """Images that have no end yet."""
        return self.images - self.uploaded - self.failed - self.skipped - self.let_go


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a request was written with; `plan` counts what was inserted, and nothing else."""

    request_id: int
    plan: RetryPlan
    forecast: Forecast


def take_time(connection: Connection) -> None:
    """Let the statements of this transaction take as long as all items of a request may need."""
    connection.execute(
        text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": str(ALL_ITEMS_TIMEOUT_MS)}
    )


def submit(
    connection: Connection,
    scope: Scope,
    *,
    actor: str,
    token: str,
    options: Options = Options(),
    reason: str = "",
    blocked: Mapping[str, SkipReason] | None = None,
    scan_id: int | None = None,
) -> Written | None:
    """Write a request with its frozen items; None if there is one with this `token` already.

    An image that another request takes up at the same moment stays with one of the two. Nothing is
    handed to workers here: `db.retry_release` does that, when it is time.
    """
    take_time(connection)
    request_id = connection.scalar(
        insert(RetryRequest)
        .values(
            token=token,
            actor=actor,
            scope=scope.to_json(),
            options=options.to_json(),
            reason=reason or None,
            rerun_of=scope.request,
            scan_id=scan_id,
            not_before=options.at or func.now(),
        )
        .on_conflict_do_nothing(index_elements=["token"])
        .returning(RetryRequest.id)
    )
    if request_id is None:
        return None
    plan = _insert_items(connection, request_id, scope, options, blocked or {})
    expected = forecasts.of(connection, plan, options)
    connection.execute(
        update(RetryRequest)
        .where(RetryRequest.id == request_id)
        .values(plan=plan.to_json(), forecast=expected.to_json(), images=plan.images)
    )
    if options.sample:
        _choose_sample(connection, request_id, options.sample)
    return Written(request_id=request_id, plan=plan, forecast=expected)


def _insert_items(
    connection: Connection,
    request_id: int,
    scope: Scope,
    options: Options,
    blocked: Mapping[str, SkipReason],
) -> RetryPlan:
    """The items of all images that are tried, and the plan that says exactly what was inserted."""
    found = retry_scope.facts(scope)
    tried = retry_scope.eligible(found, override=options.override, blocked=blocked)
    inserted = (
        insert(RetryItem)
        .from_select(
            ["request_id", "image_id", "provider", "was_error"],
            # one order for all requests: two of them must not wait for each other in a circle
            select(literal(request_id), found.c.id, found.c.provider, found.c.error_type)
            .where(tried)
            .order_by(found.c.id),
        )
        .on_conflict_do_nothing()
        .returning(RetryItem.image_id)
        .cte("inserted")
    )
    # what could be tried but was not inserted, another request took up a moment ago
    taken = found.c.in_open_request | (tried & inserted.c.image_id.is_(None))
    rows = connection.execute(
        retry_scope.grouped(found, taken, blocked).outerjoin(inserted, inserted.c.image_id == found.c.id)
    ).all()
    venues = connection.scalar(
        select(func.count(Image.venue_id.distinct()))
        .join(RetryItem, RetryItem.image_id == Image.id)
        .where(RetryItem.request_id == request_id)
    )
    return retry_scope.plan_of(connection, rows, venues=venues or 0, override=options.override)


def _choose_sample(connection: Connection, request_id: int, size: int) -> None:
    """Mark the images that are tried first: a mix of all, the same each time it is asked."""
    connection.execute(
        text("""
            UPDATE retry_items SET sample = true
            WHERE request_id = :id AND image_id IN (
                SELECT image_id FROM retry_items WHERE request_id = :id
                ORDER BY hashint8extended(image_id, :id), image_id LIMIT :size)
        """),
        {"id": request_id, "size": size},
    )


def request(connection: Connection, request_id: int) -> Request | None:
    """The request with this id, or None."""
    return _request(connection, RetryRequest.id == request_id)


def request_of_token(connection: Connection, token: str) -> Request | None:
    """The request a click made before, or None."""
    return _request(connection, RetryRequest.token == token)


#: What `as_request` needs of a row.
COLUMNS = tuple(getattr(RetryRequest, name) for name in Request.__dataclass_fields__)


def as_request(row: Any) -> Request:
    """The request in a row of `COLUMNS`."""
    read: dict[str, Any] = {
        "scope": Scope.from_json(row.scope),
        "options": Options.from_json(row.options),
        "plan": RetryPlan.from_json(row.plan),
        "forecast": Forecast.from_json(row.forecast),
    }
    return Request(**{name: read.get(name, getattr(row, name)) for name in Request.__dataclass_fields__})


def _request(connection: Connection, which: Any) -> Request | None:
    row = connection.execute(select(*COLUMNS).where(which)).one_or_none()
    return None if row is None else as_request(row)


def begin(connection: Connection, request_id: int, job_id: int) -> RequestState:
    """Mark a job's part of a request as running, unless the request is held; the request's state.

    Pausing and cancelling wait until the transaction ends.
    """
    state: RequestState = connection.execute(
        select(RetryRequest.state).where(RetryRequest.id == request_id).with_for_update(key_share=True)
    ).scalar_one()
    if state in (RequestState.PENDING, RequestState.RUNNING):
        connection.execute(
            update(RetryItem)
            .where(RetryItem.job_id == job_id, RetryItem.state == ItemState.QUEUED)
            .values(state=ItemState.RUNNING)
        )
    return state


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItem:
    """An image of a request that has no end yet, and what it is now."""

    image_id: int
    provider: str
    state: ImageState
    error_type: ErrorType | None
    at_limit: bool


def open_items(connection: Connection, job_id: int) -> list[OpenItem]:
    """The images that a retry job has and that have no end yet, best first."""
    rows = connection.execute(
        select(
            Image.id.label("image_id"),
            Image.provider,
            Image.state,
            Image.error_type,
            (Image.retry_count >= MAX_RETRIES).label("at_limit"),
        )
        .join(RetryItem, RetryItem.image_id == Image.id)
        .where(RetryItem.job_id == job_id, RetryItem.state.in_(OPEN_ITEM_STATES))
        .order_by(Image.position, Image.id)
    )
    return [OpenItem(**row._mapping) for row in rows]


def hold(connection: Connection, request_id: int) -> RequestState | None:
    """Keep others from changing this request until the transaction ends; its state, None if unknown.

    Without it, two jobs that end at once would each see the other's items open, and nobody would
    complete the request. It comes before all other locks of the transaction.
    """
    state: RequestState | None = connection.execute(
        select(RetryRequest.state).where(RetryRequest.id == request_id).with_for_update(key_share=True)
    ).scalar_one_or_none()
    return state


def end_items(
    connection: Connection,
    request_id: int,
    ends: Mapping[int, ItemEnd],
    *,
    calls: int = 0,
    cost_usd: Decimal = Decimal(0),
) -> None:
    """Write what became of images, by image id, and what that took; complete the request if none is open.

    The request is held (`hold`).
    """
    rows = [{"image_id": key, "state": end.state, "reason": end.reason} for key, end in sorted(ends.items())]
    ended = connection.execute(
        text("""
            WITH ended AS (
                UPDATE retry_items SET state = new.state::item_state, reason = new.reason, finished_at = now()
                FROM jsonb_to_recordset(CAST(:ends AS jsonb))
                    AS new(image_id bigint, state text, reason text)
                WHERE retry_items.request_id = :id AND retry_items.image_id = new.image_id
                  AND retry_items.state IN ('queued', 'running')
                RETURNING retry_items.state
            )
            SELECT state::text, count(*) AS images FROM ended GROUP BY 1
        """),
        {"id": request_id, "ends": json.dumps(rows)},
    )
    counts = {row.state: row.images for row in ended}
    count(connection, request_id, counts, calls=calls, cost_usd=cost_usd)


def count(
    connection: Connection,
    request_id: int,
    ended: Mapping[str, int],
    *,
    calls: int = 0,
    cost_usd: Decimal = Decimal(0),
) -> None:
    """Count items that ended, by item state, and complete the request if none is open any more."""
    connection.execute(
        text("""
            UPDATE retry_requests SET uploaded = uploaded + :uploaded, failed = failed + :failed,
                skipped = skipped + :skipped, let_go = let_go + :released,
                calls = calls + :calls, cost_usd = cost_usd + :cost
            WHERE id = :id
        """),
        {
            "id": request_id,
            "calls": calls,
            "cost": cost_usd,
            **{
                state.value: ended.get(state.value, 0) for state in ItemState if state not in OPEN_ITEM_STATES
            },
        },
    )
    connection.execute(
        text("""
            UPDATE retry_requests SET finished_at = clock_timestamp(),
                state = CASE WHEN state = 'cancelled' THEN state ELSE 'completed' END,
                state_reason = CASE WHEN state = 'cancelled' THEN state_reason END
            WHERE id = :id AND finished_at IS NULL AND images = uploaded + failed + skipped + let_go
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

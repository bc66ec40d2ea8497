"""Retry requests for tests of what reads them: rows as the engine leaves them, without running it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from ops_core.db import schema
from ops_core.domain.errors import ErrorType
from ops_core.domain.images import ImageState
from ops_core.domain.retries import ItemState, RequestState, Scope
from ops_core.domain.retry_options import Options
from ops_core.domain.retry_plan import Group, RetryPlan, make_plan
from tests.support.factories import make_image, make_venue

_numbers = count(1)
_COUNTERS = {
    ItemState.UPLOADED: "uploaded",
    ItemState.FAILED: "failed",
    ItemState.SKIPPED: "skipped",
    ItemState.RELEASED: "let_go",
}


def plan_of(images: int, venues: int = 1, provider: str = "google_places") -> RetryPlan:
    """The plan to try `images` rate limited images of one provider."""
    group = Group(
        provider=provider,
        state=ImageState.FAILED,
        error_type=ErrorType.RATE_LIMITED,
        at_limit=False,
        in_open_request=False,
        images=images,
    )
    return make_plan([group] if images else [], venues=venues, prices={})


def make_request(
    connection: Connection,
    scope: Scope | None = None,
    *,
    images: int = 10,
    options: Options | None = None,
    plan: RetryPlan | None = None,
    **columns: Any,
) -> Row[Any]:
    """A request for `images` images, as its row alone; running unless said otherwise."""
    now = datetime.now(UTC)
    options = options or Options()
    state = RequestState(columns.get("state", RequestState.RUNNING))
    values: dict[str, Any] = {
        "token": f"token-{next(_numbers)}",
        "actor": "tests",
        "scope": (scope or Scope(everything=True)).to_json(),
        "options": options.to_json(),
        "plan": (plan or plan_of(images)).to_json(),
        "images": images,
        "state": state,
        "not_before": options.at or now,
    }
    if state is not RequestState.PENDING:
        values["started_at"] = now - timedelta(minutes=2)
    if state is RequestState.COMPLETED:
        values |= {"finished_at": now, "uploaded": images}
    if state is RequestState.CANCELLED:
        values |= {"finished_at": now, "let_go": images}
    table = schema.RetryRequest.__table__
    return connection.execute(insert(table).values(**values | columns).returning(*table.columns)).one()


def make_retry(
    connection: Connection,
    ends: Sequence[ItemState | tuple[ItemState, str] | ErrorType],
    *,
    venue: Row[Any] | None = None,
    provider: str = "google_places",
    ended_at: datetime | None = None,
    job_id: int | None = None,
    sample: int = 0,
    **columns: Any,
) -> Row[Any]:
    """A request with an image of `venue` (or of a new one) for each of `ends`, and the counters these make.

    An end is the state of the item, with its reason if it has one; an error type is a failure.
    """
    venue = venue or make_venue(connection)
    states = [_state(end) for end in ends]
    counters = {name: sum(state is each for each, _ in states) for state, name in _COUNTERS.items()}
    has_open = sum(counters.values()) < len(states)
    defaults: dict[str, Any] = {"state": RequestState.RUNNING if has_open else RequestState.COMPLETED}
    request = make_request(
        connection,
        columns.pop("scope", None) or Scope(venues=(venue.id,)),
        images=len(states),
        **defaults | counters | columns,
    )
    for position, (state, reason) in enumerate(states):
        stored = state is ItemState.UPLOADED
        error = ErrorType(reason) if state is ItemState.FAILED and reason else ErrorType.RATE_LIMITED
        image = make_image(
            connection,
            venue,
            provider=provider,
            position=position,
            **({} if stored else {"state": ImageState.FAILED, "error_type": error}),
        )
        connection.execute(
            insert(schema.RetryItem.__table__).values(
                request_id=request.id,
                image_id=image.id,
                provider=provider,
                was_error=ErrorType.RATE_LIMITED,
                sample=position < sample,
                state=state,
                reason=reason,
                job_id=None if state is ItemState.QUEUED else job_id,
                finished_at=(ended_at or datetime.now(UTC)) if state in _COUNTERS else None,
            )
        )
    return request


def item_images(connection: Connection, request: Row[Any]) -> list[int]:
    """The ids of the images of a request, in order."""
    columns = schema.RetryItem.__table__.columns
    return list(
        connection.scalars(
            select(columns.image_id).where(columns.request_id == request.id).order_by(columns.image_id)
        )
    )


def _state(end: ItemState | tuple[ItemState, str] | ErrorType) -> tuple[ItemState, str | None]:
    if isinstance(end, ErrorType):
        return ItemState.FAILED, end.value
    return (end, None) if isinstance(end, ItemState) else end

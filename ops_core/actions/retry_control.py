"""Steering retries that are under way."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Engine

from ops_core.actions.outcomes import Refused
from ops_core.actions.steps import require, tell
from ops_core.db import audit, retries, retry_control, retry_release
from ops_core.db.retries import Request
from ops_core.domain.access import Actor, Role
from ops_core.domain.jobs import JobKind
from ops_core.domain.retries import RequestState
from ops_core.settings import get_settings

_UNDER_WAY = (RequestState.PENDING, RequestState.RUNNING)


def pause_retry(engine: Engine, request_id: int, *, actor: Actor) -> Request:
    """Hand out nothing more of a retry; what workers have begun finishes. Raises `Refused`."""

    def change(connection: Connection, request: Request) -> None:
        if request.state not in _UNDER_WAY:
            raise Refused(f"Retry #{request.id} is {_now(request)}: there is nothing to pause.")
        retry_control.pause(connection, request.id, f"paused by {actor.name}")

    return _steer(engine, request_id, actor, "pause_retry", change)


def resume_retry(engine: Engine, request_id: int, *, actor: Actor) -> Request:
    """Go on with a paused retry, also after a sample that did badly. Raises `Refused`."""
    settings = get_settings()
    job_ids: list[int] = []

    def change(connection: Connection, request: Request) -> None:
        if request.state is not RequestState.PAUSED:
            raise Refused(f"Retry #{request.id} is {_now(request)}: there is nothing to resume.")
        job_ids.extend(retry_control.resume(connection, request.id))
        job_ids.extend(retry_release.release(connection, request.id, max_attempts=settings.job_max_attempts))

    done = _steer(engine, request_id, actor, "resume_retry", change)
    tell(engine, JobKind.RETRY, job_ids[: settings.venues_per_task])
    return done


def cancel_retry(engine: Engine, request_id: int, *, actor: Actor) -> Request:
    """End a retry: what workers have begun finishes, the rest is let go. Raises `Refused`."""

    def change(connection: Connection, request: Request) -> None:
        if request.finished_at is not None or request.state is RequestState.CANCELLED:
            raise Refused(f"Retry #{request.id} is {_now(request)}: there is nothing to cancel.")
        retry_control.cancel(connection, request.id, f"cancelled by {actor.name}")

    return _steer(engine, request_id, actor, "cancel_retry", change)


def _steer(
    engine: Engine,
    request_id: int,
    actor: Actor,
    action: str,
    change: Callable[[Connection, Request], None],
) -> Request:
    scope = {"request": request_id}
    require(engine, actor, Role.OPERATOR, action, scope)
    try:
        with engine.begin() as connection:
            retries.hold(connection, request_id)
            before = retries.request(connection, request_id)
            if before is None:
                raise Refused(f"There is no retry #{request_id}.")
            change(connection, before)
            after = retries.request(connection, request_id)
            assert after is not None
            outcome = f"{after.state.value}: {after.open:,} of {after.images:,} images open"
            audit.write(connection, actor=actor.name, action=action, scope=scope, outcome=outcome)
            return after
    except Refused as refused:
        with engine.begin() as connection:
            audit.write(
                connection, actor=actor.name, action=action, scope=scope, outcome=f"refused: {refused}"
            )
        raise


def _now(request: Request) -> str:
    if request.state is RequestState.CANCELLED and request.finished_at is None:
        return "being cancelled"
    return request.state.value

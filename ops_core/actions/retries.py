"""Trying failed images again."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from ops_core.actions.outcomes import Changed, Queued, Refused, Submitted
from ops_core.actions.steps import require, tell
from ops_core.db import audit, jobs, places, retries, retry_scope
from ops_core.db.retries import Request, Written
from ops_core.domain.access import Actor, Role
from ops_core.domain.jobs import JobKind
from ops_core.domain.retries import Scope
from ops_core.domain.retry_plan import RetryPlan
from ops_core.settings import get_settings


def preview_retry(engine: Engine, scope: Scope) -> RetryPlan:
    """What a retry of `scope` would do now; changes nothing."""
    with engine.connect() as connection:
        return retry_scope.plan(connection, scope)


def submit_retry(
    engine: Engine,
    scope: Scope,
    *,
    actor: Actor,
    token: str,
    expected: RetryPlan | None = None,
    reason: str = "",
) -> Submitted:
    """Order a retry of `scope`; the same `token` never makes a second one.

    What is reported is what was written. Raises `Changed` when that is not `expected`, the plan the
    person was shown, and `Refused` when nothing can be retried; then nothing is written.
    """
    require(engine, actor, Role.OPERATOR, "submit_retry", scope.to_json())
    try:
        return _submit(engine, scope, actor, token, expected, reason)
    except Refused as refused:
        with engine.begin() as connection:
            _audit(connection, actor, scope, f"refused: {refused}")
        raise


def _submit(
    engine: Engine, scope: Scope, actor: Actor, token: str, expected: RetryPlan | None, reason: str
) -> Submitted:
    settings = get_settings()
    with engine.begin() as connection:
        earlier = retries.request_of_token(connection, token)
        if earlier is None:
            written = retries.submit(
                connection,
                scope,
                actor=actor.name,
                token=token,
                reason=reason,
                max_attempts=settings.job_max_attempts,
            )
            # else the other click of a double click was quicker by a moment
            earlier = retries.request_of_token(connection, token) if written is None else None
        if earlier is not None:
            return _found(connection, earlier, scope, actor)
        assert written is not None
        _check(scope, written.plan, expected)
        _audit(connection, actor, scope, f"request {written.request_id} queued: {written.plan.in_words()}")
    tell(engine, JobKind.RETRY, written.job_ids[: settings.venues_per_task])
    return _submitted(written)


def retry_venue(engine: Engine, venue_id: int, *, actor: Actor, token: str) -> Submitted:
    """Order a retry of one venue's failed images. Raises `Refused` as `submit_retry` does."""
    scope = Scope(venues=(venue_id,))
    require(engine, actor, Role.OPERATOR, "submit_retry", scope.to_json())
    with engine.connect() as connection:
        if places.venue_context(connection, venue_id) is None:
            raise Refused(f"There is no venue #{venue_id}.")
    return submit_retry(engine, scope, actor=actor, token=token)


def retry_all_failed(engine: Engine, *, actor: Actor, token: str) -> Queued:
    """Queue the cleanup scan, which retries all that can be retried; one that is open is not doubled.

    The same `token` never makes a second one. Raises `Refused`.
    """
    require(engine, actor, Role.OPERATOR, "retry_all_failed", {})
    with engine.begin() as connection:
        found = retries.scan_asked_for(connection, token)
        if found is not None:
            jobs.hurry(connection, found, force=False)
        job_id = found or jobs.enqueue(
            connection,
            JobKind.CLEANUP,
            actor=actor.name,
            args={"token": token},
            max_attempts=get_settings().job_max_attempts,
        )
        outcome = f"job {job_id} queued" if found is None else f"job {job_id} was queued already"
        audit.write(connection, actor=actor.name, action="retry_all_failed", scope={}, outcome=outcome)
    tell(engine, JobKind.CLEANUP, [job_id])
    return Queued(job_id, found is None)


def _check(scope: Scope, plan: RetryPlan, expected: RetryPlan | None) -> None:
    if expected is not None and plan != expected:
        raise Changed(plan)
    if not plan.images:
        why = plan.skipped_in_words()
        what = f": {why}" if why else "; no image there has failed"
        raise Refused(f"Nothing to retry for {scope.in_words()}{what}.")


def _found(connection: Connection, earlier: Request, scope: Scope, actor: Actor) -> Submitted:
    _audit(connection, actor, scope, f"request {earlier.id} was queued already")
    plan = earlier.plan
    return Submitted(request_id=earlier.id, is_new=False, images=plan.images, venues=plan.venues, plan=plan)


def _submitted(written: Written) -> Submitted:
    plan = written.plan
    return Submitted(
        request_id=written.request_id, is_new=True, images=plan.images, venues=plan.venues, plan=plan
    )


def _audit(connection: Connection, actor: Actor, scope: Scope, outcome: str) -> None:
    audit.write(connection, actor=actor.name, action="submit_retry", scope=scope.to_json(), outcome=outcome)

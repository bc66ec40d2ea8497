"""Trying failed images again."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from ops_core.actions.outcomes import AlreadyOpen, Changed, Preview, Queued, Refused, Submitted
from ops_core.actions.steps import require, tell
from ops_core.db import audit, forecast, jobs, places, retries, retry_release, retry_scope
from ops_core.db.retries import Request, Written
from ops_core.domain.access import Actor, Role
from ops_core.domain.jobs import JobKind
from ops_core.domain.off_peak import OffPeak
from ops_core.domain.retries import Scope
from ops_core.domain.retry_options import Options
from ops_core.domain.retry_plan import RetryPlan
from ops_core.settings import get_settings
from ops_core.work.blocked import blocked
from ops_core.work.reasons import clean


def preview_retry(engine: Engine, scope: Scope, options: Options = Options()) -> Preview:
    """What a retry of `scope` would do now, and what to expect of it; changes nothing."""
    with engine.connect() as connection:
        closed = blocked(connection, get_settings())
        plan = retry_scope.plan(connection, scope, override=options.override, blocked=closed)
        return Preview(plan=plan, forecast=forecast.of(connection, plan, options))


def choose_off_peak(engine: Engine, plan: RetryPlan) -> OffPeak:
    """The hour in which the providers of `plan` failed least and had room, and what it was chosen from."""
    with engine.connect() as connection:
        return forecast.off_peak(connection, plan)


def submit_retry(
    engine: Engine,
    scope: Scope,
    *,
    actor: Actor,
    token: str,
    options: Options = Options(),
    expected: RetryPlan | None = None,
    reason: str = "",
) -> Submitted:
    """Order a retry of `scope`; the same `token` never makes a second one.

    What is reported is what was written. Raises `Changed` when that is not the work of `expected`, the
    plan the person was shown, `AlreadyOpen` when open retries have all there is, and `Refused` when
    nothing can be retried or the options make no sense; then nothing is written.
    """
    require(engine, actor, Role.OPERATOR, "submit_retry", scope.to_json())
    try:
        return _submit(engine, scope, actor, token, options, expected, clean(reason))
    except Refused as refused:
        with engine.begin() as connection:
            _audit(connection, actor, scope, f"refused: {refused}")
        raise


def _submit(
    engine: Engine,
    scope: Scope,
    actor: Actor,
    token: str,
    options: Options,
    expected: RetryPlan | None,
    reason: str,
) -> Submitted:
    settings = get_settings()
    if options.override and not reason:
        raise Refused("Say why: trying final failures again needs a reason.")
    with engine.begin() as connection:
        if scope.request is not None and retries.request(connection, scope.request) is None:
            raise Refused(f"There is no retry #{scope.request}.")
        if len(scope.venues) == 1 and places.venue_context(connection, scope.venues[0]) is None:
            raise Refused(f"There is no venue #{scope.venues[0]}.")
        earlier = retries.request_of_token(connection, token)
        if earlier is None:
            written = retries.submit(
                connection,
                scope,
                actor=actor.name,
                token=token,
                options=options,
                reason=reason,
                blocked=blocked(connection, settings),
            )
            # else the other click of a double click was quicker by a moment
            earlier = retries.request_of_token(connection, token) if written is None else None
        if earlier is not None:
            return _found(connection, earlier, scope, actor)
        assert written is not None
        _check(connection, scope, options, written, expected)
        _audit(connection, actor, scope, _outcome(written, options, reason))
        job_ids = retry_release.release(
            connection, written.request_id, max_attempts=settings.job_max_attempts
        )
    tell(engine, JobKind.RETRY, job_ids[: settings.venues_per_task])
    return _submitted(written)


def rerun_failed(
    engine: Engine, request_id: int, *, actor: Actor, token: str, options: Options = Options()
) -> Submitted:
    """Order a retry of what failed in an earlier one. Raises `Refused` as `submit_retry` does."""
    return submit_retry(engine, Scope(request=request_id), actor=actor, token=token, options=options)


def retry_venue(engine: Engine, venue_id: int, *, actor: Actor, token: str) -> Submitted:
    """Order a retry of one venue's failed images. Raises `Refused` as `submit_retry` does."""
    scope = Scope(venues=(venue_id,))
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


def _check(
    connection: Connection, scope: Scope, options: Options, written: Written, expected: RetryPlan | None
) -> None:
    plan = written.plan
    if expected is not None and not plan.same_work(expected):
        raise Changed(Preview(plan=plan, forecast=written.forecast))
    if not plan.images:
        open_ = retry_scope.open_requests(connection, scope)
        if open_:
            raise AlreadyOpen(
                open_[-1], f"Retry #{open_[-1]} has these images already: nothing is left to order."
            )
        why = plan.skipped_in_words()
        what = f": {why}" if why else "; no image there has failed"
        raise Refused(f"Nothing to retry for {scope.in_words()}{what}.")
    if options.usd_per_day is not None:
        for share in plan.by_provider:
            if share.cost_usd > options.usd_per_day * share.images:
                raise Refused(
                    f"One image of {share.provider} costs ${share.cost_usd / share.images:.3f}, more than "
                    f"${options.usd_per_day} a day allows: raise the amount."
                )


def _outcome(written: Written, options: Options, reason: str) -> str:
    how = "" if options == Options() else f", {options.in_words()}"
    why = f"; reason: {reason}" if reason else ""
    return f"request {written.request_id} queued: {written.plan.in_words()}{how}{why}"


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

"""What people may do, what is written when they do it, and what is refused; over a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ops_core import actions
from ops_core.domain.access import LOCAL, Actor, Role
from ops_core.domain.errors import ErrorType
from ops_core.domain.retries import Scope
from ops_core.domain.retry_plan import RetryPlan, SkipReason
from tests.support.factories import make_image, make_job, make_venue

pytestmark = pytest.mark.postgres

ANNA = Actor("anna", Role.OPERATOR)
VIEWER = Actor("vera", Role.VIEWER)
ALL = Scope(everything=True)


def rows(engine: Engine, question: str) -> list[tuple]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(question))]


def add_failed(engine: Engine, *errors: ErrorType, venue: Any = None) -> Any:
    """A venue with an image that failed for each of `errors`."""
    with engine.begin() as connection:
        venue = venue or make_venue(connection)
        for error in errors:
            make_image(connection, venue, state="failed", error_type=error)
    return venue


ACTIONS: dict[str, Callable[[Engine, Actor], Any]] = {
    "enrich_venue": lambda engine, actor: actions.enrich_venue(engine, 1, actor=actor),
    "enrich_batch": lambda engine, actor: actions.enrich_batch(engine, [1], actor=actor),
    "enrich_stale": lambda engine, actor: actions.enrich_stale(engine, actor=actor),
    "submit_retry": lambda engine, actor: actions.submit_retry(engine, ALL, actor=actor, token="t"),
    "retry_venue": lambda engine, actor: actions.retry_venue(engine, 1, actor=actor, token="t"),
    "retry_all_failed": lambda engine, actor: actions.retry_all_failed(engine, actor=actor, token="t"),
}


def test_every_action_is_tried_here() -> None:
    kinds = {"Changed", "NotAllowed", "Queued", "Refused", "Submitted"}
    assert set(ACTIONS) == set(actions.__all__) - kinds - {"preview_retry"}


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("role", [Role.GUEST, Role.VIEWER])
def test_who_may_only_look_is_refused_and_the_attempt_is_kept(
    database: Engine, name: str, role: Role
) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT)
    with pytest.raises(actions.NotAllowed, match=f"takes the role operator, and yours is {role.word}"):
        ACTIONS[name](database, Actor("vera", role))

    ((actor, action, outcome),) = rows(database, "SELECT actor, action, outcome FROM audit")
    assert (actor, action) == ("vera", "submit_retry" if name == "retry_venue" else name)
    assert outcome == f"refused: takes the role operator, has {role.word}"
    assert rows(database, "SELECT count(*) FROM jobs") == [(0,)]
    assert rows(database, "SELECT count(*) FROM retry_requests") == [(0,)]


@pytest.mark.parametrize("actor", [ANNA, LOCAL], ids=lambda actor: actor.name)
def test_operators_and_admins_may(database: Engine, actor: Actor) -> None:
    venue = add_failed(database, ErrorType.NETWORK_TIMEOUT)
    actions.enrich_venue(database, venue.id, actor=actor)
    actions.enrich_batch(database, [venue.id], actor=actor)
    actions.enrich_stale(database, actor=actor)
    actions.submit_retry(database, ALL, actor=actor, token="t")
    actions.retry_all_failed(database, actor=actor, token="t")
    done = rows(database, "SELECT actor, action FROM audit ORDER BY id")
    names = ["enrich_venue", "enrich_batch", "enrich_stale", "submit_retry", "retry_all_failed"]
    assert done == [(actor.name, name) for name in names]
    kinds = rows(database, "SELECT kind, actor FROM jobs ORDER BY id")
    assert kinds == [(kind, actor.name) for kind in ("enrichment", "batch", "stale", "retry", "cleanup")]


def test_looking_at_a_plan_changes_nothing(database: Engine) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT, ErrorType.NOT_FOUND)
    plan = actions.preview_retry(database, ALL)
    assert (plan.images, plan.venues, plan.skipped) == (1, 1, {SkipReason.PERMANENT: 1})
    for table in ("audit", "jobs", "retry_requests", "retry_items"):
        assert rows(database, f"SELECT count(*) FROM {table}") == [(0,)]


def test_what_was_shown_is_what_is_submitted(database: Engine) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT, ErrorType.BAD_GATEWAY, ErrorType.NOT_FOUND)
    shown = actions.preview_retry(database, ALL)
    done = actions.submit_retry(database, ALL, actor=ANNA, token="t", expected=shown, reason="again")
    assert (done.is_new, done.images, done.venues, done.plan) == (True, 2, 1, shown)
    assert rows(database, "SELECT id, token, actor, reason FROM retry_requests") == [
        (done.request_id, "t", "anna", "again")
    ]
    assert rows(database, "SELECT scope, outcome FROM audit") == [
        ({"everything": True}, f"request {done.request_id} queued: 2 images of 1 venue")
    ]
    assert rows(database, "SELECT state FROM jobs") == [("available",)]


def test_what_changed_since_it_was_shown_is_shown_again_and_nothing_is_done(database: Engine) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT)
    shown = actions.preview_retry(database, ALL)
    add_failed(database, ErrorType.NETWORK_TIMEOUT)

    with pytest.raises(actions.Changed, match="confirm again") as raised:
        actions.submit_retry(database, ALL, actor=ANNA, token="t", expected=shown)

    assert raised.value.plan == actions.preview_retry(database, ALL) != shown
    assert rows(database, "SELECT count(*) FROM retry_items") == [(0,)]
    done = actions.submit_retry(database, ALL, actor=ANNA, token="t", expected=raised.value.plan)
    assert (done.is_new, done.images) == (True, 2)


def test_all_that_was_shown_gone_is_a_change_too(database: Engine) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT)
    shown = actions.preview_retry(database, ALL)
    actions.submit_retry(database, ALL, actor=ANNA, token="other")
    with pytest.raises(actions.Changed):
        actions.submit_retry(database, ALL, actor=ANNA, token="t", expected=shown)


def test_nothing_to_retry_is_said_with_its_reasons(database: Engine) -> None:
    venue = add_failed(database, ErrorType.NOT_FOUND, ErrorType.NOT_FOUND, ErrorType.SERVER_ERROR)
    sentence = rf"Nothing to retry for venue #{venue.id}: 2 permanent, 1 for a person to decide\."
    with pytest.raises(actions.Refused, match=sentence):
        actions.retry_venue(database, venue.id, actor=ANNA, token="t")
    scope = Scope(venues=tuple(range(10**6, 10**6 + 1000)))
    with pytest.raises(actions.Refused, match="for 1,000 venues; no image there has failed"):
        actions.submit_retry(database, scope, actor=ANNA, token="t")
    assert rows(database, "SELECT count(*) FROM retry_requests") == [(0,)]


def test_a_venue_that_is_not_there_is_said(database: Engine) -> None:
    with pytest.raises(actions.Refused, match="There is no venue #12"):
        actions.retry_venue(database, 12, actor=ANNA, token="t")


def test_a_click_that_comes_twice_finds_the_first_request(database: Engine) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT)
    first = actions.submit_retry(database, ALL, actor=ANNA, token="t")
    second = actions.submit_retry(database, ALL, actor=ANNA, token="t")
    assert second == replace(first, is_new=False)
    assert [outcome for (outcome,) in rows(database, "SELECT outcome FROM audit ORDER BY id")] == [
        f"request {first.request_id} queued: 1 image of 1 venue",
        f"request {first.request_id} was queued already",
    ]


def at_once(work: Callable[[], Any], times: int) -> list[Any]:
    ready = threading.Barrier(times)
    results: list[Any] = []

    def run() -> None:
        ready.wait()
        results.append(work())

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == times
    return results


def test_a_double_click_makes_one_request_and_both_learn_of_it(database: Engine) -> None:
    add_failed(database, *[ErrorType.NETWORK_TIMEOUT] * 20)
    shown: RetryPlan = actions.preview_retry(database, ALL)
    done = at_once(
        lambda: actions.submit_retry(database, ALL, actor=ANNA, token="t", expected=shown), times=4
    )
    assert len({each.request_id for each in done}) == 1
    assert sorted(each.is_new for each in done) == [False, False, False, True]
    assert {each.images for each in done} == {20}
    assert rows(database, "SELECT count(*) FROM jobs WHERE kind = 'retry'") == [(1,)]


def test_a_double_click_on_retry_all_makes_one_scan(database: Engine) -> None:
    done = at_once(lambda: actions.retry_all_failed(database, actor=ANNA, token="t"), times=4)
    assert len({each.job_id for each in done}) == 1
    assert sorted(each.is_new for each in done) == [False, False, False, True]


def test_a_scan_that_is_open_is_not_doubled_but_brought_forward(database: Engine) -> None:
    with database.begin() as connection:
        waiting = make_job(connection, kind="cleanup", state="retryable", actor="schedule:cleanup-scan")
        connection.execute(text("UPDATE jobs SET scheduled_at = now() + interval '1 hour'"))
    queued = actions.retry_all_failed(database, actor=ANNA, token="t")
    assert (queued.job_id, queued.is_new) == (waiting.id, False)
    assert rows(database, "SELECT count(*) FROM jobs WHERE scheduled_at <= now()") == [(1,)]
    assert rows(database, "SELECT outcome FROM audit") == [(f"job {waiting.id} was queued already",)]


def test_the_same_click_makes_no_second_scan_after_the_first_has_ended(database: Engine) -> None:
    first = actions.retry_all_failed(database, actor=ANNA, token="t")
    with database.begin() as connection:
        connection.execute(
            text("UPDATE jobs SET state = 'completed', status = 'success', finished_at = now()")
        )
    assert actions.retry_all_failed(database, actor=ANNA, token="t").job_id == first.job_id
    other = actions.retry_all_failed(database, actor=ANNA, token="another")
    assert other.is_new
    assert other.job_id != first.job_id

"""What people may do, what is written when they do it, and what is refused; over a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ops_core import actions
from ops_core.domain.access import LOCAL, Actor, Role
from ops_core.domain.errors import ErrorType
from ops_core.domain.provider_edits import ProviderEdit
from ops_core.domain.retries import Scope
from ops_core.domain.retry_options import Options, When
from ops_core.domain.retry_plan import RetryPlan, SkipReason
from tests.support.factories import make_image, make_job, make_venue

pytestmark = pytest.mark.postgres

ANNA = Actor("anna", Role.OPERATOR)
VIEWER = Actor("vera", Role.VIEWER)
ALL = Scope(everything=True)
EDIT = ProviderEdit(active=False, priority=7, capabilities=frozenset({"photos"}))


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
    "rerun_failed": lambda engine, actor: actions.rerun_failed(engine, 1, actor=actor, token="t"),
    "pause_retry": lambda engine, actor: actions.pause_retry(engine, 1, actor=actor),
    "resume_retry": lambda engine, actor: actions.resume_retry(engine, 1, actor=actor),
    "cancel_retry": lambda engine, actor: actions.cancel_retry(engine, 1, actor=actor),
    "close_circuit": lambda engine, actor: actions.close_circuit(engine, "google_places", actor=actor),
    "pause_provider": lambda engine, actor: actions.pause_provider(
        engine, "google_places", actor=actor, minutes=5, reason="tests"
    ),
    "resume_provider": lambda engine, actor: actions.resume_provider(engine, "google_places", actor=actor),
    "find_venue_ids": lambda engine, actor: actions.find_venue_ids(engine, [1], actor=actor),
    "find_missing_ids": lambda engine, actor: actions.find_missing_ids(
        engine, actions.preview_missing_ids(engine), actor=actor
    ),
    "choose_match": lambda engine, actor: actions.choose_match(engine, 1, "google_places", None, actor=actor),
}
#: Those that take an admin.
FOR_ADMINS: dict[str, Callable[[Engine, Actor], Any]] = {
    "edit_provider": lambda engine, actor: actions.edit_provider(
        engine, "google_places", EDIT, actor=actor, seen=EDIT
    ),
    "allow_copies": lambda engine, actor: actions.allow_copies(
        engine, "google_places", actor=actor, reason="tests"
    ),
    "forbid_copies": lambda engine, actor: actions.forbid_copies(engine, "google_places", actor=actor),
    "move_store": lambda engine, actor: actions.move_store(engine, "s3", actor=actor),
    "look_at_pictures": lambda engine, actor: actions.look_at_pictures(engine, actor=actor),
}
#: Those that only look.
LOOKS = {
    "choose_off_peak",
    "photo_address",
    "pictures_to_look_at",
    "preview_missing_ids",
    "preview_move",
    "preview_retry",
    "ready",
}


def test_every_action_is_tried_here() -> None:
    values = {name for name in actions.__all__ if name[0].isupper()}
    assert ACTIONS.keys() | FOR_ADMINS.keys() == set(actions.__all__) - values - LOOKS


@pytest.mark.parametrize("name", FOR_ADMINS)
@pytest.mark.parametrize("role", [Role.GUEST, Role.VIEWER, Role.OPERATOR])
def test_who_is_no_admin_changes_no_setting_and_the_attempt_is_kept(
    database: Engine, name: str, role: Role
) -> None:
    before = rows(database, "SELECT * FROM providers ORDER BY code")
    with pytest.raises(actions.NotAllowed, match=f"takes the role admin, and yours is {role.word}"):
        FOR_ADMINS[name](database, Actor("vera", role))
    refused = ("vera", name, f"refused: takes the role admin, has {role.word}")
    assert rows(database, "SELECT actor, action, outcome FROM audit") == [refused]
    assert rows(database, "SELECT * FROM providers ORDER BY code") == before


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("role", [Role.GUEST, Role.VIEWER])
def test_who_may_only_look_is_refused_and_the_attempt_is_kept(
    database: Engine, name: str, role: Role
) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT)
    with pytest.raises(actions.NotAllowed, match=f"takes the role operator, and yours is {role.word}"):
        ACTIONS[name](database, Actor("vera", role))

    ((actor, action, outcome),) = rows(database, "SELECT actor, action, outcome FROM audit")
    ordering = ("retry_venue", "rerun_failed")
    assert (actor, action) == ("vera", "submit_retry" if name in ordering else name)
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
    plan = actions.preview_retry(database, ALL).plan
    assert (plan.images, plan.venues, plan.skipped) == (1, 1, {SkipReason.PERMANENT: 1})
    for table in ("audit", "jobs", "retry_requests", "retry_items"):
        assert rows(database, f"SELECT count(*) FROM {table}") == [(0,)]


def test_what_was_shown_is_what_is_submitted(database: Engine) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT, ErrorType.BAD_GATEWAY, ErrorType.NOT_FOUND)
    shown = actions.preview_retry(database, ALL).plan
    done = actions.submit_retry(database, ALL, actor=ANNA, token="t", expected=shown, reason="again")
    assert (done.is_new, done.images, done.venues, done.plan) == (True, 2, 1, shown)
    assert rows(database, "SELECT id, token, actor, reason FROM retry_requests") == [
        (done.request_id, "t", "anna", "again")
    ]
    assert rows(database, "SELECT scope, outcome FROM audit") == [
        (
            {"everything": True},
            f"request {done.request_id} queued: 2 images of 1 venue; reason: again",
        )
    ]
    assert rows(database, "SELECT state FROM jobs") == [("available",)]


def test_a_secret_in_a_reason_is_not_kept(database: Engine) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT)
    reason = "  https://places.googleapis.com/v1/x?key=AIzaSyD-0123456789abcdef works again "
    actions.submit_retry(database, ALL, actor=ANNA, token="t", reason=reason)
    ((kept,),) = rows(database, "SELECT reason FROM retry_requests")
    assert kept == "https://places.googleapis.com/v1/x?key=REDACTED works again"
    ((said,),) = rows(database, "SELECT outcome FROM audit")
    assert said.endswith(kept)
    assert "AIza" not in said


def test_what_changed_since_it_was_shown_is_shown_again_and_nothing_is_done(database: Engine) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT)
    shown = actions.preview_retry(database, ALL).plan
    add_failed(database, ErrorType.NETWORK_TIMEOUT)

    with pytest.raises(actions.Changed, match="confirm again") as raised:
        actions.submit_retry(database, ALL, actor=ANNA, token="t", expected=shown)

    assert raised.value.preview.plan == actions.preview_retry(database, ALL).plan != shown
    assert rows(database, "SELECT count(*) FROM retry_items") == [(0,)]
    done = actions.submit_retry(database, ALL, actor=ANNA, token="t", expected=raised.value.preview.plan)
    assert (done.is_new, done.images) == (True, 2)


def test_all_that_was_shown_gone_is_a_change_too(database: Engine) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT)
    shown = actions.preview_retry(database, ALL).plan
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
    assert rows(database, "SELECT actor, action, scope, outcome FROM audit") == [
        ("anna", "submit_retry", {"venues": [12]}, "refused: There is no venue #12.")
    ]


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
    shown: RetryPlan = actions.preview_retry(database, ALL).plan
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


def test_asking_again_shows_the_retry_that_is_open(database: Engine) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT)
    first = actions.submit_retry(database, ALL, actor=ANNA, token="one")
    with pytest.raises(actions.AlreadyOpen, match=f"Retry #{first.request_id} has these images") as raised:
        actions.submit_retry(database, ALL, actor=ANNA, token="two")
    assert raised.value.request_id == first.request_id
    assert rows(database, "SELECT count(*) FROM retry_requests") == [(1,)]


def test_final_failures_are_tried_by_name_and_with_a_reason_only(database: Engine) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT, ErrorType.NOT_FOUND, ErrorType.SERVER_ERROR)
    options = Options(override=True)
    assert actions.preview_retry(database, ALL, options).plan.images == 3
    with pytest.raises(actions.Refused, match="needs a reason"):
        actions.submit_retry(database, ALL, actor=ANNA, token="t", options=options, reason="  ")
    done = actions.submit_retry(
        database, ALL, actor=ANNA, token="t", options=options, reason="new key since noon"
    )
    assert done.images == 3
    outcome = rows(database, "SELECT actor, outcome FROM audit ORDER BY id DESC LIMIT 1")[0]
    assert outcome == (
        "anna",
        f"request {done.request_id} queued: 3 images of 1 venue, now, final failures too; "
        "reason: new key since noon",
    )


def test_a_day_that_pays_for_no_image_is_refused(database: Engine) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT)
    with database.begin() as connection:
        connection.execute(text("UPDATE providers SET photo_usd = 0.05 WHERE code = 'google_places'"))
    options = Options(usd_per_day=Decimal("0.04"))
    with pytest.raises(actions.Refused, match=r"costs \$0\.050, more than \$0\.04 a day"):
        actions.submit_retry(database, ALL, actor=ANNA, token="t", options=options)


def test_a_retry_is_paused_resumed_and_cancelled_and_each_step_is_kept(database: Engine) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT)
    retry = actions.submit_retry(database, ALL, actor=ANNA, token="t").request_id
    with pytest.raises(actions.Refused, match=f"Retry #{retry} is running: there is nothing to resume"):
        actions.resume_retry(database, retry, actor=ANNA)
    assert actions.pause_retry(database, retry, actor=ANNA).state_reason == "paused by anna"
    with pytest.raises(actions.Refused, match="is paused: there is nothing to pause"):
        actions.pause_retry(database, retry, actor=ANNA)
    assert actions.resume_retry(database, retry, actor=ANNA).state == "running"
    done = actions.cancel_retry(database, retry, actor=ANNA)
    assert (done.state, done.let_go, done.open) == ("cancelled", 1, 0)
    for steer in (actions.pause_retry, actions.resume_retry, actions.cancel_retry):
        with pytest.raises(actions.Refused, match="is cancelled"):
            steer(database, retry, actor=ANNA)
    kept = rows(database, "SELECT action, outcome FROM audit WHERE scope ? 'request' ORDER BY id")
    assert kept[:4] == [
        ("resume_retry", f"refused: Retry #{retry} is running: there is nothing to resume."),
        ("pause_retry", "paused: 1 of 1 images open"),
        ("pause_retry", f"refused: Retry #{retry} is paused: there is nothing to pause."),
        ("resume_retry", "running: 1 of 1 images open"),
    ]
    assert ("cancel_retry", "cancelled: 0 of 1 images open") in kept


@pytest.mark.parametrize("steer", [actions.pause_retry, actions.resume_retry, actions.cancel_retry])
def test_a_retry_that_is_not_there_is_said(database: Engine, steer: Callable[..., Any]) -> None:
    with pytest.raises(actions.Refused, match="There is no retry #12"):
        steer(database, 12, actor=ANNA)


def test_what_failed_in_a_retry_is_run_again(database: Engine) -> None:
    add_failed(database, ErrorType.NETWORK_TIMEOUT, ErrorType.NETWORK_TIMEOUT)
    first = actions.submit_retry(database, ALL, actor=ANNA, token="t").request_id
    with database.begin() as connection:
        connection.execute(text("UPDATE retry_items SET state = 'failed', finished_at = now()"))
        connection.execute(
            text("UPDATE retry_requests SET state = 'completed', failed = 2, finished_at = now()")
        )
        connection.execute(text("UPDATE images SET error_type = 'not_found' WHERE id = 1"))
    later = datetime.now(UTC) + timedelta(hours=2)
    again = actions.rerun_failed(
        database, first, actor=ANNA, token="again", options=Options(when=When.AT, at=later)
    )
    assert (again.images, again.plan.skipped) == (1, {SkipReason.PERMANENT: 1})
    assert rows(database, f"SELECT rerun_of, state FROM retry_requests WHERE id = {again.request_id}") == [
        (first, "pending")
    ]

"""Retry requests over a real PostgreSQL: what they cover, what is written, who wins when two ask at once."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from ops_core.db import retries, retry_release, retry_scope
from ops_core.db.retries import Written
from ops_core.db.retry_scope import VenueClasses
from ops_core.domain.errors import ErrorType
from ops_core.domain.filters import Filters
from ops_core.domain.images import AttemptOutcome, ImageState
from ops_core.domain.jobs import JobKind
from ops_core.domain.retries import ItemState, RequestState, Scope
from ops_core.domain.retry_options import Options
from ops_core.domain.retry_plan import Group, ItemEnd, SkipReason, make_plan
from tests.support.factories import make_attempt, make_image, make_job, make_venue

pytestmark = pytest.mark.postgres

ALL = Scope(everything=True)
TRANSIENT = ErrorType.NETWORK_TIMEOUT


@pytest.fixture
def connection(database: Engine) -> Iterator[Connection]:
    with database.connect() as open_connection:
        yield open_connection


def failed(connection: Connection, venue: Any = None, **columns: Any) -> Any:
    return make_image(connection, venue, **{"state": "failed", "error_type": TRANSIENT, **columns})


def submit(connection: Connection, scope: Scope = ALL, token: str = "t", **more: Any) -> Written:
    written = retries.submit(connection, scope, actor="anna", token=token, **more)
    assert written is not None
    return written


def items(connection: Connection) -> dict[int, str]:
    rows = connection.execute(text("SELECT image_id, state FROM retry_items"))
    return {row.image_id: row.state for row in rows}


def test_every_kind_of_image_is_counted_as_the_rule_says(connection: Connection) -> None:
    other = submit(connection, token="other").request_id
    groups = []
    states = [state for state in ImageState if state is not ImageState.DISCOVERED]
    job = make_job(connection)
    cases = itertools.product(
        states, [TRANSIENT, ErrorType.NOT_FOUND, ErrorType.EMPTY_BODY], [2, 3, 5], [False, True]
    )
    for state, error, retry_count, queued in cases:
        uploaded = state is ImageState.UPLOADED
        image = make_image(
            connection, state=state, error_type=None if uploaded else error, retry_count=retry_count
        )
        make_attempt(connection, image, job, outcome="failed", error_type=error)
        if queued:
            connection.execute(
                text("INSERT INTO retry_items (request_id, image_id, provider) VALUES (:r, :i, :provider)"),
                {"r": other, "i": image.id, "provider": image.provider},
            )
        groups.append(
            Group(
                provider="google_places",
                state=state,
                error_type=None if uploaded else error,
                at_limit=retry_count >= 3,
                in_open_request=queued,
            )
        )
    scope = Scope(jobs=(job.id,))
    expected = make_plan(groups, venues=1, prices={"google_places": Decimal("0.007")})

    assert expected.images == 1
    assert retry_scope.plan(connection, scope) == expected
    written = submit(connection, scope)
    assert written.plan == expected


def test_a_plan_of_nothing_is_empty(connection: Connection) -> None:
    make_image(connection)
    plan = retry_scope.plan(connection, ALL)
    assert (plan.images, plan.venues, plan.in_scope, plan.by_provider) == (0, 0, 0, ())


def test_a_venue_is_its_failed_images_and_what_is_taken_up_again(connection: Connection) -> None:
    venue = make_venue(connection)
    mine = failed(connection, venue)
    failed(connection, venue, error_type=ErrorType.NOT_FOUND)
    failed(connection, venue, state="permanently_failed", retry_count=3)
    make_image(connection, venue, state="uploading", error_type=TRANSIENT)
    make_image(connection, venue, state="uploading")  # its first try: nothing failed yet
    make_image(connection, venue, state="discovered")
    make_image(connection, venue)
    failed(connection)

    plan = retry_scope.plan(connection, Scope(venues=(venue.id,)))

    assert (plan.images, plan.venues) == (1, 1)
    assert plan.skipped == {SkipReason.PERMANENT: 1, SkipReason.LIMIT: 1, SkipReason.IN_FLIGHT: 1}
    submit(connection, Scope(venues=(venue.id,)))
    assert items(connection) == {mine.id: "queued"}


def test_operations_are_the_images_they_left_failed_whatever_these_are_now(connection: Connection) -> None:
    job, other = make_job(connection), make_job(connection)
    still, recovered, at_last, elsewhere = (
        failed(connection),
        make_image(connection),
        failed(connection),
        failed(connection),
    )
    make_attempt(connection, still, job, number=1)
    make_attempt(connection, still, other, number=2)
    make_attempt(connection, recovered, job, outcome="failed", error_type=TRANSIENT)
    make_attempt(connection, at_last, job, outcome="failed", number=1)
    make_attempt(connection, at_last, job, outcome=AttemptOutcome.UPLOADED, error_type=None, number=2)
    make_attempt(connection, elsewhere, other)

    plan = retry_scope.plan(connection, Scope(jobs=(job.id,)))
    assert (plan.images, plan.skipped) == (1, {SkipReason.RECOVERED: 1})
    both = retry_scope.plan(connection, Scope(jobs=(job.id, other.id)))
    assert (both.images, both.skipped) == (2, {SkipReason.RECOVERED: 1})


def test_a_filter_is_what_the_matching_operations_left_failed_and_nobody_tried_since(
    connection: Connection,
) -> None:
    now = datetime.now(UTC)
    old, new = (make_job(connection, finished_at=now - timedelta(days=days)) for days in (3, 1))
    failed(connection, failed_job=old.id)
    mine = failed(connection, failed_job=new.id)
    failed(connection, failed_job=new.id, error_type=ErrorType.FORBIDDEN)
    failed(connection)

    recent = Scope(filters=Filters(since=now - timedelta(days=2)))
    plan = retry_scope.plan(connection, recent)
    assert (plan.images, plan.skipped) == (1, {SkipReason.PERMANENT: 1})
    assert retry_scope.plan(connection, Scope(filters=Filters())).images == 2
    none = Scope(filters=Filters(kinds=(JobKind.BACKFILL,)))
    assert retry_scope.plan(connection, none).in_scope == 0
    submit(connection, recent)
    assert items(connection) == {mine.id: "queued"}


def test_a_request_says_what_was_asked_for_and_by_whom(connection: Connection) -> None:
    venues = [make_venue(connection) for _ in range(3)]
    for venue in venues:
        failed(connection, venue)
        failed(connection, venue)
    options = Options(per_hour=5, sample=2)

    written = submit(connection, options=options, reason="again")

    assert connection.scalar(text("SELECT count(*) FROM jobs WHERE kind = 'retry'")) == 0
    request = retries.request(connection, written.request_id)
    assert request is not None
    assert (request.actor, request.scope, request.reason) == ("anna", ALL, "again")
    assert (request.state, request.plan, request.options) == (RequestState.PENDING, written.plan, options)
    assert request.forecast == written.forecast
    assert (request.images, request.open, request.plan.venues) == (6, 6, 3)
    assert set(items(connection).values()) == {"queued"}
    frozen = connection.execute(text("SELECT provider, was_error, sample, job_id FROM retry_items")).all()
    assert {(row.provider, row.was_error, row.job_id) for row in frozen} == {
        ("google_places", TRANSIENT, None)
    }
    assert sum(row.sample for row in frozen) == 2


def test_there_is_no_request_with_an_unknown_id(connection: Connection) -> None:
    assert retries.request(connection, 1) is None
    assert retries.request_of_token(connection, "t") is None


def test_asking_again_adds_nothing(connection: Connection) -> None:
    failed(connection)
    first = submit(connection, token="1")
    assert retry_scope.plan(connection, ALL).skipped == {SkipReason.IN_FLIGHT: 1}
    second = submit(connection, token="2")
    assert (first.plan.images, second.plan.images) == (1, 0)
    assert retries.submit(connection, ALL, actor="anna", token="1") is None


def at_once(engine: Engine, *works: Callable[[Connection], None]) -> None:
    ready = threading.Barrier(len(works))
    broken: list[BaseException] = []

    def work(piece: Callable[[Connection], None]) -> None:
        ready.wait()
        try:
            with engine.begin() as connection:
                piece(connection)
        except BaseException as error:  # noqa: BLE001 - handed to the test below
            broken.append(error)

    threads = [threading.Thread(target=work, args=(piece,)) for piece in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert broken == []


def test_requests_made_at_once_share_the_images_and_each_says_what_it_got(database: Engine) -> None:
    with database.begin() as connection:
        venues = [make_venue(connection) for _ in range(10)]
        for venue in venues * 10:
            failed(connection, venue)
    written: list[Written] = []
    # whole, and by parts in another order than the images were made in
    scopes = [ALL, ALL, Scope(venues=tuple(venue.id for venue in reversed(venues))), ALL]

    at_once(
        database,
        *(
            lambda connection, scope=scope, token=str(number): written.append(
                submit(connection, scope, token)
            )
            for number, scope in enumerate(scopes)
        ),
    )

    with database.connect() as connection:
        assert len(items(connection)) == 100
        assert connection.scalar(text("SELECT count(*) FROM retry_items")) == 100
        for one in written:
            counts = connection.execute(
                text("""
                    SELECT count(*) AS images, count(DISTINCT venue_id) AS venues
                    FROM retry_items JOIN images ON images.id = image_id WHERE request_id = :id
                """),
                {"id": one.request_id},
            ).one()
            assert (one.plan.images, one.plan.venues) == tuple(counts)
            assert one.plan.in_scope == 100
            assert sum(share.images for share in one.plan.by_provider) == one.plan.images


def test_the_same_token_at_once_makes_one_request(database: Engine) -> None:
    with database.begin() as connection:
        failed(connection)
    made: list[Written | None] = []
    at_once(
        database,
        *(
            lambda connection: made.append(retries.submit(connection, ALL, actor="anna", token="t"))
            for _ in range(4)
        ),
    )
    assert [one is None for one in made].count(False) == 1
    with database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM retry_requests")) == 1


def test_a_request_runs_from_its_first_job_and_completes_with_its_last(connection: Connection) -> None:
    venues = [make_venue(connection) for _ in range(2)]
    mine = [failed(connection, venue).id for venue in venues]
    request_id = submit(connection).request_id
    first, second = retry_release.release(connection, request_id, max_attempts=3)

    assert retries.begin(connection, request_id, first) is RequestState.RUNNING
    assert [item.image_id for item in retries.open_items(connection, first)] == mine[:1]
    assert items(connection) == {mine[0]: "running", mine[1]: "queued"}
    retries.end_items(
        connection, request_id, {mine[0]: ItemEnd(ItemState.UPLOADED)}, calls=2, cost_usd=Decimal("0.014")
    )
    assert retries.request(connection, request_id).finished_at is None
    assert retries.begin(connection, request_id, second) is RequestState.RUNNING
    # what has ended stays as it ended
    retries.end_items(
        connection,
        request_id,
        {mine[0]: ItemEnd(ItemState.FAILED, "x"), mine[1]: ItemEnd(ItemState.SKIPPED, SkipReason.LIMIT)},
    )
    request = retries.request(connection, request_id)
    assert (request.state, request.uploaded, request.failed, request.skipped, request.open) == (
        RequestState.COMPLETED,
        1,
        0,
        1,
        0,
    )
    assert (request.calls, request.cost_usd) == (2, Decimal("0.014"))
    assert request.finished_at is not None
    assert connection.scalar(text("SELECT reason FROM retry_items WHERE image_id = :i"), {"i": mine[1]}) == (
        "limit"
    )


def test_two_jobs_that_end_at_once_complete_their_request(database: Engine) -> None:
    with database.begin() as connection:
        ids = [failed(connection).id for _ in range(2)]
        request_id = submit(connection).request_id
    both_wrote = threading.Barrier(2, timeout=3)

    def end(image_id: int) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            retries.hold(connection, request_id)
            retries.end_items(connection, request_id, {image_id: ItemEnd(ItemState.UPLOADED)})
            # whoever is first waits with its commit for the other, which waits for the lock
            try:
                both_wrote.wait(0.3)
            except threading.BrokenBarrierError:
                return

        return work

    at_once(database, *(end(image_id) for image_id in ids))
    with database.connect() as connection:
        assert retries.request(connection, request_id).state is RequestState.COMPLETED


def test_venues_are_classified_by_what_can_be_done(connection: Connection) -> None:
    def venue(*errors: ErrorType, **columns: Any) -> Any:
        made = make_venue(connection)
        for error in errors:
            failed(connection, made, error_type=error, **columns)
        return made

    venue(TRANSIENT)
    venue(TRANSIENT, ErrorType.NOT_FOUND, ErrorType.SERVER_ERROR)
    venue(ErrorType.NOT_FOUND)
    venue(TRANSIENT, retry_count=3)
    venue(TRANSIENT, state="permanently_failed")
    venue(ErrorType.SERVER_ERROR)
    venue(ErrorType.SERVER_ERROR, ErrorType.NOT_FOUND)
    make_image(connection, make_venue(connection), state="uploading", error_type=TRANSIENT)
    make_image(connection)
    submit(connection, Scope(venues=(venue(TRANSIENT).id,)))

    assert retry_scope.venue_classes(connection) == VenueClasses(
        transient=2, permanent=3, ambiguous=2, in_flight=2
    )


def test_a_scan_that_is_open_or_was_asked_for_by_the_same_click_is_found(connection: Connection) -> None:
    assert retries.scan_asked_for(connection, "t") is None
    done = make_job(connection, kind="cleanup", args={"token": "t"})
    assert retries.scan_asked_for(connection, "t") == done.id
    assert retries.scan_asked_for(connection, "other") is None
    open_ = make_job(connection, kind="cleanup", state="available", args={"token": "elsewhere"})
    assert retries.scan_asked_for(connection, "other") == open_.id
    assert retries.scan_asked_for(connection, "t") == done.id


def test_a_scope_of_very_many_ids_is_one_question(connection: Connection) -> None:
    image = failed(connection)
    scope = Scope(venues=(image.venue_id, *range(10**6, 10**6 + 70_000)))
    assert retry_scope.plan(connection, scope).images == 1

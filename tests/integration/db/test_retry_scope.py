"""What a retry covers and tries, over a real PostgreSQL: the same as the rule says, image by image."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, insert, select, text

from ops_core.db import retry_scope
from ops_core.db.retry_scope import VenueClasses
from ops_core.db.schema import Image, RetryItem, RetryRequest
from ops_core.domain.errors import ErrorType
from ops_core.domain.images import ImageState
from ops_core.domain.retries import Failures, ItemState, Scope
from ops_core.domain.retry_plan import Group, RetryPlan, SkipReason, make_plan, skip_reason
from tests.support.factories import make_city, make_image, make_provider, make_venue

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TRANSIENT = ErrorType.NETWORK_TIMEOUT
CODES = ("google_places", "wikimedia_commons", "foursquare")
BLOCKED = {"google_places": SkipReason.REHOSTING, "foursquare": SkipReason.PAUSED}
PRICES = {"google_places": Decimal("0.007"), "wikimedia_commons": Decimal(0), "foursquare": Decimal(0)}
FAILED = (ImageState.FAILED, ImageState.PERMANENTLY_FAILED)


@pytest.fixture
def connection(database: Engine) -> Iterator[Connection]:
    with database.connect() as open_connection:
        yield open_connection


@dataclass(frozen=True)
class World:
    """Images of every kind, as rows of Python."""

    connection: Connection
    images: list[Any]
    open_images: frozenset[int]
    city_of: dict[int, int]


@pytest.fixture
def world(connection: Connection) -> World:
    """Every state x error type x retry count x open request x provider, over six venues of three cities."""
    make_provider(connection)
    cities = [make_city(connection) for _ in range(3)]
    venues = [make_venue(connection, city) for city in cities * 2]
    cases = itertools.product(ImageState, [None, *ErrorType], (0, 2, 3, 5), (False, True), CODES)
    rows, queued = [], []
    for number, (state, error, retry_count, in_open, code) in enumerate(cases):
        if (state in FAILED and error is None) or (state is ImageState.UPLOADED and error is not None):
            continue
        claimed = state is ImageState.UPLOADING
        rows.append(
            {
                "venue_id": venues[number % 6].id,
                "provider": code,
                "provider_ref": f"photo-{number}",
                "state": state,
                "error_type": error,
                "retry_count": retry_count,
                "storage_key": f"key-{number}" if state is ImageState.UPLOADED else None,
                "claimed_by": "worker@tests" if claimed else None,
                "claimed_until": NOW if claimed else None,
                "last_attempt_at": NOW - timedelta(hours=number % 7),
            }
        )
        queued.append(in_open)
    table = Image.__table__
    connection.execute(insert(table), rows)
    images = list(connection.execute(select(*table.columns).order_by(table.c.id)))
    open_images = frozenset(image.id for image, in_open in zip(images, queued, strict=True) if in_open)
    request = make_request(connection)
    for image in images:
        add_item(connection, request, image, "queued" if image.id in open_images else "failed")
    return World(connection, images, open_images, {venue.id: venue.city_id for venue in venues})


def make_request(connection: Connection) -> int:
    return connection.execute(
        insert(RetryRequest)
        .values(token=f"t{connection.scalar(text('SELECT random()'))}", actor="tests")
        .returning(RetryRequest.id)
    ).scalar_one()


def add_item(connection: Connection, request: int, image: Any, state: str = "queued") -> None:
    connection.execute(
        insert(RetryItem).values(
            request_id=request,
            image_id=image.id,
            provider=image.provider,
            was_error=image.error_type,
            state=ItemState(state),
        )
    )


def failed(connection: Connection, venue: Any = None, **columns: Any) -> Any:
    return make_image(connection, venue, **{"state": "failed", "error_type": TRANSIENT, **columns})


def reason_of(
    world: World, image: Any, *, override: bool, blocks: dict[str, SkipReason]
) -> SkipReason | None:
    return skip_reason(
        ImageState(image.state),
        image.error_type and ErrorType(image.error_type),
        at_limit=image.retry_count >= 3,
        in_open_request=image.id in world.open_images,
        blocked=blocks.get(image.provider),
        override=override,
    )


def plan_by_hand(
    world: World, images: list[Any], *, override: bool, blocks: dict[str, SkipReason]
) -> RetryPlan:
    groups = [
        Group(
            provider=image.provider,
            state=ImageState(image.state),
            error_type=image.error_type and ErrorType(image.error_type),
            at_limit=image.retry_count >= 3,
            in_open_request=image.id in world.open_images,
            blocked=blocks.get(image.provider),
        )
        for image in images
    ]
    tried = {
        image.venue_id
        for image in images
        if reason_of(world, image, override=override, blocks=blocks) is None
    }
    return make_plan(groups, venues=len(tried), prices=PRICES, override=override)


@pytest.mark.parametrize("override", [False, True])
@pytest.mark.parametrize("blocks", [{}, BLOCKED], ids=["all may be asked", "some are blocked"])
def test_the_database_tries_exactly_the_images_that_the_rule_tries(
    world: World, override: bool, blocks: dict[str, SkipReason]
) -> None:
    found = retry_scope.facts(Scope(images=tuple(image.id for image in world.images)))
    tried = retry_scope.eligible(found, override=override, blocked=blocks)
    said = dict(world.connection.execute(select(found.c.id, tried)).all())

    assert len(world.images) > 2500
    assert said == {
        image.id: reason_of(world, image, override=override, blocks=blocks) is None for image in world.images
    }
    assert set(said.values()) == {True, False}


@pytest.mark.parametrize("override", [False, True])
@pytest.mark.parametrize("blocks", [{}, BLOCKED], ids=["all may be asked", "some are blocked"])
def test_the_plan_is_what_the_rule_adds_up_to(
    world: World, override: bool, blocks: dict[str, SkipReason]
) -> None:
    scope = Scope(images=tuple(image.id for image in world.images))
    plan = retry_scope.plan(world.connection, scope, override=override, blocked=blocks)
    assert plan == plan_by_hand(world, world.images, override=override, blocks=blocks)
    assert plan.in_scope == len(world.images)
    assert {SkipReason.RECOVERED, SkipReason.IN_FLIGHT} <= plan.skipped.keys()
    assert (SkipReason.PAUSED in plan.skipped) == bool(blocks)
    # references are left alone whatever is blocked
    references = sum(image.state is ImageState.REFERENCED for image in world.images)
    assert (plan.skipped[SkipReason.REHOSTING] > references) == bool(blocks)
    assert (SkipReason.LIMIT in plan.skipped) == (SkipReason.PERMANENT in plan.skipped) != override


def test_any_filter_of_failures_covers_the_failed_images_that_match(world: World) -> None:
    venues, cities = sorted(world.city_of), sorted(set(world.city_of.values()))
    hours = st.none() | st.integers(0, 8).map(lambda hour: NOW - timedelta(hours=hour))
    wishes = st.fixed_dictionaries(
        {
            "providers": some(CODES),
            "error_types": some(tuple(ErrorType)),
            "cities": some(tuple(cities)),
            "venues": some(tuple(venues)),
            "since": hours,
            "until": hours,
        }
    )

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(wishes, st.booleans(), st.sampled_from([{}, BLOCKED]))
    def check(wish: dict[str, Any], override: bool, blocks: dict[str, SkipReason]) -> None:
        try:
            failures = Failures(**wish)
        except ValueError:
            return
        expected = plan_by_hand(
            world,
            [image for image in world.images if has_failed(image) and matches(image, failures, world)],
            override=override,
            blocks=blocks,
        )
        plan = retry_scope.plan(world.connection, Scope(failures=failures), override=override, blocked=blocks)
        assert plan == expected

    check()


def some(values: tuple[Any, ...]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(values), max_size=3).map(tuple)


def has_failed(image: Any) -> bool:
    return image.state in FAILED or (image.state == ImageState.UPLOADING and image.error_type is not None)


def matches(image: Any, failures: Failures, world: World) -> bool:
    return (
        (not failures.providers or image.provider in failures.providers)
        and (not failures.error_types or image.error_type in failures.error_types)
        and (not failures.cities or world.city_of[image.venue_id] in failures.cities)
        and (not failures.venues or image.venue_id in failures.venues)
        and (failures.since is None or image.last_attempt_at >= failures.since)
        and (failures.until is None or image.last_attempt_at < failures.until)
    )


def test_everything_is_all_that_failed(world: World) -> None:
    all_failed = [image for image in world.images if has_failed(image)]
    for override in (False, True):
        plan = retry_scope.plan(world.connection, Scope(everything=True), override=override, blocked=BLOCKED)
        assert plan == plan_by_hand(world, all_failed, override=override, blocks=BLOCKED)


def test_a_retry_is_the_images_that_ended_failed_in_it_whatever_they_are_now(connection: Connection) -> None:
    request, other = make_request(connection), make_request(connection)
    venue = make_venue(connection)
    still, gone = failed(connection, venue), failed(connection, venue, error_type=ErrorType.NOT_FOUND)
    stored, came_in, skipped = (
        make_image(connection, venue),
        make_image(connection, venue),
        failed(connection),
    )
    elsewhere = failed(connection, venue)
    for image, state in (
        (still, "failed"),
        (gone, "failed"),
        (stored, "failed"),
        (came_in, "uploaded"),
        (skipped, "skipped"),
    ):
        add_item(connection, request, image, state)
    add_item(connection, other, elsewhere, "failed")

    plan = retry_scope.plan(connection, Scope(request=request))

    assert (plan.images, plan.venues) == (1, 1)
    assert plan.skipped == {SkipReason.PERMANENT: 1, SkipReason.RECOVERED: 1}
    assert retry_scope.plan(connection, Scope(request=10**9)).in_scope == 0


def test_images_are_those_named_and_one_that_was_only_discovered_is_tried(connection: Connection) -> None:
    found = [
        failed(connection),
        make_image(connection, state="discovered"),
        make_image(connection),
        make_image(connection, state="uploading"),
    ]
    failed(connection)
    plan = retry_scope.plan(connection, Scope(images=(*(image.id for image in found), 10**9)))
    assert (plan.images, plan.venues) == (2, 2)
    assert plan.skipped == {SkipReason.RECOVERED: 1, SkipReason.IN_FLIGHT: 1}
    assert {kind.error_type for kind in plan.kinds} == {None, TRANSIENT}


def test_very_many_images_are_one_question(connection: Connection) -> None:
    image = failed(connection)
    scope = Scope(images=(image.id, *range(10**6, 10**6 + 70_000)))
    assert retry_scope.plan(connection, scope).images == 1
    assert retry_scope.open_requests(connection, scope) == []


def test_open_requests_are_those_that_still_have_images_of_the_scope(connection: Connection) -> None:
    venue = make_venue(connection)
    mine, other, ended = failed(connection, venue), failed(connection), failed(connection, venue)
    first, second, third = (make_request(connection) for _ in range(3))
    add_item(connection, second, mine, "running")
    add_item(connection, first, other)
    add_item(connection, third, ended, "failed")

    assert retry_scope.open_requests(connection, Scope(venues=(venue.id,))) == [second]
    assert retry_scope.open_requests(connection, Scope(images=(mine.id,))) == [second]
    assert retry_scope.open_requests(connection, Scope(everything=True)) == [first, second]
    assert retry_scope.open_requests(connection, Scope(images=(ended.id,))) == []
    assert retry_scope.open_requests(connection, Scope(request=third)) == []


def test_a_venue_whose_provider_is_not_tried_now_waits_for_it(connection: Connection) -> None:
    failed(connection)
    failed(connection, provider="wikimedia_commons")
    both = make_venue(connection)
    failed(connection, both)
    failed(connection, both, provider="wikimedia_commons")
    failed(connection, provider="wikimedia_commons", error_type=ErrorType.NOT_FOUND)
    mixed = make_venue(connection)
    failed(connection, mixed, provider="wikimedia_commons")
    failed(connection, mixed, error_type=ErrorType.SERVER_ERROR)

    paused = {"wikimedia_commons": SkipReason.PAUSED}
    assert retry_scope.venue_classes(connection, paused) == VenueClasses(transient=2, blocked=2, permanent=1)
    assert retry_scope.venue_classes(connection) == VenueClasses(transient=4, permanent=1)


@pytest.mark.parametrize(
    ("scope", "index"),
    [
        (Scope(everything=True), "ix_images_"),
        (Scope(venues=(1, 2, 3)), "ix_images_failed_by_venue"),
    ],
)
def test_failures_are_counted_from_their_own_small_indexes(
    connection: Connection, scope: Scope, index: str
) -> None:
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    found = retry_scope.facts(scope)
    question = retry_scope.grouped(found, found.c.in_open_request, BLOCKED).compile(
        connection, compile_kwargs={"render_postcompile": True}
    )
    lines = connection.exec_driver_sql(f"EXPLAIN {question}", question.params).scalars()
    explained = "\n".join(lines)
    assert index in explained
    assert "ix_images_claimed" in explained
    assert "Seq Scan on images" not in explained

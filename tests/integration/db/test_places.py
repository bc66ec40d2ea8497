"""Which venues are due for photos, and what work gets to know of a venue."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from ops_core.db.places import mark_checked, upsert_venues, venue_context, venues_due
from ops_core.domain.jobs import JobKind, JobState
from ops_core.domain.matching import Outcome
from ops_core.domain.places import Venue
from tests.support.factories import make_city, make_job, make_venue

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def connection(database: Engine):
    with database.connect() as connection:
        yield connection


def due(connection: Connection, **changes: Any) -> list[int]:
    options: dict[str, Any] = {"now": NOW, "without_days": 7, "with_days": 90, "limit": 100}
    return venues_due(connection, **(options | changes))


def checked(connection: Connection, days: float, images: int = 0) -> int:
    at = NOW - timedelta(days=days)
    return int(make_venue(connection, last_checked_at=at, last_asked_at=at, uploaded_images=images).id)


def test_venues_come_due_by_their_last_check_and_their_images(connection: Connection):
    never = int(make_venue(connection).id)
    checked(connection, 6.9)
    empty = checked(connection, 7)
    checked(connection, 89.9, images=3)
    old = checked(connection, 90, images=3)
    assert due(connection) == [never, old, empty]


def test_force_makes_every_venue_due(connection: Connection):
    fresh, older = checked(connection, 0, images=5), checked(connection, 1)
    assert due(connection, force=True) == [older, fresh]


def test_at_most_the_limit_comes_back(connection: Connection):
    ids = [checked(connection, 30 + number) for number in range(4)]
    assert due(connection, limit=2) == [ids[3], ids[2]]


def test_venues_whose_providers_cannot_answer_do_not_keep_the_others_from_their_turn(
    connection: Connection,
):
    silent = [make_venue(connection, last_asked_at=NOW - timedelta(hours=1)).id for _ in range(3)]
    old = checked(connection, 100)
    assert due(connection, limit=3) == [old]
    later = {"now": NOW + timedelta(days=1)}
    assert due(connection, **later) == [old, *silent]


@pytest.mark.parametrize("state", [JobState.AVAILABLE, JobState.EXECUTING, JobState.RETRYABLE])
def test_a_venue_with_an_open_enrichment_is_left_out(connection: Connection, state: JobState):
    make_job(connection, make_venue(connection), state=state)
    assert due(connection) == []
    assert due(connection, force=True) == []


def test_finished_and_other_jobs_leave_a_venue_due(connection: Connection):
    venue = make_venue(connection)
    make_job(connection, venue)
    make_job(connection, venue, kind=JobKind.GEOCODING, state=JobState.AVAILABLE)
    assert due(connection) == [venue.id]


def test_a_check_is_noted_and_an_older_one_never_replaces_it(connection: Connection):
    venue = make_venue(connection)
    mark_checked(connection, venue.id, NOW)
    mark_checked(connection, venue.id, NOW - timedelta(days=1))
    context = venue_context(connection, venue.id)
    assert context is not None
    assert context.last_checked_at == NOW


def test_work_gets_the_whole_venue(connection: Connection):
    city = make_city(connection, name="Kraków")
    row = make_venue(connection, city, name="Stary Teatr", address="ul. Jagiellońska 1", uploaded_images=4)
    context = venue_context(connection, row.id)
    assert context is not None
    assert (context.id, context.city_id, context.slug, context.uploaded_images, context.last_checked_at) == (
        row.id,
        city.id,
        "stary-teatr",
        4,
        None,
    )
    assert context.venue == Venue(
        name="Stary Teatr",
        address="ul. Jagiellońska 1",
        city="Kraków",
        country="Poland",
        latitude=50.06,
        longitude=19.94,
        provider_ids=row.provider_ids,
    )


def test_an_unknown_venue_has_no_context(connection: Connection):
    assert venue_context(connection, 404) is None


def test_results_come_in_the_order_of_the_lines(connection: Connection):
    lines = [Venue(name=name, address="", city="Kraków", country="Poland") for name in ("B", "A", "B", "C")]
    results = upsert_venues(connection, lines)
    assert [result.outcome for result in results] == [
        Outcome.ADDED,
        Outcome.ADDED,
        Outcome.UNCHANGED,
        Outcome.ADDED,
    ]
    assert results[0].venue_id == results[2].venue_id
    names = {row.id: row.name for row in connection.execute(text("SELECT id, name FROM venues"))}
    assert [names[result.venue_id] for result in results] == ["B", "A", "B", "C"]


def test_nothing_to_load_is_no_error(connection: Connection):
    assert upsert_venues(connection, []) == []


def test_two_loads_at_once_add_each_venue_once(database: Engine):
    lines = [Venue(name=f"Bar {n}", address="", city="Kraków", country="Poland") for n in range(300)]
    outcomes: list[Outcome] = []
    start = threading.Barrier(2)

    def load() -> None:
        start.wait(10)
        with database.begin() as connection:
            outcomes.extend(result.outcome for result in upsert_venues(connection, lines))

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == [Outcome.ADDED] * 300 + [Outcome.UNCHANGED] * 300

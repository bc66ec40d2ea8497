"""What providers said of places is dropped when its time is over; what was decided stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ops_core.db import matches, search_details
from ops_core.domain.matches import Candidate, Decision, MatchState, Refusal
from ops_core.settings import Settings
from ops_core.work import dispatch
from ops_core.work import search_details as work
from tests.support.factories import make_match, make_venue
from tests.support.plans import plans

pytestmark = pytest.mark.postgres

DAYS = {"google_places": 30, "here": 30, "mapbox": 30, "foursquare": 1}


def ago(**time: float) -> datetime:
    return datetime.now(UTC) - timedelta(**time)


def row_of(engine: Engine, match: Any) -> Any:
    with engine.connect() as connection:
        return connection.execute(
            text("SELECT * FROM venue_matches WHERE venue_id = :venue_id AND provider = :provider"),
            {"venue_id": match.venue_id, "provider": match.provider},
        ).one()


def with_details(engine: Engine) -> int:
    with engine.connect() as connection:
        found = connection.scalar(text("SELECT count(*) FROM venue_matches WHERE details_dropped_at IS NULL"))
        return int(found or 0)


def make(engine: Engine, provider: str, at: datetime, **columns: Any) -> Any:
    with engine.begin() as connection:
        return make_match(connection, make_venue(connection), provider, searched_at=at, **columns)


@pytest.mark.parametrize(("provider", "days"), DAYS.items())
def test_details_go_when_the_time_of_their_provider_is_over(
    database: Engine, provider: str, days: int
) -> None:
    over = make(database, provider, ago(days=days, minutes=1))
    young = make(database, provider, ago(days=days, hours=-1))
    assert work.drop_overdue(database) == 1
    assert row_of(database, over).details_dropped_at is not None
    assert row_of(database, young) == young
    assert work.drop_overdue(database) == 0


def test_what_wikidata_says_stays_for_ever_and_where_nothing_was_found_there_is_nothing_to_drop(
    database: Engine,
) -> None:
    free = make(database, "wikimedia_commons", ago(days=4_000))
    nothing = make(database, "foursquare", ago(days=4_000), state="none", candidates=[])
    assert work.drop_overdue(database) == 0
    assert (row_of(database, free), row_of(database, nothing)) == (free, nothing)


@pytest.mark.parametrize("state", MatchState)
def test_ids_scores_distances_and_the_decision_stay_whatever_it_was(
    database: Engine, state: MatchState
) -> None:
    found = [
        Candidate(
            place_id="1" * 24,
            name="Blue Note",
            address="3 Main St",
            latitude=50.0777,
            longitude=19.9444,
            kind="venue",
            distance_m=12.5,
            name_score=0.9,
            score=0.85,
        ),
        Candidate(place_id="2" * 24, name="Theirs", score=0.8, refused=Refusal.TAKEN, taken_by=7),
    ]
    before = make(database, "foursquare", ago(days=2), state=state, candidates=found)
    work.drop_overdue(database)
    after = row_of(database, before)
    kept = [Candidate.from_json(each) for each in after.candidates]
    assert kept == [each.without_details() for each in found]
    changed = {"candidates", "details_dropped_at"}
    assert {name: value for name, value in after._mapping.items() if name not in changed} == {
        name: value for name, value in before._mapping.items() if name not in changed
    }
    stored = str(after.candidates)
    assert not any(said in stored for said in ("Blue Note", "Main St", "50.0777", "19.9444", "Theirs"))


def test_the_dispatcher_drops_in_batches_the_oldest_first_and_ends_its_round(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "BATCH", 2)
    monkeypatch.setattr(work, "ROUND_SECONDS", 0)
    made = [make(database, "foursquare", ago(days=2 + number)) for number in range(5)]

    def round_() -> None:
        dispatch.round_(database, Settings(), lambda kind, ids: None)

    round_()
    dropped = [row_of(database, each).details_dropped_at is not None for each in made]
    assert dropped == [False, False, False, True, True]
    monkeypatch.setattr(work, "ROUND_SECONDS", 60)
    round_()
    assert with_details(database) == 0


def test_who_decides_at_that_moment_is_not_waited_for(database: Engine) -> None:
    held, other = make(database, "foursquare", ago(days=3)), make(database, "foursquare", ago(days=2))
    with database.begin() as connection:
        assert matches.hold(connection, held.venue_id, "foursquare") is not None
        assert work.drop_overdue(database) == 1
    assert row_of(database, other).details_dropped_at is not None
    assert work.drop_overdue(database) == 1
    assert row_of(database, held).details_dropped_at is not None


def test_a_new_search_brings_details_for_its_own_time(database: Engine) -> None:
    old = make(database, "foursquare", ago(days=2))
    work.drop_overdue(database)
    found = Candidate(place_id="3" * 24, name="Blue Note", score=0.7)
    decision = Decision(state=MatchState.REVIEW, candidates=[found], reason="Not clear enough.")
    with database.begin() as connection:
        matches.keep(
            connection,
            old.venue_id,
            "foursquare",
            decision,
            job_id=1,
            asked_at=datetime.now(UTC),
            force=False,
        )
    assert work.drop_overdue(database) == 0
    row = row_of(database, old)
    assert (row.details_dropped_at, row.candidates[0]["name"]) == (None, "Blue Note")


_MANY = """
    INSERT INTO cities (name, country, slug) VALUES ('Kraków', 'Poland', 'krakow');
    INSERT INTO venues (natural_key, name, slug, address, city_id)
    SELECT 'v' || number, 'Venue ' || number, 'venue', 'Main Street', (SELECT id FROM cities)
    FROM generate_series(1, 5000) AS number;
    INSERT INTO venue_matches (venue_id, provider, state, searched_at, candidates, details_dropped_at)
    SELECT id, code, 'review', now() - make_interval(days => (id * 7919 %% 400)::int),
        '[{"place_id": "1", "name": "Blue Note"}]', CASE WHEN {dropped} THEN now() END
    FROM venues, unnest(ARRAY['here', 'mapbox', 'foursquare', 'google_places']) AS code;
    ANALYZE cities, venues, venue_matches;
"""


def overdue_of_many(database: Engine, *, dropped: str) -> tuple[int, str]:
    """How many of 20,000 searches are found at once, and how; `dropped`: those whose details are gone."""
    with database.connect() as connection:
        connection.exec_driver_sql(_MANY.replace("{dropped}", dropped))
        with plans(connection) as found:
            overdue = search_details.overdue(connection, DAYS, limit=200)
        (plan,) = found
        return len(overdue), plan


def test_a_backlog_is_read_in_order_from_an_index(database: Engine) -> None:
    count, plan = overdue_of_many(database, dropped="false")
    assert count == 200
    assert "using ix_venue_matches_details" in plan
    assert "Sort" not in plan


def test_a_look_that_finds_nothing_is_one_into_an_index_of_those_that_hold_details(
    database: Engine,
) -> None:
    count, plan = overdue_of_many(database, dropped="id * 7919 %% 400 > 0")
    assert count == 0
    assert "ix_venue_matches_details" in plan
    assert "Seq Scan" not in plan

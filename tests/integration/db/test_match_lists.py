"""Lists of what searches found: each page is read from an index, however many searches there are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine

from ops_core.db import match_lists
from ops_core.db.match_lists import Key, Wanted
from ops_core.domain.matches import MatchState as M
from tests.support.plans import plans

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)
KEY = Key(NOW - timedelta(minutes=9_000), 1, "here")

_MANY = f"""
    INSERT INTO cities (name, country, slug) VALUES ('Kraków', 'Poland', 'krakow');
    INSERT INTO venues (natural_key, name, slug, address, city_id)
    SELECT 'v' || number, 'Venue ' || number, 'venue', 'Main Street', (SELECT id FROM cities)
    FROM generate_series(1, 5000) AS number;
    INSERT INTO venue_matches (venue_id, provider, state, searched_at)
    SELECT id, code, CASE WHEN id %% 9 = 0 THEN 'review' ELSE 'none' END::match_state,
        timestamptz '{NOW.isoformat()}' - make_interval(mins => (id * 7919 %% 20000)::int)
    FROM venues, unnest(ARRAY['here', 'mapbox', 'foursquare', 'google_places']) AS code;
    ANALYZE cities, venues, venue_matches;
"""


@pytest.fixture
def many(database: Engine) -> Iterator[Connection]:
    """A connection to a database with 20,000 searches."""
    with database.connect() as connection:
        connection.exec_driver_sql(_MANY)
        yield connection


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(), "ix_venue_matches_searched"),
        (Wanted(provider="here"), "ix_venue_matches_searched"),
        (Wanted(states=(M.REVIEW, M.NONE)), "ix_venue_matches_searched"),
        (Wanted(states=(M.REVIEW,)), "ix_venue_matches_state"),
    ],
)
def test_pages_are_read_in_order_from_an_index(many: Connection, wanted: Wanted, index: str) -> None:
    with plans(many) as found:
        match_lists.page(many, wanted)
        match_lists.page(many, wanted, older_than=KEY)
        match_lists.page(many, wanted, newer_than=KEY)
    assert len(found) == 3
    for plan in found:
        assert index in plan
        assert "Sort" not in plan


def test_newer_searches_are_counted_from_an_index(many: Connection) -> None:
    with plans(many) as found:
        match_lists.newer(many, NOW - timedelta(minutes=5))
    (plan,) = found
    assert "using ix_venue_matches_searched" in plan


@pytest.mark.parametrize("states", [(), (M.REVIEW,)])
def test_pages_by_key_leave_none_out_and_show_none_twice(many: Connection, states: tuple[M, ...]) -> None:
    wanted, key = Wanted(states=states), None
    seen: list[Key] = []
    for _ in range(4):
        page = match_lists.page(many, wanted, older_than=key, limit=30)
        seen += [row.key for row in page.rows]
        key = seen[-1]
    whole = match_lists.page(many, wanted, limit=120)
    assert seen == [row.key for row in whole.rows]
    back = match_lists.page(many, wanted, newer_than=seen[60], limit=30)
    assert [row.key for row in back.rows] == seen[30:60]

"""What a new data folder begins with in the sandbox: ids at every provider, some missing, and work queued."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine, text

from ops_core.domain.places import PROVIDER_ID_SHAPES, parse_venue
from ops_core.settings import Settings
from ops_core.work import first_start

pytestmark = pytest.mark.postgres

SANDBOX = Settings(sandbox_url="http://127.0.0.1:1")


@pytest.fixture(scope="module")
def made() -> list[dict[str, str]]:
    """The ids made up for each shipped venue."""
    lines = first_start.VENUES_FILE.read_text(encoding="utf-8").splitlines()
    venues = [parse_venue(json.loads(line)) for line in lines]
    return [first_start.sandbox_ids(venue.natural_key, venue.name) for venue in venues]


def test_made_up_ids_have_the_shapes_of_the_providers_and_name_one_venue(made: list[dict[str, str]]) -> None:
    ids = [(code, value) for each in made for code, value in each.items()]
    assert all(PROVIDER_ID_SHAPES[code].fullmatch(value) for code, value in ids)
    assert len(set(ids)) == len(ids)


def test_about_two_in_five_venues_lack_an_id_and_some_have_words_for_stock_photos(
    made: list[dict[str, str]],
) -> None:
    places = {"google_places", "foursquare", "here", "mapbox"}
    lacking = [each for each in made if not places <= each.keys()]
    assert 0.3 < len(lacking) / len(made) < 0.5
    assert {len(places - each.keys()) for each in lacking} == {1, 2, 3}
    assert all("google_places" in each for each in made)
    assert 3 < sum("unsplash" in each for each in made) < 25


def test_the_first_start_queues_photos_first_and_then_some_searches(database: Engine) -> None:
    said = first_start.prepare(database, SANDBOX)
    assert said == f"loaded 100 venues, queued {first_start.AT_ONCE} of them"
    with database.connect() as connection:
        jobs = connection.execute(
            text("SELECT kind, extract(epoch FROM scheduled_at - now()) AS ahead FROM jobs ORDER BY ahead")
        ).all()
        lacked = connection.scalar(
            text(
                "SELECT count(*) FROM jobs JOIN venues ON venues.id = venue_id WHERE kind = 'geocoding' "
                "AND NOT provider_ids ?& '{foursquare,here,mapbox,wikidata}'"
            )
        )
    searches = [job for job in jobs if job.kind == "geocoding"]
    assert len(searches) == lacked == first_start.SEARCHED
    assert [job.kind for job in jobs[: first_start.AT_ONCE]] == ["enrichment"] * first_start.AT_ONCE
    assert searches[0].ahead > first_start.SEARCH_AFTER - 10
    assert searches[-1].ahead - searches[0].ahead > first_start.SEARCHES_APART * (first_start.SEARCHED - 2)


def test_the_second_start_adds_nothing(database: Engine) -> None:
    first_start.prepare(database, SANDBOX)
    assert first_start.prepare(database, SANDBOX) == "100 venues"


def test_without_a_sandbox_no_id_is_made_up(database: Engine) -> None:
    first_start.prepare(database, Settings(wikimedia_contact="ops@example.org"))
    with database.connect() as connection:
        codes = connection.scalars(text("SELECT DISTINCT jsonb_object_keys(provider_ids) FROM venues")).all()
        kinds = connection.scalars(text("SELECT DISTINCT kind FROM jobs")).all()
    assert codes == ["wikidata"]
    assert kinds == ["enrichment"]

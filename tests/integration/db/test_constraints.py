"""Rows that make no sense are refused by the database itself."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from tests.support.factories import make_city, make_image, make_job, make_venue

pytestmark = pytest.mark.postgres

ILLEGAL = {
    "an uploaded image without a place in the store": "UPDATE images SET state = 'uploaded'",
    "a failed image without an error": "UPDATE images SET state = 'failed'",
    "an image being uploaded by nobody": "UPDATE images SET state = 'uploading'",
    "a claim on an image that is not being uploaded": (
        "UPDATE images SET claimed_by = 'w', claimed_until = now() WHERE state = 'discovered'"
    ),
    "a quality outside 0..1": "UPDATE images SET quality_score = 1.5",
    "a source that is no web address": "UPDATE images SET source_url = 'file:///etc/passwd'",
    "a finished job without a time": "UPDATE jobs SET finished_at = NULL WHERE state = 'completed'",
    "a completed job without a status": "UPDATE jobs SET status = NULL WHERE state = 'completed'",
    "a job executed by nobody": "UPDATE jobs SET state = 'executing', finished_at = NULL",
    "an enrichment without a venue": "UPDATE jobs SET venue_id = NULL WHERE kind = 'enrichment'",
    "a negative count": "UPDATE jobs SET images_failed = -1",
    "negative money": "UPDATE jobs SET cost_usd = -0.01",
    "more attempts than allowed": "UPDATE jobs SET attempt = max_attempts + 1",
    "a venue off the map": "UPDATE venues SET latitude = 91",
    "half a coordinate": "UPDATE venues SET latitude = NULL",
    "provider ids that are no mapping": "UPDATE venues SET provider_ids = '[]'",
    "a venue without a name": "UPDATE venues SET name = ''",
    "a limit of zero": "UPDATE providers SET per_second = 0",
    "a pause without a reason": "UPDATE providers SET paused_until = now()",
    "a schedule with two rhythms": "UPDATE schedules SET every_seconds = 60",
    "the same photo of a venue twice": (
        "INSERT INTO images (venue_id, provider, provider_ref) "
        "SELECT venue_id, provider, provider_ref FROM images"
    ),
    "two open enrichments of one venue": (
        "INSERT INTO jobs (kind, actor, venue_id) "
        "SELECT 'enrichment', 'a', id FROM venues, generate_series(1, 2)"
    ),
}


@pytest.fixture
def rows(database: Engine) -> Connection:
    with database.connect() as connection:
        venue = make_venue(connection, city_id=make_city(connection).id, latitude=50.0, longitude=20.0)
        make_image(connection, venue_id=venue.id, state="discovered")
        make_job(connection, venue_id=venue.id, city_id=venue.city_id)
        yield connection
        connection.rollback()


@pytest.mark.parametrize("statement", ILLEGAL.values(), ids=ILLEGAL.keys())
def test_the_database_refuses(rows: Connection, statement: str) -> None:
    with pytest.raises(IntegrityError):
        rows.execute(text(statement))

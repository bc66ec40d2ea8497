"""The migrations make exactly the schema the code speaks of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text

from ops_core.db import migrate, reference
from ops_core.db.schema import ENUMS, Base
from tests.support.factories import make_image, make_job, make_match, make_venue
from tests.support.postgres import TestServer

pytestmark = pytest.mark.postgres


def _no_partitions(name: str | None, kind: str, _: object) -> bool:
    return not (kind == "table" and name is not None and name.startswith("attempts_"))


# PostgreSQL tells a generated column's rule in its own words; test_operations.py tries every value of it
@pytest.mark.filterwarnings("ignore:Computed default on jobs.outcome cannot be modified")
def test_the_migrated_database_is_the_schema_of_the_code(database: Engine) -> None:
    options = {"compare_server_default": True, "include_name": _no_partitions}
    with database.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_enums_are_the_same_in_python_and_postgresql(database: Engine) -> None:
    question = text("""
        SELECT typname, array_agg(enumlabel::text ORDER BY enumsortorder) AS labels
        FROM pg_type JOIN pg_enum ON enumtypid = pg_type.oid GROUP BY typname
    """)
    with database.connect() as connection:
        found = {row.typname: row.labels for row in connection.execute(question)}
    assert found == {name: [member.value for member in kind] for name, kind in ENUMS.items()}


def test_migrating_twice_changes_nothing_and_keeps_what_people_changed(postgres: TestServer) -> None:
    with postgres.empty() as url:
        assert migrate.current(url) is None
        assert migrate.upgrade(url) == migrate.head()
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE providers SET active = false, priority = 9 WHERE code = 'google_places'")
            )
            connection.execute(text("UPDATE schedules SET enabled = false"))
        assert migrate.upgrade(url) == migrate.head()
        with engine.connect() as connection:
            row = connection.execute(
                text("SELECT active, priority FROM providers WHERE code = 'google_places'")
            ).one()
            assert (row.active, row.priority) == (False, 9)
            assert connection.scalar(text("SELECT bool_or(enabled) FROM schedules")) is False
        engine.dispose()


def test_a_downgrade_leaves_nothing_behind(postgres: TestServer) -> None:
    with postgres.empty() as url:
        migrate.upgrade(url)
        migrate.downgrade(url, "base")
        engine = create_engine(url)
        with engine.connect() as connection:
            tables = connection.scalars(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            ).all()
            kinds = connection.scalar(text("SELECT count(*) FROM pg_type WHERE typtype = 'e'"))
        engine.dispose()
        assert tables == ["alembic_version"]
        assert kinds == 0


@pytest.mark.timeout(60)
def test_what_earlier_retries_did_is_counted_also_where_they_were_large(postgres: TestServer) -> None:
    with postgres.empty() as url:
        migrate.upgrade(url, "0002")
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("INSERT INTO retry_requests (token, actor) VALUES ('t', 'anna')"))
            connection.execute(
                text("""
                    INSERT INTO venues (natural_key, name, slug, city_id)
                    SELECT n, 'V', 'v', 1 FROM generate_series(1, 40000) AS n
                """)
            )
            connection.execute(
                text("""
                    INSERT INTO jobs (kind, actor, venue_id, request_id, state, status, finished_at)
                    SELECT 'retry', 'anna', n, 1, 'completed', 'success', now()
                    FROM generate_series(1, 40000) AS n WHERE n % 2 = 1
                """)
            )
            connection.execute(
                text("""
                    INSERT INTO images (venue_id, provider, provider_ref, state, error_type)
                    SELECT n, 'google_places', n, 'failed', 'network_timeout'
                    FROM generate_series(1, 40000) AS n
                """)
            )
            connection.execute(
                text("""
                    INSERT INTO retry_items (request_id, image_id, state)
                    SELECT 1, id, (CASE WHEN venue_id % 2 = 1 THEN 'failed' ELSE 'queued' END)::item_state
                    FROM images
                """)
            )
        migrate.upgrade(url)
        with engine.connect() as connection:
            row = connection.execute(text("SELECT * FROM retry_requests")).one()
            assert (row.images, row.failed, row.uploaded) == (40_000, 20_000, 0)
            wrong = """
                SELECT count(*) FROM retry_items JOIN images ON images.id = image_id
                LEFT JOIN jobs ON jobs.venue_id = images.venue_id
                WHERE retry_items.job_id IS DISTINCT FROM jobs.id OR retry_items.provider <> images.provider
            """
            assert connection.scalar(text(wrong)) == 0
            assert connection.scalar(text("SELECT count(job_id) FROM retry_items")) == 20_000
        engine.dispose()


def test_copies_are_as_the_terms_say_and_what_is_stored_is_on_the_disk_after_an_upgrade(
    postgres: TestServer,
) -> None:
    with postgres.empty() as url:
        migrate.upgrade(url, "0003")
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            # as the version before seeded them: both were copied; and one that somebody added
            connection.execute(
                text("""
                    INSERT INTO providers (code, name, priority, capabilities, listing_usd, photo_usd,
                                           rehosting)
                    SELECT code, code, 1, '["photos"]', 0, 0, 'store'
                    FROM unnest(ARRAY['google_places', 'wikimedia_commons', 'theirs']) AS code
                """)
            )
            connection.execute(
                text("""
                    INSERT INTO images (venue_id, provider, provider_ref, state, storage_key)
                    VALUES (1, 'google_places', 'a', 'uploaded', 'venues/1/gp-a.jpg')
                """)
            )
        migrate.upgrade(url)
        with engine.begin() as connection:
            rows = connection.execute(
                text("SELECT code, copies, rehosting, capabilities FROM providers ORDER BY code")
            ).all()
            policies = {row.code: (row.copies, row.rehosting) for row in rows}
            assert policies == {
                "foursquare": ("forbidden", "reference_only"),
                "google_places": ("forbidden", "reference_only"),
                "here": ("unclear", "reference_only"),
                "mapbox": ("unclear", "reference_only"),
                "theirs": ("unclear", "store"),
                "unsplash": ("forbidden", "reference_only"),
                "wikimedia_commons": ("allowed", "store"),
            }
            assert all("photos" in row.capabilities for row in rows)
            able = {row.code for row in rows if "search" in row.capabilities}
            assert {"google_places", "wikimedia_commons"} <= able
            assert connection.scalar(text("SELECT store FROM images")) == "disk"
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            new = "INSERT INTO images (venue_id, provider, provider_ref) VALUES (1, 'here', 'b')"
            assert connection.scalar(text(f"{new} RETURNING store")) is None
        engine.dispose()


def test_what_only_later_versions_know_is_let_go_by_a_downgrade_and_the_way_up_is_open_again(
    postgres: TestServer,
) -> None:
    with postgres.empty() as url:
        migrate.upgrade(url)
        engine = create_engine(url)
        with engine.begin() as connection:
            venue = make_venue(connection)
            make_image(connection, venue, state="referenced", url="https://x.example/a.jpg")
            make_image(connection, venue, provider_ref="b", state="failed", error_type="forbidden")
            for values in (
                {"state": "available"},
                {"state": "completed", "status": "success", "finished_at": datetime.now(UTC)},
            ):
                make_job(connection, venue, kind="geocoding", **values)
            make_match(connection, venue, "here", state="matched", place_id="here:1")
        migrate.downgrade(url, "0003")
        with engine.connect() as connection:
            images = connection.execute(text("SELECT state, url FROM images ORDER BY state::text")).all()
            jobs = connection.scalars(text("SELECT state FROM jobs ORDER BY state::text")).all()
        assert images == [("discovered", None), ("failed", None)]
        assert jobs == ["cancelled", "completed"]
        assert migrate.upgrade(url) == migrate.head()
        engine.dispose()


def test_attempts_have_a_partition_for_every_month_ahead_also_over_new_year(database: Engine) -> None:
    december = datetime(2031, 12, 31, 23, 59, tzinfo=UTC)
    with database.begin() as connection:
        made = reference.ensure_attempt_months(connection, december)
        assert made == ["attempts_2031_12", "attempts_2032_01", "attempts_2032_02", "attempts_2032_03"]
        assert reference.ensure_attempt_months(connection, december) == []

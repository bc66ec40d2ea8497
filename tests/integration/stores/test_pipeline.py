"""Workers bring photos into every store, and find there what an earlier try had brought."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from ops_core.settings import Settings, get_settings
from ops_core.settings_help import env_name
from ops_core.storage.registry import open_store
from ops_core.storage.store import thumbnail_key
from tests.support.given_jobs import run_given
from tests.support.imagekit_server import ImageKitServer
from tests.support.rclone_server import RcloneServer
from tests.support.s3_server import S3Server
from tests.support.system import System

pytestmark = [pytest.mark.postgres]

_LOST = text("""
    UPDATE images SET state = 'discovered', store = NULL, storage_key = NULL, url = NULL, tries = 0
    WHERE state = 'uploaded'
""")


@pytest.fixture(
    params=[("s3", "s3"), ("s3", "rclone"), ("imagekit", "imagekit")],
    ids=["s3", "s3 at rclone", "imagekit"],
)
def settings(request: pytest.FixtureRequest, system: System, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of the system, with the store in question at the server in question."""
    store, server_name = request.param
    server: S3Server | RcloneServer | ImageKitServer = request.getfixturevalue(server_name)
    for name, value in {**server.settings, "store": store}.items():
        monkeypatch.setenv(env_name(name), str(value))
    get_settings.cache_clear()
    return get_settings()


def fetched(system: System) -> int:
    return len(system.sandbox.log(kind="image"))


def uploaded(system: System) -> list[Any]:
    return system.rows("SELECT * FROM images WHERE state = 'uploaded' ORDER BY id")


def test_photos_come_into_the_store_and_are_found_there_again(system: System, settings: Settings) -> None:
    venues = system.add_venues(2)
    run_given(system.engine, settings, system.enqueue(venues))
    rows = uploaded(system)
    assert len(rows) > 5

    async def read() -> None:
        store = open_store(settings)
        for row in rows:
            assert row.store == settings.store
            assert len(await store.get(row.storage_key)) == row.bytes
            assert (row.url, row.thumbnail_url) == (
                store.url(row.storage_key),
                store.thumbnail_url(row.storage_key),
            )
            small = thumbnail_key(row.storage_key)
            assert row.thumbnail_key == (None if store.makes_thumbnails else small)
            assert await store.exists(small) is not store.makes_thumbnails
        await store.close()

    asyncio.run(read())
    before = fetched(system)
    with system.engine.begin() as connection:  # as if the worker had died before it recorded them
        connection.execute(_LOST)
    run_given(system.engine, settings, system.enqueue(venues, force=True))
    assert [(row.id, row.storage_key) for row in uploaded(system)] == [
        (row.id, row.storage_key) for row in rows
    ]
    assert fetched(system) == before

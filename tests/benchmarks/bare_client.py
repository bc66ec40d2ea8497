"""The same fetch-and-store as a worker's, without database, queue and claims: the most there is to get."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from ops_core.domain.places import Venue
from ops_core.domain.quality import choose
from ops_core.providers.http import Http
from ops_core.providers.registry import SOURCES
from ops_core.settings import Settings, get_settings
from ops_core.storage.disk import DiskStore
from ops_core.storage.store import image_key, thumbnail_key
from ops_core.work.verify import verify_image


async def no_limit(_: str) -> None:
    """Every call may be made at once."""


async def fetch_and_store(settings: Settings, venues: list[tuple[int, Venue]], folder: Path) -> int:
    """Bring all photos of `venues` into `folder`; how many."""
    slots = asyncio.Semaphore(settings.downloads_per_process)
    store = DiskStore(folder, "/media")
    async with Http(settings) as http:

        async def one_photo(
            venue_id: int, venue: Venue, provider: str, ref: str, fetch_ref: str | None
        ) -> None:
            async with slots:
                download = await SOURCES[provider].resolve(ref, fetch_ref, http.api(provider, no_limit))
                body = await http.download(download)
                picture = await asyncio.to_thread(verify_image, body.data, settings)
                key = image_key(venue_id, venue.name, provider, ref, picture.extension)
                await store.put(thumbnail_key(key), picture.thumbnail, "image/jpeg")
                await store.put(key, body.data, picture.content_type)

        async def one_venue(venue_id: int, venue: Venue) -> int:
            lists = await asyncio.gather(
                *(
                    source.list_photos(
                        venue, http.api(code, no_limit), limit=settings.max_images_per_provider
                    )
                    for code, source in SOURCES.items()
                    if source.knows(venue)
                )
            )
            chosen = choose(
                (photo for photos in lists for photo in photos),
                priority={"google_places": 1, "wikimedia_commons": 2},
                per_provider=settings.max_images_per_provider,
                per_venue=settings.max_images_per_venue,
            )
            await asyncio.gather(
                *(one_photo(venue_id, venue, p.provider, p.provider_ref, p.fetch_ref) for p in chosen)
            )
            return len(chosen)

        done = 0
        chunk = settings.venues_per_task
        for start in range(0, len(venues), chunk):
            done += sum(await asyncio.gather(*(one_venue(*item) for item in venues[start : start + chunk])))
        return done


def main() -> None:
    """Arguments: folder, part, parts. The venues are read from the database before the clock starts."""
    from ops_core.db.engine import get_engine
    from ops_core.db.places import venue_context

    folder, part, parts = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    with get_engine().connect() as connection:
        ids = [row[0] for row in connection.exec_driver_sql("SELECT id FROM venues ORDER BY id")][part::parts]
        found = [(venue_id, venue_context(connection, venue_id)) for venue_id in ids]
    get_engine().dispose()
    venues = [(venue_id, context.venue) for venue_id, context in found if context]
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    images = asyncio.run(fetch_and_store(get_settings(), venues, folder))
    print(images, time.monotonic() - began, flush=True)


if __name__ == "__main__":
    main()

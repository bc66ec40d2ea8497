"""What a new data folder is filled with, so that the first screen is alive."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sqlalchemy import Engine

from ops_core.db import first_start as db
from ops_core.importers.venues import load_file
from ops_core.providers.registry import SOURCES
from ops_core.settings import Settings

#: The venues that come with the product.
VENUES_FILE = Path(__file__).parent.parent / "data" / "venues.jsonl"
#: Venues queued at the first start; the others follow little by little.
AT_ONCE = 40
ACTOR = "first start"


def prepare(engine: Engine, settings: Settings) -> str:
    """Fill an empty database with the shipped venues and queue their enrichment; one line to print.

    A database that has venues is left as it is.
    """
    with engine.connect() as connection:
        count = db.count_venues(connection)
    if count:
        return f"{count:,} venues"
    report = load_file(VENUES_FILE, engine)
    if all(source.not_ready(settings) for source in SOURCES.values()):
        return f"loaded {report.added} venues; none queued, as no provider can be asked"
    with engine.begin() as connection:
        if settings.sandbox_url:
            db.add_provider_ids(connection, "google_places", sandbox_place_id)
            db.keep_moving(connection)
        queued = db.queue_first(connection, AT_ONCE, actor=ACTOR)
    return f"loaded {report.added} venues, queued {queued} of them"


def sandbox_place_id(natural_key: str) -> str:
    """A made-up Google place id that only the sandbox knows."""
    return "ChIJsandbox_" + hashlib.sha256(natural_key.encode()).hexdigest()[:16]

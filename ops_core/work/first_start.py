"""What a new data folder is filled with, so that the first screen is alive."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from sqlalchemy import Connection, Engine

from ops_core.db import first_start as db
from ops_core.db import providers, searches
from ops_core.importers.venues import load_file
from ops_core.providers.registry import SOURCES
from ops_core.settings import Settings
from ops_core.work import geocode

#: The venues that come with the product.
VENUES_FILE = Path(__file__).parent.parent / "data" / "venues.jsonl"
#: Venues queued at the first start; the others follow little by little.
AT_ONCE = 40
ACTOR = "first start"

#: Share of venues that lack ids in the sandbox, and which ones they lack.
LACKING = 0.4
LACKED = (("foursquare",), ("here",), ("mapbox",), ("here", "mapbox"), ("foursquare", "here", "mapbox"))
#: Share of venues with words for stock photos in the sandbox.
STOCK_PHOTOS = 0.1
#: Venues searched for at the first start in the sandbox; seconds before the first, so that photos come
#: first, and between two, so that one can watch.
SEARCHED = 15
SEARCH_AFTER, SEARCHES_APART = 20.0, 3.0


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
            db.add_provider_ids(connection, sandbox_ids)
            db.keep_moving(connection)
            _search_for_some(connection, settings)
        queued = db.queue_first(connection, AT_ONCE, actor=ACTOR)
    return f"loaded {report.added} venues, queued {queued} of them"


def _search_for_some(connection: Connection, settings: Settings) -> None:
    keys = geocode.searchable(providers.active(connection), settings)
    if not keys:
        return
    found = searches.missing(connection, keys, limit=db.count_venues(connection)).venues
    # those that lack most show most
    chosen = dict(sorted(found.items(), key=lambda each: -len(each[1]))[:SEARCHED])
    searches.enqueue(connection, chosen, actor=ACTOR, first_after=SEARCH_AFTER, apart=SEARCHES_APART)


def sandbox_place_id(natural_key: str) -> str:
    """A made-up Google place id that only the sandbox knows."""
    return f"ChIJsandbox_{_digest(natural_key)}"


def sandbox_ids(natural_key: str, name: str) -> dict[str, str]:
    """Made-up ids that only the sandbox knows; some are left out, so that there is something to search for.

    Every tenth venue gets the words that stock photos are searched with: one that few providers know,
    since photos of the venue itself come first.
    """
    digest = _digest(natural_key)
    mapbox = base64.urlsafe_b64encode(f"urn:mbxpoi:{digest}".encode()).decode().rstrip("=")
    ids = {
        "google_places": sandbox_place_id(natural_key),
        "foursquare": f"4b05866c{digest}",
        "here": f"here:pds:place:616u33db-{digest}",
        "mapbox": mapbox,
    }
    lacked: tuple[str, ...] = ()
    if _share(natural_key, "stock photos") < STOCK_PHOTOS:
        ids["unsplash"] = name
        lacked = LACKED[-1]
    elif _share(natural_key, "lacks") < LACKING:
        lacked = LACKED[int(_share(natural_key, "what") * len(LACKED))]
    return {code: value for code, value in ids.items() if code not in lacked}


def _digest(*words: str) -> str:
    return hashlib.sha256("/".join(words).encode()).hexdigest()[:16]


def _share(*words: str) -> float:
    """A number from 0 to 1 that is the same for the same words."""
    return int(_digest(*words), 16) / 16**16

"""The stored files of images: which store they are in, and pointing images at another one."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from ops_core.domain.store_moves import MovePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """The picture of an uploaded image, as its row says."""

    image_id: int
    venue_id: int
    provider: str
    claim: int  #: Of the image: rises with everything that stores it anew.
    store: str
    key: str
    thumbnail_key: str | None
    content_type: str | None
    content_hash: str | None  #: SHA-256; None where it was never measured.

    def as_row(self) -> dict[str, object]:
        """What `UNCHANGED` compares as `old`, for `jsonb_to_recordset`."""
        return {
            "id": self.image_id,
            "claim": self.claim,
            "store": self.store,
            "key": self.key,
            "content_hash": self.content_hash,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlace:
    """Where a copy of `file` was put."""

    file: StoredFile
    key: str
    url: str
    thumbnail_key: str | None
    thumbnail_url: str


_COUNT = text("""
    SELECT store, provider, count(*) AS images FROM images
    WHERE state = 'uploaded' AND store <> :target AND (CAST(:source AS text) IS NULL OR store = :source)
    GROUP BY store, provider ORDER BY store, provider
""")

_NEXT = text("""
    SELECT id AS image_id, venue_id, provider, claim, store, storage_key AS key, thumbnail_key,
           content_type, content_hash
    FROM images
    WHERE state = 'uploaded' AND store = :source AND id > :after AND provider <> ALL(:kept)
    ORDER BY id LIMIT :limit
""")

#: A picture that is where it was, and the same.
UNCHANGED = """
    images.state = 'uploaded' AND images.claim = old.claim AND images.store = old.store
    AND images.storage_key = old.key AND images.content_hash IS NOT DISTINCT FROM old.content_hash
"""

_STILL = text(f"""
    SELECT images.id FROM images JOIN jsonb_to_recordset(CAST(:files AS jsonb)) AS old(
        id bigint, claim bigint, store text, key text, content_hash text) ON images.id = old.id
    WHERE {UNCHANGED}
""")

#: Rows that are written later are locked in one order by everybody.
LOCK = text("SELECT id FROM images WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")

_POINT = text(f"""
    -- fenced: an image that was stored anew meanwhile keeps what it has now
    UPDATE images SET store = :target, storage_key = old.new_key, url = old.new_url,
        thumbnail_key = old.new_thumbnail_key, thumbnail_url = old.new_thumbnail_url
    FROM jsonb_to_recordset(CAST(:files AS jsonb)) AS old(
        id bigint, claim bigint, store text, key text, content_hash text, new_key text, new_url text,
        new_thumbnail_key text, new_thumbnail_url text)
    WHERE images.id = old.id AND {UNCHANGED}
    RETURNING images.id
""")

_USED = text("""
    SELECT storage_key AS key FROM images
    WHERE venue_id = ANY(:venues) AND state = 'uploaded' AND store = :store AND storage_key = ANY(:keys)
""")


def waiting(
    connection: Connection, target: str, source: str | None = None, *, kept: Collection[str] = ()
) -> MovePlan:
    """What is in each store but `target`, or in `source` alone; pictures of the providers `kept` stay."""
    to_move: dict[str, int] = {}
    staying: dict[str, int] = {}
    for row in connection.execute(_COUNT, {"target": target, "source": source}):
        counts, name = (staying, row.provider) if row.provider in kept else (to_move, row.store)
        counts[name] = counts.get(name, 0) + row.images
    return MovePlan(to_move, staying)


def next_files(
    connection: Connection, source: str, *, after: int, limit: int, kept: Collection[str] = ()
) -> list[StoredFile]:
    """The files in `source` of the images that follow the id `after`, but those of the providers `kept`."""
    values = {"source": source, "after": after, "limit": limit, "kept": list(kept)}
    rows = connection.execute(_NEXT, values).mappings()
    return [StoredFile(**row) for row in rows]


def unchanged(connection: Connection, files: Sequence[StoredFile]) -> set[int]:
    """Ids of those images whose picture is still where `files` say, and the same."""
    rows = json.dumps([file.as_row() for file in files])
    return {row.id for row in connection.execute(_STILL, {"files": rows})}


def point(connection: Connection, target: str, places: Sequence[NewPlace]) -> set[int]:
    """Point images at their copies in `target`; ids of those that had not changed meanwhile."""
    rows = [
        place.file.as_row()
        | {
            "new_key": place.key,
            "new_url": place.url,
            "new_thumbnail_key": place.thumbnail_key,
            "new_thumbnail_url": place.thumbnail_url,
        }
        for place in places
    ]
    connection.execute(LOCK, {"ids": [row["id"] for row in rows]})
    return {row.id for row in connection.execute(_POINT, {"target": target, "files": json.dumps(rows)})}


def used(connection: Connection, store: str, files: Sequence[StoredFile]) -> set[str]:
    """Those keys of `files` at which images of the same venues have their picture in `store`."""
    values = {
        "venues": list({file.venue_id for file in files}),
        "store": store,
        "keys": [file.key for file in files],
    }
    return {row.key for row in connection.execute(_USED, values)}

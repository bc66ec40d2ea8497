"""Stored pictures that nobody has looked at: they came into the store before pictures were looked at.

A look leaves a perceptual hash or, of a blank picture, a flag; who has neither was never looked at.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from ops_core.db.health import COUNT_LIMIT
from ops_core.db.stored_files import LOCK, UNCHANGED, StoredFile
from ops_core.domain.pictures import PictureFlag

UNSEEN = "images.state = 'uploaded' AND images.perceptual_hash IS NULL AND images.flags = '{}'"

#: In the order of their index: without it the planner may prefer to look among all images.
UNSEEN_IDS = f"SELECT images.id FROM images WHERE {UNSEEN} ORDER BY images.store, images.id"

_BY_STORE = text(f"""
    SELECT store, count(*) AS images FROM images WHERE {UNSEEN} GROUP BY store ORDER BY store
""")

_NEXT = text(f"""
    SELECT id AS image_id, venue_id, provider, claim, store, storage_key AS key, thumbnail_key,
           content_type, content_hash
    FROM images WHERE {UNSEEN} AND store = :store AND id > :after ORDER BY store, id LIMIT :limit
""")

_RECORD = text(f"""
    -- fenced: a picture that was stored anew meanwhile is another one
    UPDATE images SET perceptual_hash = old.perceptual_hash, flags = old.flags
    FROM jsonb_to_recordset(CAST(:looks AS jsonb)) AS old(
        id bigint, claim bigint, store text, key text, content_hash text, perceptual_hash text, flags text[])
    WHERE images.id = old.id AND {UNCHANGED} AND {UNSEEN}
    RETURNING images.id
""")

_STILL = text(f"SELECT id FROM images WHERE id = ANY(:ids) AND {UNSEEN}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What `file` looks like."""

    file: StoredFile
    perceptual_hash: str | None  #: None for a blank picture.
    flags: tuple[PictureFlag, ...]


def count(connection: Connection) -> int:
    """How many there are; stops at `COUNT_LIMIT` + 1, which means "more"."""
    counted = text(f"SELECT count(*) FROM ({UNSEEN_IDS} LIMIT :most) AS counted")
    return connection.scalar(counted, {"most": COUNT_LIMIT + 1}) or 0


def by_store(connection: Connection) -> dict[str, int]:
    """How many there are in each store, all counted."""
    return {row.store: row.images for row in connection.execute(_BY_STORE)}


def next_files(connection: Connection, store: str, *, after: int, limit: int) -> list[StoredFile]:
    """The files in `store` of those images that follow the id `after`."""
    rows = connection.execute(_NEXT, {"store": store, "after": after, "limit": limit}).mappings()
    return [StoredFile(**row) for row in rows]


def record(connection: Connection, looks: Sequence[Look]) -> set[int]:
    """Keep what was seen; ids of the images that had not changed and that nobody else had looked at."""
    rows = [
        look.file.as_row() | {"perceptual_hash": look.perceptual_hash, "flags": look.flags} for look in looks
    ]
    connection.execute(LOCK, {"ids": [row["id"] for row in rows]})
    return {row.id for row in connection.execute(_RECORD, {"looks": json.dumps(rows)})}


def still(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Those of `ids` that nobody has looked at yet."""
    return {row.id for row in connection.execute(_STILL, {"ids": list(ids)})}

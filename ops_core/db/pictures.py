"""Pictures: which images show the same one, and how many images and venues have it.

Whoever changes an image's picture locks the image first, then the picture, each in the order of ids; the
counts of a picture are read and written under its lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from ops_core.domain.pictures import PLACEHOLDER_VENUES, SHARED_BANDS, PictureFlag, bands

#: Pictures looked at for one slice of a hash. A slice that more have in common says little, and at 5,000,000
#: pictures the usual one has about 80; the others of the hash still find the picture.
MOST_ALIKE = 1000

_LOCK = 0x70696373

_RULE = {"placeholder": PictureFlag.PLACEHOLDER.value, "spread": PLACEHOLDER_VENUES}

_UNGROUPED = text("""
    -- those that a worker has in hand come next time
    SELECT id, venue_id, perceptual_hash, flags FROM images
    WHERE perceptual_hash IS NOT NULL AND picture_id IS NULL
    ORDER BY id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
""")

_ALIKE = text("""
    -- OFFSET 0: first the slices of all hashes, then one by one the few pictures with enough in common
    SELECT found.place, known.id, known.perceptual_hash
    FROM (SELECT wanted.place, alike.picture_id
          FROM unnest(CAST(:places AS int[]), CAST(:bands AS smallint[]), CAST(:bits AS bigint[]))
               AS wanted(place, band, bits)
          CROSS JOIN LATERAL (SELECT picture_id FROM picture_bands
                              WHERE band = wanted.band AND bits = wanted.bits
                              ORDER BY picture_id LIMIT :most) AS alike
          GROUP BY wanted.place, alike.picture_id HAVING count(*) >= :shared OFFSET 0) AS found
    CROSS JOIN LATERAL (SELECT id, perceptual_hash FROM pictures
                        WHERE pictures.id = found.picture_id OFFSET 0) AS known
""")

_NEW = text("""
    INSERT INTO pictures (perceptual_hash)
    SELECT hash FROM unnest(CAST(:hashes AS text[])) WITH ORDINALITY AS new(hash, place) ORDER BY place
    RETURNING id, perceptual_hash
""")

_NEW_BANDS = text("""
    INSERT INTO picture_bands (band, bits, picture_id)
    SELECT * FROM unnest(CAST(:bands AS smallint[]), CAST(:bits AS bigint[]), CAST(:pictures AS bigint[]))
""")

_HOLD = text("SELECT id FROM pictures WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")

_COUNT = text("""
    -- OFFSET 0: a picture may be on 100,000 venues, a venue has a few dozen images
    UPDATE pictures SET images = pictures.images + new.images, venues = pictures.venues + new.venues,
        flags = CASE WHEN :placeholder = ANY(pictures.flags) OR new.drawn
                          OR pictures.venues + new.venues >= :spread
                     THEN ARRAY[CAST(:placeholder AS text)] ELSE '{}' END
    FROM (SELECT joined.picture_id, count(*) AS images, bool_or(joined.drawn) AS drawn,
                 count(DISTINCT joined.venue_id) FILTER (WHERE NOT EXISTS (
                     SELECT 1 FROM (SELECT picture_id FROM images
                                    WHERE images.venue_id = joined.venue_id OFFSET 0) AS held
                     WHERE held.picture_id = joined.picture_id)) AS venues
          FROM unnest(CAST(:pictures AS bigint[]), CAST(:venues AS bigint[]), CAST(:drawn AS boolean[]))
               AS joined(picture_id, venue_id, drawn)
          GROUP BY joined.picture_id) AS new
    WHERE pictures.id = new.picture_id
""")

_JOIN = text("""
    UPDATE images SET picture_id = joined.picture_id
    FROM unnest(CAST(:images AS bigint[]), CAST(:pictures AS bigint[])) AS joined(image_id, picture_id)
    WHERE images.id = joined.image_id
""")

_RECOUNT = text("""
    UPDATE pictures SET images = now.images, venues = now.venues,
        flags = CASE WHEN now.drawn OR now.venues >= :spread
                     THEN ARRAY[CAST(:placeholder AS text)] ELSE '{}' END
    FROM (SELECT left_by.id, count(images.id) AS images, count(DISTINCT images.venue_id) AS venues,
                 coalesce(bool_or(:placeholder = ANY(images.flags)), false) AS drawn
          FROM unnest(CAST(:ids AS bigint[])) AS left_by(id)
          LEFT JOIN images ON images.picture_id = left_by.id GROUP BY left_by.id) AS now
    WHERE pictures.id = now.id
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ungrouped:
    """An image in the store that nobody has compared yet; its row is locked."""

    id: int
    venue_id: int
    perceptual_hash: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """A picture that looks a little like the one asked about."""

    id: int
    perceptual_hash: str


def hold(connection: Connection) -> bool:
    """Become the only one who groups images until this transaction ends; False if somebody else does."""
    return bool(connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}))


def ungrouped(connection: Connection, limit: int) -> list[Ungrouped]:
    """The first images with a hash and without a picture."""
    return [
        Ungrouped(id=row.id, venue_id=row.venue_id, perceptual_hash=row.perceptual_hash, flags=(*row.flags,))
        for row in connection.execute(_UNGROUPED, {"limit": limit})
    ]


def alike(connection: Connection, hashes: Iterable[str]) -> dict[str, list[Known]]:
    """For each hash the pictures that have enough slices in common with it; `is_same` has the last word."""
    asked = list(dict.fromkeys(hashes))
    wanted = [(place, *band) for place, each in enumerate(asked) for band in enumerate(bands(each))]
    rows = connection.execute(
        _ALIKE,
        {
            "places": [place for place, _, _ in wanted],
            "bands": [band for _, band, _ in wanted],
            "bits": [bits for _, _, bits in wanted],
            "most": MOST_ALIKE,
            "shared": SHARED_BANDS,
        },
    )
    found: dict[str, list[Known]] = {}
    for row in rows:
        found.setdefault(asked[row.place], []).append(Known(row.id, row.perceptual_hash))
    return found


def add(connection: Connection, hashes: Sequence[str]) -> dict[str, int]:
    """New pictures, still without images: hash -> id."""
    if not hashes:
        return {}
    ids = {row.perceptual_hash: row.id for row in connection.execute(_NEW, {"hashes": list(hashes)})}
    sliced = [(ids[each], band, bits) for each in hashes for band, bits in enumerate(bands(each))]
    connection.execute(
        _NEW_BANDS,
        {
            "pictures": [picture for picture, _, _ in sliced],
            "bands": [band for _, band, _ in sliced],
            "bits": [bits for _, _, bits in sliced],
        },
    )
    return ids


def join(connection: Connection, images: Sequence[Ungrouped], pictures: Mapping[int, int]) -> None:
    """Make each image one of its picture's: image id -> picture id. The counts and flags follow."""
    ids = [pictures[image.id] for image in images]
    connection.execute(_HOLD, {"ids": sorted(set(ids))})
    # before the images are written: those of the same venue that had the picture already are told by it
    connection.execute(
        _COUNT,
        {
            "pictures": ids,
            "venues": [image.venue_id for image in images],
            "drawn": [PictureFlag.PLACEHOLDER in image.flags for image in images],
            **_RULE,
        },
    )
    connection.execute(_JOIN, {"images": [image.id for image in images], "pictures": ids})


def recount(connection: Connection, ids: Iterable[int]) -> None:
    """Count anew what pictures have that were left by images, whose rows are written and locked.

    One that nobody has any more stays: the next image that looks like it finds it.
    """
    left = sorted(set(ids))
    if left:
        connection.execute(_HOLD, {"ids": left})
        connection.execute(_RECOUNT, {"ids": left, **_RULE})

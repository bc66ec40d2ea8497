"""Pictures to look at: those on several venues, those twice at one, and images that are blank or tiny.

Lists go on by key. One that is narrowed looks at `LOOK` pictures or images at most and then says where it
got to, so that a filter which fits nothing costs no walk through all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from ops_core.db.health import COUNT_LIMIT
from ops_core.db.unseen import UNSEEN_IDS
from ops_core.domain.pictures import PLACEHOLDER_VENUES, PictureFlag

#: Pictures on one page, and images.
PICTURES_PAGE, IMAGES_PAGE = 10, 24
#: Pictures or images that one page of a narrowed list looks at.
LOOK = 5_000
#: Images of one picture that are read to say which providers have it: it may be on 100,000 venues.
PROVIDERS_FROM = 1_000
#: Images that are read to count the venues concerned.
VENUES_FROM = 40_000


class Which(StrEnum):
    """Which pictures, or which images, a list has."""

    SEVERAL = "several"  #: Pictures on more than one venue.
    TWICE = "twice"  #: Pictures that one venue has more than once, and no other.
    PLACEHOLDER = "placeholder"  #: Pictures that are probably no photos.
    BLANK = "blank"  #: Images with nothing in them.
    TINY = "tiny"  #: Images that are too small.

    @property
    def is_of_images(self) -> bool:
        """Whether the list has single images instead of pictures."""
        return self in (Which.BLANK, Which.TINY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """To what a list is narrowed: to what this provider has at a venue of this city."""

    provider: str | None = None
    city_id: int | None = None

    def __bool__(self) -> bool:
        return self.provider is not None or self.city_id is not None


@dataclass(frozen=True, slots=True)
class Key:
    """A place in a list of pictures; in a list of images, `venues` is 0."""

    venues: int
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list, and the key to go on with; None at its end."""

    rows: Sequence[Mapping[str, Any]]
    further: Key | None
    is_cut: bool = False  #: Whether it ends because `LOOK` were looked at.


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many there are; each count stops at `COUNT_LIMIT` + 1, which means "more"."""

    compared: bool  #: Whether any picture was looked at yet.
    several: int
    twice: int
    placeholder: int
    blank: int
    tiny: int
    waiting: int  #: Images that are not compared yet.
    unseen: int  #: Images that nobody has looked at: they were stored before.
    venues: int  #: That have a picture another venue has too.
    venues_more: bool  #: Whether there may be more venues than were counted.


_SEVERAL = "SELECT id, venues FROM pictures WHERE images > 1 AND venues > 1"
_TWICE = "SELECT id, venues FROM pictures WHERE images > 1 AND venues = 1"
_FLAGGED = "SELECT id FROM images WHERE flags <> '{}' AND flags @> ARRAY[CAST(:flag AS text)]"
#: Pictures on many venues, and those of images that look drawn.
_PLACEHOLDER = f"""
    SELECT id, venues FROM (
        SELECT id, venues FROM pictures WHERE images > 1 AND venues >= {PLACEHOLDER_VENUES}
        UNION
        SELECT known.id, known.venues
        FROM (SELECT DISTINCT picture_id FROM images
              WHERE flags <> '{{}}' AND flags @> ARRAY['{PictureFlag.PLACEHOLDER.value}']
                    AND picture_id IS NOT NULL) AS drawn
        CROSS JOIN LATERAL (SELECT id, venues FROM pictures
                            WHERE pictures.id = drawn.picture_id OFFSET 0) AS known
    ) AS placeholders WHERE true
"""
_PICTURES = {Which.SEVERAL: _SEVERAL, Which.TWICE: _TWICE, Which.PLACEHOLDER: _PLACEHOLDER}

#: What `ui/gallery.py` needs of an image, and where it belongs.
_IMAGE = """
    images.id, images.provider, images.url, images.thumbnail_url, images.thumbnail_key, images.width,
    images.height, images.quality_score, images.bytes, images.attribution, images.attribution_url,
    images.license, images.license_url, images.flags, images.venue_id, places.name AS venue,
    cities.name AS city
"""
_PLACES = "JOIN venues AS places ON places.id = images.venue_id JOIN cities ON cities.id = places.city_id"

_PICTURE_ROWS = text(f"""
    SELECT pictures.id AS picture_id, pictures.images, pictures.venues, pictures.flags AS picture_flags,
           pictures.created_at, held_by.providers, {_IMAGE}
    FROM pictures
    CROSS JOIN LATERAL (SELECT array_agg(DISTINCT first.provider) AS providers, min(first.id) AS image_id
                        FROM (SELECT id, provider FROM images
                              WHERE picture_id = pictures.id LIMIT {PROVIDERS_FROM}) AS first) AS held_by
    JOIN images ON images.id = held_by.image_id {_PLACES}
    WHERE pictures.id = ANY(:ids) ORDER BY pictures.venues DESC, pictures.id DESC
""")


def page(
    connection: Connection,
    which: Which,
    narrowed: Narrowed,
    after: Key | None = None,
    limit: int | None = None,
) -> Page:
    """A page of a list: pictures on the most venues first, images newest first.

    A picture's row has `picture_id`, `picture_flags`, `providers`, its counts, and one of its images.
    """
    size = limit or (IMAGES_PAGE if which.is_of_images else PICTURES_PAGE)
    values: dict[str, Any] = {
        "flag": which.value,
        "venues": after.venues if after else 0,
        "id": after.id if after else 0,
        "provider": narrowed.provider,
        "city": narrowed.city_id,
        "look": LOOK if narrowed else size + 1,
        "limit": size + 1,
    }
    looked = _looked(which, after)
    fits = _fits(which, narrowed) if narrowed else ""
    found = connection.execute(
        text(f"{looked} SELECT looked.* FROM looked {fits} ORDER BY venues DESC, id DESC LIMIT :limit"),
        values,
    ).all()
    keys = [Key(row.venues, row.id) for row in found[:size]]
    further, is_cut = (keys[-1], False) if len(found) > size else _cut(connection, looked, values, narrowed)
    return Page(rows=_rows(connection, which, [key.id for key in keys]), further=further, is_cut=is_cut)


def _looked(which: Which, after: Key | None) -> str:
    """The candidates of a page, as the query `looked` of keys."""
    if which.is_of_images:
        # all of them first: the planner would rather walk through all images backwards until it has enough
        further = "AND id < :id" if after else ""
        return f"""WITH flagged AS MATERIALIZED ({_FLAGGED} {further}), looked AS MATERIALIZED (
            SELECT id, 0 AS venues FROM flagged ORDER BY id DESC LIMIT :look)"""
    further = "AND (venues, id) < (:venues, :id)" if after else ""
    return f"""WITH looked AS MATERIALIZED (
        {_PICTURES[which]} {further} ORDER BY venues DESC, id DESC LIMIT :look)"""


def _fits(which: Which, narrowed: Narrowed) -> str:
    conditions = ["images.id = looked.id" if which.is_of_images else "images.picture_id = looked.id"]
    if narrowed.provider is not None:
        conditions.append("images.provider = :provider")
    if narrowed.city_id is not None:
        conditions.append("places.city_id = :city")
    # LIMIT: one by one, instead of reading all images of a provider first
    return f"""CROSS JOIN LATERAL (
        SELECT 1 FROM images JOIN venues AS places ON places.id = images.venue_id
        WHERE {" AND ".join(conditions)} LIMIT 1) AS fits"""


def _cut(
    connection: Connection, looked: str, values: dict[str, Any], narrowed: Narrowed
) -> tuple[Key | None, bool]:
    """Where a narrowed page stopped looking, if it did not come to the end."""
    if not narrowed:
        return None, False
    last = connection.execute(
        text(
            f"{looked} SELECT venues, id, count(*) OVER () AS looked FROM looked ORDER BY venues, id LIMIT 1"
        ),
        values,
    ).one_or_none()
    if last is None or last.looked < LOOK:
        return None, False
    return Key(last.venues, last.id), True


def _rows(connection: Connection, which: Which, ids: list[int]) -> list[dict[str, Any]]:
    if not ids:
        return []
    if not which.is_of_images:
        return [dict(row) for row in connection.execute(_PICTURE_ROWS, {"ids": ids}).mappings()]
    question = f"SELECT {_IMAGE} FROM images {_PLACES} WHERE images.id = ANY(:ids) ORDER BY images.id DESC"
    return [dict(row) for row in connection.execute(text(question), {"ids": ids}).mappings()]


def images_of(connection: Connection, picture_id: int, limit: int) -> list[dict[str, Any]]:
    """The first images of a picture, venue by venue."""
    rows = connection.execute(
        text(f"""
            SELECT {_IMAGE} FROM images {_PLACES} WHERE images.picture_id = :picture
            ORDER BY images.venue_id, images.id LIMIT :limit
        """),
        {"picture": picture_id, "limit": limit},
    )
    return [dict(row) for row in rows.mappings()]


def counts(connection: Connection) -> Counts:
    """How many pictures and images there are to look at."""
    bounded = {
        "several": _SEVERAL,
        "twice": _TWICE,
        "placeholder": _PLACEHOLDER,
        "blank": _FLAGGED.replace(":flag", ":blank"),
        "tiny": _FLAGGED.replace(":flag", ":tiny"),
        "waiting": "SELECT id FROM images WHERE perceptual_hash IS NOT NULL AND picture_id IS NULL",
        "unseen": UNSEEN_IDS,
    }
    columns = [
        f"(SELECT count(*) FROM ({question} LIMIT :most) AS counted) AS {name}"
        for name, question in bounded.items()
    ]
    row = connection.execute(
        text(f"""
            SELECT EXISTS (SELECT 1 FROM pictures)
                       OR EXISTS (SELECT 1 FROM images WHERE flags <> '{{}}') AS compared,
                   {", ".join(columns)}, concerned.venues, concerned.images > :read AS venues_more
            FROM (SELECT least(count(DISTINCT venue_id), :read) AS venues, count(*) AS images
                  FROM (SELECT held.venue_id
                        FROM ({_SEVERAL} ORDER BY venues DESC, id DESC LIMIT :read) AS repeated
                        CROSS JOIN LATERAL (SELECT venue_id FROM images
                                            WHERE picture_id = repeated.id OFFSET 0) AS held
                        LIMIT :read + 1) AS counted) AS concerned
        """),
        {"most": COUNT_LIMIT + 1, "read": VENUES_FROM, "blank": Which.BLANK.value, "tiny": Which.TINY.value},
    ).one()
    return Counts(**row._mapping)

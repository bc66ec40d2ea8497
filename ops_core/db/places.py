"""Venues and cities: loading lists of them, and which of them are due for photos."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from ops_core.db.schema import OPEN_JOB
from ops_core.domain.matching import Known, Outcome, Plan, identities
from ops_core.domain.places import Venue, slug

#: Advisory lock of one batch: two loads at once take turns, so neither adds what the other is adding.
_LOCK = 0x706C61636573

_VENUE = """
    SELECT v.id, v.natural_key, v.city_id, v.name, v.slug, v.address, v.latitude, v.longitude,
           v.provider_ids, v.last_checked_at, v.uploaded_images, v.referenced_images,
           c.name AS city, c.country
    FROM venues v JOIN cities c ON c.id = v.city_id"""


@dataclass(frozen=True, slots=True)
class Upserted:
    """The venue that one line means, and what became of the line."""

    venue_id: int
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueContext:
    """A venue as work needs it: the value providers are asked with, and where it stands."""

    id: int
    city_id: int
    slug: str
    venue: Venue
    last_checked_at: datetime | None
    uploaded_images: int
    referenced_images: int


def upsert_venues(
    connection: Connection, venues: Sequence[Venue], *, taken: Container[int] = ()
) -> list[Upserted]:
    """Bring `venues` into the database; one result each, in order. Best called with about 500.

    `taken` holds the ids of venues that earlier parts of the same list were written to: a line that
    means one of them is unchanged if it says the same, else a duplicate, and nothing is written.
    """
    hold_places(connection)
    cities = _city_ids(connection, venues)
    plan = Plan(_candidates(connection, venues, cities), taken)
    placed = [plan.place(line, cities[venue.city, venue.country], venue) for line, venue in enumerate(venues)]
    _update(connection, plan.changed)
    _insert(connection, plan.new)
    return [Upserted(item.id, outcome) for item, outcome in placed if item.id is not None]


def hold_places(connection: Connection) -> None:
    """Keep all others from adding venues, and ids to them, until this transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def venue_context(connection: Connection, venue_id: int) -> VenueContext | None:
    """The venue with this id, or None."""
    row = connection.execute(text(f"{_VENUE} WHERE v.id = :id"), {"id": venue_id}).mappings().one_or_none()
    if row is None:
        return None
    return VenueContext(
        id=row["id"],
        city_id=row["city_id"],
        slug=row["slug"],
        venue=_venue(row),
        last_checked_at=row["last_checked_at"],
        uploaded_images=row["uploaded_images"],
        referenced_images=row["referenced_images"],
    )


def unknown_venues(connection: Connection, venue_ids: Sequence[int]) -> list[int]:
    """Those of `venue_ids` that no venue has, in their order."""
    known = set(
        connection.scalars(text("SELECT id FROM venues WHERE id = ANY(:ids)"), {"ids": list(venue_ids)})
    )
    return [venue_id for venue_id in venue_ids if venue_id not in known]


#: Time before a venue whose providers could not answer is asked for again by itself.
ASK_AGAIN = timedelta(days=1)


def venues_due(
    connection: Connection,
    *,
    now: datetime,
    without_days: int,
    with_days: int,
    limit: int,
    force: bool = False,
) -> list[int]:
    """Ids of venues to ask the providers about, longest not asked for first, at most `limit`.

    Due is what was never checked, what has no images and was checked `without_days` ago, and what
    has images and was checked `with_days` ago; `force` makes every venue due. The age counts from
    the last check and not from the images, else a venue whose photos are all known would be due
    for ever. Venues with an open enrichment job are left out, and so are those asked for within
    `ASK_AGAIN` whose providers could not answer: they would keep the others from their turn.
    """
    return list(
        connection.scalars(
            text(
                f"""
                SELECT v.id FROM venues v
                WHERE (:force OR v.last_checked_at IS NULL OR v.last_checked_at <=
                       CASE WHEN v.uploaded_images + v.referenced_images > 0
                            THEN :with_before ELSE :without_before END)
                  AND (:force OR v.last_asked_at IS NULL OR v.last_asked_at <= :asked_before)
                  AND NOT EXISTS (
                      SELECT FROM jobs WHERE venue_id = v.id AND kind = 'enrichment' AND {OPEN_JOB})
                ORDER BY v.last_asked_at NULLS FIRST, v.id
                LIMIT :limit
                """
            ),
            {
                "without_before": now - timedelta(days=without_days),
                "with_before": now - timedelta(days=with_days),
                "asked_before": now - ASK_AGAIN,
                "limit": limit,
                "force": force,
            },
        )
    )


def mark_asked(connection: Connection, venue_id: int, at: datetime) -> None:
    """Note that the providers were asked about the venue at `at`, whatever they answered."""
    connection.execute(
        text("UPDATE venues SET last_asked_at = greatest(last_asked_at, :at) WHERE id = :id"),
        {"id": venue_id, "at": at},
    )


def mark_checked(connection: Connection, venue_id: int, at: datetime) -> None:
    """Note that the providers answered for the venue at `at`; an older time never replaces a newer."""
    connection.execute(
        text("UPDATE venues SET last_checked_at = greatest(last_checked_at, :at) WHERE id = :id"),
        {"id": venue_id, "at": at},
    )


def _venue(row: RowMapping) -> Venue:
    return Venue(
        name=row["name"],
        address=row["address"],
        city=row["city"],
        country=row["country"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        provider_ids=row["provider_ids"],
    )


def _city_ids(connection: Connection, venues: Sequence[Venue]) -> dict[tuple[str, str], int]:
    """The id of every (city, country) named; a new one is added, capitals do not make a new one."""
    pairs = sorted({(venue.city, venue.country) for venue in venues})
    given = {
        "names": [name for name, _ in pairs],
        "countries": [country for _, country in pairs],
        "slugs": [slug(name) for name, _ in pairs],
    }
    find = text(
        """
        SELECT DISTINCT ON (g.name, g.country) g.name, g.country, c.id
        FROM unnest(CAST(:names AS text[]), CAST(:countries AS text[])) AS g (name, country)
        JOIN cities c ON lower(c.name) = lower(g.name) AND lower(c.country) = lower(g.country)
        ORDER BY g.name, g.country, (c.name = g.name AND c.country = g.country) DESC, c.id
        """
    )
    found = {(row.name, row.country): row.id for row in connection.execute(find, given)}
    if len(found) < len(pairs):
        connection.execute(
            text(
                """
                INSERT INTO cities (name, country, slug)
                SELECT DISTINCT ON (lower(g.name), lower(g.country)) g.name, g.country, g.slug
                FROM unnest(CAST(:names AS text[]), CAST(:countries AS text[]), CAST(:slugs AS text[]))
                     AS g (name, country, slug)
                WHERE NOT EXISTS (SELECT FROM cities c
                                  WHERE lower(c.name) = lower(g.name) AND lower(c.country) = lower(g.country))
                ON CONFLICT DO NOTHING
                """
            ),
            given,
        )
        found = {(row.name, row.country): row.id for row in connection.execute(find, given)}
    return found


def _candidates(
    connection: Connection, venues: Sequence[Venue], cities: dict[tuple[str, str], int]
) -> list[Known]:
    """Every known venue that a line could mean, by key, by provider id or by name."""
    places = [(cities[venue.city, venue.country], venue) for venue in venues]
    ids = [identity for city_id, venue in places for identity in identities(city_id, venue)]
    # OFFSET 0 makes each an index look-up per line: the planner would rather compare every venue
    # of a city with every line of it
    found = connection.scalars(
        text(
            """
            SELECT f.id FROM unnest(CAST(:keys AS text[])) AS g (key)
            CROSS JOIN LATERAL (SELECT id FROM venues WHERE natural_key = g.key OFFSET 0) AS f
            UNION
            SELECT f.id FROM unnest(CAST(:id_cities AS bigint[]), CAST(:ids AS jsonb[])) AS g (city_id, ids)
            CROSS JOIN LATERAL (SELECT id, city_id FROM venues WHERE provider_ids @> g.ids OFFSET 0) AS f
            WHERE f.city_id = g.city_id
            UNION
            SELECT f.id FROM unnest(CAST(:city_ids AS bigint[]), CAST(:names AS text[])) AS g (city_id, name)
            CROSS JOIN LATERAL
                (SELECT id FROM venues WHERE city_id = g.city_id AND name = g.name OFFSET 0) AS f
            """
        ),
        {
            "keys": [venue.natural_key for venue in venues],
            "id_cities": [city_id for city_id, _, _ in ids],
            "ids": [json.dumps({code: value}) for _, code, value in ids],
            "city_ids": [city_id for city_id, _ in places],
            "names": [venue.name for venue in venues],
        },
    ).all()
    rows = connection.execute(text(f"{_VENUE} WHERE v.id = ANY(:ids) ORDER BY v.id"), {"ids": list(found)})
    return [Known(row["id"], row["city_id"], row["natural_key"], _venue(row)) for row in rows.mappings()]


def _columns(items: Sequence[Known]) -> dict[str, list[Any]]:
    venues = [item.venue for item in items]
    return {
        "keys": [item.natural_key for item in items],
        "names": [venue.name for venue in venues],
        "slugs": [slug(venue.name) for venue in venues],
        "addresses": [venue.address for venue in venues],
        "cities": [item.city_id for item in items],
        "latitudes": [venue.latitude for venue in venues],
        "longitudes": [venue.longitude for venue in venues],
        "provider_ids": [json.dumps(dict(venue.provider_ids)) for venue in venues],
    }


_GIVEN = """unnest(CAST(:keys AS text[]), CAST(:names AS text[]), CAST(:slugs AS text[]),
                   CAST(:addresses AS text[]), CAST(:cities AS bigint[]), CAST(:latitudes AS float8[]),
                   CAST(:longitudes AS float8[]), CAST(:provider_ids AS jsonb[]){more})
            AS g (natural_key, name, slug, address, city_id, latitude, longitude, provider_ids{names})"""


def _insert(connection: Connection, items: Sequence[Known]) -> None:
    """Add the venues and note their ids."""
    if not items:
        return
    rows = connection.execute(
        text(
            f"""
            INSERT INTO venues
                (natural_key, name, slug, address, city_id, latitude, longitude, provider_ids)
            SELECT g.* FROM {_GIVEN.format(more="", names="")}
            RETURNING id, natural_key
            """
        ),
        _columns(items),
    )
    ids = {row.natural_key: row.id for row in rows}
    for item in items:
        item.id = ids[item.natural_key]


def _update(connection: Connection, items: Sequence[Known]) -> None:
    if not items:
        return
    # ids are added to what the row has now: the console may have found one since it was read
    connection.execute(
        text(
            f"""
            UPDATE venues v
            SET natural_key = g.natural_key, name = g.name, slug = g.slug, address = g.address,
                latitude = g.latitude, longitude = g.longitude,
                provider_ids = v.provider_ids || g.provider_ids, updated_at = now()
            FROM {_GIVEN.format(more=", CAST(:venue_ids AS bigint[])", names=", venue_id")}
            WHERE v.id = g.venue_id
            """
        ),
        {**_columns(items), "venue_ids": [item.id for item in items]},
    )

"""Photos whose providers want to be told of their use: marked when they are recorded, until it is reported.

The mark says from when on the report is due; it counts once the photo is in use, as a copy or a reference.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, text

from ops_core.db.schema import IN_USE

_DUE = f"report_due_at <= now() AND {IN_USE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One photo whose use is to be reported."""

    image_id: int
    city_id: int
    provider_ref: str
    fetch_ref: str | None
    overdue: float  #: Seconds since its report was due.


def due(connection: Connection, providers: Collection[str]) -> list[str]:
    """Those of `providers` that are to be told of a use now."""
    question = text(f"""
        SELECT code FROM unnest(CAST(:providers AS text[])) AS code
        WHERE EXISTS (SELECT FROM images WHERE provider = code AND {_DUE})
    """)
    return list(connection.scalars(question, {"providers": sorted(providers)}))


def oldest(connection: Connection, provider: str) -> Use | None:
    """The photo of `provider` whose report has been due for longest; None if none is due."""
    row = (
        connection.execute(
            text(f"""
                SELECT images.id AS image_id, venues.city_id, provider_ref, fetch_ref,
                    extract(epoch FROM now() - report_due_at)::float8 AS overdue
                FROM images JOIN venues ON venues.id = images.venue_id
                WHERE provider = :provider AND {_DUE} ORDER BY report_due_at, images.id LIMIT 1
            """),
            {"provider": provider},
        )
        .mappings()
        .one_or_none()
    )
    return Use(**row) if row else None


def settle(connection: Connection, image_id: int) -> None:
    """The use of a photo is reported, or need not be any more."""
    connection.execute(text("UPDATE images SET report_due_at = NULL WHERE id = :id"), {"id": image_id})


def put_off(connection: Connection, image_id: int, seconds: float) -> None:
    """Report the use of a photo in `seconds` at the earliest: others come before it."""
    connection.execute(
        text("UPDATE images SET report_due_at = now() + make_interval(secs => :seconds) WHERE id = :id"),
        {"id": image_id, "seconds": seconds},
    )

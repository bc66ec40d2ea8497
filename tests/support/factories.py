"""Rows for tests: each function inserts one legal row and hands it back; keywords override columns.

All take an open connection and do not commit, so that a test decides who sees them.
The providers `google_places` and `wikimedia_commons` are there from the first migration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from sqlalchemy import Connection, Row, Table, insert, select, update
from sqlalchemy.dialects import postgresql

from ops_core.db import job_totals, schema
from ops_core.domain.errors import ErrorType
from ops_core.domain.images import AttemptOutcome, ImageState
from ops_core.domain.jobs import (
    FINISHED_STATES,
    JobFigures,
    JobKind,
    JobState,
    JobStatus,
    ProviderStatus,
    outcome,
    summary,
)
from ops_core.domain.matches import Candidate, MatchState
from ops_core.domain.places import slug
from ops_core.storage.store import image_key, thumbnail_key

MEDIA = "/admin/venue-images/media"

_numbers = count(1)


def _insert(connection: Connection, table: Any, values: Mapping[str, Any]) -> Row[Any]:
    target: Table = table.__table__
    return connection.execute(insert(target).values(**values).returning(*target.columns)).one()


def make_city(connection: Connection, **columns: Any) -> Row[Any]:
    """A city; its name is new unless given."""
    name = columns.pop("name", None) or f"City {next(_numbers)}"
    return _insert(
        connection, schema.City, {"name": name, "country": "Poland", "slug": slug(name) or "city"} | columns
    )


def make_venue(connection: Connection, city: Row[Any] | None = None, **columns: Any) -> Row[Any]:
    """A venue that both seeded providers know, in `city` or in a new one."""
    number = next(_numbers)
    name = columns.pop("name", None) or f"Venue {number}"
    values = {
        "natural_key": f"venue-{number}",
        "name": name,
        "slug": slug(name) or "venue",
        "address": f"{number} Main Street",
        "latitude": 50.06,
        "longitude": 19.94,
        "provider_ids": {"google_places": f"ChIJ{number:023d}", "wikidata": f"Q{number}"},
    }
    if "city_id" not in columns:
        values["city_id"] = (city or make_city(connection)).id
    return _insert(connection, schema.Venue, values | columns)


def make_provider(connection: Connection, **columns: Any) -> Row[Any]:
    """A provider whose photos are copied, in place of a seeded one; Foursquare unless said otherwise."""
    values = {
        "code": "foursquare",
        "name": "Foursquare",
        "priority": 5,
        "capabilities": ["photos", "search"],
        "active": True,
        "per_second": None,
        "per_minute": None,
        "per_hour": None,
        "listing_usd": Decimal(0),
        "photo_usd": Decimal(0),
        "rehosting": "store",
        "rehosting_reason": "for a test",
    } | columns
    target: Table = schema.Provider.__table__
    statement = postgresql.insert(target).values(**values)
    statement = statement.on_conflict_do_update(index_elements=["code"], set_=values)
    return connection.execute(statement.returning(*target.columns)).one()


def make_job(
    connection: Connection, venue: Row[Any] | None = None, *, settled: bool = True, **columns: Any
) -> Row[Any]:
    """A job of `venue` (or of a new one): an enrichment completed with success a minute ago.

    A finished job is counted at once; for `settled=False` call `settle` once its images are there.
    """
    state = JobState(columns.get("state", JobState.COMPLETED))
    kind = JobKind(columns.get("kind", JobKind.ENRICHMENT))
    now = datetime.now(UTC)
    if venue is None and kind is JobKind.ENRICHMENT and "venue_id" not in columns:
        venue = make_venue(connection)
    finished_at = columns.get("finished_at", now - timedelta(minutes=1))
    values: dict[str, Any] = {
        "kind": kind,
        "state": state,
        "venue_id": venue.id if venue else None,
        "city_id": venue.city_id if venue else None,
        "actor": "tests",
    }
    if state in FINISHED_STATES:
        values |= {
            "attempt": 1,
            "finished_at": finished_at,
            "attempted_at": finished_at - timedelta(seconds=3),
            "inserted_at": finished_at - timedelta(seconds=5),
        }
    if state is JobState.COMPLETED:
        values["status"] = JobStatus.SUCCESS
    if state is JobState.EXECUTING:
        values |= {
            "attempt": 1,
            "attempted_at": now,
            "claimed_by": "worker@tests",
            "claimed_until": now + timedelta(minutes=1),
            "claim": 1,
        }
    job = _insert(connection, schema.Job, values | columns)
    return settle(connection, job) if settled and state in FINISHED_STATES else job


def settle(connection: Connection, job: Row[Any]) -> Row[Any]:
    """Count a finished job, as the transaction that ends it does; the job's row as it is then."""
    job_totals.hold_images(connection, [job.id])
    job_totals.settle(connection, [job.id])
    columns = schema.Job.__table__.columns
    return connection.execute(select(*columns).where(columns.id == job.id)).one()


def make_job_provider(
    connection: Connection, job: Row[Any], provider: str = "google_places", **columns: Any
) -> Row[Any]:
    """How `provider` did in `job`: well, unless said otherwise."""
    values = {"job_id": job.id, "provider": provider, "status": ProviderStatus.SUCCESS, "calls": 1}
    return _insert(connection, schema.JobProvider, values | columns)


def make_image(connection: Connection, venue: Row[Any] | None = None, **columns: Any) -> Row[Any]:
    """An image of `venue` (or of a new one): uploaded by Google Places, with its keys and addresses."""
    venue = venue or make_venue(connection)
    number = next(_numbers)
    now = datetime.now(UTC)
    state = ImageState(columns.get("state", ImageState.UPLOADED))
    provider = columns.get("provider", "google_places")
    provider_ref = columns.get("provider_ref", f"photo-{number}")
    values: dict[str, Any] = {
        "venue_id": venue.id,
        "provider": provider,
        "provider_ref": provider_ref,
        "source_url": f"https://photos.example.org/{number}.jpg",
        "state": state,
        "width": 1600,
        "height": 1067,
        "quality_score": 0.6,
        "attribution": f"Photographer {number}",
    }
    if state is ImageState.UPLOADED:
        key = image_key(venue.id, venue.name, provider, provider_ref, "jpg")
        thumbnail = thumbnail_key(key)
        values |= {
            "store": "disk",
            "storage_key": key,
            "url": f"{MEDIA}/{key}",
            "thumbnail_key": thumbnail,
            "thumbnail_url": f"{MEDIA}/{thumbnail}",
            "content_type": "image/jpeg",
            "bytes": 250_000,
            "tries": 1,
            "uploaded_at": now,
            "last_attempt_at": now,
        }
    if state in (ImageState.FAILED, ImageState.PERMANENTLY_FAILED):
        values |= {"error_type": ErrorType.NETWORK_TIMEOUT, "tries": 1, "last_attempt_at": now}
    if state is ImageState.UPLOADING:
        values |= {"claimed_by": "worker@tests", "claimed_until": now + timedelta(minutes=1), "claim": 1}
    return _insert(connection, schema.Image, values | columns)


def make_attempt(
    connection: Connection, image: Row[Any], job: Row[Any] | None = None, **columns: Any
) -> Row[Any]:
    """One try of `image`, as part of `job`; its outcome follows the image's state unless given."""
    finished_at = columns.get("finished_at", datetime.now(UTC))
    uploaded = image.state == ImageState.UPLOADED
    result = AttemptOutcome(
        columns.get("outcome", AttemptOutcome.UPLOADED if uploaded else AttemptOutcome.FAILED)
    )
    values: dict[str, Any] = {
        "finished_at": finished_at,
        "started_at": finished_at - timedelta(milliseconds=400),
        "image_id": image.id,
        "job_id": job.id if job else None,
        "provider": image.provider,
        "number": 1,
        "outcome": result,
        "worker": "worker@tests",
    }
    if result is AttemptOutcome.UPLOADED:
        values |= {"bytes": 250_000, "status_code": 200}
    else:
        lost = result is AttemptOutcome.LOST
        values["error_type"] = (
            ErrorType.WORKER_LOST if lost else image.error_type or ErrorType.NETWORK_TIMEOUT
        )
        values["status_code"] = image.status_code
        values["detail"] = image.detail
        connection.execute(
            update(schema.Image).where(schema.Image.id == image.id).values(failed_job=values["job_id"])
        )
    return _insert(connection, schema.Attempt, values | columns)


def make_heartbeat(connection: Connection, kind: str = "worker", **columns: Any) -> Row[Any]:
    """A process of `kind` that said just now that it lives."""
    values = {"process": f"{kind}@tests:{next(_numbers)}", "kind": kind}
    return _insert(connection, schema.Heartbeat, values | columns)


def make_enrichment(
    connection: Connection,
    venue: Row[Any] | None = None,
    *,
    uploaded: int = 3,
    failures: Sequence[ErrorType] = (),
    provider: str = "google_places",
    **columns: Any,
) -> Row[Any]:
    """A finished enrichment with everything that belongs to it: images, tries, provider result, meta.

    `failures` gives the error type of each image that failed.
    """
    venue = venue or make_venue(connection)
    figures = JobFigures(discovered=uploaded + len(failures), uploaded=uploaded, failed=len(failures))
    status = columns.pop("status", outcome(figures))
    found = ProviderStatus.SUCCESS if figures.discovered else ProviderStatus.NO_IMAGES
    finished_at = columns.setdefault("finished_at", datetime.now(UTC) - timedelta(minutes=1))
    cost = columns.setdefault("cost_usd", Decimal("0.007") * figures.discovered)
    images = [
        make_image(connection, venue, provider=provider, position=position) for position in range(uploaded)
    ]
    failed = [
        make_image(
            connection,
            venue,
            provider=provider,
            position=uploaded + position,
            state=ImageState.FAILED,
            error_type=error_type,
            detail="The other side said so.",
        )
        for position, error_type in enumerate(failures)
    ]
    meta = {
        "status": status,
        "images_discovered": figures.discovered,
        "images_uploaded": figures.uploaded,
        "images_failed": figures.failed,
        "failure_breakdown": {kind: list(failures).count(kind) for kind in failures},
        "failed_images": [
            {"provider": provider, "provider_url": image.source_url, "error_type": image.error_type}
            for image in failed
        ],
        "providers": {provider: {"status": found, "images_fetched": figures.discovered}},
        "total_cost_usd": float(cost),
        "summary": summary(figures, {provider: found}),
        "imagekit_urls": [image.url for image in images],
        "completed_at": finished_at.isoformat(),
        "venue": {"id": venue.id, "name": venue.name},
    }
    job = make_job(
        connection,
        venue,
        status=status,
        images_discovered=figures.discovered,
        images_uploaded=figures.uploaded,
        images_failed=figures.failed,
        args={"venue_id": venue.id},
        meta=meta,
        settled=False,
        **columns,
    )
    for image in (*images, *failed):
        make_attempt(connection, image, job, finished_at=finished_at)
    make_job_provider(
        connection,
        job,
        provider,
        status=found,
        images_fetched=figures.discovered,
        images_uploaded=figures.uploaded,
        images_failed=figures.failed,
        calls=1 + figures.discovered,
        cost_usd=cost,
        duration_ms=420,
    )
    return settle(connection, job)


def make_match(
    connection: Connection, venue: Row[Any], provider: str = "foursquare", **columns: Any
) -> Row[Any]:
    """What a search for `venue` at `provider` found: two of its name, for a person to choose from.

    `candidates` are given as values; a state with an id takes that of the first.
    """
    found = columns.pop("candidates", None)
    if found is None:
        found = [
            Candidate(
                place_id=f"{next(_numbers):024x}",
                name=venue.name,
                address=f"{number} Main Street",
                latitude=50.06 + number / 10_000,
                longitude=19.94,
                kind="venue",
                distance_m=10.0 * number,
                name_score=1.0,
                score=1.0,
            )
            for number in (1, 2)
        ]
    state = MatchState(columns.get("state", MatchState.REVIEW))
    values: dict[str, Any] = {
        "venue_id": venue.id,
        "provider": provider,
        "state": state,
        "score": found[0].score if found else None,
        "reason": "Two places are about as likely.",
        "candidates": [each.to_json() for each in found],
    }
    if state.has_id:
        values |= {"place_id": found[0].place_id}
    if state.by_person:
        values |= {"decided_by": "tests", "decided_at": datetime.now(UTC)}
    return _insert(connection, schema.VenueMatch, values | columns)

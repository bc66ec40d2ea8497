"""A small world for the console's tests and for looking at it: jobs of every outcome, real pictures."""

from __future__ import annotations

import colorsys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image as Picture
from PIL import ImageDraw
from sqlalchemy import Connection, Row, select

from ops_core.db import schema
from ops_core.domain.errors import ErrorType as E
from ops_core.domain.images import ImageState
from ops_core.domain.jobs import JobKind, JobState, JobStatus, ProviderStatus
from tests.support.factories import (
    make_city,
    make_enrichment,
    make_heartbeat,
    make_image,
    make_job,
    make_job_provider,
    make_venue,
    settle,
)

_VENUES = {
    ("Kraków", "Poland"): ("Wawel Royal Castle", "Sukiennice", "Klub Żaczek", "Café Camelot"),
    ("London", "United Kingdom"): ("British Museum", "Royal Albert Hall", "O'Connor & Sons <Pub>"),
    ("Paris", "France"): ("Musée du Louvre", "Théâtre de l'Odéon"),
    ("Tokyo", "Japan"): ("東京国立博物館", "Sensō-ji"),
}
_FAILURES: tuple[tuple[E, ...], ...] = (
    (),
    (E.NETWORK_TIMEOUT,),
    (E.RATE_LIMITED, E.RATE_LIMITED, E.NOT_FOUND),
    (),
    (E.CORRUPT_IMAGE, E.SERVICE_UNAVAILABLE),
    (),
)


def fill(connection: Connection, store: Path | None, now: datetime | None = None) -> list[Row[Any]]:
    """Jobs of every outcome, a worker and a dispatcher that live; returns the jobs, newest first.

    With a `store`, the pictures of uploaded images are drawn into it.
    """
    now = now or datetime.now(UTC)
    jobs: list[Row[Any]] = []
    venues = []
    for (city_name, country), names in _VENUES.items():
        city = make_city(connection, name=city_name, country=country)
        venues += [make_venue(connection, city, name=name) for name in names]
    for number, venue in enumerate(venues):
        jobs.append(
            make_enrichment(
                connection,
                venue,
                uploaded=4 + number * 3 % 7,
                failures=_FAILURES[number % len(_FAILURES)],
                provider=("google_places", "wikimedia_commons")[number % 2],
                finished_at=now - timedelta(minutes=2 + 7 * number),
            )
        )
    at = iter(now - timedelta(minutes=3 + 11 * number) for number in range(9))
    jobs += [
        make_enrichment(connection, venues[0], uploaded=0, finished_at=next(at)),
        make_enrichment(connection, venues[1], uploaded=0, failures=[E.FORBIDDEN] * 2, finished_at=next(at)),
        make_job(
            connection,
            venues[2],
            state=JobState.DISCARDED,
            status=JobStatus.ERROR,
            attempt=3,
            errors=[{"attempt": 3, "at": now.isoformat(), "error": "the worker was killed"}],
            finished_at=next(at),
        ),
        make_job(connection, venues[3], state=JobState.CANCELLED, finished_at=next(at)),
        make_job(
            connection,
            kind=JobKind.STALE,
            finished_at=next(at),
            meta={"summary": "11 venues were due, 11 enrichments queued"},
        ),
    ]
    refused = make_job(connection, venues[4], settled=False, status=JobStatus.ERROR, finished_at=next(at))
    make_job_provider(
        connection,
        refused,
        status=ProviderStatus.FAILED,
        error_type=E.AUTH_ERROR,
        status_code=401,
        reason="API key not valid. Please pass a valid API key.",
    )
    jobs.append(settle(connection, refused))
    make_job(connection, venues[0], state=JobState.EXECUTING)
    for venue in venues[1:4]:
        make_job(connection, venue, state=JobState.AVAILABLE)
    make_image(connection, venues[0], state=ImageState.PERMANENTLY_FAILED, error_type=E.BAD_GATEWAY)
    make_heartbeat(connection, "worker")
    make_heartbeat(connection, "dispatcher")
    if store:
        draw_stored(connection, store)
    return sorted(jobs, key=lambda job: (job.finished_at, job.id), reverse=True)


def draw_stored(connection: Connection, store: Path) -> None:
    """A picture in `store` for every uploaded image, and its thumbnail."""
    columns = (schema.Image.id, schema.Image.storage_key, schema.Image.thumbnail_key)
    for number, key, thumbnail in connection.execute(
        select(*columns).where(schema.Image.storage_key.is_not(None))
    ):
        _draw(store / key, number, (640, 427))
        _draw(store / thumbnail, number, (200, 150))


def _draw(path: Path, number: int, size: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    hue = number * 0.381966 % 1
    width, height = size
    picture = Picture.new("RGB", size)
    draw = ImageDraw.Draw(picture)
    for y in range(height):
        shade = colorsys.hsv_to_rgb(
            hue + 0.12 * y / height, 0.25 + 0.35 * y / height, 0.95 - 0.4 * y / height
        )
        draw.line([(0, y), (width, y)], fill=tuple(round(255 * part) for part in shade))
    for block in range(6):
        left = width * block // 6
        top = height * (5 + (number * (block + 3)) % 4) // 10
        dark = colorsys.hsv_to_rgb(hue + 0.55, 0.35, 0.25 + 0.05 * block)
        draw.rectangle([left, top, left + width // 7, height], fill=tuple(round(255 * part) for part in dark))
    picture.save(path, quality=80)

"""Handing the items of retry requests to the workers, portion by portion (`domain/retry_flow.py`)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, text

from ops_core.domain.retry_flow import Portion, Sample, Standing, portion, stop_reason
from ops_core.domain.retry_options import Options

_DUE = text("""
    SELECT id FROM retry_requests
    WHERE finished_at IS NULL AND state IN ('pending', 'running') AND not_before <= now() ORDER BY id
""")

_HOLD = text("""
    SELECT id, actor, options, plan, scan_id, sample_decided, drip_at, clock_timestamp() AS now
    FROM retry_requests
    WHERE id = :id AND finished_at IS NULL AND state IN ('pending', 'running') AND not_before <= now()
      AND EXISTS (SELECT FROM retry_items WHERE request_id = :id AND state = 'queued' AND job_id IS NULL)
    FOR NO KEY UPDATE
""")

_BEGUN = text("""
    SELECT provider, count(*) AS images FROM retry_items
    WHERE request_id = :id AND state IN ('queued', 'running') AND job_id IS NOT NULL GROUP BY provider
""")

_SAMPLE = text("""
    SELECT count(*) FILTER (WHERE state IN ('queued', 'running')) AS open,
        count(*) FILTER (WHERE state = 'uploaded') AS uploaded,
        count(*) FILTER (WHERE state = 'failed') AS failed
    FROM retry_items WHERE request_id = :id AND sample
""")

#: Dollars its jobs spent in the last 24 hours.
_SPENT = text("""
    SELECT coalesce(sum(attempts.cost_usd), 0) FROM jobs JOIN attempts ON attempts.job_id = jobs.id
    WHERE jobs.request_id = :id AND attempts.finished_at > now() - interval '24 hours'
""")

_RELEASE = text("""
    WITH taken AS (
        SELECT waiting.image_id, room.provider
        FROM unnest(CAST(:codes AS text[]), CAST(:rooms AS bigint[])) AS room(provider, n)
        CROSS JOIN LATERAL (
            SELECT image_id FROM retry_items
            WHERE request_id = :id AND provider = room.provider AND state = 'queued' AND job_id IS NULL
              AND (sample OR NOT :only_sample)
            ORDER BY image_id LIMIT room.n
        ) AS waiting
        ORDER BY waiting.image_id LIMIT :total
    ), placed AS (
        SELECT taken.*, images.venue_id FROM taken JOIN images ON images.id = taken.image_id
    ), made AS (
        INSERT INTO jobs (kind, actor, venue_id, city_id, request_id, parent_id, providers, args,
                          max_attempts)
        SELECT 'retry', :actor, venues.id, venues.city_id, :id, :scan_id, part.providers,
            jsonb_build_object('venue_id', venues.id, 'request_id', CAST(:id AS bigint))
                || CASE WHEN :override THEN '{"override": true}'::jsonb ELSE '{}'::jsonb END,
            :max_attempts
        FROM (SELECT venue_id, array_agg(DISTINCT provider ORDER BY provider) AS providers
              FROM placed GROUP BY venue_id) AS part
        JOIN venues ON venues.id = part.venue_id ORDER BY venues.id
        RETURNING id, venue_id
    ), given AS (
        UPDATE retry_items SET job_id = made.id FROM placed JOIN made USING (venue_id)
        WHERE retry_items.request_id = :id AND retry_items.image_id = placed.image_id
        RETURNING made.id
    )
    SELECT id, count(*) AS images FROM given GROUP BY id ORDER BY id
""")

_WRITE = text("""
    UPDATE retry_requests SET state = 'running', started_at = coalesce(started_at, clock_timestamp()),
        sample_decided = sample_decided OR :decided, drip_at = coalesce(:drip_at, drip_at)
    WHERE id = :id
""")

_STOP = text("UPDATE retry_requests SET state = 'paused', state_reason = :why WHERE id = :id")


def due(connection: Connection) -> list[int]:
    """The requests that may have something to hand out."""
    return list(connection.scalars(_DUE))


def release(connection: Connection, request_id: int, *, max_attempts: int) -> list[int]:
    """Hand out what may begin now of one request; the ids of the new jobs, one for each venue.

    A sample that did badly pauses the request instead.
    """
    row = connection.execute(_HOLD, {"id": request_id}).one_or_none()
    if row is None:
        return []
    options = Options.from_json(row.options)
    part = portion(_standing(connection, row, options), row.now)
    if part.stop:
        connection.execute(_STOP, {"id": request_id, "why": part.stop})
        return []
    jobs = _hand_out(connection, row, part, options, max_attempts) if part.total else []
    images = sum(job.images for job in jobs)
    if images or part.decided:
        connection.execute(
            _WRITE, {"id": request_id, "decided": part.decided, "drip_at": part.drip_after(images)}
        )
    return [job.id for job in jobs]


def sample_stop(connection: Connection, request_id: int) -> str | None:
    """Why the sample of a request stops it; None if it does not, has not ended or there is none."""
    stored = text("SELECT options FROM retry_requests WHERE id = :id")
    options = Options.from_json(connection.execute(stored, {"id": request_id}).scalar_one())
    sample = _sample(connection, request_id)
    return None if not options.sample or sample.open else stop_reason(sample, options.sample_share)


def _sample(connection: Connection, request_id: int) -> Sample:
    return Sample(**connection.execute(_SAMPLE, {"id": request_id}).one()._mapping)


def _standing(connection: Connection, row: Row[Any], options: Options) -> Standing:
    which = {"id": row.id}
    begun = {row.provider: row.images for row in connection.execute(_BEGUN, which)}
    prices = _prices(row.plan)
    spent = Decimal(0)
    if options.usd_per_day is not None:
        spent = connection.execute(_SPENT, which).scalar_one()
        spent += sum((images * prices.get(code, Decimal(0)) for code, images in begun.items()), Decimal(0))
    sample = Sample()
    if options.sample and not row.sample_decided:
        sample = _sample(connection, row.id)
    return Standing(
        options=options,
        begun=begun,
        prices=prices,
        sample=sample,
        sample_decided=row.sample_decided,
        spent_usd=spent,
        drip_at=row.drip_at,
    )


def _prices(plan: dict[str, Any]) -> dict[str, Decimal]:
    """Dollars an image is expected to cost, by provider, as the plan reckons."""
    return {
        share["provider"]: Decimal(share["cost_usd"]) / share["images"]
        for share in plan["by_provider"]
        if share["images"]
    }


def _hand_out(
    connection: Connection, row: Row[Any], part: Portion, options: Options, max_attempts: int
) -> list[Row[Any]]:
    return list(
        connection.execute(
            _RELEASE,
            {
                "id": row.id,
                "codes": list(part.rooms),
                "rooms": list(part.rooms.values()),
                "total": part.total,
                "only_sample": part.only_sample,
                "actor": row.actor,
                "scan_id": row.scan_id,
                "override": options.override,
                "max_attempts": max_attempts,
            },
        )
    )

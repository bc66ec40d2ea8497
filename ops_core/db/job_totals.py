"""What a finished job's row says of its images, kept true while later jobs try the same images again.

Locks are taken in one order by everybody: images, jobs, sums of jobs. A job counts itself when it
ends, with its images held still; whoever tries one of them afterwards moves the counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, text

from ops_core.domain.errors import TRANSIENT_TYPES, ErrorType
from ops_core.domain.images import MAX_RETRIES, ImageState, may_try_automatically

_TRANSIENT = [kind.value for kind in TRANSIENT_TYPES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one later try changes in the row of an earlier job."""

    job_id: int
    failed_now: int = 0
    retryable_now: int = 0
    first_tried: int = 0
    first_uploaded: int = 0
    first_stored: int = 0


_HOLD = text("""
    SELECT id FROM images WHERE id IN (SELECT image_id FROM attempts WHERE job_id = ANY(:ids))
    ORDER BY id FOR SHARE
""")

_COUNT = text("""
    WITH ends AS (
        SELECT DISTINCT ON (job_id, image_id) job_id, image_id, provider, outcome, error_type, finished_at, id
        FROM attempts WHERE job_id = ANY(:ids)
        ORDER BY job_id, image_id, number DESC, finished_at DESC
    ), of_images AS (
        SELECT ends.job_id, array_agg(DISTINCT ends.provider) AS providers,
            array_agg(DISTINCT ends.error_type::text)
                FILTER (WHERE ends.outcome <> 'uploaded') AS error_types,
            (array_agg(ends.error_type ORDER BY ends.finished_at, ends.id)
                FILTER (WHERE ends.outcome <> 'uploaded'))[1] AS first_error,
            count(*) FILTER (WHERE images.failed_job = ends.job_id) AS failed_now,
            count(*) FILTER (WHERE images.failed_job = ends.job_id AND images.retry_count < :max_retries
                AND images.error_type = ANY(CAST(:transient AS error_type[]))) AS retryable_now
        FROM ends JOIN images ON images.id = ends.image_id GROUP BY ends.job_id
    ), firsts AS (
        SELECT attempts.job_id, count(*) AS tried,
            count(*) FILTER (WHERE attempts.outcome = 'uploaded') AS uploaded,
            count(*) FILTER (WHERE images.state = 'uploaded') AS stored
        FROM attempts JOIN images ON images.id = attempts.image_id
        WHERE attempts.job_id = ANY(:ids) AND attempts.number = 1 GROUP BY attempts.job_id
    ), of_providers AS (
        SELECT job_id, array_agg(provider) AS providers, count(error_type) AS failed,
            array_agg(DISTINCT error_type::text)
                FILTER (WHERE error_type IS NOT NULL) AS error_types,
            (array_agg(error_type ORDER BY provider) FILTER (WHERE error_type IS NOT NULL))[1] AS first_error
        FROM job_providers WHERE job_id = ANY(:ids) GROUP BY job_id
    )
    UPDATE jobs SET
        summary = left(coalesce(jobs.meta->>'summary', jobs.errors->-1->>'error'), 1000),
        providers = ARRAY(SELECT DISTINCT unnest(coalesce(of_images.providers, '{}')
                                                 || coalesce(of_providers.providers, '{}')) ORDER BY 1),
        error_types = ARRAY(SELECT DISTINCT unnest(coalesce(of_images.error_types, '{}')
                                                   || coalesce(of_providers.error_types, '{}')) ORDER BY 1),
        first_error = coalesce(of_images.first_error, of_providers.first_error),
        providers_failed = coalesce(of_providers.failed, 0),
        images_existing = CASE WHEN jsonb_typeof(meta->'images_existing') = 'number'
                          THEN (meta->>'images_existing')::numeric ELSE 0 END,
        images_left = CASE WHEN jsonb_typeof(meta->'images_left') = 'number'
                      THEN (meta->>'images_left')::numeric ELSE 0 END,
        images_first_tried = coalesce(firsts.tried, 0),
        images_first_uploaded = coalesce(firsts.uploaded, 0),
        images_first_stored = coalesce(firsts.stored, 0),
        images_failed_now = coalesce(of_images.failed_now, 0),
        images_retryable_now = coalesce(of_images.retryable_now, 0)
    FROM unnest(CAST(:ids AS bigint[])) AS ended(id)
    LEFT JOIN of_images ON of_images.job_id = ended.id
    LEFT JOIN firsts ON firsts.job_id = ended.id
    LEFT JOIN of_providers ON of_providers.job_id = ended.id
    WHERE jobs.id = ended.id
""")

_FAILURES = text("""
    UPDATE job_providers SET failures = counted.failures
    FROM (
        SELECT job_id, provider, jsonb_object_agg(error_type, images) AS failures
        FROM (
            SELECT job_id, provider, error_type, count(*) AS images
            FROM (
                SELECT DISTINCT ON (job_id, image_id) job_id, provider, outcome, error_type
                FROM attempts WHERE job_id = ANY(:ids)
                ORDER BY job_id, image_id, number DESC, finished_at DESC
            ) AS ends
            WHERE outcome <> 'uploaded' GROUP BY job_id, provider, error_type
        ) AS by_type GROUP BY job_id, provider
    ) AS counted
    WHERE job_providers.job_id = counted.job_id AND job_providers.provider = counted.provider
""")

# the sums that a job is in; everybody takes their locks in the order of the key
_FACETS = """
    CROSS JOIN LATERAL (
        SELECT 'all' AS facet, '' AS value
        UNION ALL SELECT 'city', job.city_id::text WHERE job.city_id IS NOT NULL
        UNION ALL SELECT 'provider', unnest(job.providers)
        UNION ALL SELECT 'error_type', unnest(job.error_types)
    ) AS of_facet
"""

_ROLL_UP = text(f"""
    INSERT INTO job_rollups (facet, value, hour, kind, outcome, jobs, discovered, uploaded, failed,
                             failed_now, retryable_now, first_tried, first_uploaded, first_stored, cost_usd)
    SELECT facet, value, date_trunc('hour', finished_at, 'UTC'), kind, outcome, count(*),
        sum(images_discovered), sum(images_uploaded), sum(images_failed), sum(images_failed_now),
        sum(images_retryable_now), sum(images_first_tried), sum(images_first_uploaded),
        sum(images_first_stored), sum(cost_usd)
    FROM jobs AS job {_FACETS}
    WHERE id = ANY(:ids) AND finished_at IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (facet, value, hour, kind, outcome) DO UPDATE SET
        jobs = job_rollups.jobs + excluded.jobs,
        discovered = job_rollups.discovered + excluded.discovered,
        uploaded = job_rollups.uploaded + excluded.uploaded,
        failed = job_rollups.failed + excluded.failed,
        failed_now = job_rollups.failed_now + excluded.failed_now,
        retryable_now = job_rollups.retryable_now + excluded.retryable_now,
        first_tried = job_rollups.first_tried + excluded.first_tried,
        first_uploaded = job_rollups.first_uploaded + excluded.first_uploaded,
        first_stored = job_rollups.first_stored + excluded.first_stored,
        cost_usd = job_rollups.cost_usd + excluded.cost_usd
""")

_HOLD_JOBS = text("SELECT id FROM jobs WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")

_CHANGE = text(f"""
    WITH new AS (
        SELECT * FROM jsonb_to_recordset(CAST(:changes AS jsonb))
            AS r(job_id bigint, failed_now bigint, retryable_now bigint, first_tried bigint,
                 first_uploaded bigint, first_stored bigint)
    ), job AS (
        -- a job that has not ended counts by itself when it ends
        UPDATE jobs SET images_failed_now = images_failed_now + new.failed_now,
            images_retryable_now = images_retryable_now + new.retryable_now,
            images_first_tried = images_first_tried + new.first_tried,
            images_first_uploaded = images_first_uploaded + new.first_uploaded,
            images_first_stored = images_first_stored + new.first_stored
        FROM new WHERE jobs.id = new.job_id AND jobs.finished_at IS NOT NULL
        RETURNING date_trunc('hour', finished_at, 'UTC') AS hour, kind, outcome, city_id, providers,
            error_types, new.failed_now, new.retryable_now, new.first_tried, new.first_uploaded,
            new.first_stored
    )
    INSERT INTO job_rollups (facet, value, hour, kind, outcome, jobs, discovered, uploaded, failed,
                             failed_now, retryable_now, first_tried, first_uploaded, first_stored, cost_usd)
    SELECT facet, value, hour, kind, outcome, 0, 0, 0, 0, sum(failed_now), sum(retryable_now),
        sum(first_tried), sum(first_uploaded), sum(first_stored), 0
    FROM job {_FACETS}
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (facet, value, hour, kind, outcome) DO UPDATE SET
        failed_now = job_rollups.failed_now + excluded.failed_now,
        retryable_now = job_rollups.retryable_now + excluded.retryable_now,
        first_tried = job_rollups.first_tried + excluded.first_tried,
        first_uploaded = job_rollups.first_uploaded + excluded.first_uploaded,
        first_stored = job_rollups.first_stored + excluded.first_stored
""")

_FIRST_JOBS = text("""
    SELECT job_id, count(*) AS images FROM attempts
    WHERE image_id = ANY(:ids) AND number = 1 AND job_id IS NOT NULL GROUP BY job_id
""")


def hold_images(connection: Connection, ids: Sequence[int]) -> None:
    """Hold still the images that the jobs `ids` tried; before anything else of theirs is locked."""
    connection.execute(_HOLD, {"ids": list(ids)})


def settle(connection: Connection, ids: Sequence[int]) -> None:
    """Count for jobs that have just ended, once for each; their images are held (`hold_images`)."""
    counted = {"ids": list(ids), "transient": _TRANSIENT, "max_retries": MAX_RETRIES}
    connection.execute(_COUNT, counted)
    connection.execute(_FAILURES, {"ids": list(ids)})
    connection.execute(_ROLL_UP, {"ids": list(ids)})


def taken_over(failed_job: int, error_type: ErrorType, retry_count: int) -> Change:
    """An image that `failed_job` had left failed, as given, was tried later: it is that job's no more."""
    retryable = may_try_automatically(ImageState.FAILED, error_type, retry_count)
    return Change(job_id=failed_job, failed_now=-1, retryable_now=-int(retryable))


def first_jobs(connection: Connection, image_ids: Sequence[int]) -> list[Change]:
    """The jobs that tried these images first, each with how many of them are in the store since."""
    rows = connection.execute(_FIRST_JOBS, {"ids": list(image_ids)})
    return [Change(job_id=row.job_id, first_stored=row.images) for row in rows]


def change(connection: Connection, changes: Iterable[Change]) -> None:
    """Move the counts of jobs that have ended, and the hourly sums they are in."""
    sums: dict[int, dict[str, int]] = {}
    for one in changes:
        row = asdict(one)
        total = sums.setdefault(row.pop("job_id"), dict.fromkeys(row, 0))
        for name, amount in row.items():
            total[name] += amount
    rows = [{"job_id": job_id, **total} for job_id, total in sorted(sums.items()) if any(total.values())]
    if rows:
        connection.execute(_HOLD_JOBS, {"ids": [row["job_id"] for row in rows]})
        connection.execute(_CHANGE, {"changes": json.dumps(rows)})

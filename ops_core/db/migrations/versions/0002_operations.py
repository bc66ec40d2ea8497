"""What the Operations page asks of finished jobs: counts in the job's row, hourly sums, search."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

JOB_KIND = postgresql.ENUM(name="job_kind", create_type=False)
ERROR_TYPE = postgresql.ENUM(name="error_type", create_type=False)
FINISHED = sa.text("finished_at IS NOT NULL")
NEWEST = (sa.text("finished_at DESC"), sa.text("id DESC"))
OUTCOME = (
    "CASE state WHEN 'discarded' THEN 'discarded' WHEN 'cancelled' THEN 'cancelled' WHEN 'completed' THEN "
    "CASE status WHEN 'success' THEN 'success' WHEN 'partial' THEN 'partial' WHEN 'failed' THEN 'failed' "
    "WHEN 'no_images' THEN 'no_images' WHEN 'error' THEN 'error' WHEN 'skipped' THEN 'skipped' END END"
)
SUMS = (
    "jobs",
    "discovered",
    "uploaded",
    "failed",
    "failed_now",
    "retryable_now",
    "first_tried",
    "first_uploaded",
    "first_stored",
)
COUNTS = (
    "images_existing",
    "images_left",
    "images_first_tried",
    "images_first_uploaded",
    "images_first_stored",
    "images_failed_now",
    "images_retryable_now",
)
#: Jobs counted in one statement.
CHUNK = 5_000

#: What counts jobs that have ended, as it was when these columns were new.
COUNTING = (
    """
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
            count(*) FILTER (WHERE images.failed_job = ends.job_id AND images.retry_count < 3
                AND images.error_type = ANY(CAST('{rate_limited,network_timeout,network_error,gateway_timeout,bad_gateway,service_unavailable}' AS error_type[]))) AS retryable_now
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
    """,
    """
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
    """,
    """
    INSERT INTO job_rollups (facet, value, hour, kind, outcome, jobs, discovered, uploaded, failed,
                             failed_now, retryable_now, first_tried, first_uploaded, first_stored, cost_usd)
    SELECT facet, value, date_trunc('hour', finished_at, 'UTC'), kind, outcome, count(*),
        sum(images_discovered), sum(images_uploaded), sum(images_failed), sum(images_failed_now),
        sum(images_retryable_now), sum(images_first_tried), sum(images_first_uploaded),
        sum(images_first_stored), sum(cost_usd)
    FROM jobs AS job CROSS JOIN LATERAL (
        SELECT 'all' AS facet, '' AS value
        UNION ALL SELECT 'city', job.city_id::text WHERE job.city_id IS NOT NULL
        UNION ALL SELECT 'provider', unnest(job.providers)
        UNION ALL SELECT 'error_type', unnest(job.error_types)
    ) AS of_facet
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
    """,
)


def _count(name: str, kind: type[sa.types.TypeEngine[int]] = sa.BigInteger) -> sa.Column[int]:
    return sa.Column(name, kind(), server_default=sa.text("0"), nullable=False)


def upgrade() -> None:
    # a trusted extension: the owner of a database may create it
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.add_column("images", sa.Column("failed_job", sa.BigInteger()))
    op.add_column(
        "job_providers",
        sa.Column("failures", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
    )
    op.add_column("jobs", sa.Column("outcome", sa.Text(), sa.Computed(OUTCOME, persisted=True)))
    op.add_column("jobs", sa.Column("summary", sa.Text()))
    for name in ("providers", "error_types"):
        op.add_column(
            "jobs",
            sa.Column(name, postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        )
    op.add_column("jobs", sa.Column("first_error", ERROR_TYPE))
    op.add_column("jobs", _count("providers_failed", sa.SmallInteger))
    for name in COUNTS:
        op.add_column("jobs", _count(name))
    op.create_table(
        "job_rollups",
        sa.Column("facet", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", JOB_KIND, nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.Column("cost_usd", sa.Numeric(16, 6), nullable=False),
        sa.CheckConstraint(
            "facet IN ('all', 'city', 'provider', 'error_type')", name="ck_job_rollups_facet_known"
        ),
        sa.CheckConstraint("(facet = 'all') = (value = '')", name="ck_job_rollups_value_of_facet"),
        sa.PrimaryKeyConstraint("facet", "value", "hour", "kind", "outcome", name="pk_job_rollups"),
    )
    op.create_index("ix_job_rollups_hour", "job_rollups", ["hour"])
    _count_what_is_there()
    # covering, so that a preview over all failures reads the index alone
    _failed_by_venue(include=["id", "provider", "state", "retry_count"])
    op.create_index(
        "ix_images_failed_state",
        "images",
        ["state", "error_type"],
        postgresql_where=sa.text("state IN ('failed', 'permanently_failed')"),
    )
    op.create_index(
        "ix_images_failed_job", "images", ["failed_job"], postgresql_where=sa.text("failed_job IS NOT NULL")
    )
    op.create_index("ix_jobs_outcome_finished", "jobs", ["outcome", *NEWEST], postgresql_where=FINISHED)
    op.create_index("ix_jobs_kind_finished", "jobs", ["kind", *NEWEST], postgresql_where=FINISHED)
    op.create_index(
        "ix_jobs_error_types",
        "jobs",
        ["error_types"],
        postgresql_using="gin",
        postgresql_where=sa.text("error_types <> '{}'"),
    )
    op.create_index(
        "ix_jobs_summary",
        "jobs",
        ["summary"],
        postgresql_using="gin",
        postgresql_ops={"summary": "gin_trgm_ops"},
    )
    op.create_index(
        "ix_jobs_request_id", "jobs", ["request_id"], postgresql_where=sa.text("request_id IS NOT NULL")
    )
    op.create_index(
        "ix_venues_name", "venues", ["name"], postgresql_using="gin", postgresql_ops={"name": "gin_trgm_ops"}
    )


def downgrade() -> None:
    op.drop_index("ix_venues_name", table_name="venues")
    for name in ("request_id", "summary", "error_types", "kind_finished", "outcome_finished"):
        op.drop_index(f"ix_jobs_{name}", table_name="jobs")
    op.drop_index("ix_images_failed_job", table_name="images")
    op.drop_index("ix_images_failed_state", table_name="images")
    _failed_by_venue(include=[])
    op.drop_table("job_rollups")
    for name in (
        *COUNTS,
        "providers_failed",
        "first_error",
        "error_types",
        "providers",
        "summary",
        "outcome",
    ):
        op.drop_column("jobs", name)
    op.drop_column("job_providers", "failures")
    op.drop_column("images", "failed_job")


def _failed_by_venue(include: list[str]) -> None:
    op.drop_index("ix_images_failed_by_venue", table_name="images")
    op.create_index(
        "ix_images_failed_by_venue",
        "images",
        ["venue_id", "error_type"],
        postgresql_where=sa.text("state IN ('failed', 'permanently_failed')"),
        postgresql_include=include,
    )


def _count_what_is_there() -> None:
    """Fill the new columns for the jobs that ended before there were any."""
    connection = op.get_bind()
    connection.execute(
        sa.text("""
            UPDATE images SET failed_job = latest.job_id
            FROM (SELECT DISTINCT ON (image_id) image_id, job_id, error_type FROM attempts
                  WHERE outcome = 'failed' OR error_type = 'worker_lost' AND image_id IN (
                      SELECT id FROM images WHERE error_type = 'worker_lost')
                  ORDER BY image_id, number DESC, finished_at DESC) AS latest
            WHERE images.id = latest.image_id AND images.error_type = latest.error_type
        """)
    )
    last = 0
    while True:
        ids = list(
            connection.scalars(
                sa.text("""
                    SELECT id FROM jobs WHERE finished_at IS NOT NULL AND id > :last
                    ORDER BY id LIMIT :chunk
                """),
                {"last": last, "chunk": CHUNK},
            )
        )
        if not ids:
            return
        for statement in COUNTING:
            connection.execute(sa.text(statement), {"ids": ids})
        last = ids[-1]

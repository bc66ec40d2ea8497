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
#: Jobs counted in one statement: every migration must end well within a statement time limit.
CHUNK = 5_000


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
    op.execute("DROP EXTENSION IF EXISTS pg_trgm")


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
    from ops_core.db.job_totals import settle

    connection = op.get_bind()
    connection.execute(
        sa.text("""
            UPDATE images SET failed_job = latest.job_id
            FROM (SELECT DISTINCT ON (image_id) image_id, job_id FROM attempts WHERE outcome = 'failed'
                  ORDER BY image_id, number DESC, finished_at DESC) AS latest
            WHERE images.id = latest.image_id AND images.error_type IS NOT NULL
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
        settle(connection, ids)
        last = ids[-1]

"""Retries that are scheduled, sampled, paused and forecast; breakers; the calls and outcomes of tries."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

ERROR_TYPE = postgresql.ENUM(name="error_type", create_type=False)
CIRCUIT_STATE = postgresql.ENUM("closed", "open", "half_open", name="circuit_state", create_type=False)
OPEN_JOB = "state IN ('available', 'executing', 'retryable')"
COUNTS = ("images", "uploaded", "failed", "skipped", "let_go", "calls")


def _time(name: str, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), **more)


def _count(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)


def upgrade() -> None:
    _requests()
    _items()
    op.create_index(
        "ix_jobs_due_asked",
        "jobs",
        ["scheduled_at", "id"],
        postgresql_where=sa.text(f"{OPEN_JOB} AND parent_id IS NULL"),
    )
    op.add_column("rollups", _count("calls"))
    op.create_table(
        "retry_rollups",
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("provider", sa.Text(), primary_key=True),
        sa.Column("error_type", ERROR_TYPE, primary_key=True),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("uploaded", sa.BigInteger(), nullable=False),
    )
    CIRCUIT_STATE.create(op.get_bind())
    op.create_table(
        "circuits",
        sa.Column("provider", sa.Text(), sa.ForeignKey("providers.code"), primary_key=True),
        sa.Column("state", CIRCUIT_STATE, server_default="closed", nullable=False),
        _count("failures"),
        sa.Column("opened", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error_type", ERROR_TYPE),
        _time("opened_at"),
        _time("retry_at"),
        _time("probe_until"),
        _time("overridden_until"),
        _time("changed_at", server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("failures >= 0 AND opened >= 0", name="counts_not_negative"),
        sa.CheckConstraint("(state = 'closed') = (retry_at IS NULL)", name="open_has_time"),
    )
    _history()


def _requests() -> None:
    columns: list[sa.Column[Any]] = [
        sa.Column("forecast", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("state_reason", sa.Text()),
        sa.Column("rerun_of", sa.BigInteger(), sa.ForeignKey("retry_requests.id")),
        sa.Column("scan_id", sa.BigInteger()),
        sa.Column("sample_decided", sa.Boolean(), server_default=sa.false(), nullable=False),
        _time("started_at"),
        _time("drip_at"),
        *map(_count, COUNTS),
        sa.Column("cost_usd", sa.Numeric(12, 6), server_default=sa.text("0"), nullable=False),
    ]
    for column in columns:
        op.add_column("retry_requests", column)
    op.create_index(
        "ix_retry_requests_rerun_of",
        "retry_requests",
        ["rerun_of"],
        postgresql_where=sa.text("rerun_of IS NOT NULL"),
    )
    op.drop_column("retry_requests", "hinted_at")


def _items() -> None:
    for other in ("image_id", "request_id"):
        op.drop_constraint(f"fk_retry_items_{other}", "retry_items", type_="foreignkey")
    op.drop_index("ix_retry_items_claimable", table_name="retry_items")
    op.drop_column("retry_items", "not_before")
    op.add_column("retry_items", sa.Column("provider", sa.Text()))
    op.add_column("retry_items", sa.Column("was_error", ERROR_TYPE))
    op.add_column("retry_items", sa.Column("sample", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("retry_items", sa.Column("job_id", sa.BigInteger()))
    op.execute(
        """
        UPDATE retry_items SET provider = found.provider, job_id = found.job_id
        FROM (
            -- joined as a whole: asked item by item, each would walk all jobs of its request
            SELECT items.request_id, items.image_id, images.provider, jobs.id AS job_id
            FROM retry_items AS items JOIN images ON images.id = items.image_id
            LEFT JOIN jobs ON jobs.request_id = items.request_id AND jobs.venue_id = images.venue_id
        ) AS found
        WHERE found.request_id = retry_items.request_id AND found.image_id = retry_items.image_id
        """
    )
    op.alter_column("retry_items", "provider", nullable=False)
    op.create_index(
        "ix_retry_items_waiting",
        "retry_items",
        ["request_id", "provider", "image_id"],
        postgresql_where=sa.text("state = 'queued' AND job_id IS NULL"),
    )
    op.create_index(
        "ix_retry_items_begun",
        "retry_items",
        ["request_id", "provider"],
        postgresql_where=sa.text("state IN ('queued', 'running') AND job_id IS NOT NULL"),
    )
    op.create_index(
        "ix_retry_items_sample", "retry_items", ["request_id"], postgresql_where=sa.text("sample")
    )
    op.create_index(
        "ix_retry_items_job_id",
        "retry_items",
        ["job_id"],
        postgresql_where=sa.text("job_id IS NOT NULL"),
    )
    op.create_index(
        "ix_retry_items_finished",
        "retry_items",
        ["request_id", "finished_at"],
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(
        "ix_retry_items_unstored",
        "retry_items",
        ["request_id", "state", "image_id"],
        postgresql_where=sa.text("state IN ('failed', 'skipped', 'released')"),
    )


def _history() -> None:
    """Count what earlier retries did, from their items, jobs and attempts."""
    op.execute(
        """
        UPDATE retry_requests SET images = counted.images, uploaded = counted.uploaded,
            failed = counted.failed, skipped = counted.skipped, let_go = counted.let_go
        FROM (
            SELECT request_id, count(*) AS images, count(*) FILTER (WHERE state = 'uploaded') AS uploaded,
                count(*) FILTER (WHERE state = 'failed') AS failed,
                count(*) FILTER (WHERE state = 'skipped') AS skipped,
                count(*) FILTER (WHERE state = 'released') AS let_go
            FROM retry_items GROUP BY request_id
        ) AS counted WHERE counted.request_id = retry_requests.id
        """
    )
    op.execute(
        """
        UPDATE retry_requests SET started_at = counted.started_at, cost_usd = counted.cost_usd,
            calls = counted.calls
        FROM (
            SELECT jobs.request_id, min(jobs.attempted_at) AS started_at, sum(jobs.cost_usd) AS cost_usd,
                coalesce(sum(of_jobs.calls), 0) AS calls
            FROM jobs LEFT JOIN (SELECT job_id, sum(calls) AS calls FROM job_providers GROUP BY job_id)
                AS of_jobs ON of_jobs.job_id = jobs.id
            WHERE jobs.request_id IS NOT NULL GROUP BY jobs.request_id
        ) AS counted WHERE counted.request_id = retry_requests.id
        """
    )
    op.execute(
        """
        INSERT INTO retry_rollups (day, provider, error_type, tries, uploaded)
        SELECT (finished_at AT TIME ZONE 'UTC')::date, provider, error_before, count(*),
               count(*) FILTER (WHERE outcome = 'uploaded')
        FROM (
            SELECT finished_at, provider, outcome,
                lag(error_type) OVER (PARTITION BY image_id ORDER BY number, finished_at) AS error_before
            FROM attempts
        ) AS tries
        WHERE error_before IS NOT NULL AND outcome <> 'lost' GROUP BY 1, 2, 3
        """
    )
    op.execute(
        """
        UPDATE rollups SET calls = counted.calls
        FROM (
            SELECT date_trunc('hour', attempts.finished_at, 'UTC') AS hour, attempts.provider,
                coalesce(attempts.error_type::text, '') AS error_type, venues.city_id,
                sum(attempts.calls) AS calls
            FROM attempts JOIN images ON images.id = attempts.image_id
            JOIN venues ON venues.id = images.venue_id GROUP BY 1, 2, 3, 4
        ) AS counted
        WHERE rollups.hour = counted.hour AND rollups.provider = counted.provider
          AND rollups.error_type = counted.error_type AND rollups.city_id = counted.city_id
        """
    )


def downgrade() -> None:
    op.drop_table("circuits")
    CIRCUIT_STATE.drop(op.get_bind())
    op.drop_table("retry_rollups")
    op.drop_column("rollups", "calls")
    op.drop_index("ix_jobs_due_asked", table_name="jobs")
    for name in ("unstored", "finished", "job_id", "sample", "begun", "waiting"):
        op.drop_index(f"ix_retry_items_{name}", table_name="retry_items")
    for name in ("job_id", "sample", "was_error", "provider"):
        op.drop_column("retry_items", name)
    op.add_column("retry_items", _time("not_before", server_default=sa.text("now()"), nullable=False))
    op.create_index(
        "ix_retry_items_claimable",
        "retry_items",
        ["request_id", "not_before"],
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_foreign_key("fk_retry_items_image_id", "retry_items", "images", ["image_id"], ["id"])
    op.create_foreign_key(
        "fk_retry_items_request_id",
        "retry_items",
        "retry_requests",
        ["request_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.add_column("retry_requests", _time("hinted_at"))
    times = ("drip_at", "started_at")
    notes = ("sample_decided", "scan_id", "rerun_of", "state_reason", "forecast")
    for name in ("cost_usd", *COUNTS, *times, *notes):
        op.drop_column("retry_requests", name)

"""First schema."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

ATTEMPT_OUTCOME = postgresql.ENUM("uploaded", "failed", "lost", name="attempt_outcome", create_type=False)
ERROR_TYPE = postgresql.ENUM(
    "rate_limited",
    "network_timeout",
    "network_error",
    "gateway_timeout",
    "bad_gateway",
    "service_unavailable",
    "not_found",
    "forbidden",
    "auth_error",
    "file_too_large",
    "too_many_pixels",
    "not_an_image",
    "unsupported_format",
    "blocked_address",
    "invalid_url",
    "server_error",
    "http_error",
    "quota_exceeded",
    "stale_reference",
    "bad_response",
    "corrupt_image",
    "empty_body",
    "too_many_redirects",
    "store_error",
    "not_configured",
    "worker_lost",
    "download_failed",
    "unknown_error",
    name="error_type",
    create_type=False,
)
IMAGE_STATE = postgresql.ENUM(
    "discovered",
    "uploading",
    "uploaded",
    "failed",
    "permanently_failed",
    name="image_state",
    create_type=False,
)
ITEM_STATE = postgresql.ENUM(
    "queued", "running", "uploaded", "failed", "skipped", "released", name="item_state", create_type=False
)
JOB_KIND = postgresql.ENUM(
    "enrichment",
    "batch",
    "stale",
    "backfill",
    "retry",
    "cleanup",
    "geocoding",
    name="job_kind",
    create_type=False,
)
JOB_STATE = postgresql.ENUM(
    "available",
    "executing",
    "retryable",
    "completed",
    "discarded",
    "cancelled",
    name="job_state",
    create_type=False,
)
JOB_STATUS = postgresql.ENUM(
    "success", "partial", "failed", "no_images", "error", "skipped", name="job_status", create_type=False
)
PROVIDER_STATUS = postgresql.ENUM(
    "success", "no_images", "failed", "skipped", name="provider_status", create_type=False
)
REHOSTING = postgresql.ENUM("store", "reference_only", name="rehosting", create_type=False)
REQUEST_STATE = postgresql.ENUM(
    "pending", "running", "paused", "completed", "cancelled", name="request_state", create_type=False
)
ENUMS = (
    ATTEMPT_OUTCOME,
    ERROR_TYPE,
    IMAGE_STATE,
    ITEM_STATE,
    JOB_KIND,
    JOB_STATE,
    JOB_STATUS,
    PROVIDER_STATUS,
    REHOSTING,
    REQUEST_STATE,
)


def upgrade() -> None:
    for kind in ENUMS:
        kind.create(op.get_bind())
    op.create_table(
        "alert_rules",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "rule",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_rules")),
        sa.UniqueConstraint("name", name=op.f("uq_alert_rules_name")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column(
            "scope",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(
        "ix_audit_at", "audit", [sa.literal_column("at DESC"), sa.literal_column("id DESC")], unique=False
    )
    op.create_table(
        "cities",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_cities_name_given")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cities")),
        sa.UniqueConstraint("name", "country", name=op.f("uq_cities_name_country")),
    )
    op.create_table(
        "failure_groups",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("error_type", ERROR_TYPE, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column(
            "decision",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_failure_groups")),
    )
    op.create_table(
        "heartbeats",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "facts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_heartbeats")),
    )
    op.create_table(
        "providers",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column(
            "capabilities",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("per_second", sa.BigInteger(), nullable=True),
        sa.Column("per_minute", sa.BigInteger(), nullable=True),
        sa.Column("per_hour", sa.BigInteger(), nullable=True),
        sa.Column("listing_usd", sa.Numeric(precision=12, scale=6), nullable=False),
        sa.Column("photo_usd", sa.Numeric(precision=12, scale=6), nullable=False),
        sa.Column("rehosting", REHOSTING, nullable=False),
        sa.Column("terms_note", sa.Text(), server_default="", nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(paused_until IS NULL) = (paused_reason IS NULL)", name=op.f("ck_providers_pause_has_reason")
        ),
        sa.CheckConstraint(
            "listing_usd >= 0 AND photo_usd >= 0", name=op.f("ck_providers_prices_not_negative")
        ),
        sa.CheckConstraint(
            "per_second > 0 AND per_minute > 0 AND per_hour > 0", name=op.f("ck_providers_positive_limits")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_providers")),
    )
    op.create_table(
        "rate_limits",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("tat_second", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tat_minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tat_hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_rate_limits")),
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "retry_requests",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column(
            "scope",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "options",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("state", REQUEST_STATE, server_default="pending", nullable=False),
        sa.Column(
            "plan",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("hinted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retry_requests")),
        sa.UniqueConstraint("token", name=op.f("uq_retry_requests_token")),
    )
    op.create_index(
        "ix_retry_requests_created_at",
        "retry_requests",
        [sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_retry_requests_open",
        "retry_requests",
        ["id"],
        unique=False,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "rollups",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("error_type", sa.Text(), nullable=False),
        sa.Column("city_id", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("first_tries", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=12, scale=6), nullable=False),
        sa.PrimaryKeyConstraint("hour", "provider", "error_type", "city_id", name=op.f("pk_rollups")),
    )
    op.create_index("ix_rollups_city_id", "rollups", ["city_id", "hour"], unique=False)
    op.create_table(
        "saved_views",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column(
            "query",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint("owner", "name", name=op.f("uq_saved_views_owner_name")),
    )
    op.create_table(
        "schedules",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", JOB_KIND, nullable=False),
        sa.Column(
            "args",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("cron", sa.Text(), nullable=True),
        sa.Column("every_seconds", sa.BigInteger(), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("next_run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(cron IS NULL) <> (every_seconds IS NULL)", name=op.f("ck_schedules_cron_or_interval")
        ),
        sa.CheckConstraint("every_seconds > 0", name=op.f("ck_schedules_positive_interval")),
        sa.CheckConstraint("jsonb_typeof(args) = 'object'", name=op.f("ck_schedules_args_object")),
        sa.CheckConstraint("kind IN ('stale', 'cleanup')", name=op.f("ck_schedules_kind_stands_alone")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedules")),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("rule_id", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "facts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["rule_id"], ["alert_rules.id"], name=op.f("fk_alerts_rule_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index("ix_alerts_opened_at", "alerts", [sa.literal_column("opened_at DESC")], unique=False)
    op.create_table(
        "venues",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("natural_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("city_id", sa.BigInteger(), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column(
            "provider_ids",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("last_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("uploaded_images", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "jsonb_typeof(provider_ids) = 'object'", name=op.f("ck_venues_provider_ids_object")
        ),
        sa.CheckConstraint("name <> ''", name=op.f("ck_venues_name_given")),
        sa.CheckConstraint(
            "(latitude IS NULL) = (longitude IS NULL)", name=op.f("ck_venues_both_coordinates")
        ),
        sa.CheckConstraint("latitude BETWEEN -90 AND 90", name=op.f("ck_venues_latitude_range")),
        sa.CheckConstraint("longitude BETWEEN -180 AND 180", name=op.f("ck_venues_longitude_range")),
        sa.ForeignKeyConstraint(["city_id"], ["cities.id"], name=op.f("fk_venues_city_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_venues")),
        sa.UniqueConstraint("natural_key", name=op.f("uq_venues_natural_key")),
    )
    op.create_index("ix_venues_city_id_name", "venues", ["city_id", "name"], unique=False)
    op.create_index(
        "ix_venues_last_asked_at",
        "venues",
        [sa.literal_column("last_asked_at NULLS FIRST"), "id"],
        unique=False,
    )
    op.create_index(
        "ix_venues_provider_ids",
        "venues",
        ["provider_ids"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"provider_ids": "jsonb_path_ops"},
        postgresql_with={"fastupdate": "off"},
    )
    op.create_table(
        "images",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("venue_id", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_ref", sa.Text(), nullable=False),
        sa.Column("fetch_ref", sa.Text(), nullable=True),
        sa.Column("source_url", sa.Text(), nullable=True),
        sa.Column("state", IMAGE_STATE, server_default="discovered", nullable=False),
        sa.Column("error_type", ERROR_TYPE, nullable=True),
        sa.Column("status_code", sa.SmallInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("retry_count", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("position", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=True),
        sa.Column("height", sa.BigInteger(), nullable=True),
        sa.Column("quality_score", sa.Double(), server_default=sa.text("0.1"), nullable=False),
        sa.Column("attribution", sa.Text(), nullable=True),
        sa.Column("attribution_url", sa.Text(), nullable=True),
        sa.Column("license", sa.Text(), nullable=True),
        sa.Column("license_url", sa.Text(), nullable=True),
        sa.Column("storage_key", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("thumbnail_key", sa.Text(), nullable=True),
        sa.Column("thumbnail_url", sa.Text(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("content_hash", sa.Text(), nullable=True),
        sa.Column("triage", sa.Text(), nullable=True),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_job", sa.BigInteger(), nullable=True),
        sa.Column("claim", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lost_claims", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'uploaded') = (storage_key IS NOT NULL)", name=op.f("ck_images_uploaded_is_stored")
        ),
        sa.CheckConstraint(
            "(state = 'uploading') = (claimed_by IS NOT NULL AND claimed_until IS NOT NULL)",
            name=op.f("ck_images_uploading_is_claimed"),
        ),
        sa.CheckConstraint(
            "source_url IS NULL OR source_url ~ '^https?://'", name=op.f("ck_images_source_url_http")
        ),
        sa.CheckConstraint(
            "state <> 'uploaded' OR error_type IS NULL", name=op.f("ck_images_uploaded_has_no_error")
        ),
        sa.CheckConstraint(
            "state NOT IN ('failed', 'permanently_failed') OR error_type IS NOT NULL",
            name=op.f("ck_images_failed_has_error"),
        ),
        sa.CheckConstraint("quality_score BETWEEN 0 AND 1", name=op.f("ck_images_quality_range")),
        sa.CheckConstraint(
            "retry_count >= 0 AND lost_claims >= 0", name=op.f("ck_images_counts_not_negative")
        ),
        sa.ForeignKeyConstraint(["provider"], ["providers.code"], name=op.f("fk_images_provider")),
        sa.ForeignKeyConstraint(["venue_id"], ["venues.id"], name=op.f("fk_images_venue_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
        sa.UniqueConstraint(
            "venue_id", "provider", "provider_ref", name=op.f("uq_images_venue_id_provider_provider_ref")
        ),
    )
    op.create_index(
        "ix_images_claimed",
        "images",
        ["claimed_until"],
        unique=False,
        postgresql_where=sa.text("state = 'uploading'"),
    )
    op.create_index(
        "ix_images_content_hash",
        "images",
        ["content_hash"],
        unique=False,
        postgresql_where=sa.text("content_hash IS NOT NULL"),
    )
    op.create_index(
        "ix_images_failed_by_venue",
        "images",
        ["venue_id", "error_type"],
        unique=False,
        postgresql_where=sa.text("state IN ('failed', 'permanently_failed')"),
    )
    op.create_index(
        "ix_images_open_failures",
        "images",
        ["provider", "error_type", sa.literal_column("last_attempt_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        postgresql_where=sa.text("state IN ('failed', 'permanently_failed')"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", JOB_KIND, nullable=False),
        sa.Column("state", JOB_STATE, server_default="available", nullable=False),
        sa.Column("status", JOB_STATUS, nullable=True),
        sa.Column("venue_id", sa.BigInteger(), nullable=True),
        sa.Column("city_id", sa.BigInteger(), nullable=True),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("request_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), server_default="venue-ops", nullable=False),
        sa.Column("source_id", sa.Text(), nullable=True),
        sa.Column(
            "args",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "meta",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "errors",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("attempt", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("max_attempts", sa.SmallInteger(), server_default=sa.text("3"), nullable=False),
        sa.Column("images_discovered", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("images_uploaded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("images_failed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=12, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column("inserted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "scheduled_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hinted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claim", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lost_claims", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "(state = 'executing') = (claimed_by IS NOT NULL AND claimed_until IS NOT NULL)",
            name=op.f("ck_jobs_executing_is_claimed"),
        ),
        sa.CheckConstraint(
            "(state IN ('completed', 'discarded', 'cancelled')) = (finished_at IS NOT NULL)",
            name=op.f("ck_jobs_finished_has_time"),
        ),
        sa.CheckConstraint(
            "kind <> 'enrichment' OR venue_id IS NOT NULL", name=op.f("ck_jobs_enrichment_has_venue")
        ),
        sa.CheckConstraint(
            "state <> 'completed' OR status IS NOT NULL", name=op.f("ck_jobs_completed_has_status")
        ),
        sa.CheckConstraint("attempt >= 0 AND attempt <= max_attempts", name=op.f("ck_jobs_attempt_range")),
        sa.CheckConstraint(
            "images_discovered >= 0 AND images_uploaded >= 0 AND images_failed >= 0 AND cost_usd >= 0",
            name=op.f("ck_jobs_counts_not_negative"),
        ),
        sa.ForeignKeyConstraint(["city_id"], ["cities.id"], name=op.f("fk_jobs_city_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["jobs.id"], name=op.f("fk_jobs_parent_id")),
        sa.ForeignKeyConstraint(["request_id"], ["retry_requests.id"], name=op.f("fk_jobs_request_id")),
        sa.ForeignKeyConstraint(["venue_id"], ["venues.id"], name=op.f("fk_jobs_venue_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_city_finished",
        "jobs",
        ["city_id", sa.literal_column("finished_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_due",
        "jobs",
        ["scheduled_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('available', 'executing', 'retryable')"),
    )
    op.create_index(
        "ix_jobs_finished",
        "jobs",
        [sa.literal_column("finished_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_parent_id",
        "jobs",
        ["parent_id"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_venue_finished",
        "jobs",
        ["venue_id", sa.literal_column("finished_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(
        "uq_jobs_open_enrichment",
        "jobs",
        ["venue_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'enrichment' AND state IN ('available', 'executing', 'retryable')"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("request_id", sa.BigInteger(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("outcome", ATTEMPT_OUTCOME, nullable=False),
        sa.Column("error_type", ERROR_TYPE, nullable=True),
        sa.Column("status_code", sa.SmallInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("calls", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=12, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(outcome = 'uploaded') = (error_type IS NULL)", name=op.f("ck_attempts_failed_has_error")
        ),
        sa.CheckConstraint("cost_usd >= 0 AND bytes >= 0", name=op.f("ck_attempts_amounts_not_negative")),
        sa.CheckConstraint("finished_at >= started_at", name=op.f("ck_attempts_times_in_order")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_attempts_image_id")),
        sa.PrimaryKeyConstraint("id", "finished_at", name=op.f("pk_attempts")),
        postgresql_partition_by="RANGE (finished_at)",
    )
    # catches rows no month has been made for, so that recording a try can never fail on it
    op.execute("CREATE TABLE attempts_default PARTITION OF attempts DEFAULT")
    op.create_index("ix_attempts_image_id", "attempts", ["image_id", "finished_at"], unique=False)
    op.create_index(
        "ix_attempts_job_id",
        "attempts",
        ["job_id"],
        unique=False,
        postgresql_where=sa.text("job_id IS NOT NULL"),
    )
    op.create_table(
        "job_providers",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("status", PROVIDER_STATUS, nullable=False),
        sa.Column("error_type", ERROR_TYPE, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("status_code", sa.SmallInteger(), nullable=True),
        sa.Column("images_fetched", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("images_uploaded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("images_failed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("calls", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=12, scale=6), server_default=sa.text("0"), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "images_fetched >= 0 AND images_uploaded >= 0 AND images_failed >= 0 AND calls >= 0 AND cost_usd >= 0",
            name=op.f("ck_job_providers_counts_not_negative"),
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_providers_job_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["provider"], ["providers.code"], name=op.f("fk_job_providers_provider")),
        sa.PrimaryKeyConstraint("job_id", "provider", name=op.f("pk_job_providers")),
    )
    op.create_index("ix_job_providers_provider", "job_providers", ["provider", "job_id"], unique=False)
    op.create_table(
        "retry_items",
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("state", ITEM_STATE, server_default="queued", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_retry_items_image_id")),
        sa.ForeignKeyConstraint(
            ["request_id"], ["retry_requests.id"], name=op.f("fk_retry_items_request_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("request_id", "image_id", name=op.f("pk_retry_items")),
    )
    op.create_index(
        "ix_retry_items_claimable",
        "retry_items",
        ["request_id", "not_before"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index(
        "uq_retry_items_open_image",
        "retry_items",
        ["image_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )


def downgrade() -> None:
    op.drop_index(
        "uq_retry_items_open_image",
        table_name="retry_items",
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.drop_index(
        "ix_retry_items_claimable",
        table_name="retry_items",
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.drop_table("retry_items")
    op.drop_index("ix_job_providers_provider", table_name="job_providers")
    op.drop_table("job_providers")
    op.drop_index("ix_attempts_job_id", table_name="attempts", postgresql_where=sa.text("job_id IS NOT NULL"))
    op.drop_index("ix_attempts_image_id", table_name="attempts")
    op.drop_table("attempts")
    op.drop_index(
        "uq_jobs_open_enrichment",
        table_name="jobs",
        postgresql_where=sa.text("kind = 'enrichment' AND state IN ('available', 'executing', 'retryable')"),
    )
    op.drop_index(
        "ix_jobs_venue_finished", table_name="jobs", postgresql_where=sa.text("finished_at IS NOT NULL")
    )
    op.drop_index("ix_jobs_parent_id", table_name="jobs", postgresql_where=sa.text("parent_id IS NOT NULL"))
    op.drop_index("ix_jobs_finished", table_name="jobs", postgresql_where=sa.text("finished_at IS NOT NULL"))
    op.drop_index(
        "ix_jobs_due",
        table_name="jobs",
        postgresql_where=sa.text("state IN ('available', 'executing', 'retryable')"),
    )
    op.drop_index(
        "ix_jobs_city_finished", table_name="jobs", postgresql_where=sa.text("finished_at IS NOT NULL")
    )
    op.drop_table("jobs")
    op.drop_index(
        "ix_images_open_failures",
        table_name="images",
        postgresql_where=sa.text("state IN ('failed', 'permanently_failed')"),
    )
    op.drop_index(
        "ix_images_failed_by_venue",
        table_name="images",
        postgresql_where=sa.text("state IN ('failed', 'permanently_failed')"),
    )
    op.drop_index(
        "ix_images_content_hash", table_name="images", postgresql_where=sa.text("content_hash IS NOT NULL")
    )
    op.drop_index("ix_images_claimed", table_name="images", postgresql_where=sa.text("state = 'uploading'"))
    op.drop_table("images")
    op.drop_index("ix_venues_provider_ids", table_name="venues", postgresql_using="gin")
    op.drop_index("ix_venues_last_asked_at", table_name="venues")
    op.drop_index("ix_venues_city_id_name", table_name="venues")
    op.drop_table("venues")
    op.drop_index("ix_alerts_opened_at", table_name="alerts")
    op.drop_table("alerts")
    op.drop_table("schedules")
    op.drop_table("saved_views")
    op.drop_index("ix_rollups_city_id", table_name="rollups")
    op.drop_table("rollups")
    op.drop_index(
        "ix_retry_requests_open", table_name="retry_requests", postgresql_where=sa.text("finished_at IS NULL")
    )
    op.drop_index("ix_retry_requests_created_at", table_name="retry_requests")
    op.drop_table("retry_requests")
    op.drop_table("rate_limits")
    op.drop_table("providers")
    op.drop_table("heartbeats")
    op.drop_table("failure_groups")
    op.drop_table("cities")
    op.drop_index("ix_audit_at", table_name="audit")
    op.drop_table("audit")
    op.drop_table("alert_rules")
    for kind in ENUMS:
        kind.drop(op.get_bind())

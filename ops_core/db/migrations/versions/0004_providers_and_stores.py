"""Terms and policies of providers, references, stores, searches for venues, and pictures that repeat."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

COPIES = postgresql.ENUM("allowed", "forbidden", "unclear", name="copies", create_type=False)
MATCH_STATE = postgresql.ENUM(
    "matched", "review", "none", "confirmed", "rejected", name="match_state", create_type=False
)
OPEN_JOB = "state IN ('available', 'executing', 'retryable')"
# `referenced`, which is new here, cannot be spoken of before the migration is committed
IN_USE = "state NOT IN ('discovered', 'uploading', 'failed', 'permanently_failed')"


def _time(name: str, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), **more)


def _count(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)


def _words(name: str) -> sa.Column[Any]:
    return sa.Column(name, postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)


def upgrade() -> None:
    op.execute("ALTER TYPE image_state ADD VALUE IF NOT EXISTS 'referenced'")
    _providers()
    op.add_column("venues", _count("referenced_images"))
    op.create_index(
        "uq_jobs_open_geocoding",
        "jobs",
        ["venue_id"],
        unique=True,
        postgresql_where=sa.text(f"kind = 'geocoding' AND {OPEN_JOB}"),
    )
    op.create_index(
        "ix_jobs_due_known",
        "jobs",
        ["scheduled_at", "id"],
        postgresql_where=sa.text(f"{OPEN_JOB} AND providers <> '{{}}'"),
    )
    # what an earlier version stored stays as it is: nobody was told of it then
    op.add_column("images", _time("report_due_at"))
    op.create_index(
        "ix_images_report_due_at",
        "images",
        ["provider", "report_due_at"],
        postgresql_where=sa.text(f"report_due_at IS NOT NULL AND {IN_USE}"),
    )
    _pictures()
    _matches()


def _providers() -> None:
    COPIES.create(op.get_bind())
    op.add_column(
        "providers", sa.Column("search_usd", sa.Numeric(12, 6), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("providers", sa.Column("rehosting_reason", sa.Text()))
    op.add_column("providers", sa.Column("copies", COPIES, server_default="unclear", nullable=False))
    op.add_column("providers", sa.Column("terms_url", sa.Text(), server_default="", nullable=False))
    op.execute(
        """
        UPDATE providers SET copies = 'allowed', capabilities = '["photos", "search"]',
            terms_url = 'https://commons.wikimedia.org/wiki/Commons:Reusing_content_outside_Wikimedia'
        WHERE code = 'wikimedia_commons'
        """
    )
    # the setting that stood for this policy said no unless somebody said yes: so does the row
    op.execute(
        """
        UPDATE providers SET copies = 'forbidden', rehosting = 'reference_only', search_usd = 0.032,
            capabilities = '["photos", "search"]', terms_url = 'https://cloud.google.com/maps-platform/terms'
        WHERE code = 'google_places'
        """
    )
    op.execute(
        """
        UPDATE providers SET rehosting_reason = 'stored by an earlier version'
        WHERE rehosting = 'store' AND copies <> 'allowed'
        """
    )
    op.drop_constraint("prices_not_negative", "providers", type_="check")
    op.create_check_constraint(
        "prices_not_negative", "providers", "listing_usd >= 0 AND photo_usd >= 0 AND search_usd >= 0"
    )
    op.create_check_constraint(
        "copies_have_a_reason",
        "providers",
        "rehosting = 'reference_only' OR copies = 'allowed' OR rehosting_reason IS NOT NULL",
    )


def _pictures() -> None:
    op.create_table(
        "pictures",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("perceptual_hash", sa.Text(), nullable=False),
        _count("images"),
        _count("venues"),
        _words("flags"),
        _time("created_at", server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("images >= 0 AND venues >= 0", name="counts_not_negative"),
    )
    op.create_index(
        "ix_pictures_repeated",
        "pictures",
        [sa.text("venues DESC"), sa.text("id DESC")],
        postgresql_where=sa.text("images > 1"),
    )
    op.create_table(
        "picture_bands",
        sa.Column("band", sa.SmallInteger(), primary_key=True),
        sa.Column("bits", sa.BigInteger(), primary_key=True),
        sa.Column(
            "picture_id", sa.BigInteger(), sa.ForeignKey("pictures.id", ondelete="CASCADE"), primary_key=True
        ),
    )
    # all that is stored is on the disk; said by a default, which rewrites no row
    op.add_column("images", sa.Column("store", sa.Text(), server_default="disk"))
    op.alter_column("images", "store", server_default=None)
    op.add_column("images", sa.Column("perceptual_hash", sa.Text()))
    op.add_column("images", _words("flags"))
    op.add_column("images", sa.Column("picture_id", sa.BigInteger(), sa.ForeignKey("pictures.id")))
    op.create_index(
        "ix_images_picture_id",
        "images",
        ["picture_id"],
        postgresql_where=sa.text("picture_id IS NOT NULL"),
    )
    op.create_index(
        "ix_images_ungrouped",
        "images",
        ["id"],
        postgresql_where=sa.text("perceptual_hash IS NOT NULL AND picture_id IS NULL"),
    )
    op.create_index(
        "ix_images_flags",
        "images",
        ["flags"],
        postgresql_using="gin",
        postgresql_where=sa.text("flags <> '{}'"),
    )
    op.create_index(
        "ix_images_stored", "images", ["provider"], postgresql_where=sa.text("state = 'uploaded'")
    )
    op.create_index(
        "ix_images_store", "images", ["store", "id"], postgresql_where=sa.text("state = 'uploaded'")
    )
    op.create_index(
        "ix_images_unseen",
        "images",
        ["store", "id"],
        postgresql_where=sa.text("state = 'uploaded' AND perceptual_hash IS NULL AND flags = '{}'"),
    )


def _matches() -> None:
    MATCH_STATE.create(op.get_bind())
    op.create_table(
        "venue_matches",
        sa.Column("venue_id", sa.BigInteger(), sa.ForeignKey("venues.id"), primary_key=True),
        sa.Column("provider", sa.Text(), sa.ForeignKey("providers.code"), primary_key=True),
        sa.Column("state", MATCH_STATE, nullable=False),
        sa.Column("place_id", sa.Text()),
        sa.Column("score", sa.Float()),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("candidates", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        _time("details_dropped_at"),
        sa.Column("job_id", sa.BigInteger()),
        sa.Column("decided_by", sa.Text()),
        _time("decided_at"),
        _time("searched_at", server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("score BETWEEN 0 AND 1", name="score_range"),
        sa.CheckConstraint(
            "(state IN ('matched', 'confirmed')) = (place_id IS NOT NULL)", name="taken_has_place"
        ),
        sa.CheckConstraint("jsonb_typeof(candidates) = 'array'", name="candidates_array"),
    )
    newest = [sa.text(f"{name} DESC") for name in ("searched_at", "venue_id", "provider")]
    op.create_index("ix_venue_matches_searched", "venue_matches", newest)
    op.create_index("ix_venue_matches_state", "venue_matches", ["state", *newest])
    op.create_index(
        "ix_venue_matches_details",
        "venue_matches",
        ["provider", "searched_at"],
        postgresql_where=sa.text("details_dropped_at IS NULL AND candidates <> '[]'"),
    )


def downgrade() -> None:
    op.drop_table("venue_matches")
    MATCH_STATE.drop(op.get_bind())
    for name in ("unseen", "store", "stored", "flags", "ungrouped", "picture_id"):
        op.drop_index(f"ix_images_{name}", table_name="images")
    for name in ("picture_id", "flags", "perceptual_hash", "store"):
        op.drop_column("images", name)
    op.drop_table("picture_bands")
    op.drop_table("pictures")
    op.drop_index("ix_images_report_due_at", table_name="images")
    op.drop_column("images", "report_due_at")
    op.drop_index("ix_jobs_due_known", table_name="jobs")
    op.drop_index("uq_jobs_open_geocoding", table_name="jobs")
    # nobody could run these any more
    op.execute(
        """
        UPDATE jobs SET state = 'cancelled', finished_at = now(), claimed_by = NULL, claimed_until = NULL
        WHERE kind = 'geocoding' AND state IN ('available', 'executing', 'retryable')
        """
    )
    op.drop_column("venues", "referenced_images")
    op.drop_constraint("copies_have_a_reason", "providers", type_="check")
    op.drop_constraint("prices_not_negative", "providers", type_="check")
    op.create_check_constraint("prices_not_negative", "providers", "listing_usd >= 0 AND photo_usd >= 0")
    for name in ("terms_url", "copies", "rehosting_reason", "search_usd"):
        op.drop_column("providers", name)
    COPIES.drop(op.get_bind())
    # PostgreSQL cannot take a value out of an enum: it stays, unused
    op.execute("UPDATE images SET state = 'discovered', url = NULL WHERE state = 'referenced'")

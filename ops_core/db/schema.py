"""The tables, once. Alembic migrations are made from this and a test proves the two equal.

All times are `timestamptz` (UTC); money is `numeric(12, 6)` US dollars. Enums live in `domain/`
and are PostgreSQL enums of the same values.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    Date,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ops_core.domain.circuits import CircuitState
from ops_core.domain.errors import ErrorType
from ops_core.domain.images import AttemptOutcome, ImageState
from ops_core.domain.jobs import JobKind, JobOutcome, JobState, JobStatus, ProviderStatus
from ops_core.domain.matches import MatchState
from ops_core.domain.providers import Copies, Rehosting
from ops_core.domain.retries import ItemState, RequestState

NOW = text("now()")
OPEN_JOB = "state IN ('available', 'executing', 'retryable')"
#: Images that are shown, as copies or references. Said by what they are not: the migration that brings
#: `referenced` cannot use the word yet.
IN_USE = "state NOT IN ('discovered', 'uploading', 'failed', 'permanently_failed')"


def _enum(kind: type[StrEnum], name: str) -> Enum:
    return Enum(kind, name=name, values_callable=lambda members: [member.value for member in members])


#: Every PostgreSQL enum and the Python one it must equal.
ENUMS: dict[str, type[StrEnum]] = {
    "error_type": ErrorType,
    "image_state": ImageState,
    "attempt_outcome": AttemptOutcome,
    "job_kind": JobKind,
    "job_state": JobState,
    "job_status": JobStatus,
    "provider_status": ProviderStatus,
    "rehosting": Rehosting,
    "copies": Copies,
    "match_state": MatchState,
    "request_state": RequestState,
    "item_state": ItemState,
    "circuit_state": CircuitState,
}
_TYPES = {name: _enum(kind, name) for name, kind in ENUMS.items()}

USD = Numeric(12, 6)

#: `jobs.outcome`: the status of a completed job, else how it was ended.
_OUTCOME = (
    "CASE state WHEN 'discarded' THEN 'discarded' WHEN 'cancelled' THEN 'cancelled' WHEN 'completed' THEN "
    "CASE status "
    + " ".join(f"WHEN '{status.value}' THEN '{JobOutcome(status.value).value}'" for status in JobStatus)
    + " END END"
)


class Base(DeclarativeBase):
    """All tables of the product."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        str: Text,
        int: BigInteger,
        datetime: DateTime(timezone=True),
        Decimal: USD,
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        ErrorType: _TYPES["error_type"],
        ImageState: _TYPES["image_state"],
        AttemptOutcome: _TYPES["attempt_outcome"],
        JobKind: _TYPES["job_kind"],
        JobState: _TYPES["job_state"],
        JobStatus: _TYPES["job_status"],
        ProviderStatus: _TYPES["provider_status"],
        Rehosting: _TYPES["rehosting"],
        Copies: _TYPES["copies"],
        MatchState: _TYPES["match_state"],
        RequestState: _TYPES["request_state"],
        ItemState: _TYPES["item_state"],
        CircuitState: _TYPES["circuit_state"],
        date: Date,
    }


def _id() -> Mapped[int]:
    return mapped_column(Identity(always=False), primary_key=True)


def _small(default: int = 0) -> Mapped[int]:
    return mapped_column(SmallInteger, server_default=text(str(default)))


def _count() -> Mapped[int]:
    return mapped_column(server_default=text("0"))


def _words() -> Mapped[Any]:
    return mapped_column(ARRAY(Text), server_default=text("'{}'"))


def _json(default: str = "{}") -> Mapped[Any]:
    return mapped_column(JSONB, server_default=text(f"'{default}'::jsonb"))


class City(Base):
    """A city that has venues."""

    __tablename__ = "cities"
    __table_args__ = (UniqueConstraint("name", "country"), CheckConstraint("name <> ''", name="name_given"))

    id: Mapped[int] = _id()
    name: Mapped[str]
    country: Mapped[str]
    slug: Mapped[str]


class Venue(Base):
    """A place that needs photos. `natural_key` is what makes loading the same list twice harmless."""

    __tablename__ = "venues"
    __table_args__ = (
        UniqueConstraint("natural_key"),
        CheckConstraint("name <> ''", name="name_given"),
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude_range"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude_range"),
        CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name="both_coordinates"),
        CheckConstraint("jsonb_typeof(provider_ids) = 'object'", name="provider_ids_object"),
        Index("ix_venues_city_id_name", "city_id", "name"),
        # which venue has this provider id: loading a list asks for every line
        Index(
            "ix_venues_provider_ids",
            "provider_ids",
            postgresql_using="gin",
            postgresql_ops={"provider_ids": "jsonb_path_ops"},
            # without it every look-up would read through the list of pending entries
            postgresql_with={"fastupdate": "off"},
        ),
        Index("ix_venues_last_asked_at", text("last_asked_at NULLS FIRST"), "id"),
        Index("ix_venues_name", "name", postgresql_using="gin", postgresql_ops={"name": "gin_trgm_ops"}),
    )

    id: Mapped[int] = _id()
    natural_key: Mapped[str]
    name: Mapped[str]
    slug: Mapped[str]
    address: Mapped[str] = mapped_column(server_default="")
    city_id: Mapped[int] = mapped_column(ForeignKey("cities.id"))
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    provider_ids: Mapped[dict[str, Any]] = _json()
    last_asked_at: Mapped[datetime | None]  #: When the providers were last asked about it.
    last_checked_at: Mapped[datetime | None]  #: When all of them last answered.
    uploaded_images: Mapped[int] = mapped_column(server_default=text("0"))
    referenced_images: Mapped[int] = _count()
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Provider(Base):
    """One outside source of photos, and what it allows; data, so that people can change it."""

    __tablename__ = "providers"
    __table_args__ = (
        CheckConstraint("per_second > 0 AND per_minute > 0 AND per_hour > 0", name="positive_limits"),
        CheckConstraint(
            "listing_usd >= 0 AND photo_usd >= 0 AND search_usd >= 0", name="prices_not_negative"
        ),
        # storing where the terms do not allow it takes somebody's word, with a reason
        CheckConstraint(
            "rehosting = 'reference_only' OR copies = 'allowed' OR rehosting_reason IS NOT NULL",
            name="copies_have_a_reason",
        ),
        CheckConstraint("(paused_until IS NULL) = (paused_reason IS NULL)", name="pause_has_reason"),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    priority: Mapped[int] = mapped_column(SmallInteger)
    capabilities: Mapped[list[Any]] = _json("[]")
    per_second: Mapped[int | None]
    per_minute: Mapped[int | None]
    per_hour: Mapped[int | None]
    listing_usd: Mapped[Decimal]
    photo_usd: Mapped[Decimal]
    search_usd: Mapped[Decimal] = mapped_column(server_default=text("0"))
    rehosting: Mapped[Rehosting]
    rehosting_reason: Mapped[str | None]  #: Why copies are kept though the terms do not allow it.
    copies: Mapped[Copies] = mapped_column(server_default=Copies.UNCLEAR.value)  #: What the terms say.
    terms_note: Mapped[str] = mapped_column(server_default="")
    terms_url: Mapped[str] = mapped_column(server_default="")
    paused_until: Mapped[datetime | None]
    paused_reason: Mapped[str | None]


class RateLimit(Base):
    """Where each provider's windows stand: the theoretical arrival times of the GCRA (design.md 5.4)."""

    __tablename__ = "rate_limits"
    __table_args__ = {"prefixes": ["UNLOGGED"]}

    provider: Mapped[str] = mapped_column(primary_key=True)
    tat_second: Mapped[datetime]
    tat_minute: Mapped[datetime]
    tat_hour: Mapped[datetime]
    granted_at: Mapped[datetime]  #: When the last permit given out may be used.
    blocked_until: Mapped[datetime | None]  #: The provider asked for silence until then.


class RetryRequest(Base):
    """An order to try failed images again: who, what scope, when. The row is the request."""

    __tablename__ = "retry_requests"
    __table_args__ = (
        UniqueConstraint("token"),
        Index("ix_retry_requests_open", "id", postgresql_where=text("finished_at IS NULL")),
        Index("ix_retry_requests_rerun_of", "rerun_of", postgresql_where=text("rerun_of IS NOT NULL")),
        Index("ix_retry_requests_created_at", text("created_at DESC"), text("id DESC")),
    )

    id: Mapped[int] = _id()
    token: Mapped[str]  #: Made when the dialog is drawn: a second click finds the first request.
    actor: Mapped[str]
    scope: Mapped[dict[str, Any]] = _json()
    options: Mapped[dict[str, Any]] = _json()
    reason: Mapped[str | None]
    state: Mapped[RequestState] = mapped_column(server_default=RequestState.PENDING.value)
    plan: Mapped[dict[str, Any]] = _json()
    forecast: Mapped[dict[str, Any]] = _json()
    state_reason: Mapped[str | None]  #: Why it is paused or cancelled, for people.
    rerun_of: Mapped[int | None] = mapped_column(ForeignKey("retry_requests.id"))
    scan_id: Mapped[int | None]  #: The cleanup scan that made it: the parent of its jobs.
    sample_decided: Mapped[bool] = mapped_column(server_default=text("false"))  #: Canary: it may go on.
    not_before: Mapped[datetime] = mapped_column(server_default=NOW)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    started_at: Mapped[datetime | None]  #: When its first image was handed to the workers.
    finished_at: Mapped[datetime | None]
    drip_at: Mapped[datetime | None]  #: Drip: the theoretical arrival time of the next image (GCRA).
    # kept by the transactions that end items (`db/retries.py`)
    images: Mapped[int] = _count()  #: Its items, of which so many have ended as follows.
    uploaded: Mapped[int] = _count()
    failed: Mapped[int] = _count()
    skipped: Mapped[int] = _count()
    let_go: Mapped[int] = _count()  #: Released by a cancel before their turn came.
    calls: Mapped[int] = _count()
    cost_usd: Mapped[Decimal] = mapped_column(server_default=text("0"))


class Job(Base):
    """One run of a piece of work. The row is the truth; a Celery message only says "look now"."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(
            "images_discovered >= 0 AND images_uploaded >= 0 AND images_failed >= 0 AND cost_usd >= 0",
            name="counts_not_negative",
        ),
        CheckConstraint("attempt >= 0 AND attempt <= max_attempts", name="attempt_range"),
        CheckConstraint(
            "(state IN ('completed', 'discarded', 'cancelled')) = (finished_at IS NOT NULL)",
            name="finished_has_time",
        ),
        CheckConstraint("state <> 'completed' OR status IS NOT NULL", name="completed_has_status"),
        CheckConstraint(
            "(state = 'executing') = (claimed_by IS NOT NULL AND claimed_until IS NOT NULL)",
            name="executing_is_claimed",
        ),
        CheckConstraint("kind <> 'enrichment' OR venue_id IS NOT NULL", name="enrichment_has_venue"),
        # one open enrichment per venue: asking again shows the open one
        Index(
            "uq_jobs_open_enrichment",
            "venue_id",
            unique=True,
            postgresql_where=text(f"kind = 'enrichment' AND {OPEN_JOB}"),
        ),
        # and one open search for its ids
        Index(
            "uq_jobs_open_geocoding",
            "venue_id",
            unique=True,
            postgresql_where=text(f"kind = 'geocoding' AND {OPEN_JOB}"),
        ),
        Index("ix_jobs_due", "scheduled_at", "id", postgresql_where=text(OPEN_JOB)),
        # what a person asked for goes first, however much a list or a schedule asked for
        Index(
            "ix_jobs_due_asked",
            "scheduled_at",
            "id",
            postgresql_where=text(f"{OPEN_JOB} AND parent_id IS NULL"),
        ),
        # what is known to be for few providers is found behind however much is not
        Index(
            "ix_jobs_due_known",
            "scheduled_at",
            "id",
            postgresql_where=text(f"{OPEN_JOB} AND providers <> '{{}}'"),
        ),
        Index(
            "ix_jobs_finished",
            text("finished_at DESC"),
            text("id DESC"),
            postgresql_where=text("finished_at IS NOT NULL"),
        ),
        Index(
            "ix_jobs_venue_finished",
            "venue_id",
            text("finished_at DESC"),
            text("id DESC"),
            postgresql_where=text("finished_at IS NOT NULL"),
        ),
        Index(
            "ix_jobs_city_finished",
            "city_id",
            text("finished_at DESC"),
            text("id DESC"),
            postgresql_where=text("finished_at IS NOT NULL"),
        ),
        Index(
            "ix_jobs_outcome_finished",
            "outcome",
            text("finished_at DESC"),
            text("id DESC"),
            postgresql_where=text("finished_at IS NOT NULL"),
        ),
        Index(
            "ix_jobs_kind_finished",
            "kind",
            text("finished_at DESC"),
            text("id DESC"),
            postgresql_where=text("finished_at IS NOT NULL"),
        ),
        # most jobs have no error; those with a rare one are found without a walk over all
        Index(
            "ix_jobs_error_types",
            "error_types",
            postgresql_using="gin",
            postgresql_where=text("error_types <> '{}'"),
        ),
        Index(
            "ix_jobs_summary",
            "summary",
            postgresql_using="gin",
            postgresql_ops={"summary": "gin_trgm_ops"},
        ),
        Index("ix_jobs_parent_id", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index("ix_jobs_request_id", "request_id", postgresql_where=text("request_id IS NOT NULL")),
    )

    id: Mapped[int] = _id()
    kind: Mapped[JobKind]
    state: Mapped[JobState] = mapped_column(server_default=JobState.AVAILABLE.value)
    status: Mapped[JobStatus | None]
    venue_id: Mapped[int | None] = mapped_column(ForeignKey("venues.id"))
    city_id: Mapped[int | None] = mapped_column(ForeignKey("cities.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id"))
    request_id: Mapped[int | None] = mapped_column(ForeignKey("retry_requests.id"))
    actor: Mapped[str]
    source: Mapped[str] = mapped_column(server_default="venue-ops")  #: Or the system it was imported from.
    source_id: Mapped[str | None]
    args: Mapped[dict[str, Any]] = _json()
    meta: Mapped[dict[str, Any]] = _json()
    errors: Mapped[list[Any]] = _json("[]")  #: One entry per attempt that broke: {attempt, at, error}.
    attempt: Mapped[int] = _small()
    max_attempts: Mapped[int] = _small(3)
    images_discovered: Mapped[int] = mapped_column(server_default=text("0"))
    images_uploaded: Mapped[int] = mapped_column(server_default=text("0"))
    images_failed: Mapped[int] = mapped_column(server_default=text("0"))
    cost_usd: Mapped[Decimal] = mapped_column(server_default=text("0"))
    inserted_at: Mapped[datetime] = mapped_column(server_default=NOW)
    scheduled_at: Mapped[datetime] = mapped_column(server_default=NOW)  #: Not before.
    attempted_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    hinted_at: Mapped[datetime | None]  #: When a Celery message for it was last sent.
    claimed_by: Mapped[str | None]
    claimed_until: Mapped[datetime | None]
    claim: Mapped[int] = mapped_column(server_default=text("0"))  #: Rises with every claim: the fence.
    lost_claims: Mapped[int] = _small()
    # written when the job ends (`db/job_totals.py`), so that lists and figures need no other table
    outcome: Mapped[str | None] = mapped_column(Computed(_OUTCOME, persisted=True))
    summary: Mapped[str | None]
    providers: Mapped[list[str]] = _words()  #: Codes of those it asked or fetched from.
    error_types: Mapped[list[str]] = _words()  #: Of its images' last tries, and of its providers.
    first_error: Mapped[ErrorType | None]
    providers_failed: Mapped[int] = _small()
    images_existing: Mapped[int] = _count()
    images_left: Mapped[int] = _count()
    images_first_tried: Mapped[int] = _count()  #: Images whose first try of all was this job's.
    images_first_uploaded: Mapped[int] = _count()  #: Of these, those that succeeded at once.
    # kept by every later try of the same images, whichever job makes it
    images_first_stored: Mapped[int] = _count()  #: Of `images_first_tried`, those in the store now.
    images_failed_now: Mapped[int] = _count()  #: Failed now, and their latest try was this job's.
    images_retryable_now: Mapped[int] = _count()  #: Of these, those automatic retries may still touch.


class JobRollup(Base):
    """Sums of the finished jobs of one hour: of all, and of those of one city, provider or error type.

    A job counts under each of its providers and error types. Kept by the transactions that change
    the jobs.
    """

    __tablename__ = "job_rollups"
    __table_args__ = (
        CheckConstraint("facet IN ('all', 'city', 'provider', 'error_type')", name="facet_known"),
        CheckConstraint("(facet = 'all') = (value = '')", name="value_of_facet"),
        Index("ix_job_rollups_hour", "hour"),
    )

    facet: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)  #: City id, code, error type; empty for all.
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    kind: Mapped[JobKind] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    jobs: Mapped[int]
    discovered: Mapped[int]
    uploaded: Mapped[int]
    failed: Mapped[int]
    failed_now: Mapped[int]
    retryable_now: Mapped[int]
    first_tried: Mapped[int]
    first_uploaded: Mapped[int]
    first_stored: Mapped[int]
    cost_usd: Mapped[Decimal] = mapped_column(Numeric(16, 6))


class JobProvider(Base):
    """How one provider did in one job."""

    __tablename__ = "job_providers"
    __table_args__ = (
        CheckConstraint(
            "images_fetched >= 0 AND images_uploaded >= 0 AND images_failed >= 0 "
            "AND calls >= 0 AND cost_usd >= 0",
            name="counts_not_negative",
        ),
        Index("ix_job_providers_provider", "provider", "job_id"),
    )

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    provider: Mapped[str] = mapped_column(ForeignKey("providers.code"), primary_key=True)
    status: Mapped[ProviderStatus]
    error_type: Mapped[ErrorType | None]
    reason: Mapped[str | None]
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    images_fetched: Mapped[int] = mapped_column(server_default=text("0"))  #: Photos it listed.
    images_uploaded: Mapped[int] = mapped_column(server_default=text("0"))
    images_failed: Mapped[int] = mapped_column(server_default=text("0"))
    calls: Mapped[int] = mapped_column(server_default=text("0"))
    cost_usd: Mapped[Decimal] = mapped_column(server_default=text("0"))
    duration_ms: Mapped[int | None]
    failures: Mapped[dict[str, Any]] = _json()  #: Error type -> images the job left failed with it.


class Image(Base):
    """One provider photo of one venue, and what it is now."""

    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("venue_id", "provider", "provider_ref"),
        CheckConstraint("(state = 'uploaded') = (storage_key IS NOT NULL)", name="uploaded_is_stored"),
        CheckConstraint(
            "state NOT IN ('failed', 'permanently_failed') OR error_type IS NOT NULL", name="failed_has_error"
        ),
        CheckConstraint("state <> 'uploaded' OR error_type IS NULL", name="uploaded_has_no_error"),
        CheckConstraint(
            "(state = 'uploading') = (claimed_by IS NOT NULL AND claimed_until IS NOT NULL)",
            name="uploading_is_claimed",
        ),
        CheckConstraint("retry_count >= 0 AND lost_claims >= 0", name="counts_not_negative"),
        CheckConstraint("quality_score BETWEEN 0 AND 1", name="quality_range"),
        CheckConstraint("source_url IS NULL OR source_url ~ '^https?://'", name="source_url_http"),
        Index(
            "ix_images_open_failures",
            "provider",
            "error_type",
            text("last_attempt_at DESC"),
            text("id DESC"),
            postgresql_where=text("state IN ('failed', 'permanently_failed')"),
        ),
        Index(
            "ix_images_failed_by_venue",
            "venue_id",
            "error_type",
            postgresql_include=["id", "provider", "state", "retry_count"],
            postgresql_where=text("state IN ('failed', 'permanently_failed')"),
        ),
        Index(
            "ix_images_failed_state",
            "state",
            "error_type",
            postgresql_where=text("state IN ('failed', 'permanently_failed')"),
        ),
        Index("ix_images_failed_job", "failed_job", postgresql_where=text("failed_job IS NOT NULL")),
        Index("ix_images_claimed", "claimed_until", postgresql_where=text("state = 'uploading'")),
        Index("ix_images_content_hash", "content_hash", postgresql_where=text("content_hash IS NOT NULL")),
        Index("ix_images_picture_id", "picture_id", postgresql_where=text("picture_id IS NOT NULL")),
        Index(
            "ix_images_ungrouped",
            "id",
            postgresql_where=text("perceptual_hash IS NOT NULL AND picture_id IS NULL"),
        ),
        Index("ix_images_flags", "flags", postgresql_using="gin", postgresql_where=text("flags <> '{}'")),
        # how many copies are kept of each provider's photos
        Index("ix_images_stored", "provider", postgresql_where=text("state = 'uploaded'")),
        # what is still to be moved from one store to another
        Index("ix_images_store", "store", "id", postgresql_where=text("state = 'uploaded'")),
        # whose use is to be reported: the oldest of each provider first
        Index(
            "ix_images_report_due_at",
            "provider",
            "report_due_at",
            postgresql_where=text(f"report_due_at IS NOT NULL AND {IN_USE}"),
        ),
        # what was stored before pictures were looked at
        Index(
            "ix_images_unseen",
            "store",
            "id",
            postgresql_where=text("state = 'uploaded' AND perceptual_hash IS NULL AND flags = '{}'"),
        ),
    )

    id: Mapped[int] = _id()
    venue_id: Mapped[int] = mapped_column(ForeignKey("venues.id"))
    provider: Mapped[str] = mapped_column(ForeignKey("providers.code"))
    provider_ref: Mapped[str]  #: The provider's stable name of the photo.
    fetch_ref: Mapped[str | None]  #: What fetches it now, where the provider's own name is volatile.
    source_url: Mapped[str | None]  #: Where it comes from, without secrets.
    state: Mapped[ImageState] = mapped_column(server_default=ImageState.DISCOVERED.value)
    error_type: Mapped[ErrorType | None]
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    detail: Mapped[str | None]
    retry_count: Mapped[int] = _small()
    tries: Mapped[int] = _small()
    position: Mapped[int] = _small()  #: Rank within the venue, 0 is best.
    width: Mapped[int | None]
    height: Mapped[int | None]
    quality_score: Mapped[float] = mapped_column(server_default=text("0.1"))
    attribution: Mapped[str | None]
    attribution_url: Mapped[str | None]
    license: Mapped[str | None]
    license_url: Mapped[str | None]
    store: Mapped[str | None]  #: Name of the store its files are in, if it is uploaded.
    storage_key: Mapped[str | None]
    url: Mapped[str | None]  #: In the store; of a reference, at the provider if that may be kept.
    thumbnail_key: Mapped[str | None]
    thumbnail_url: Mapped[str | None]
    content_type: Mapped[str | None]
    bytes: Mapped[int | None]
    content_hash: Mapped[str | None]
    perceptual_hash: Mapped[str | None]  #: Hexadecimal; pictures that look alike differ in few bits.
    flags: Mapped[list[str]] = _words()  #: What the picture itself says against it (`domain/pictures.py`).
    picture_id: Mapped[int | None] = mapped_column(ForeignKey("pictures.id"))
    triage: Mapped[str | None]
    claimed_by: Mapped[str | None]
    claimed_at: Mapped[datetime | None]
    claimed_until: Mapped[datetime | None]
    claimed_job: Mapped[int | None]  #: The job the claim is for.
    claim: Mapped[int] = mapped_column(server_default=text("0"))  #: Rises with every claim: the fence.
    lost_claims: Mapped[int] = _small()
    not_before: Mapped[datetime | None]  #: Do not try before: the provider's limit, or its Retry-After.
    failed_job: Mapped[int | None]  #: The job whose try was the latest, if that failed.
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    last_attempt_at: Mapped[datetime | None]
    uploaded_at: Mapped[datetime | None]
    report_due_at: Mapped[datetime | None]  #: When its provider is to be told of its use (`db/uses.py`).


class Picture(Base):
    """Images that show the same picture, whichever venues and providers they belong to.

    The counts are kept by whoever groups images (`work/same_pictures.py`).
    """

    __tablename__ = "pictures"
    __table_args__ = (
        CheckConstraint("images >= 0 AND venues >= 0", name="counts_not_negative"),
        Index(
            "ix_pictures_repeated",
            text("venues DESC"),
            text("id DESC"),
            postgresql_where=text("images > 1"),
        ),
    )

    id: Mapped[int] = _id()
    perceptual_hash: Mapped[str]  #: Of its first image; the others are within a few bits of it.
    images: Mapped[int] = _count()
    venues: Mapped[int] = _count()
    flags: Mapped[list[str]] = _words()
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class PictureBand(Base):
    """A slice of a picture's hash, by which pictures that look alike are found without comparing all."""

    __tablename__ = "picture_bands"

    band: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    bits: Mapped[int] = mapped_column(primary_key=True)
    picture_id: Mapped[int] = mapped_column(ForeignKey("pictures.id", ondelete="CASCADE"), primary_key=True)


class VenueMatch(Base):
    """What a search for a venue at a provider found, and what was decided."""

    __tablename__ = "venue_matches"
    __table_args__ = (
        CheckConstraint("score BETWEEN 0 AND 1", name="score_range"),
        CheckConstraint(
            "(state IN ('matched', 'confirmed')) = (place_id IS NOT NULL)", name="taken_has_place"
        ),
        CheckConstraint("jsonb_typeof(candidates) = 'array'", name="candidates_array"),
        Index(
            "ix_venue_matches_searched",
            text("searched_at DESC"),
            text("venue_id DESC"),
            text("provider DESC"),
        ),
        Index(
            "ix_venue_matches_state",
            "state",
            text("searched_at DESC"),
            text("venue_id DESC"),
            text("provider DESC"),
        ),
        # those that hold details of places, for the time when they must be dropped
        Index(
            "ix_venue_matches_details",
            "provider",
            "searched_at",
            postgresql_where=text("details_dropped_at IS NULL AND candidates <> '[]'"),
        ),
    )

    venue_id: Mapped[int] = mapped_column(ForeignKey("venues.id"), primary_key=True)
    provider: Mapped[str] = mapped_column(ForeignKey("providers.code"), primary_key=True)
    state: Mapped[MatchState]
    place_id: Mapped[str | None]  #: The id that was taken.
    score: Mapped[float | None]  #: Of the candidate taken, else of the best one.
    reason: Mapped[str] = mapped_column(server_default="")  #: Why it was decided so, for people.
    candidates: Mapped[list[Any]] = _json("[]")  #: The one place where a provider's words about places stand.
    details_dropped_at: Mapped[datetime | None]  #: When these words were dropped.
    job_id: Mapped[int | None]  #: The search.
    decided_by: Mapped[str | None]  #: The person; None for a decision by score.
    decided_at: Mapped[datetime | None]
    searched_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Attempt(Base):
    """One try to bring one image into the store. Append-only; partitioned by month of `finished_at`."""

    __tablename__ = "attempts"
    __table_args__ = (
        CheckConstraint("(outcome = 'uploaded') = (error_type IS NULL)", name="failed_has_error"),
        CheckConstraint("finished_at >= started_at", name="times_in_order"),
        CheckConstraint("cost_usd >= 0 AND bytes >= 0", name="amounts_not_negative"),
        Index("ix_attempts_image_id", "image_id", "finished_at"),
        Index("ix_attempts_job_id", "job_id", postgresql_where=text("job_id IS NOT NULL")),
        {"postgresql_partition_by": "RANGE (finished_at)"},
    )

    id: Mapped[int] = _id()
    finished_at: Mapped[datetime] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id"))
    job_id: Mapped[int | None]
    request_id: Mapped[int | None]
    provider: Mapped[str]
    number: Mapped[int] = mapped_column(SmallInteger)  #: 1 for the first try of this image.
    outcome: Mapped[AttemptOutcome]
    error_type: Mapped[ErrorType | None]
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    detail: Mapped[str | None]
    bytes: Mapped[int | None]
    calls: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    cost_usd: Mapped[Decimal] = mapped_column(server_default=text("0"))
    worker: Mapped[str | None]


class RetryItem(Base):
    """One image in a retry request.

    Without foreign keys: half a million are written at once, which these would make three times as
    slow, and neither images nor requests are ever deleted.
    """

    __tablename__ = "retry_items"
    __table_args__ = (
        # nobody can queue the same image in two open requests
        Index(
            "uq_retry_items_open_image",
            "image_id",
            unique=True,
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
        # what no job has taken on yet
        Index(
            "ix_retry_items_waiting",
            "request_id",
            "provider",
            "image_id",
            postgresql_where=text("state = 'queued' AND job_id IS NULL"),
        ),
        # what jobs have taken on and not ended
        Index(
            "ix_retry_items_begun",
            "request_id",
            "provider",
            postgresql_where=text("state IN ('queued', 'running') AND job_id IS NOT NULL"),
        ),
        Index("ix_retry_items_sample", "request_id", postgresql_where=text("sample")),
        Index("ix_retry_items_job_id", "job_id", postgresql_where=text("job_id IS NOT NULL")),
        # the course of a retry
        Index(
            "ix_retry_items_finished",
            "request_id",
            "finished_at",
            postgresql_where=text("finished_at IS NOT NULL"),
        ),
        # the few among many that a person looks for
        Index(
            "ix_retry_items_unstored",
            "request_id",
            "state",
            "image_id",
            postgresql_where=text("state IN ('failed', 'skipped', 'released')"),
        ),
    )

    request_id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(primary_key=True)
    provider: Mapped[str]
    was_error: Mapped[ErrorType | None]  #: What the image had failed with when this was ordered.
    sample: Mapped[bool] = mapped_column(server_default=text("false"))  #: Canary: tried first.
    state: Mapped[ItemState] = mapped_column(server_default=ItemState.QUEUED.value)
    job_id: Mapped[int | None]  #: The job that tries it, once it was handed to the workers.
    reason: Mapped[str | None]  #: A skip reason, or the error type it failed with.
    finished_at: Mapped[datetime | None]


class Rollup(Base):
    """Tries per hour, provider, error type and city, kept by the transaction that writes the attempts.

    `error_type` is empty for uploads. `first_tries` of `tries` were an image's first.
    """

    __tablename__ = "rollups"
    __table_args__ = (Index("ix_rollups_city_id", "city_id", "hour"),)

    hour: Mapped[datetime] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    error_type: Mapped[str] = mapped_column(primary_key=True)
    city_id: Mapped[int] = mapped_column(primary_key=True)
    tries: Mapped[int]
    first_tries: Mapped[int]
    bytes: Mapped[int]
    duration_ms: Mapped[int]
    cost_usd: Mapped[Decimal]
    calls: Mapped[int] = _count()  #: Counted calls of these tries.


class RetryRollup(Base):
    """How tries of failed images went, by day (UTC), provider and what the image had failed with before."""

    __tablename__ = "retry_rollups"

    day: Mapped[date] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    error_type: Mapped[ErrorType] = mapped_column(primary_key=True)
    tries: Mapped[int]
    uploaded: Mapped[int]


class Circuit(Base):
    """The breaker between us and one provider (`domain/circuits.py`). No row means closed."""

    __tablename__ = "circuits"
    __table_args__ = (
        CheckConstraint("failures >= 0 AND opened >= 0", name="counts_not_negative"),
        CheckConstraint("(state = 'closed') = (retry_at IS NULL)", name="open_has_time"),
    )

    provider: Mapped[str] = mapped_column(ForeignKey("providers.code"), primary_key=True)
    state: Mapped[CircuitState] = mapped_column(server_default=CircuitState.CLOSED.value)
    failures: Mapped[int] = _count()  #: In a row, whoever saw them.
    opened: Mapped[int] = _small()  #: Times it opened since it was last closed: the wait doubles.
    error_type: Mapped[ErrorType | None]  #: The failure that opened it.
    opened_at: Mapped[datetime | None]
    retry_at: Mapped[datetime | None]  #: When one probe is let through.
    probe_until: Mapped[datetime | None]  #: A probe is on its way until then.
    overridden_until: Mapped[datetime | None]  #: A person closed it: it does not open before.
    changed_at: Mapped[datetime] = mapped_column(server_default=NOW)


class FailureGroup(Base):
    """Failures that share a fingerprint, and what people decided about them."""

    __tablename__ = "failure_groups"

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str]
    error_type: Mapped[ErrorType]
    title: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="open")
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    decided_by: Mapped[str | None]
    decision: Mapped[dict[str, Any]] = _json()


class AlertRule(Base):
    """When people want to be told."""

    __tablename__ = "alert_rules"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = _id()
    name: Mapped[str]
    rule: Mapped[dict[str, Any]] = _json()
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))


class Alert(Base):
    """One time a rule spoke."""

    __tablename__ = "alerts"
    __table_args__ = (Index("ix_alerts_opened_at", text("opened_at DESC")),)

    id: Mapped[int] = _id()
    rule_id: Mapped[int] = mapped_column(ForeignKey("alert_rules.id"))
    opened_at: Mapped[datetime] = mapped_column(server_default=NOW)
    closed_at: Mapped[datetime | None]
    facts: Mapped[dict[str, Any]] = _json()


class Audit(Base):
    """Who did what: one row per action, allowed or refused."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", text("at DESC"), text("id DESC")),)

    id: Mapped[int] = _id()
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    actor: Mapped[str]
    action: Mapped[str]
    scope: Mapped[dict[str, Any]] = _json()
    outcome: Mapped[str]


class SavedView(Base):
    """A page with its filters, under a name."""

    __tablename__ = "saved_views"
    __table_args__ = (UniqueConstraint("owner", "name"),)

    id: Mapped[int] = _id()
    owner: Mapped[str]
    name: Mapped[str]
    page: Mapped[str]
    query: Mapped[dict[str, Any]] = _json()
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Schedule(Base):
    """What the dispatcher starts by itself, and when; people can change it."""

    __tablename__ = "schedules"
    __table_args__ = (
        CheckConstraint("(cron IS NULL) <> (every_seconds IS NULL)", name="cron_or_interval"),
        CheckConstraint("every_seconds > 0", name="positive_interval"),
        CheckConstraint("jsonb_typeof(args) = 'object'", name="args_object"),
        # the kinds that need nothing but their args
        CheckConstraint("kind IN ('stale', 'cleanup')", name="kind_stands_alone"),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[JobKind]
    args: Mapped[dict[str, Any]] = _json()
    cron: Mapped[str | None]  #: Five fields, UTC.
    every_seconds: Mapped[int | None]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    next_run_at: Mapped[datetime]
    last_run_at: Mapped[datetime | None]


class Heartbeat(Base):
    """When each process of the system last said that it lives."""

    __tablename__ = "heartbeats"

    process: Mapped[str] = mapped_column(primary_key=True)  #: Kind, host and process id.
    kind: Mapped[str]  #: worker, dispatcher or console.
    started_at: Mapped[datetime] = mapped_column(server_default=NOW)
    seen_at: Mapped[datetime] = mapped_column(server_default=NOW)
    facts: Mapped[dict[str, Any]] = _json()

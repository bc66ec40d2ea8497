"""The images of a retry's scope, grouped by all that decides whether they are tried."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    SelectBase,
    Text,
    and_,
    any_,
    case,
    false,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import distinct_on

from ops_core.db import job_filter
from ops_core.db.schema import Attempt, Image, Job, Provider, RetryItem, Venue
from ops_core.domain.errors import TRANSIENT_TYPES, Classification, ErrorType, of_class
from ops_core.domain.images import MAX_RETRIES, AttemptOutcome, ImageState
from ops_core.domain.providers import Rehosting
from ops_core.domain.retries import OPEN_ITEM_STATES, Failures, ItemState, Scope
from ops_core.domain.retry_plan import Group, RetryPlan, SkipReason, make_plan

#: Why nothing of a provider is tried now, by its code (`work.blocked`).
Blocked = Mapping[str, SkipReason]

NONE_BLOCKED: Blocked = MappingProxyType({})


def plan(
    connection: Connection, scope: Scope, *, override: bool = False, blocked: Blocked = NONE_BLOCKED
) -> RetryPlan:
    """What a retry of `scope` would do now; changes nothing.

    With `override` it also tries what is permanent, ambiguous or at the limit.
    """
    found = facts(scope)
    tried = eligible(found, override=override, blocked=blocked)
    venues = select(found.c.venue_id).where(tried).distinct().subquery()
    in_groups = grouped(found, found.c.in_open_request, blocked).add_columns(
        select(func.count()).select_from(venues).scalar_subquery().label("venues")
    )
    rows = connection.execute(in_groups).all()
    return plan_of(connection, rows, venues=rows[0].venues if rows else 0, override=override)


def plan_of(connection: Connection, rows: Iterable[Any], *, venues: int, override: bool = False) -> RetryPlan:
    """The plan made of the rows of `grouped`; `venues` counts those of the images that are tried."""
    groups = [
        Group(
            provider=row.provider,
            state=row.state,
            error_type=row.error_type,
            at_limit=row.at_limit,
            in_open_request=row.in_open_request,
            blocked=SkipReason(row.blocked) if row.blocked else None,
            images=row.images,
        )
        for row in rows
    ]
    prices: dict[str, Decimal] = {
        row.code: row.photo_usd for row in connection.execute(select(Provider.code, Provider.photo_usd))
    }
    return make_plan(groups, venues=venues, prices=prices, override=override)


def facts(scope: Scope) -> CTE:
    """The images of `scope`, each once, with all that `domain.retry_plan.skip_reason` asks for."""
    images = _images(scope).cte("images_in_scope")
    open_items = (
        select(RetryItem.image_id).where(RetryItem.state.in_(OPEN_ITEM_STATES)).subquery("open_items")
    )
    return (
        select(images, open_items.c.image_id.is_not(None).label("in_open_request"))
        .outerjoin_from(images, open_items, open_items.c.image_id == images.c.id)
        .cte("facts")
    )


def eligible(found: CTE, *, override: bool = False, blocked: Blocked = NONE_BLOCKED) -> ColumnElement[bool]:
    """Which of `facts` a retry tries: as `domain.retry_plan.skip_reason` says."""
    if override:
        can_be_tried: ColumnElement[bool] = found.c.state.in_(
            [ImageState.DISCOVERED, ImageState.FAILED, ImageState.PERMANENTLY_FAILED]
        )
    else:
        can_be_tried = or_(
            found.c.state == ImageState.DISCOVERED,
            and_(
                found.c.state == ImageState.FAILED,
                found.c.error_type.in_(TRANSIENT_TYPES),
                not_(found.c.at_limit),
            ),
        )
    return and_(not_(found.c.in_open_request), not_(_is_blocked(found, blocked)), can_be_tried)


def grouped(
    found: CTE, in_open_request: ColumnElement[bool], blocked: Blocked = NONE_BLOCKED
) -> Select[*tuple[Any, ...]]:
    """Counts of `facts` that are alike; `in_open_request` may know more than they do."""
    alike = (
        found.c.provider,
        found.c.state,
        found.c.error_type,
        found.c.at_limit,
        in_open_request.label("in_open_request"),
    )
    # follows from the provider, by which they are grouped
    why: ColumnElement[Any] = literal(None, Text)
    if blocked:
        why = case({code: reason.value for code, reason in blocked.items()}, value=found.c.provider)
    counts = select(*alike, why.label("blocked"), func.count().label("images"))
    return counts.select_from(found).group_by(*alike)


def open_requests(connection: Connection, scope: Scope) -> list[int]:
    """Ids of the retry requests that still have images of `scope` to end, oldest first."""
    images = _images(scope).subquery("images_in_scope")
    found = (
        select(RetryItem.request_id)
        .join(images, images.c.id == RetryItem.image_id)
        .where(RetryItem.state.in_(OPEN_ITEM_STATES))
        .distinct()
        .order_by(RetryItem.request_id)
    )
    return list(connection.scalars(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether a provider may be asked now, and what it says about copies."""

    code: str
    paused: bool  #: Switched off, or paused for a time.
    rehosting: Rehosting


def standings(connection: Connection) -> list[Standing]:
    """How all providers stand, by code."""
    paused = or_(not_(Provider.active), func.coalesce(Provider.paused_until > func.now(), False))
    rows = connection.execute(
        select(Provider.code, paused.label("paused"), Provider.rehosting).order_by(Provider.code)
    )
    return [Standing(code=row.code, paused=row.paused, rehosting=row.rehosting) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueClasses:
    """Venues with failed images, each counted once, by what the cleanup scan does about it."""

    transient: int = 0  #: Something can be retried.
    in_flight: int = 0  #: What can be retried is under way already.
    blocked: int = 0  #: What can be retried is of a provider that is not tried now.
    ambiguous: int = 0  #: Something waits for a person.
    permanent: int = 0  #: No retry helps, or none is left.


def venue_classes(connection: Connection, blocked: Blocked = NONE_BLOCKED) -> VenueClasses:
    """All venues with failed images by class; the first that fits, in the order of the fields."""
    found = facts(Scope(everything=True))
    under_way = or_(found.c.in_open_request, found.c.state == ImageState.UPLOADING)
    by_venue = (
        select(
            func.bool_or(eligible(found, blocked=blocked)).label("transient"),
            func.bool_or(under_way).label("in_flight"),
            func.bool_or(and_(eligible(found), _is_blocked(found, blocked))).label("blocked"),
            func.bool_or(_of(found, Classification.AMBIGUOUS)).label("ambiguous"),
        )
        .group_by(found.c.venue_id)
        .subquery()
    )
    fits = case(
        *((by_venue.c[name], name) for name in ("transient", "in_flight", "blocked", "ambiguous")),
        else_="permanent",
    )
    rows = connection.execute(select(fits.label("name"), func.count().label("n")).group_by(fits))
    return VenueClasses(**{row.name: row.n for row in rows})


def _is_blocked(found: CTE, blocked: Blocked) -> ColumnElement[bool]:
    return found.c.provider.in_(sorted(blocked)) if blocked else false()


def _of(found: CTE, classification: Classification) -> ColumnElement[bool]:
    kinds: tuple[ErrorType, ...] = of_class(classification)
    return found.c.error_type.in_(kinds)


def _images(scope: Scope) -> SelectBase:
    images = select(
        Image.id,
        Image.venue_id,
        Image.provider,
        Image.state,
        Image.error_type,
        (Image.retry_count >= MAX_RETRIES).label("at_limit"),
    )
    if scope.images:
        return images.where(_among(Image.id, scope.images))
    if scope.jobs:
        return images.where(Image.id.in_(_left_failed(scope.jobs)))
    if scope.request is not None:
        left = select(RetryItem.image_id).where(
            RetryItem.request_id == scope.request, RetryItem.state == ItemState.FAILED
        )
        return images.where(Image.id.in_(left))
    among: list[ColumnElement[bool]] = []
    if scope.filters is not None:
        among = [Image.failed_job.in_(select(Job.id).where(*job_filter.conditions(scope.filters)))]
    if scope.venues:
        among = [_among(Image.venue_id, scope.venues)]
    if scope.failures is not None:
        among = _that_match(scope.failures)
    failed = images.where(Image.state.in_([ImageState.FAILED, ImageState.PERMANENTLY_FAILED]), *among)
    # failed before, and somebody is at it; apart, so that each has the partial index of its state
    again = images.where(Image.state == ImageState.UPLOADING, Image.error_type.is_not(None), *among)
    return failed.union_all(again)


def _that_match(failures: Failures) -> list[ColumnElement[bool]]:
    matching: list[ColumnElement[bool]] = []
    if failures.providers:
        matching.append(Image.provider.in_(failures.providers))
    if failures.error_types:
        matching.append(Image.error_type.in_(failures.error_types))
    if failures.cities:
        matching.append(Image.venue_id.in_(select(Venue.id).where(_among(Venue.city_id, failures.cities))))
    if failures.venues:
        matching.append(_among(Image.venue_id, failures.venues))
    if failures.since:
        matching.append(Image.last_attempt_at >= failures.since)
    if failures.until:
        matching.append(Image.last_attempt_at < failures.until)
    return matching


def _left_failed(jobs: tuple[int, ...]) -> Select[*tuple[Any, ...]]:
    """Images whose last try by one of `jobs` did not succeed."""
    last = (
        select(Attempt.image_id, Attempt.outcome)
        .where(_among(Attempt.job_id, jobs))
        .ext(distinct_on(Attempt.job_id, Attempt.image_id))
        .order_by(Attempt.job_id, Attempt.image_id, Attempt.number.desc())
        .subquery()
    )
    return select(last.c.image_id).where(last.c.outcome != AttemptOutcome.UPLOADED)


def _among(column: Any, ids: tuple[int, ...]) -> ColumnElement[bool]:
    # one array, however long: a statement has a limited number of parameters
    found: ColumnElement[bool] = column == any_(literal(list(ids), ARRAY(BigInteger)))
    return found

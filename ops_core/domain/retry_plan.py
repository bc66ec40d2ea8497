"""What a retry will do, as a value: which images it tries, what that costs, and what it leaves and why.

The preview shows it, the request stores it, and what is submitted is measured against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from ops_core.domain.errors import Classification, ErrorType, info
from ops_core.domain.images import MAX_RETRIES, AttemptOutcome, ImageState, may_try_automatically
from ops_core.domain.retries import ItemState

#: Counted calls that bring in one photo, as charged in `attempts.calls`: Google Places resolves each
#: photo with one paid call; Wikimedia Commons keeps the file's address from the listing.
CALLS_PER_PHOTO: Mapping[str, int] = {
    "google_places": 1,
    "wikimedia_commons": 0,
    "foursquare": 0,
    "here": 0,
    "mapbox": 0,
    "unsplash": 0,
}
#: For a provider nobody measured yet.
USUAL_CALLS = 1


class SkipReason(StrEnum):
    """Why an image of the scope is not tried; also `retry_items.reason` of a skipped item."""

    PERMANENT = "permanent"  #: Cannot become right by trying again.
    AMBIGUOUS = "ambiguous"  #: Waits for a person.
    LIMIT = "limit"  #: All automatic retries are used.
    RECOVERED = "recovered"  #: In the store by now.
    IN_FLIGHT = "in_flight"  #: Being uploaded, or in another open request.
    PAUSED = "paused"  #: Its provider is paused or switched off, or has no source here.
    REHOSTING = "rehosting"  #: Its provider's terms forbid keeping copies, and nobody said we may.
    BROKEN = "broken"  #: The job that was to try it could not go on; never part of a plan.

    @property
    def words(self) -> str:
        """To follow a count: "3 already stored"."""
        return _WORDS[self]


_WORDS = {
    SkipReason.PERMANENT: "permanent",
    SkipReason.AMBIGUOUS: "for a person to decide",
    SkipReason.LIMIT: f"at the limit of {MAX_RETRIES} retries",
    SkipReason.RECOVERED: "already stored",
    SkipReason.IN_FLIGHT: "in flight",
    SkipReason.PAUSED: "with a paused provider",
    SkipReason.REHOSTING: "not allowed to be copied",
    SkipReason.BROKEN: "not reached",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Images of a scope that are alike in all that decides what a retry does with them."""

    provider: str
    state: ImageState
    error_type: ErrorType | None
    at_limit: bool  #: All automatic retries are used.
    in_open_request: bool
    blocked: SkipReason | None = None  #: Why nothing of its provider is tried now, if so.
    images: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderShare:
    """What a retry asks of one provider."""

    provider: str
    images: int
    calls: int  #: Counted calls expected.
    cost_usd: Decimal  #: Expected.


@dataclass(frozen=True, slots=True)
class KindShare:
    """The images of one provider that failed with one error type; None: not tried before."""

    provider: str
    error_type: ErrorType | None
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPlan:
    """What a retry will do. `images` and `skipped` together are the scope."""

    images: int = 0  #: That will be tried.
    venues: int = 0  #: That these belong to.
    by_provider: tuple[ProviderShare, ...] = ()
    kinds: tuple[KindShare, ...] = ()  #: The same images by what they failed with.
    skipped: Mapping[SkipReason, int]  #: Images left out; reasons without any are not listed.

    @property
    def calls(self) -> int:
        """Counted calls expected, of all providers."""
        return sum(share.calls for share in self.by_provider)

    @property
    def cost_usd(self) -> Decimal:
        """US dollars expected, of all providers."""
        return sum((share.cost_usd for share in self.by_provider), Decimal(0))

    @property
    def in_scope(self) -> int:
        """All images of the scope."""
        return self.images + sum(self.skipped.values())

    def same_work(self, other: RetryPlan) -> bool:
        """Whether both try the same numbers of images at the same cost; what is left out may differ."""
        return (self.images, self.venues, self.by_provider, self.kinds) == (
            other.images,
            other.venues,
            other.by_provider,
            other.kinds,
        )

    def in_words(self) -> str:
        """ "5 images of 2 venues"."""
        return f"{counted(self.images, 'image')} of {counted(self.venues, 'venue')}"

    def skipped_in_words(self) -> str:
        """ "3 permanent, 1 in flight"; empty if nothing is skipped."""
        return in_words(self.skipped)

    def to_json(self) -> dict[str, Any]:
        """As stored in `retry_requests.plan`."""
        return {
            "images": self.images,
            "venues": self.venues,
            "by_provider": [
                {
                    "provider": share.provider,
                    "images": share.images,
                    "calls": share.calls,
                    "cost_usd": str(share.cost_usd),
                }
                for share in self.by_provider
            ],
            "kinds": [[kind.provider, kind.error_type, kind.images] for kind in self.kinds],
            "skipped": {reason.value: count for reason, count in self.skipped.items()},
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RetryPlan:
        """The plan that `to_json` wrote."""
        return cls(
            images=stored["images"],
            venues=stored["venues"],
            by_provider=tuple(
                ProviderShare(**{**share, "cost_usd": Decimal(share["cost_usd"])})
                for share in stored["by_provider"]
            ),
            kinds=tuple(
                KindShare(provider, error_type and ErrorType(error_type), images)
                for provider, error_type, images in stored.get("kinds", ())
            ),
            skipped={SkipReason(reason): count for reason, count in stored["skipped"].items()},
        )


def skip_reason(
    state: ImageState,
    error_type: ErrorType | None,
    *,
    at_limit: bool,
    in_open_request: bool = False,
    blocked: SkipReason | None = None,
    override: bool = False,
) -> SkipReason | None:
    """Why a retry leaves an image alone; None if it tries it (rule: transient failures, at most 3 times).

    With `override`, a person's word, it also tries what is permanent, ambiguous or at the limit.
    """
    if state is ImageState.UPLOADED:
        return SkipReason.RECOVERED
    if state is ImageState.REFERENCED:
        return SkipReason.REHOSTING
    if in_open_request or state is ImageState.UPLOADING:
        return SkipReason.IN_FLIGHT
    if override or may_try_automatically(state, error_type, MAX_RETRIES if at_limit else 0):
        return blocked
    match info(error_type or ErrorType.UNKNOWN_ERROR).classification:
        case Classification.PERMANENT:
            return SkipReason.PERMANENT
        case Classification.AMBIGUOUS:
            return SkipReason.AMBIGUOUS
        case Classification.TRANSIENT:
            return SkipReason.LIMIT


def make_plan(
    groups: Iterable[Group], *, venues: int, prices: Mapping[str, Decimal], override: bool = False
) -> RetryPlan:
    """The plan for a scope made of `groups`.

    `venues` counts those of the images that will be tried; `prices` are US dollars per counted call.
    """
    kinds: dict[tuple[str, ErrorType | None], int] = {}
    skipped: dict[SkipReason, int] = {}
    for group in groups:
        reason = skip_reason(
            group.state,
            group.error_type,
            at_limit=group.at_limit,
            in_open_request=group.in_open_request,
            blocked=group.blocked,
            override=override,
        )
        if reason is None:
            key = (group.provider, group.error_type)
            kinds[key] = kinds.get(key, 0) + group.images
        else:
            skipped[reason] = skipped.get(reason, 0) + group.images
    tried: dict[str, int] = {}
    for (provider, _), images in kinds.items():
        tried[provider] = tried.get(provider, 0) + images
    return RetryPlan(
        images=sum(tried.values()),
        venues=venues,
        by_provider=tuple(_share(code, tried[code], prices) for code in sorted(tried)),
        kinds=tuple(
            KindShare(provider, error_type, images)
            for (provider, error_type), images in sorted(
                kinds.items(), key=lambda item: (item[0][0], item[0][1] or "")
            )
        ),
        skipped={reason: skipped[reason] for reason in SkipReason if reason in skipped},
    )


@dataclass(frozen=True, slots=True)
class ItemEnd:
    """What became of one image of a request."""

    state: ItemState
    reason: str | None = None  #: A skip reason, or the error type it failed with.


def item_end(
    state: ImageState,
    error_type: ErrorType | None,
    *,
    at_limit: bool,
    tried: AttemptOutcome | None,
    tried_error: ErrorType | None,
    blocked: SkipReason | None = None,
    override: bool = False,
) -> ItemEnd | None:
    """How an image ends in its request, from what it is now and the job's last try of it.

    None while it is open: somebody holds it, or it may still be tried. A try that a dying worker left
    behind is tried again, unless nothing is to be tried any more, or so many died that the image was set
    aside: an override is a person's word for one more try, not for one more worker after the other.
    """
    if tried is AttemptOutcome.UPLOADED:
        return ItemEnd(ItemState.UPLOADED)
    if tried is AttemptOutcome.FAILED:
        return ItemEnd(ItemState.FAILED, tried_error)
    set_aside = state is ImageState.FAILED and error_type is ErrorType.WORKER_LOST
    if tried is AttemptOutcome.LOST and set_aside:
        return ItemEnd(ItemState.FAILED, tried_error)
    reason = skip_reason(state, error_type, at_limit=at_limit, blocked=blocked, override=override)
    if reason in (None, SkipReason.IN_FLIGHT):
        return None
    if tried is AttemptOutcome.LOST and reason is not SkipReason.RECOVERED:
        return ItemEnd(ItemState.FAILED, tried_error)
    return ItemEnd(ItemState.SKIPPED, reason)


def retried_in_words(uploaded: int, failed: int, skipped: Mapping[SkipReason, int], let_go: int = 0) -> str:
    """ "Retried 5 images, 4 uploaded, 1 failed, 2 already stored, 3 let go"."""
    tried = uploaded + failed
    if not tried:
        parts = ["Nothing retried"]
    else:
        parts = [f"Retried {counted(tried, 'image')}", f"{uploaded:,} uploaded"]
    if failed:
        parts.append(f"{failed:,} failed")
    if skipped:
        parts.append(in_words(skipped))
    if let_go:
        parts.append(f"{let_go:,} let go")
    return ", ".join(parts)


def counted(count: int, noun: str) -> str:
    """ "1 image", "2,000 images"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def in_words(skipped: Mapping[SkipReason, int]) -> str:
    """ "3 permanent, 1 in flight"."""
    return ", ".join(f"{count:,} {reason.words}" for reason, count in skipped.items())


def _share(provider: str, images: int, prices: Mapping[str, Decimal]) -> ProviderShare:
    calls = images * CALLS_PER_PHOTO.get(provider, USUAL_CALLS)
    return ProviderShare(
        provider=provider, images=images, calls=calls, cost_usd=calls * prices.get(provider, Decimal(0))
    )

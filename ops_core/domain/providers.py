"""What a provider allows and costs, as a value; the documented values new databases start with."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Rehosting(StrEnum):
    """Whether copies of a provider's photos may be kept, as stored in `providers.rehosting`."""

    STORE = "store"  #: Bytes may be kept in the image store.
    REFERENCE_ONLY = "reference_only"  #: Terms forbid copies: show from the provider.


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTerms:
    """One provider: rank, limits, prices and policy. Prices are US dollars per call."""

    code: str
    name: str
    priority: int  #: Lower is asked for and ranked first.
    per_second: int | None = None
    per_minute: int | None = None
    per_hour: int | None = None
    listing_usd: Decimal = Decimal(0)  #: One call that lists a venue's photos.
    photo_usd: Decimal = Decimal(0)  #: One call that fetches or resolves a photo.
    rehosting: Rehosting = Rehosting.STORE
    terms_note: str = ""  #: What the terms say about copies, with its source.


#: Documented values. Limits that a provider shows only in its own console are set low on purpose.
SEED: tuple[ProviderTerms, ...] = (
    ProviderTerms(
        code="google_places",
        name="Google Places",
        priority=1,
        per_second=50,
        per_minute=3000,
        listing_usd=Decimal("0"),  # Place Details with only `photos`: the unlimited IDs Only SKU
        photo_usd=Decimal("0.007"),  # Place Details Photos SKU: $7.00 per 1,000
        terms_note="Google Maps Platform terms 3.2.3 forbid keeping copies of photos; "
        "attribution must be shown.",
    ),
    ProviderTerms(
        code="wikimedia_commons",
        name="Wikimedia Commons",
        priority=2,
        per_second=10,
        per_minute=200,  # a compliant User-Agent without an account
        terms_note="Copies are allowed under each photo's licence, with attribution.",
    ),
)

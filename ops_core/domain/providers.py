"""What a provider allows and costs, as a value; the documented values new databases start with."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from urllib.parse import urlencode


class Rehosting(StrEnum):
    """What is done with a provider's photos, as stored in `providers.rehosting`."""

    STORE = "store"  #: Bytes are copied into the image store.
    REFERENCE_ONLY = "reference_only"  #: Nothing is copied: the photo is shown from the provider.


class Copies(StrEnum):
    """What a provider's terms say about keeping copies, as stored in `providers.copies`."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    UNCLEAR = "unclear"  #: By contract, or not documented: treated like forbidden until somebody says.


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTerms:
    """One provider's row as it is seeded: rank, limits, prices and policy. Prices are US dollars per call."""

    code: str
    name: str
    priority: int  #: Lower is asked for and ranked first.
    capabilities: list[str]  #: `photos`: lists a venue's photos; `search`: finds a venue's id.
    per_second: int | None = None
    per_minute: int | None = None
    per_hour: int | None = None
    listing_usd: Decimal = Decimal(0)  #: One call that lists a venue's photos.
    photo_usd: Decimal = Decimal(0)  #: One call that fetches or resolves a photo.
    search_usd: Decimal = Decimal(0)  #: One call that searches for a venue.
    rehosting: Rehosting = Rehosting.REFERENCE_ONLY
    copies: Copies
    terms_note: str  #: What the terms say about copies and credit, in a sentence.
    terms_url: str  #: Where they say so.


#: Documented values. Limits that a provider shows only in its own console are set low on purpose, and
#: prices that only a contract names are 0: both are edited on the Admin page.
SEED: tuple[ProviderTerms, ...] = (
    ProviderTerms(
        code="google_places",
        name="Google Places",
        priority=1,
        capabilities=["photos", "search"],
        per_second=50,
        per_minute=3000,
        listing_usd=Decimal("0"),  # Place Details with only `photos`: the unlimited IDs Only SKU
        photo_usd=Decimal("0.007"),  # Place Details Photos SKU: $7.00 per 1,000
        search_usd=Decimal("0.032"),  # Text Search Pro SKU: $32.00 per 1,000
        copies=Copies.FORBIDDEN,
        terms_note="Copies of photos are forbidden (Google Maps Platform terms 3.2.3); only place ids may be "
        "kept. The author's name is shown wherever the photo is.",
        terms_url="https://cloud.google.com/maps-platform/terms",
    ),
    ProviderTerms(
        code="wikimedia_commons",
        name="Wikimedia Commons",
        priority=2,
        capabilities=["photos", "search"],
        per_second=10,
        per_minute=200,  # a compliant User-Agent without an account
        rehosting=Rehosting.STORE,
        copies=Copies.ALLOWED,
        terms_note="Copies are allowed under each photo's licence, with its author and licence shown.",
        terms_url="https://commons.wikimedia.org/wiki/Commons:Reusing_content_outside_Wikimedia",
    ),
    ProviderTerms(
        code="here",
        name="HERE",
        priority=3,
        capabilities=["photos", "search"],
        per_second=5,  # Limited Plan
        copies=Copies.UNCLEAR,
        terms_note="Photos come from TripAdvisor by contract only; the contract says whether copies may be "
        "kept. The Limited Plan allows 1,000 requests a day.",
        terms_url="https://legal.here.com/en-gb/terms",
    ),
    ProviderTerms(
        code="mapbox",
        name="Mapbox",
        priority=4,
        capabilities=["photos", "search"],
        per_second=10,
        per_minute=600,
        copies=Copies.UNCLEAR,
        terms_note="The Places API is a preview with 1,000 records a month; no word on copies of photos.",
        terms_url="https://www.mapbox.com/legal/tos",
    ),
    ProviderTerms(
        code="foursquare",
        name="Foursquare",
        priority=5,
        capabilities=["photos", "search"],
        per_second=50,  # pay as you go, and sandbox accounts
        listing_usd=Decimal("0.01875"),  # Premium endpoint: $18.75 per 1,000, no free calls
        search_usd=Decimal("0.015"),  # Pro endpoint: $15.00 per 1,000 after 500 a month
        copies=Copies.FORBIDDEN,
        terms_note="Pay-as-you-go accounts may keep the ids of photos without limit, but neither their "
        "addresses nor copies. “Powered by Foursquare” is shown with a link.",
        terms_url="https://docs.foursquare.com/developer/reference/usage-guidelines",
    ),
    ProviderTerms(
        code="unsplash",
        name="Unsplash",
        priority=9,
        capabilities=["photos"],
        per_hour=50,  # a demo application; production ones have more
        copies=Copies.FORBIDDEN,
        terms_note="Photos are shown from Unsplash's own address, with photographer and Unsplash named and "
        "linked. They are stock photos: an illustration, not the venue.",
        terms_url="https://help.unsplash.com/articles/2511245",
    ),
)


#: Days for which details of places that were found are kept, where a provider's terms say nothing of it: the
#: longest that any of the terms we know name for such a thing.
USUAL_DETAILS_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFacts:
    """What is true of a provider's interface and no setting of ours."""

    photo_hosts: tuple[str, ...] = ()  #: Where its photos are shown from; `*.` stands for any subdomain.
    keeps_address: bool = False  #: Whether a photo's address may be kept; if not, it is asked for when shown.
    illustrative: bool = False  #: Stock photos: not of the venue.
    free: bool = False  #: It takes no money from anybody.
    credit: tuple[str, str] | None = None  #: Words and link to show beside every photo of it: `credit_of`.
    wants_sender: bool = False  #: Links to it must say which application sends the visitor.
    #: Days for which names, addresses and coordinates of places that a search found are kept; None: for ever.
    search_details_days: int | None = USUAL_DETAILS_DAYS
    limits_search_details: bool = False  #: Whether that is what its terms say, and not our caution.


FACTS: Mapping[str, ProviderFacts] = {
    "google_places": ProviderFacts(
        photo_hosts=("*.googleusercontent.com",),
        credit=("Google Maps", "https://www.google.com/maps"),
        # Service Specific Terms 14.3: coordinates for 30 days, ids for ever, and no more than these
        search_details_days=30,
        limits_search_details=True,
    ),
    "wikimedia_commons": ProviderFacts(
        photo_hosts=("upload.wikimedia.org",),
        keeps_address=True,
        free=True,
        search_details_days=None,  # what Wikidata says is free of rights (CC0)
    ),
    # HERE and Mapbox: a contract says how long details may be kept, if anything does
    "here": ProviderFacts(
        photo_hosts=("*.tripadvisor.com",), credit=("TripAdvisor", "https://www.tripadvisor.com")
    ),
    # its photo hosts are not documented; a sample of its search held one of Foursquare's
    "mapbox": ProviderFacts(
        photo_hosts=("*.mapbox.com", "*.4sqi.net"), credit=("Mapbox", "https://www.mapbox.com")
    ),
    "foursquare": ProviderFacts(
        photo_hosts=("*.4sqi.net",),
        credit=("Powered by Foursquare", "https://foursquare.com"),
        # usage guidelines: ids without limit, the rest not at all (pay as you go) or 24 hours (enterprise)
        search_details_days=1,
        limits_search_details=True,
    ),
    "unsplash": ProviderFacts(
        photo_hosts=("images.unsplash.com",),
        keeps_address=True,
        illustrative=True,
        free=True,
        credit=("Unsplash", "https://unsplash.com/"),
        wants_sender=True,
    ),
}


def facts_of(code: str) -> ProviderFacts:
    """The facts of the provider `code`; one that is not known has none."""
    return FACTS.get(code, ProviderFacts())


def credit_of(code: str, *, sender: str) -> tuple[str, str] | None:
    """Words and link to show beside every photo of the provider `code`; `sender` is who shows it."""
    facts = facts_of(code)
    if facts.credit is None or not facts.wants_sender:
        return facts.credit
    words, address = facts.credit
    return words, f"{address}?{urlencode(referral(sender))}"


def referral(sender: str) -> dict[str, str]:
    """What links to a provider that `wants_sender` carry."""
    return {"utm_source": sender, "utm_medium": "referral"}


def why_details_go(code: str, name: str) -> str:
    """Why details of places that the provider `code`, called `name`, found are not kept any longer."""
    terms = f"{name}'s terms"
    return terms if facts_of(code).limits_search_details else f"{terms} do not say that they may be"


def in_force(policy: Rehosting, code: str, drawn: Container[str]) -> Rehosting:
    """What is done with the photos of `code`: its `policy`, but what the sandbox draws is nobody's.

    `drawn` are the providers whose sandbox photos are copied; empty when the real ones are asked.
    """
    return Rehosting.STORE if code in drawn else policy

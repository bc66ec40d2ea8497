"""Unsplash: stock photos for a venue's search words. An illustration, not the venue.

Its rules are that photos are shown from its own addresses as given (`ixid` counts their views), that
photographer and Unsplash are named with links that say who shows them, and that it is told of each
photo that is taken into use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from yarl import URL

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure, error_type_of_status, failed
from ops_core.domain.places import Venue
from ops_core.domain.providers import referral
from ops_core.providers import keys
from ops_core.providers.http import Api
from ops_core.providers.lists import each_once, listed, usable
from ops_core.providers.photo_address import known_address, photo_address
from ops_core.providers.reply import dig, items, name, pixels, text, web_url
from ops_core.providers.source import Download, Photo
from ops_core.settings import Settings

HOST = "api.unsplash.com"

#: Where the pictures of Unsplash+ are, which may be had for money only.
PAID_HOST = "plus.unsplash.com"

LICENSE, LICENSE_URL = "Unsplash License", "https://unsplash.com/license"

#: Most photos one search gives.
MOST_PHOTOS = 30

#: Added to the wait for the next hour, seconds: our clock may be ahead of theirs.
CLOCK_SLACK = 5.0

_ID = re.compile(r"[A-Za-z0-9_-]{1,300}")


class Unsplash:
    """The source for `unsplash`; see `providers.source.PhotoSource` and `UseReporter`."""

    code = "unsplash"

    def not_ready(self, settings: Settings) -> str | None:
        """Why it cannot be asked: no key."""
        if _key(settings):
            return None
        return "Set VENUE_OPS_UNSPLASH_ACCESS_KEY to ask Unsplash."

    def knows(self, venue: Venue) -> bool:
        """Whether somebody gave the venue search words; they are never made up from its name."""
        return bool(venue.provider_ids.get("unsplash", "").strip())

    async def list_photos(self, venue: Venue, api: Api, *, limit: int) -> list[Photo]:
        """At most `limit` photos in landscape for the venue's search words, Unsplash's best first."""
        reply = await api.get_json(
            f"{api.base(HOST)}/search/photos",
            params={
                "query": venue.provider_ids["unsplash"].strip(),
                "per_page": str(min(max(limit, 1), MOST_PHOTOS)),
                "orientation": "landscape",
            },
            headers=_headers(api.settings),
            classify=classify,
        )
        results = listed(dig(reply, "results"), "Unsplash's search result")
        free = [entry for entry in results if not _is_paid(entry, api)]
        photos = [_photo(entry, position, api) for position, entry in enumerate(free)]
        return each_once(usable(photos, "the photos Unsplash listed", api))[:limit]

    async def resolve(self, provider_ref: str, fetch_ref: str | None, api: Api) -> Download:
        """The photo's own address; no call. Asked only where somebody decided to keep copies."""
        return Download(url=known_address(fetch_ref, self.code, api))

    async def report_use(self, provider_ref: str, fetch_ref: str | None, api: Api) -> None:
        """Tell Unsplash that the photo is used, as its rules demand; one call. Raises `Failed`."""
        address = known_address(fetch_ref, self.code, api)
        if not _ID.fullmatch(provider_ref):
            raise failed(ErrorType.NOT_FOUND, "The photo's id is not one of Unsplash.")
        seen_by = URL(address).query.get("ixid")
        await api.get_json(
            f"{api.base(HOST)}/photos/{provider_ref}/download",
            params={"ixid": seen_by} if seen_by else None,
            headers=_headers(api.settings),
            classify=classify,
        )


def classify(status: int, headers: Mapping[str, str], body: Any) -> Failure | None:
    """What Unsplash says went wrong, as a failure; None when it does not say, or nothing did."""
    if status == 200:
        return None
    if status == 429 or (status == 403 and "rate limit" in str(body)[:200].lower()):
        # only the hour's limit ends as 403; a 429 may be of another kind and then names its own wait
        left = headers.get("X-Ratelimit-Remaining", "0" if status == 403 else "").strip()
        if left != "0" or "Retry-After" in headers:
            return Failure(ErrorType.RATE_LIMITED, "Unsplash asks for fewer requests.")
        return Failure(
            ErrorType.RATE_LIMITED,
            "Unsplash: the application's requests for this hour are used up.",
            retry_after=seconds_until_next_hour(datetime.now(UTC)),
        )
    said = [line for each in items(dig(body, "errors"))[:3] if (line := text(each, 100))]
    return Failure(error_type_of_status(status), f"Unsplash: {'; '.join(said)}") if said else None


def seconds_until_next_hour(now: datetime) -> float:
    """How long an hourly limit that is used up stays so: Unsplash states no reset."""
    hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return (hour - now).total_seconds() + CLOCK_SLACK


def _photo(entry: Any, position: int, api: Api) -> Photo | None:
    photo_id = name(dig(entry, "id"), _ID)
    address = photo_address(dig(entry, "urls", "regular"), Unsplash.code, api)
    if photo_id is None or address is None:
        return None
    user = dig(entry, "user")
    return Photo(
        provider=Unsplash.code,
        provider_ref=photo_id,
        fetch_ref=address,
        show_url=address,
        source_url=_referred(dig(entry, "links", "html"), api.settings),
        width=pixels(dig(entry, "width")),
        height=pixels(dig(entry, "height")),
        position=position,
        attribution=text(dig(user, "name"), 80) or text(dig(user, "username"), 80),
        attribution_url=_referred(dig(user, "links", "html"), api.settings),
        license=LICENSE,
        license_url=LICENSE_URL,
    )


def _is_paid(entry: Any, api: Api) -> bool:
    address = dig(entry, "urls", "regular")
    return isinstance(address, str) and address.startswith(f"{api.base(PAID_HOST)}/")


def _referred(link: Any, settings: Settings) -> str | None:
    """A link to Unsplash that says which application sent the visitor, as its rules demand."""
    address = web_url(link)
    if address is None:
        return None
    return str(URL(address).update_query(referral(settings.unsplash_app_name)))


def _headers(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"Client-ID {_key(settings)}", "Accept-Version": "v1"}


def _key(settings: Settings) -> str:
    return keys.sent(settings.unsplash_access_key, settings)

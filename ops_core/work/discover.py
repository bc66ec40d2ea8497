"""Asking all providers that know a venue for its photos, at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ops_core.db.job_providers import ProviderResult
from ops_core.domain.places import Venue
from ops_core.providers.http import Api
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Photo
from ops_core.work.asking import ask_all, may_answer_later
from ops_core.work.session import Session

#: What a provider must be able to do, as in `providers.capabilities`.
PHOTOS = "photos"


@dataclass(frozen=True, slots=True)
class Discovery:
    """What the providers answered."""

    photos: list[Photo]  #: What those asked just now have.
    answered: list[str]  #: Who answered, earlier runs of the job included.
    results: list[ProviderResult]  #: How each provider did just now.
    wait: float  #: Seconds until a provider's limit lets it be asked; 0 when none has to wait.

    @property
    def may_answer_later(self) -> list[ProviderResult]:
        """The providers that failed in a way that tends to pass."""
        return may_answer_later(self.results)


async def discover(session: Session, venue: Venue, answered: Sequence[str]) -> Discovery:
    """Ask every active provider that lists photos and knows `venue`, except those that `answered` before."""
    codes = [
        code
        for code in session.providers
        if code in SOURCES
        and code not in answered
        and PHOTOS in session.providers[code].capabilities
        and SOURCES[code].not_ready(session.settings) is None
        and SOURCES[code].knows(venue)
    ]
    most = session.settings.max_images_per_provider

    async def question(code: str, api: Api) -> list[Photo]:
        return await SOURCES[code].list_photos(venue, api, limit=most)

    asked = await ask_all(session, codes, question, lambda provider: provider.listing_usd)
    return Discovery(
        photos=[photo for photos in asked.found.values() for photo in photos],
        answered=[*answered, *asked.found],
        results=[
            replace(line, images_fetched=len(asked.found.get(line.provider, ()))) for line in asked.results
        ],
        wait=asked.wait,
    )

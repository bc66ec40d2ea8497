"""Whether a provider can be asked with the settings that there are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Why a provider cannot be asked, in sentences that name the setting; None where it can."""

    photos: str | None  #: For the photos of a venue.
    search: str | None  #: For venues.

    def lacking(self, capabilities: Collection[str]) -> dict[str, str]:
        """Why it cannot be asked for some of these `capabilities`, by capability; empty if it can for all."""
        reasons = {"photos": self.photos, "search": self.search}
        return {name: why for name, why in reasons.items() if why and name in capabilities}

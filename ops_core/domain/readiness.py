"""Whether a provider can be asked with the settings that there are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Why a provider cannot be asked, in sentences that name the setting; None where it can."""

    photos: str | None  #: For the photos of a venue.
    search: str | None  #: For venues.

"""Whether providers can be asked with the settings of this process, and which setting is missing if not."""

from __future__ import annotations

from ops_core.domain.readiness import Readiness
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import PlaceFinder
from ops_core.settings import Settings


def readiness(code: str, settings: Settings) -> Readiness:
    """How the provider `code` stands, whatever its row says."""
    source = SOURCES.get(code)
    if source is None:
        missing = "This version has no source for it."
        return Readiness(photos=missing, search=missing)
    search = source.cannot_search(settings) if isinstance(source, PlaceFinder) else "It cannot be searched."
    return Readiness(photos=source.not_ready(settings), search=search)

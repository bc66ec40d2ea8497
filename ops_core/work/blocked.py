"""Providers of which nothing is tried now, and why: paused, switched off, or no copies allowed."""

from __future__ import annotations

from sqlalchemy import Connection

from ops_core.db import retry_scope
from ops_core.db.retry_scope import Standing
from ops_core.domain.providers import Rehosting
from ops_core.domain.retry_plan import SkipReason
from ops_core.providers.google_places import GooglePlaces
from ops_core.providers.registry import SOURCES
from ops_core.settings import Settings


def blocked(connection: Connection, settings: Settings) -> dict[str, SkipReason]:
    """Why nothing of a provider is tried now, by its code; providers that may be tried are not in it.

    Terms that forbid copies come before a pause, which passes. A provider that has no source here
    counts as paused.
    """
    found = {each.code: _why(each, settings) for each in retry_scope.standings(connection)}
    return {code: reason for code, reason in found.items() if reason is not None}


def _why(provider: Standing, settings: Settings) -> SkipReason | None:
    if provider.rehosting is Rehosting.REFERENCE_ONLY or not _may_be_copied(provider.code, settings):
        return SkipReason.REHOSTING
    if provider.paused or provider.code not in SOURCES:
        return SkipReason.PAUSED
    return None


def _may_be_copied(code: str, settings: Settings) -> bool:
    # what the sandbox draws is nobody's
    if code != GooglePlaces.code or settings.running_sandbox():
        return True
    return settings.google_places_store_photos

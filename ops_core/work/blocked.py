"""Providers of which nothing is tried now, and why: paused, switched off, or no copies allowed."""

from __future__ import annotations

from collections.abc import Container

from sqlalchemy import Connection

from ops_core.db import retry_scope
from ops_core.db.retry_scope import Standing
from ops_core.domain.providers import Rehosting, in_force
from ops_core.domain.retry_plan import SkipReason
from ops_core.providers.registry import SOURCES
from ops_core.settings import Settings


def blocked(connection: Connection, settings: Settings) -> dict[str, SkipReason]:
    """Why nothing of a provider is tried now, by its code; providers that may be tried are not in it.

    Terms that forbid copies come before a pause, which passes. A provider that has no source here
    counts as paused.
    """
    drawn = settings.drawn
    found = {each.code: _why(each, drawn) for each in retry_scope.standings(connection)}
    return {code: reason for code, reason in found.items() if reason is not None}


def _why(provider: Standing, drawn: Container[str]) -> SkipReason | None:
    if in_force(provider.rehosting, provider.code, drawn) is Rehosting.REFERENCE_ONLY:
        return SkipReason.REHOSTING
    if provider.paused or provider.code not in SOURCES:
        return SkipReason.PAUSED
    return None

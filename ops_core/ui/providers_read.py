"""What the Admin page reads. The rows themselves are read anew for every run: people change them here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from ops_core import actions
from ops_core.actions.providers import ACTIONS, NOTHING_NEW
from ops_core.db import audit, operations, provider_rows, stored_counts
from ops_core.db import providers_now as providers_db
from ops_core.db.audit import Entry
from ops_core.db.engine import get_engine
from ops_core.db.provider_rows import ProviderRow
from ops_core.db.providers_now import ProviderNow
from ops_core.domain.readiness import Readiness

#: Changes that the page lists; the newest.
MOST_CHANGES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All providers as they were at one moment."""

    now: datetime  #: By the database's clock.
    rows: Sequence[ProviderRow]  #: First priority first.
    standing: Mapping[str, ProviderNow]
    ready: Mapping[str, Readiness]


def seen() -> Seen:
    """All providers as they are now."""
    with get_engine().connect() as connection:
        rows = provider_rows.all_rows(connection)
        codes = [row.code for row in rows]
        standing = providers_db.providers_now(connection, codes)
        return Seen(
            now=operations.server_time(connection),
            rows=rows,
            standing={each.code: each for each in standing},
            ready=actions.ready(codes),
        )


def changes() -> list[Entry]:
    """The last changes of providers, newest first."""
    with get_engine().connect() as connection:
        return audit.latest(connection, ACTIONS, limit=MOST_CHANGES, without=NOTHING_NEW)


@st.cache_data(ttl="10m", max_entries=1, show_spinner="Counting …", refresh_mode="background")
def copies_kept() -> dict[str, int]:
    """Photos of each provider that are in a store; each count is bounded."""
    with get_engine().connect() as connection:
        return stored_counts.by_provider(connection)


@st.cache_data(ttl="10m", max_entries=1, show_spinner="Counting …", refresh_mode="background")
def pictures_in() -> dict[str, int]:
    """Pictures in each store; each count is bounded."""
    with get_engine().connect() as connection:
        return stored_counts.by_store(connection)


def forget_counts() -> None:
    """Count again at the next run."""
    copies_kept.clear()
    pictures_in.clear()

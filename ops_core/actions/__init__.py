"""What a person can do, one function each. Buttons, the command line and notebooks call these.

Each asks first whether the actor may, writes its work and an audit row in one transaction, and then
tells the workers. When the broker is away the dispatcher tells them later: a click is never lost.
"""

from __future__ import annotations

from ops_core.actions.enrichment import enrich_batch, enrich_stale, enrich_venue
from ops_core.actions.outcomes import Changed, NotAllowed, Queued, Refused, Submitted
from ops_core.actions.retries import preview_retry, retry_all_failed, retry_venue, submit_retry

__all__ = [
    "Changed",
    "NotAllowed",
    "Queued",
    "Refused",
    "Submitted",
    "enrich_batch",
    "enrich_stale",
    "enrich_venue",
    "preview_retry",
    "retry_all_failed",
    "retry_venue",
    "submit_retry",
]

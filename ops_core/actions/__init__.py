"""What a person can do, one function each. Buttons, the command line and notebooks call these.

Each asks first whether the actor may, writes its work and an audit row in one transaction, and then
tells the workers. When the broker is away the dispatcher tells them later: a click is never lost.
"""

from __future__ import annotations

from ops_core.actions.circuits import close_circuit
from ops_core.actions.enrichment import enrich_batch, enrich_stale, enrich_venue
from ops_core.actions.outcomes import (
    AlreadyOpen,
    Changed,
    NotAllowed,
    Preview,
    Queued,
    Refused,
    Submitted,
)
from ops_core.actions.retries import (
    choose_off_peak,
    preview_retry,
    rerun_failed,
    retry_all_failed,
    retry_venue,
    submit_retry,
)
from ops_core.actions.retry_control import cancel_retry, pause_retry, resume_retry

__all__ = [
    "AlreadyOpen",
    "Changed",
    "NotAllowed",
    "Preview",
    "Queued",
    "Refused",
    "Submitted",
    "cancel_retry",
    "choose_off_peak",
    "close_circuit",
    "enrich_batch",
    "enrich_stale",
    "enrich_venue",
    "pause_retry",
    "preview_retry",
    "rerun_failed",
    "resume_retry",
    "retry_all_failed",
    "retry_venue",
    "submit_retry",
]

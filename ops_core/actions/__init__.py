"""What a person can do, one function each. Buttons, the command line and notebooks call these.

Each asks first whether the actor may, writes its work and an audit row in one transaction, and then
tells the workers. When the broker is away the dispatcher tells them later: a click is never lost.
"""

from __future__ import annotations

from ops_core.actions.circuits import close_circuit
from ops_core.actions.enrichment import enrich_batch, enrich_stale, enrich_venue
from ops_core.actions.geocoding import (
    MissingIds,
    SearchesQueued,
    find_missing_ids,
    find_venue_ids,
    preview_missing_ids,
)
from ops_core.actions.matches import Decided, Seen, choose_match
from ops_core.actions.outcomes import (
    AlreadyOpen,
    Changed,
    NotAllowed,
    Preview,
    Queued,
    Refused,
    Submitted,
)
from ops_core.actions.photos import NotShown, photo_address
from ops_core.actions.pictures import look_at_pictures, pictures_to_look_at
from ops_core.actions.providers import (
    RowChanged,
    allow_copies,
    edit_provider,
    forbid_copies,
    pause_provider,
    ready,
    resume_provider,
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
from ops_core.actions.stores import move_store, preview_move

__all__ = [
    "AlreadyOpen",
    "Changed",
    "Decided",
    "MissingIds",
    "NotAllowed",
    "NotShown",
    "Preview",
    "Queued",
    "Refused",
    "RowChanged",
    "SearchesQueued",
    "Seen",
    "Submitted",
    "allow_copies",
    "cancel_retry",
    "choose_match",
    "choose_off_peak",
    "close_circuit",
    "edit_provider",
    "enrich_batch",
    "enrich_stale",
    "enrich_venue",
    "find_missing_ids",
    "find_venue_ids",
    "forbid_copies",
    "look_at_pictures",
    "move_store",
    "pause_provider",
    "pause_retry",
    "photo_address",
    "pictures_to_look_at",
    "preview_missing_ids",
    "preview_move",
    "preview_retry",
    "ready",
    "rerun_failed",
    "resume_provider",
    "resume_retry",
    "retry_all_failed",
    "retry_venue",
    "submit_retry",
]

"""Dropping what providers said of places that searches found, once it may not be kept any longer.

The dispatcher calls this every round. What is decided stays, and so do ids, scores and distances.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from sqlalchemy import Engine

from ops_core.db import providers, search_details
from ops_core.domain.providers import facts_of
from ops_core.work.in_batches import in_batches

log = logging.getLogger(__name__)

#: Searches whose details are dropped in one transaction.
BATCH = 500
#: Seconds after which a round begins no further batch: the dispatcher has other things to do.
ROUND_SECONDS = 0.3


def drop_overdue(engine: Engine) -> int:
    """Drop the details of searches that are too old for them; how many searches that were."""
    dropped = in_batches(lambda: _batch(engine), size=BATCH, seconds=ROUND_SECONDS)
    if dropped:
        log.info("dropped the details of %d searches: their time is over", dropped)
    return dropped


def _batch(engine: Engine) -> int:
    with engine.begin() as connection:
        kept = {code: facts_of(code).search_details_days for code in providers.codes(connection)}
        days = {code: number for code, number in kept.items() if number is not None}
        found = search_details.overdue(connection, days, limit=BATCH)
        if found:
            left = [
                replace(each, candidates=[one.without_details() for one in each.candidates]) for each in found
            ]
            search_details.drop(connection, left)
        return len(found)

"""When a venue is due to be asked for again, and how long a broken job waits."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

#: Longest wait between two attempts of a job, seconds.
MAX_BACKOFF = 3600.0


def is_due(
    last_checked_at: datetime | None,
    images: int,
    *,
    now: datetime,
    without_days: int,
    with_days: int,
) -> bool:
    """Whether the providers should be asked about a venue: never checked, or checked long enough ago.

    `images` are those it has, in the store or as references. A venue without any is asked for again
    after `without_days`, one with images after `with_days`.
    """
    if last_checked_at is None:
        return True
    days = with_days if images else without_days
    return last_checked_at <= now - timedelta(days=days)


def backoff(attempt: int, base: float, *, chance: random.Random | None = None) -> float:
    """Seconds before attempt `attempt + 1`: `base` doubled each time, with jitter, at most an hour.

    The jitter keeps jobs that broke together from coming back together.
    """
    spread = (chance or random).uniform(0.75, 1.25)
    doubled: float = base * 2.0 ** min(max(attempt, 1) - 1, 30)
    return min(doubled * spread, MAX_BACKOFF)

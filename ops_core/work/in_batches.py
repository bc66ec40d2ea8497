"""What the dispatcher does in passing: batch after batch, for a moment at a time."""

from __future__ import annotations

import time
from collections.abc import Callable


def in_batches(batch: Callable[[], int], *, size: int, seconds: float) -> int:
    """Do batches of `size` until one finds less to do, or `seconds` are over; how much was done.

    `batch` does one and says how much that was.
    """
    began, done = time.monotonic(), 0
    while True:
        count = batch()
        done += count
        if count < size or time.monotonic() - began > seconds:
            return done

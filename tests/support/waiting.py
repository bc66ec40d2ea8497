"""Waiting for a condition with a deadline, and saying what was last seen when it does not come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_until(
    look: Callable[[], Value],
    is_right: Callable[[Value], bool] = bool,
    *,
    seconds: float = 30,
    every: float = 0.1,
) -> Value:
    """The first value of `look` that is right; fails with the last one seen after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = look()
        if is_right(value):
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {seconds:g} s; last seen: {value!r}")
        time.sleep(every)

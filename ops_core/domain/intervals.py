"""How far a share of a few can be trusted."""

from __future__ import annotations

from math import sqrt

#: A share of fewer than this says little: it is marked where it is drawn.
FEW = 20

#: Standard deviations on either side that hold 95 of 100 cases.
_Z = 1.959963984540054


def few(tried: int) -> bool:
    """Whether a share of `tried` is of too few to be read without its interval."""
    return tried < FEW


def wilson(successes: int, tried: int) -> tuple[float, float] | None:
    """The 95 % score interval of Wilson for a share, between 0 and 1; None if nothing was tried.

    Raises ValueError if there are more successes than tries, or fewer than none.
    """
    if not 0 <= successes <= tried:
        raise ValueError(f"{successes} of {tried} is no share")
    if not tried:
        return None
    share, spread = successes / tried, _Z**2 / tried
    middle = (share + spread / 2) / (1 + spread)
    half = sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    # rounding must not put the share outside its own interval
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))

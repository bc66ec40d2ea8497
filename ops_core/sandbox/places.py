"""What a search finds in the sandbox: mostly the venue, sometimes its twin, an address, or nothing.

Every provider's search module shows these places in its own format, under ids that it makes of `token`.
Asking for the same name at the same spot finds the same places in every run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ops_core.sandbox.draws import draw, number

#: Metres in which what is found lies around the spot that was asked about.
NEAR, FAR = 40.0, 900.0

_METRES_PER_DEGREE = 111_195.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One place that the sandbox finds."""

    token: str  #: 16 hexadecimal digits; the same place has the same ones.
    kind: str  #: venue, address or area.
    name: str
    address: str
    latitude: float
    longitude: float


def found(
    seed: int, provider: str, query: str, latitude: float | None, longitude: float | None
) -> list[Found]:
    """The places for `query`, best first; its words up to the first comma are the venue's name."""
    name = " ".join(query.split(",")[0].split())
    if not name:
        return []
    fate, bearing, _, _ = draw(seed, "search", provider, name.casefold())
    if latitude is None or longitude is None:
        north, east, _, _ = draw(seed, "somewhere", provider, name.casefold())
        latitude, longitude = north * 120 - 60, east * 360 - 180
    spots = [
        _beside(latitude, longitude, metres, bearing + turn)
        for metres, turn in ((NEAR / 3, 0.0), (NEAR, 0.4), (FAR, 0.7))
    ]
    street = f"{name.split()[0]} Street {1 + int(bearing * 90)}"

    def place(index: int, kind: str, said: str, where: int) -> Found:
        token = f"{number(seed, 'place', provider, said.casefold(), index):016x}"[-16:]
        return Found(
            token=token,
            kind=kind,
            name=said,
            address=street,
            latitude=round(spots[where][0], 6),
            longitude=round(spots[where][1], 6),
        )

    venue, other = place(0, "venue", name, 0), place(1, "venue", f"Café {street.split()[0]}", 1)
    address = place(2, "address", street, 1)
    if fate < 0.62:
        return [venue, other, address]
    if fate < 0.74:  # written differently
        return [place(0, "venue", f"The {name.upper()}", 0), other]
    if fate < 0.82:  # two of one name: a person must look
        return [venue, place(3, "venue", name, 1)]
    if fate < 0.88:  # the same name, but too far away
        return [place(4, "venue", name, 2), other]
    if fate < 0.94:
        return [address, place(5, "area", name.split()[-1], 2)]
    return []


def _beside(latitude: float, longitude: float, metres: float, turn: float) -> tuple[float, float]:
    angle = turn * 2 * math.pi
    north, east = math.cos(angle) * metres, math.sin(angle) * metres
    shrink = max(math.cos(math.radians(latitude)), 0.01)
    return latitude + north / _METRES_PER_DEGREE, longitude + east / _METRES_PER_DEGREE / shrink

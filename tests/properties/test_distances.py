"""Distances of points that may be the same place, anywhere on Earth."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.places import metres_between

Point = tuple[float, float]

#: Metres around the Earth's middle, as `metres_between` takes it.
RADIUS = 111_195.0 * 180 / math.pi
latitudes, longitudes = st.floats(-85, 85), st.floats(-180, 180)


def along_a_great_circle(one: Point, other: Point) -> float:
    (north, east), (also_north, also_east) = (
        (math.radians(latitude), math.radians(longitude)) for latitude, longitude in (one, other)
    )
    half = (
        math.sin((also_north - north) / 2) ** 2
        + math.cos(north) * math.cos(also_north) * math.sin((also_east - east) / 2) ** 2
    )
    return 2 * RADIUS * math.asin(min(1.0, math.sqrt(half)))


@given(latitudes, longitudes, st.floats(-0.03, 0.03), st.floats(-0.03, 0.03))
def test_a_distance_within_a_city_is_that_along_a_great_circle(
    north: float, east: float, up: float, right: float
) -> None:
    one = (north, east)
    other = (north + up, (east + right + 540) % 360 - 180)  # over the date line too
    assert metres_between(one, other) == pytest.approx(along_a_great_circle(one, other), rel=1e-3, abs=0.5)
    assert metres_between(one, other) == pytest.approx(metres_between(other, one), abs=1e-6)


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        ((0.0, 180.0), (0.0, -180.0), 0.0),
        ((-16.8, 179.9999), (-16.8, -179.9999), 21.3),
        ((90.0, 10.0), (90.0, -170.0), 0.0),
    ],
)
def test_the_date_line_and_the_poles_are_no_edge(one: Point, other: Point, metres: float) -> None:
    assert metres_between(one, other) == pytest.approx(metres, abs=0.1)

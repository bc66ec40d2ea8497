"""What the scenes are painted with: colours, skies, glows and film grain. Pillow only, and fast."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import lru_cache
from random import Random

from PIL import Image, ImageChops, ImageDraw

Colour = tuple[int, int, int]

#: Upper sky, lower sky, and the colour that lit things take, for times of the day.
LIGHTS: dict[str, tuple[Colour, Colour, Colour]] = {
    "morning": ((126, 172, 214), (250, 224, 196), (255, 236, 200)),
    "noon": ((58, 122, 196), (190, 220, 240), (255, 250, 235)),
    "golden": ((96, 118, 168), (252, 176, 94), (255, 206, 130)),
    "dusk": ((40, 36, 92), (226, 110, 106), (255, 190, 110)),
    "night": ((8, 12, 34), (38, 48, 92), (255, 208, 128)),
    "overcast": ((132, 144, 158), (214, 218, 220), (244, 240, 228)),
}


def colour(hue: float, saturation: float, value: float) -> Colour:
    """The colour of a hue (turns), saturation and value (both clipped to 0..1)."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0), 1), min(max(value, 0), 1))
    return int(red * 255), int(green * 255), int(blue * 255)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of `other` in `one`."""
    return (
        int(one[0] + (other[0] - one[0]) * share),
        int(one[1] + (other[1] - one[1]) * share),
        int(one[2] + (other[2] - one[2]) * share),
    )


def gradient(width: int, height: int, colours: Sequence[Colour]) -> Image.Image:
    """A picture that runs through `colours` from top to bottom."""
    steps = len(colours) - 1
    column = bytearray()
    for y in range(height):
        place = y / max(height - 1, 1) * steps
        index = min(int(place), steps - 1)
        column += bytes(mix(colours[index], colours[index + 1], place - index))
    return Image.frombytes("RGB", (1, height), bytes(column)).resize(
        (width, height), Image.Resampling.NEAREST
    )


@lru_cache(maxsize=64)
def _spot(width: int, height: int, strength: int) -> Image.Image:
    """A soft round mask, `strength` (0..255) in its middle."""
    spot = Image.radial_gradient("L").point([int(max(0.0, 1 - v / 180) ** 2 * strength) for v in range(256)])
    return spot.resize((width, height))


def glow(picture: Image.Image, x: float, y: float, radius: float, tint: Colour, strength: int = 200) -> None:
    """Light around a point of the picture."""
    size = max(8, int(radius * 2) // 16 * 16)  # few sizes, so that the masks are made once
    mask = _spot(size, size, strength // 16 * 16)
    picture.paste(tint, (int(x - size / 2), int(y - size / 2)), mask)


@lru_cache(maxsize=1)
def _grain() -> Image.Image:
    noise = Image.frombytes("L", (1024, 1024), Random(1).randbytes(1024 * 1024))
    return noise.point([243 + value // 20 for value in range(256)])


@lru_cache(maxsize=64)
def _film(width: int, height: int) -> Image.Image:
    """Grain and darker corners in one layer, so that each picture pays for one pass only."""
    corners = Image.radial_gradient("L").point([255 - int((max(v, 130) - 130) * 0.55) for v in range(256)])
    grain = _grain().crop((0, 0, width, height))
    return ImageChops.multiply(corners.resize((width, height)), grain).convert("RGB")


def film(picture: Image.Image) -> Image.Image:
    """The picture as a lens and a sensor would have it."""
    return ImageChops.multiply(picture, _film(*picture.size))


def person(rng: Random, brush: ImageDraw.ImageDraw, x: float, foot: float, tall: float) -> None:
    """Somebody standing, `tall` pixels from head to foot."""
    coat = colour(rng.random(), 0.4, rng.uniform(0.12, 0.4))
    brush.ellipse(
        (x - tall * 0.07, foot - tall, x + tall * 0.07, foot - tall * 0.84), mix(coat, (200, 160, 130), 0.6)
    )
    brush.rounded_rectangle(
        (x - tall * 0.13, foot - tall * 0.83, x + tall * 0.13, foot - tall * 0.38), tall * 0.08, coat
    )
    brush.rectangle((x - tall * 0.1, foot - tall * 0.4, x - tall * 0.02, foot), mix(coat, (10, 10, 16), 0.5))
    brush.rectangle((x + tall * 0.03, foot - tall * 0.4, x + tall * 0.11, foot), mix(coat, (10, 10, 16), 0.5))

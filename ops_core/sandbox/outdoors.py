"""Scenes under the sky: skylines, streets, hills. Each is one function of chance and size."""

from __future__ import annotations

import math
from random import Random

from PIL import Image, ImageDraw

from ops_core.sandbox.brushes import LIGHTS, Colour, colour, glow, gradient, mix, person

_OUTDOOR = tuple(LIGHTS)


def _sky(rng: Random, width: int, height: int, light: str) -> tuple[Image.Image, Colour, Colour]:
    """A sky with sun, moon or clouds; its lower colour and the colour of lit things."""
    upper, lower, lit = LIGHTS[light]
    tint = colour(rng.random(), 0.5, 0.75)
    upper, lower = mix(upper, tint, 0.14), mix(lower, tint, 0.08)
    picture = gradient(width, height, (upper, mix(upper, lower, 0.45), lower))
    x, y = rng.uniform(0.15, 0.85) * width, rng.uniform(0.12, 0.5) * height
    brush = ImageDraw.Draw(picture)
    if light == "night":
        for _ in range(60):
            star = mix(upper, (255, 255, 255), rng.uniform(0.2, 0.8))
            brush.point((rng.random() * width, rng.random() * height * 0.6), star)
        size = rng.uniform(0.02, 0.04) * height
        glow(picture, x, y, size * 5, (190, 200, 230), 110)
        brush.ellipse((x - size, y - size, x + size, y + size), (240, 240, 225))
    elif light != "overcast":
        glow(picture, x, y, height * rng.uniform(0.5, 0.9), mix(lit, (255, 255, 255), 0.4), 224)
        glow(picture, x, y, height * 0.12, (255, 255, 248), 240)
    if light in ("noon", "overcast", "morning"):
        for _ in range(rng.randint(2, 4)):
            cx, cy = rng.random() * width, rng.uniform(0.08, 0.4) * height
            for puff in range(4):
                glow(
                    picture,
                    cx + puff * 0.05 * width,
                    cy + rng.uniform(-0.02, 0.02) * height,
                    height * 0.14,
                    (252, 252, 252),
                    176,
                )
    return picture, lower, lit


def _ridge(rng: Random, width: int, base: float, swing: float) -> list[tuple[float, float]]:
    """A line of hills across the picture, as the upper edge of a polygon."""
    a, b, c = (rng.uniform(0, math.tau) for _ in range(3))
    return [
        (
            x * width / 40,
            base
            - swing
            * (math.sin(x / 9 + a) * 0.5 + math.sin(x / 4.1 + b) * 0.3 + math.sin(x / 1.9 + c) * 0.12),
        )
        for x in range(42)
    ]


def _tower(
    brush: ImageDraw.ImageDraw, x: float, foot: float, wide: float, tall: float, tint: Colour, roof: Colour
) -> None:
    brush.rectangle((x, foot - tall, x + wide, foot), tint)
    brush.rectangle((x, foot - tall, x + wide * 0.3, foot), mix(tint, (255, 255, 255), 0.14))
    brush.polygon(
        [
            (x - wide * 0.15, foot - tall),
            (x + wide / 2, foot - tall - wide * 1.5),
            (x + wide * 1.15, foot - tall),
        ],
        roof,
    )


def skyline(rng: Random, width: int, height: int) -> Image.Image:
    """Towers over water."""
    light = rng.choice(_OUTDOOR)
    picture, lower, lit = _sky(rng, width, height, light)
    dark = light in ("night", "dusk")
    shore = rng.uniform(0.66, 0.78) * height
    brush = ImageDraw.Draw(picture)
    body = colour(rng.uniform(0.5, 0.75), 0.35, 0.16 if dark else 0.36)
    unit = width / 90
    for layer in range(3):
        shade = mix(lower, body, 0.35 + 0.3 * layer)
        x = -unit * rng.uniform(0, 6)
        while x < width:
            wide = unit * rng.uniform(4, 9)
            tall = shore * rng.uniform(0.12, 0.72 - 0.14 * layer)
            top = shore - tall
            brush.rectangle((x, top, x + wide, shore), shade)
            brush.rectangle((x, top, x + wide * 0.22, shore), mix(shade, lit, 0.16))
            if rng.random() < 0.2:
                brush.line((x + wide / 2, top - tall * 0.25, x + wide / 2, top), shade, 2)
            if layer:
                pane = mix(shade, lit, 0.85 if dark else 0.3)
                step = unit * 1.5
                for row in range(int(tall / step) - 1):
                    for column in range(int(wide / step) - 1):
                        if rng.random() < 0.42:
                            px, py = x + step * (column + 0.8), top + step * (row + 0.8)
                            brush.rectangle((px, py, px + unit * 0.55, py + unit * 0.8), pane)
            x += wide + unit * rng.uniform(0, 3)
    line = int(shore)
    mirror = picture.crop((0, max(0, 2 * line - height), width, line)).transpose(
        Image.Transpose.FLIP_TOP_BOTTOM
    )
    mirror = Image.blend(mirror, Image.new("RGB", mirror.size, mix(body, lower, 0.25)), 0.45)
    picture.paste(mirror, (0, line))
    for _ in range(26):
        y = rng.uniform(shore + 2, height)
        x, long = rng.random() * width, rng.uniform(0.04, 0.2) * width
        brush.line((x, y, x + long, y), mix(body, lower, rng.uniform(0.3, 0.8)), 1)
    return picture


def facade(rng: Random, width: int, height: int) -> Image.Image:
    """A house front with windows, a door, awnings and the street before it."""
    light = rng.choice(_OUTDOOR)
    picture, _, lit = _sky(rng, width, height, light)
    dark = light in ("night", "dusk")
    brush = ImageDraw.Draw(picture)
    street = height * rng.uniform(0.86, 0.91)
    roof = height * rng.uniform(0.1, 0.24)
    dim = 0.42 if dark else 1.0
    houses = rng.randint(1, 3)
    left = -width * rng.uniform(0, 0.08)
    for _ in range(houses + 1):
        wide = width / houses * rng.uniform(0.85, 1.15)
        top = roof + height * rng.uniform(-0.05, 0.07)
        wall = colour(
            rng.choice((0.03, 0.07, 0.1, 0.13, 0.55, 0.95)) + rng.uniform(-0.02, 0.02),
            rng.uniform(0.15, 0.55),
            rng.uniform(0.62, 0.9) * dim,
        )
        trim, shadow = mix(wall, (255, 250, 240), 0.35 * dim), mix(wall, (20, 16, 30), 0.35)
        brush.rectangle((left, top, left + wide, street), wall)
        brush.rectangle((left, top - height * 0.02, left + wide, top + height * 0.015), trim)
        brush.line((left, top + height * 0.017, left + wide, top + height * 0.017), shadow, 2)
        brush.rectangle((left + wide - width * 0.006, top, left + wide, street), shadow)
        rows, columns = rng.randint(2, 4), max(2, round(rng.randint(4, 7) * wide / width))
        ground = street - height * 0.2
        cell_w, cell_h = wide / columns, (ground - top - height * 0.03) / rows
        for row in range(rows):
            for column in range(columns):
                x0 = left + cell_w * (column + 0.27)
                y0 = top + height * 0.04 + cell_h * (row + 0.14)
                x1, y1 = x0 + cell_w * 0.46, y0 + cell_h * 0.62
                burning = rng.random() < (0.55 if dark else 0.08)
                glass = (
                    mix(lit, (255, 240, 200), rng.random() * 0.5)
                    if burning
                    else mix((36, 50, 70), (150, 180, 205), rng.uniform(0.0, 0.5) * dim)
                )
                brush.rectangle((x0 - 3, y0 - 3, x1 + 3, y1 + 3), trim)
                brush.rectangle((x0, y0, x1, y1), glass)
                if not burning:
                    brush.polygon(
                        [(x0, y1), (x0, y0 + (y1 - y0) * 0.6), (x1, y0), (x1, y0 + (y1 - y0) * 0.3)],
                        mix(glass, (255, 255, 255), 0.16),
                    )
                brush.line(((x0 + x1) / 2, y0, (x0 + x1) / 2, y1), trim, 2)
                brush.line((x0, y0 + (y1 - y0) * 0.4, x1, y0 + (y1 - y0) * 0.4), trim, 2)
                brush.rectangle((x0 - 5, y1 + 3, x1 + 5, y1 + 6), shadow)
        _shop(rng, picture, brush, (left, ground, left + wide, street), (wall, trim, shadow, lit), dark)
        left += wide
    brush.rectangle((0, street, width, height), mix((96, 94, 98), (20, 22, 36), 0.55 if dark else 0.1))
    brush.rectangle(
        (0, street, width, street + height * 0.02), mix((150, 146, 142), (24, 26, 40), 0.5 if dark else 0)
    )
    for _ in range(rng.randint(0, 5)):
        person(rng, brush, rng.random() * width, street + height * rng.uniform(0.02, 0.06), height * 0.11)
    return picture


def _shop(
    rng: Random,
    picture: Image.Image,
    brush: ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    tints: tuple[Colour, Colour, Colour, Colour],
    dark: bool,
) -> None:
    """The ground floor: shop windows under an awning, and a door."""
    x0, y0, x1, y1 = box
    wall, trim, shadow, lit = tints
    tall = y1 - y0
    brush.rectangle((x0, y0, x1, y1), mix(wall, shadow, 0.6))
    bays = rng.randint(2, 4)
    door = rng.randrange(bays)
    accent = colour(rng.random(), 0.65, 0.42 if dark else 0.68)
    for bay in range(bays):
        left, right = x0 + (x1 - x0) * (bay + 0.1) / bays, x0 + (x1 - x0) * (bay + 0.9) / bays
        inside = mix(lit, (70, 50, 40), 0.15 if dark else 0.62)
        if bay == door:
            middle, half = (left + right) / 2, min((right - left) / 2, tall * 0.3)
            brush.rectangle((middle - half, y0 + tall * 0.22, middle + half, y1), accent)
            brush.rectangle(
                (middle - half * 0.7, y0 + tall * 0.32, middle + half * 0.7, y1 - tall * 0.25), inside
            )
        else:
            brush.rectangle((left, y0 + tall * 0.3, right, y1 - tall * 0.14), trim)
            brush.rectangle((left + 3, y0 + tall * 0.3 + 3, right - 3, y1 - tall * 0.14 - 3), inside)
            if dark:
                glow(picture, (left + right) / 2, y0 + tall * 0.55, tall * 0.8, lit, 96)
        if bay != door:
            stripes = 7
            for stripe in range(stripes):
                a, b = (
                    left + (right - left) * stripe / stripes,
                    left + (right - left) * (stripe + 1) / stripes,
                )
                tint = accent if stripe % 2 else mix(accent, (255, 250, 240), 0.35 if dark else 0.8)
                brush.polygon(
                    [
                        (a + 3, y0 + tall * 0.16),
                        (b + 3, y0 + tall * 0.16),
                        (b, y0 + tall * 0.4),
                        (a, y0 + tall * 0.4),
                    ],
                    tint,
                )


def hills(rng: Random, width: int, height: int) -> Image.Image:
    """Hills behind hills, with a castle or a church and trees."""
    light = rng.choice(_OUTDOOR)
    picture, lower, lit = _sky(rng, width, height, light)
    brush = ImageDraw.Draw(picture)
    near = colour(
        rng.choice((0.24, 0.3, 0.36, 0.1, 0.58)),
        rng.uniform(0.3, 0.55),
        0.14 if light in ("night", "dusk") else 0.36,
    )
    layers = rng.randint(4, 5)
    home = rng.randint(1, 2)
    for layer in range(layers):
        share = (layer + 1) / layers
        base = height * (0.5 + 0.42 * (layer / layers))
        shade = mix(lower, near, 0.2 + 0.8 * share)
        line = _ridge(rng, width, base, height * 0.11)
        if layer == home:
            x, foot = line[rng.randint(8, 30)]
            stone, roof = mix(shade, mix(lit, (190, 176, 160), 0.5), 0.55), mix(shade, (130, 50, 40), 0.6)
            unit = height * 0.045
            brush.rectangle((x - unit * 3, foot - unit * 2, x + unit * 3, foot + unit * 2), stone)
            for place, tall in ((-3.4, 3.2), (2.3, 3.8), (-0.5, rng.uniform(3.5, 5.5))):
                _tower(brush, x + unit * place, foot + unit, unit * 1.1, unit * tall, stone, roof)
        brush.polygon([*line, (width, height), (0, height)], shade)
        if layer >= layers - 2:
            for _ in range(rng.randint(9, 18)):
                x, foot = line[rng.randrange(40)]
                size = height * rng.uniform(0.025, 0.05) * (1 + share)
                leaf = mix(shade, (8, 14, 12), rng.uniform(0.1, 0.45))
                foot += size * rng.uniform(0, 2)
                if rng.random() < 0.5:
                    brush.polygon(
                        [(x - size * 0.5, foot), (x, foot - size * 2.2), (x + size * 0.5, foot)], leaf
                    )
                else:
                    brush.ellipse((x - size * 0.8, foot - size * 1.7, x + size * 0.8, foot), leaf)
                    brush.ellipse(
                        (x - size * 0.6, foot - size * 1.6, x + size * 0.2, foot - size * 0.6),
                        mix(leaf, lit, 0.16),
                    )
    return picture

"""Scenes under a roof: rooms, stages, tables, halls. Each is one function of chance and size."""

from __future__ import annotations

from random import Random

from PIL import Image, ImageChops, ImageDraw

from ops_core.sandbox.brushes import Colour, colour, glow, gradient, mix, person


def room(rng: Random, width: int, height: int) -> Image.Image:
    """A bar or restaurant: a back wall with shelves or pictures, lamps, a counter and tables."""
    hue = rng.choice((0.02, 0.06, 0.09, 0.48, 0.58, 0.62, 0.9, 0.36))
    wall = colour(hue, rng.uniform(0.25, 0.6), rng.uniform(0.5, 0.85))
    warm = (255, rng.randint(190, 222), rng.randint(120, 165))
    floor_y = height * rng.uniform(0.6, 0.7)
    picture = gradient(width, height, (mix(wall, (10, 8, 12), 0.4), wall, mix(wall, (20, 14, 12), 0.35)))
    brush = ImageDraw.Draw(picture)
    wood = colour(rng.uniform(0.04, 0.09), rng.uniform(0.4, 0.6), rng.uniform(0.42, 0.66))
    picture.paste(
        gradient(width, height - int(floor_y), (mix(wood, (0, 0, 0), 0.5), wood)), (0, int(floor_y))
    )
    middle = width * rng.uniform(0.35, 0.65)
    for plank in range(-12, 13):
        brush.line(
            (middle + plank * width * 0.05, floor_y, middle + plank * width * 0.2, height),
            mix(wood, (0, 0, 0), 0.3),
            1,
        )
    if rng.random() < 0.5:
        for shelf in range(3):
            y = height * (0.24 + 0.1 * shelf)
            brush.rectangle((width * 0.12, y, width * 0.88, y + height * 0.012), mix(wood, warm, 0.2))
            x = width * 0.13
            while x < width * 0.86:
                wide, tall = width * rng.uniform(0.008, 0.016), height * rng.uniform(0.04, 0.08)
                glass = mix(colour(rng.random(), 0.55, 0.6), warm, 0.25)
                brush.rectangle((x, y - tall, x + wide, y), glass)
                brush.rectangle(
                    (x + wide * 0.3, y - tall * 1.35, x + wide * 0.7, y - tall), mix(glass, (0, 0, 0), 0.25)
                )
                x += wide * rng.uniform(1.3, 3.4)
    else:
        for place in range(rng.randint(2, 4)):
            x, y = width * (0.1 + 0.24 * place), height * rng.uniform(0.22, 0.28)
            wide, tall = width * rng.uniform(0.1, 0.16), height * rng.uniform(0.16, 0.26)
            brush.rectangle((x, y, x + wide, y + tall), mix(wood, (0, 0, 0), 0.35))
            sky = colour(rng.random(), 0.4, 0.75)
            brush.rectangle((x + 5, y + 5, x + wide - 5, y + tall - 5), sky)
            brush.rectangle((x + 5, y + tall * 0.6, x + wide - 5, y + tall - 5), mix(sky, (40, 60, 50), 0.6))
    counter = mix(wood, (0, 0, 0), 0.25)
    brush.rectangle((0, floor_y - height * 0.12, width, floor_y + height * 0.05), counter)
    brush.rectangle((0, floor_y - height * 0.135, width, floor_y - height * 0.11), mix(wood, warm, 0.35))
    for panel in range(9):
        brush.line(
            (width * panel / 8, floor_y - height * 0.1, width * panel / 8, floor_y + height * 0.05),
            mix(counter, (0, 0, 0), 0.35),
            2,
        )
    lamps = rng.randint(3, 5)
    drop = height * rng.uniform(0.14, 0.26)
    for lamp in range(lamps):
        x = width * (lamp + 0.5) / lamps
        brush.line((x, 0, x, drop), (24, 20, 20), 2)
        shade = height * 0.045
        brush.pieslice(
            (x - shade, drop - shade, x + shade, drop + shade), 180, 360, mix(wall, (10, 10, 10), 0.7)
        )
        glow(picture, x, drop + shade * 0.4, height * 0.42, warm, 224)
        brush.ellipse(
            (x - shade * 0.35, drop - shade * 0.2, x + shade * 0.35, drop + shade * 0.5), (255, 246, 220)
        )
    for _ in range(rng.randint(2, 4)):
        x, y = rng.uniform(0.08, 0.92) * width, rng.uniform(0.8, 0.93) * height
        size = height * 0.11 * (y / height)
        dark = mix(wood, (12, 8, 8), 0.62)
        brush.rectangle((x - size * 0.07, y, x + size * 0.07, y + size * 1.3), dark)
        brush.ellipse((x - size, y - size * 0.2, x + size, y + size * 0.22), mix(wood, warm, 0.3))
        brush.ellipse((x - size * 0.15, y - size * 0.1, x + size * 0.15, y + size * 0.02), (250, 246, 236))
        glow(picture, x + size * 0.4, y - size * 0.12, size * 0.6, warm, 240)
    return picture


def stage(rng: Random, width: int, height: int) -> Image.Image:
    """A concert: beams of light, players and the heads of the crowd."""
    hue = rng.random()
    picture = gradient(
        width, height, (colour(hue, 0.8, 0.07), colour(hue + 0.05, 0.75, 0.3), colour(hue + 0.1, 0.7, 0.14))
    )
    haze = Image.new("RGB", (width, height))
    beams = ImageDraw.Draw(haze)
    for _ in range(rng.randint(4, 7)):
        x, aim, half = rng.random() * width, rng.random() * width, width * rng.uniform(0.05, 0.12)
        tint = colour(hue + rng.choice((0.0, 0.08, 0.45, 0.55)), 0.62, 0.5)
        beams.polygon(
            [(x - 4, 0), (x + 4, 0), (aim + half, height * 0.72), (aim - half, height * 0.72)], tint
        )
        glow(haze, x, 0, height * 0.16, mix(tint, (255, 255, 255), 0.6), 240)
        glow(haze, aim, height * 0.7, half * 2, tint, 176)
    picture = ImageChops.add(picture, haze)
    brush = ImageDraw.Draw(picture)
    floor = height * 0.7
    brush.rectangle((0, floor, width, height), colour(hue, 0.5, 0.06))
    brush.rectangle((0, floor, width, floor + 3), colour(hue + 0.08, 0.5, 0.7))
    for player in range(rng.randint(2, 4)):
        x = width * (0.22 + 0.19 * player + rng.uniform(-0.03, 0.03))
        person(Random(player), brush, x, floor, height * rng.uniform(0.24, 0.3))
        brush.line((x + height * 0.05, floor, x + height * 0.05, floor - height * 0.21), (12, 10, 14), 3)
    for row in range(3):
        shade = colour(hue, 0.4, 0.1 - 0.035 * row)
        x = -10.0
        while x < width:
            size = height * (0.028 + 0.012 * row) * rng.uniform(0.85, 1.2)
            y = height * (0.78 + 0.085 * row) + rng.uniform(-0.02, 0.02) * height
            brush.ellipse((x, y, x + size * 2, y + size * 2.3), shade)
            brush.rounded_rectangle((x - size * 0.9, y + size * 2, x + size * 2.9, y + height), size, shade)
            if rng.random() < 0.16:
                brush.line((x, y + size * 3, x - size * 0.8, y - size * 2.4), shade, max(3, int(size * 0.6)))
            x += size * rng.uniform(2.6, 4.2)
    return picture


def table(rng: Random, width: int, height: int) -> Image.Image:
    """Close by: a cup or a glass on a table before lights out of focus."""
    hue = rng.choice((0.02, 0.06, 0.1, 0.55, 0.6, 0.8, 0.4))
    picture = gradient(
        width, height, (colour(hue, 0.6, 0.12), colour(hue + 0.03, 0.55, 0.46), colour(hue, 0.5, 0.26))
    )
    brush = ImageDraw.Draw(picture)
    edge = height * rng.uniform(0.68, 0.76)
    for _ in range(rng.randint(14, 22)):
        x, y, size = rng.random() * width, rng.random() * edge * 0.95, height * rng.uniform(0.03, 0.08)
        tint = colour(hue + rng.choice((0, 0.03, 0.06, 0.5)), rng.uniform(0.2, 0.55), 1.0)
        back = picture.getpixel((int(min(x, width - 1)), int(y)))
        seen: Colour = mix(back, tint, rng.uniform(0.2, 0.6)) if isinstance(back, tuple) else tint  # type: ignore[arg-type]
        brush.ellipse((x - size, y - size, x + size, y + size), seen, mix(seen, (255, 255, 255), 0.2), 2)
        if rng.random() < 0.4:
            glow(picture, x, y, size * 2, tint, 80)
    wood = colour(rng.uniform(0.04, 0.09), 0.55, rng.uniform(0.3, 0.5))
    picture.paste(
        gradient(
            width, height - int(edge), (mix(wood, (255, 220, 170), 0.35), wood, mix(wood, (0, 0, 0), 0.45))
        ),
        (0, int(edge)),
    )
    for _ in range(16):
        y = rng.uniform(edge, height)
        brush.line((0, y, width, y + rng.uniform(-8, 8)), mix(wood, (0, 0, 0), rng.uniform(0.15, 0.3)), 1)
    for _ in range(rng.randint(1, 2)):
        x, foot, size = (
            rng.uniform(0.25, 0.75) * width,
            rng.uniform(0.84, 0.92) * height,
            height * rng.uniform(0.13, 0.17),
        )
        glow(picture, x, foot, size * 1.7, (14, 8, 8), 160)
        if rng.random() < 0.6:
            china = mix((246, 242, 234), colour(rng.random(), 0.6, 0.7), rng.choice((0.0, 0.0, 0.7)))
            brush.ellipse(
                (x - size * 1.5, foot - size * 0.25, x + size * 1.5, foot + size * 0.25),
                mix(china, (60, 50, 60), 0.2),
            )
            brush.arc(
                (x + size * 0.55, foot - size * 0.95, x + size * 1.35, foot - size * 0.3),
                0,
                360,
                mix(china, (60, 50, 60), 0.25),
                max(4, int(size * 0.12)),
            )
            brush.polygon(
                [
                    (x - size, foot - size * 1.15),
                    (x + size, foot - size * 1.15),
                    (x + size * 0.55, foot),
                    (x - size * 0.55, foot),
                ],
                china,
            )
            brush.polygon(
                [
                    (x + size * 0.3, foot - size * 1.15),
                    (x + size, foot - size * 1.15),
                    (x + size * 0.55, foot),
                    (x + size * 0.25, foot),
                ],
                mix(china, (70, 60, 70), 0.25),
            )
            brush.ellipse(
                (x - size, foot - size * 1.38, x + size, foot - size * 0.92), mix(china, (255, 255, 255), 0.4)
            )
            brush.ellipse((x - size * 0.85, foot - size * 1.32, x + size * 0.85, foot - size), (92, 54, 30))
            brush.ellipse(
                (x - size * 0.4, foot - size * 1.24, x + size * 0.4, foot - size * 1.08), (205, 164, 116)
            )
        else:
            drink = colour(rng.choice((0.98, 0.1, 0.13, 0.03, 0.33)), 0.75, 0.75)
            brush.polygon(
                [
                    (x - size * 0.6, foot - size * 2),
                    (x + size * 0.6, foot - size * 2),
                    (x + size * 0.45, foot),
                    (x - size * 0.45, foot),
                ],
                mix(drink, (255, 255, 255), 0.62),
            )
            brush.polygon(
                [
                    (x - size * 0.54, foot - size * 1.5),
                    (x + size * 0.54, foot - size * 1.5),
                    (x + size * 0.42, foot - 5),
                    (x - size * 0.42, foot - 5),
                ],
                drink,
            )
            brush.ellipse(
                (x - size * 0.54, foot - size * 1.58, x + size * 0.54, foot - size * 1.42),
                mix(drink, (255, 255, 255), 0.3),
            )
            brush.rectangle(
                (x - size * 0.36, foot - size * 1.4, x - size * 0.26, foot - size * 0.2),
                mix(drink, (255, 255, 255), 0.5),
            )
    return picture


def hall(rng: Random, width: int, height: int) -> Image.Image:
    """A hall in perspective: arches on both sides, light at its end, a floor that mirrors."""
    hue = rng.choice((0.08, 0.1, 0.55, 0.6, 0.02, 0.12))
    stone = colour(hue, rng.uniform(0.1, 0.35), rng.uniform(0.68, 0.9))
    end = mix((255, 248, 226), colour(rng.random(), 0.5, 1), 0.16)
    picture = gradient(width, height, (mix(stone, (20, 16, 30), 0.5), stone, mix(stone, (24, 18, 28), 0.55)))
    brush = ImageDraw.Draw(picture)
    cx, cy = width * rng.uniform(0.42, 0.58), height * rng.uniform(0.4, 0.5)
    bays = 7
    for bay in range(bays):
        scale, after = 0.72**bay, 0.72 ** (bay + 1)
        shade = mix(mix(stone, (26, 20, 34), 0.62), stone, bay / bays)
        outer = (cx - cx * scale, cy - cy * scale, cx + (width - cx) * scale, cy + (height - cy) * scale)
        inner = (cx - cx * after, cy - cy * after, cx + (width - cx) * after, cy + (height - cy) * after)
        brush.rectangle(outer, shade)
        brush.polygon(
            [(outer[0], outer[3]), (outer[2], outer[3]), (inner[2], inner[3]), (inner[0], inner[3])],
            mix(shade, (255, 236, 200), 0.12 if bay % 2 else 0.22),
        )
        brush.polygon(
            [(outer[0], outer[1]), (outer[2], outer[1]), (inner[2], inner[1]), (inner[0], inner[1])],
            mix(shade, (10, 8, 16), 0.3),
        )
        for x0, x1 in ((outer[0], inner[0]), (outer[2], inner[2])):
            gap = (x1 - x0) * 0.28
            top, foot = inner[1] + (inner[3] - inner[1]) * 0.12, inner[3]
            brush.polygon(
                [
                    (x0 + gap, top),
                    (x1 - gap, top + (foot - top) * 0.04),
                    (x1 - gap, foot),
                    (x0 + gap, foot + (outer[3] - inner[3]) * 0.5),
                ],
                mix(shade, end, 0.62),
            )
            brush.ellipse(
                (min(x0 + gap, x1 - gap), top - abs(gap), max(x0 + gap, x1 - gap), top + abs(gap)),
                mix(shade, end, 0.62),
            )
        if bay == bays - 1:
            brush.rectangle(inner, end)
    glow(picture, cx, cy, height * 0.6, end, 224)
    for _ in range(rng.randint(1, 5)):
        depth = rng.uniform(0.3, 0.62)
        person(
            rng,
            brush,
            cx + (rng.random() - 0.5) * width * depth * 0.7,
            cy + (height - cy) * depth,
            height * 0.5 * depth,
        )
    return picture

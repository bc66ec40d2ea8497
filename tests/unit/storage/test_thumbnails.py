"""Thumbnails fill 200 x 150 with the middle of the picture, upright and on white."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from ops_core.storage.thumbnails import HEIGHT, WIDTH, make_thumbnail
from tests.support.photos import encoded, photo

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)


def thumbnail(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(make_thumbnail(data)))
    image.load()
    assert (image.format, image.size, image.mode) == ("JPEG", (WIDTH, HEIGHT), "RGB")
    return image


def near(image: Image.Image, where: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    found = image.getpixel(where)
    assert isinstance(found, tuple)
    return all(abs(have - want) < 40 for have, want in zip(found, colour, strict=True))


def halves(width: int, height: int) -> Image.Image:
    """Red on the left half, blue on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


@pytest.mark.parametrize(
    "size",
    [
        (1280, 853), (400, 300), (853, 1280), (3000, 200), (90, 3000), (20, 15), (1, 1), (201, 150),
        # where the part to show came out a hair larger than the picture
        (500, 333), (640, 333), (7, 8), (333, 500),
    ],
)  # fmt: skip
def test_every_shape_fills_the_frame(size: tuple[int, int]) -> None:
    thumbnail(encoded(photo(*size)))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
def test_every_mode_of_a_picture_becomes_a_colour_jpeg(mode: str, form: str) -> None:
    thumbnail(encoded(photo(mode="L" if mode == "1" else mode).convert(mode), form))


def test_a_cmyk_jpeg_becomes_a_colour_jpeg() -> None:
    assert near(thumbnail(encoded(Image.new("RGB", (300, 200), RED).convert("CMYK"))), (100, 75), RED)


def test_sixteen_bits_of_grey_stay_grey() -> None:
    grey = Image.frombytes("I;16", (300, 200), b"\x00\x80" * 60_000)
    assert near(thumbnail(encoded(grey, "PNG")), (100, 75), (128, 128, 128))


def test_the_middle_is_kept_and_the_sides_are_cut() -> None:
    wide = Image.new("RGB", (1200, 300), GREEN)
    wide.paste(RED, (0, 0, 390, 300))
    wide.paste(BLUE, (810, 0, 1200, 300))
    shown = thumbnail(encoded(wide, "PNG"))
    assert all(near(shown, where, GREEN) for where in ((6, 75), (100, 6), (193, 143)))


@pytest.mark.parametrize(
    ("orientation", "red_at"),
    [
        (1, (20, 75)),
        (2, (180, 75)),
        (3, (180, 75)),
        (4, (20, 75)),
        (5, (100, 15)),
        (6, (100, 15)),
        (7, (100, 135)),
        (8, (100, 135)),
    ],
)
@pytest.mark.parametrize("size", [(640, 480), (480, 640), (200, 200)])
def test_a_photo_taken_sideways_is_shown_upright(
    orientation: int, red_at: tuple[int, int], size: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert near(thumbnail(encoded(halves(*size), "JPEG", exif=exif.tobytes(), quality=95)), red_at, RED)


def test_a_nonsense_orientation_counts_as_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 99
    assert near(thumbnail(encoded(halves(400, 300), "JPEG", exif=exif.tobytes())), (20, 75), RED)


def test_transparent_parts_are_white() -> None:
    clear = Image.new("RGBA", (400, 300), (0, 0, 0, 0))
    clear.paste((255, 0, 0, 255), (150, 100, 250, 200))
    for form in ("PNG", "WEBP", "GIF"):
        shown = thumbnail(encoded(clear, form))
        assert near(shown, (5, 5), WHITE)
        assert near(shown, (100, 75), RED)


def test_a_moving_picture_shows_its_first_frame() -> None:
    frames = [Image.new("RGB", (300, 225), colour) for colour in (GREEN, RED, BLUE)]
    for form in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0], form, save_all=True, append_images=frames[1:], duration=50)
        assert near(thumbnail(data), (100, 75), GREEN)

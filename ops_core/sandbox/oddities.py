"""What providers hand out in place of photos: a card that says there is none, and an empty picture."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

#: Longest side of a tiny picture, pixels.
TINY_SIDE = 120

_DESCRIPTION = 0x010E
_GROUND, _INK = "#eceff3", "#9aa4b1"


def card() -> Image.Image:
    """The card, the same for everybody."""
    picture = Image.new("RGB", (600, 450), _GROUND)
    brush = ImageDraw.Draw(picture)
    brush.rounded_rectangle((205, 120, 395, 255), 14, outline=_INK, width=7)
    brush.rectangle((270, 100, 330, 124), fill=_INK)
    brush.ellipse((262, 150, 338, 226), outline=_INK, width=7)
    brush.text((300, 320), "No image available", fill=_INK, font=ImageFont.load_default(size=34), anchor="mm")
    return picture


def blank(width: int, height: int) -> Image.Image:
    """One colour, as of a photo that was lost on its way."""
    return Image.new("RGB", (width, height), "#fbfbfb")


def mark(subject: str, index: int) -> Image.Exif:
    """What makes the file another one, and not the picture."""
    exif = Image.Exif()
    exif[_DESCRIPTION] = f"{subject} {index}".encode("ascii", "replace").decode()
    return exif

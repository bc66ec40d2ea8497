"""Thumbnails: 200 x 150 JPEGs that fill the frame, made once when a photo is stored."""

from __future__ import annotations

import io

from PIL import Image

#: Pixels.
WIDTH, HEIGHT = 200, 150

#: The least size at which a JPEG must be decoded to make a thumbnail of it, whichever way it is turned.
DRAFT = (WIDTH, WIDTH)

_QUALITY = 82
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8; damaged EXIF counts as upright."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (ValueError, OSError, SyntaxError, LookupError, TypeError, ArithmeticError):
        return 1
    return value if value in _TURNS else 1


def is_sideways(image: Image.Image) -> bool:
    """Whether width and height swap when the picture is shown upright."""
    return orientation(image) >= 5


def make_thumbnail(data: bytes) -> bytes:
    """The thumbnail of an encoded picture that is already proven to be one."""
    with Image.open(io.BytesIO(data)) as image:
        image.draft(None, DRAFT)
        return thumbnail_of(image)


def thumbnail_of(image: Image.Image) -> bytes:
    """The thumbnail of a picture: cut from its middle, upright, on white, its first frame if it moves."""
    return encoded(small_of(image))


def small_of(image: Image.Image) -> Image.Image:
    """What a thumbnail of the picture shows, in RGB."""
    turn = _TURNS.get(orientation(image))
    # cutting and shrinking come first: turning and blending a full-size picture costs far more
    size = (HEIGHT, WIDTH) if is_sideways(image) else (WIDTH, HEIGHT)
    small = _resizable(image).resize(
        size, Image.Resampling.BICUBIC, box=_middle(image, size), reducing_gap=1.1
    )
    if turn is not None:
        small = small.transpose(turn)
    return _on_white(small)


def encoded(small: Image.Image) -> bytes:
    """The file of a thumbnail, from what it shows."""
    out = io.BytesIO()
    small.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def _middle(image: Image.Image, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest part of the picture's middle that has the shape of `size`."""
    scale = min(image.width / size[0], image.height / size[1])
    width, height = size[0] * scale, size[1] * scale
    # by rounding they may be a hair larger than the picture
    left, top = max(0.0, (image.width - width) / 2), max(0.0, (image.height - height) / 2)
    return (left, top, min(left + width, image.width), min(top + height, image.height))


def _resizable(image: Image.Image) -> Image.Image:
    """The picture in a mode that blends well: palettes and rare depths become colours."""
    if image.mode in ("RGB", "RGBA", "L", "LA", "CMYK") and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16"):
        return image.point(lambda value: value / 256.0).convert("L")  # convert alone would clip to white
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA"):
        image = image.convert("RGBA")
        ground = Image.new("RGB", image.size, "white")
        ground.paste(image, mask=image.getchannel("A"))
        return ground
    return image.convert("RGB")

"""Proving that downloaded bytes are a picture, and measuring it, before anything is stored."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zlib
from dataclasses import dataclass

# Imported one by one: Pillow's other decoders (PDF, EPS, FITS, ...) then never enter the process.
from PIL import (
    AvifImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, failed
from ops_core.domain.pictures import PictureFlag
from ops_core.settings import Settings
from ops_core.storage.thumbnails import DRAFT, encoded, is_sideways, small_of
from ops_core.work.look import look_at

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")

#: Pillow's name of a format -> extension and content type. An MPO is a JPEG with more behind it.
_NAMES: dict[str, tuple[str, str]] = {
    "JPEG": ("jpg", "image/jpeg"),
    "MPO": ("jpg", "image/jpeg"),
    "PNG": ("png", "image/png"),
    "WEBP": ("webp", "image/webp"),
    "GIF": ("gif", "image/gif"),
    "AVIF": ("avif", "image/avif"),
}

#: What a stored picture's name may end with.
EXTENSIONS = tuple(dict.fromkeys(extension for extension, _ in _NAMES.values()))

#: How a whole file ends, where decoding the first picture in it does not prove that.
_ENDS = {"jpg": b"\xff\xd9", "png": b"IEND\xaeB`\x82", "gif": b";"}

# What Pillow's decoders raise over damaged files, as their source and fuzzing show.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)

#: What is said of a stored file by itself: others may well be read.
OF_THE_PICTURE = frozenset(
    {
        ErrorType.FILE_TOO_LARGE,
        ErrorType.CORRUPT_IMAGE,
        ErrorType.EMPTY_BODY,
        ErrorType.NOT_AN_IMAGE,
        ErrorType.UNSUPPORTED_FORMAT,
        ErrorType.TOO_MANY_PIXELS,
    }
)

_STARTS_TAKEN = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF")
_STARTS_REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "PDF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"BM", "BMP"),
    (b"8BPS", "PSD"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_STARTS_OTHER: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "compressed data"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"{", "JSON"),
    (b"[", "JSON"),
)
_SVG = re.compile(rb"<svg[\s>]|<!doctype\s+svg", re.IGNORECASE)
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|script|title)[\s>]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class VerifiedImage:
    """What is true of the bytes that were verified."""

    width: int  #: Pixels, as the picture is shown (EXIF orientation applied).
    height: int
    format: str  #: JPEG, PNG, WEBP, GIF or AVIF.
    extension: str  #: Without a dot.
    content_type: str
    content_hash: str  #: SHA-256, hexadecimal.
    thumbnail: bytes  #: A 200 x 150 JPEG.
    perceptual_hash: str | None  #: Hexadecimal, alike for pictures that look alike; None for a blank one.
    flags: tuple[PictureFlag, ...]  #: What there is against it.


def verify_image(data: bytes, settings: Settings) -> VerifiedImage:
    """Decode all of `data` once and measure it; safe to call from several threads.

    Raises Failed with empty_body, not_an_image, unsupported_format, too_many_pixels or corrupt_image.
    Of a moving picture the first frame is proven.
    """
    if not data:
        raise failed(ErrorType.EMPTY_BODY, "The file is empty.")
    limit = settings.max_image_pixels
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            # the header alone says how large the picture would become
            if image.width * image.height > limit:
                raise _too_many_pixels(limit)
            extension, content_type = _NAMES[image.format or ""]
            width, height = (image.height, image.width) if is_sideways(image) else (image.width, image.height)
            # A JPEG comes out smaller and sooner this way, and still every block of it is decoded.
            image.draft(None, DRAFT)
            image.load()  # `verify()` would pass half a JPEG
            small = small_of(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels(limit) from None
    except UnidentifiedImageError:
        raise _not_taken(data) from None
    except _DAMAGE:
        raise failed(ErrorType.CORRUPT_IMAGE, "The picture is damaged or ends too early.") from None
    look = look_at(small, width, height)
    return VerifiedImage(
        width=width,
        height=height,
        format="JPEG" if image.format == "MPO" else str(image.format),
        extension=extension,
        content_type=content_type,
        content_hash=hashlib.sha256(data).hexdigest(),
        thumbnail=encoded(small),
        perceptual_hash=look.perceptual_hash,
        flags=look.flags,
    )


def ends_whole(data: bytes, extension: str) -> bool:
    """Whether a picture that `verify_image` takes is there to its end, all its frames included.

    For bytes whose true length nobody states. A whole file with something appended is doubted too.
    """
    return data.rstrip(b"\x00\r\n").endswith(_ENDS.get(extension, b""))


def _too_many_pixels(limit: int) -> Failed:
    return failed(ErrorType.TOO_MANY_PIXELS, f"The picture has more than {limit:,} pixels.")


def _not_taken(data: bytes) -> Failed:
    """What to say of bytes that no decoder takes."""
    if data.startswith(_STARTS_TAKEN) or data[4:12] in (b"ftypavif", b"ftypavis"):
        return failed(ErrorType.CORRUPT_IMAGE, "The file begins like a picture but is not one.")
    for start, name in _STARTS_REFUSED:
        if data.startswith(start):
            return failed(ErrorType.UNSUPPORTED_FORMAT, f"The file is {name}, which is not taken.")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return failed(ErrorType.UNSUPPORTED_FORMAT, "The file is HEIC, which is not taken.")
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    html, svg = _HTML.search(head), _SVG.search(head)
    if svg and not (html and html.start() < svg.start()):
        return failed(ErrorType.UNSUPPORTED_FORMAT, "The file is SVG, which is not taken.")
    if html:
        return failed(ErrorType.NOT_AN_IMAGE, "The file is a web page.")
    for start, name in _STARTS_OTHER:
        if head.startswith(start):
            return failed(ErrorType.NOT_AN_IMAGE, f"The file is {name}.")
    return failed(ErrorType.NOT_AN_IMAGE, "The file is no picture.")

"""What is a picture and what is not, and why."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, Failure
from ops_core.settings import Settings
from ops_core.work.verify import VerifiedImage, ends_whole, verify_image
from tests.support.photos import encoded, jpeg, photo

SETTINGS = Settings(max_image_pixels=2_000_000)


def verified(data: bytes) -> VerifiedImage:
    return verify_image(data, SETTINGS)


def failure(data: bytes) -> Failure:
    with pytest.raises(Failed) as caught:
        verify_image(data, SETTINGS)
    assert caught.value.failure.detail
    return caught.value.failure


@pytest.mark.parametrize(
    ("form", "extension", "content_type"),
    [
        ("JPEG", "jpg", "image/jpeg"),
        ("PNG", "png", "image/png"),
        ("WEBP", "webp", "image/webp"),
        ("GIF", "gif", "image/gif"),
        ("AVIF", "avif", "image/avif"),
    ],
)
def test_a_whole_picture_is_measured_and_named_by_its_content(
    form: str, extension: str, content_type: str
) -> None:
    data = encoded(photo(331, 247), form)
    found = verified(data)
    assert (found.width, found.height, found.format) == (331, 247, form)
    assert (found.extension, found.content_type) == (extension, content_type)
    assert found.content_hash == hashlib.sha256(data).hexdigest()
    assert Image.open(io.BytesIO(found.thumbnail)).size == (200, 150)


def test_a_large_jpeg_keeps_its_true_size_though_it_is_decoded_smaller() -> None:
    found = verified(jpeg(1600, 1200))
    assert (found.width, found.height) == (1600, 1200)


def test_a_photo_with_pictures_behind_it_as_phones_write_is_a_jpeg() -> None:
    data = encoded(photo(), "MPO", save_all=True, append_images=[photo(seed=2)])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    found = verified(data)
    assert (found.format, found.extension, found.content_type) == ("JPEG", "jpg", "image/jpeg")


def test_a_photo_taken_sideways_is_measured_as_it_is_shown() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    found = verified(encoded(photo(400, 300), exif=exif.tobytes()))
    assert (found.width, found.height) == (300, 400)


def test_no_byte_is_an_empty_body() -> None:
    assert failure(b"").error_type is ErrorType.EMPTY_BODY


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a.jpg", jpeg())
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html><html><body>no</body></html>",
        b"\xef\xbb\xbf  <html lang='en'><svg></svg></html>",
        b"<html><body><svg xmlns='x'></svg></body></html>",
        json.dumps({"error": "no"}).encode(),
        b"Rate Limit Exceeded",
        b"just some text",
        b"\x00",
        random.Random(1).randbytes(5000),
        gzip.compress(jpeg()),
        _zip(),
    ],
    ids=["html", "html with mark", "html with svg", "json", "text", "prose", "zero", "noise", "gzip", "zip"],
)
def test_what_is_no_picture_is_not_an_image(data: bytes) -> None:
    assert failure(data).error_type is ErrorType.NOT_AN_IMAGE


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg width="1"></svg>',
        b"%PDF-1.7\n1 0 obj",
        encoded(photo(), "TIFF"),
        encoded(photo(), "BMP"),
        encoded(photo(), "ICO"),
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
        b"8BPS\x00\x01",
    ],
    ids=["svg", "svg with prolog", "pdf", "tiff", "bmp", "ico", "heic", "psd"],
)
def test_a_picture_in_another_format_is_unsupported(data: bytes) -> None:
    assert failure(data).error_type is ErrorType.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_picture_cut_short_is_corrupt(form: str, kept: float) -> None:
    data = encoded(photo(640, 480), form)
    assert failure(data[: int(len(data) * kept)]).error_type is ErrorType.CORRUPT_IMAGE


def test_half_a_progressive_jpeg_is_corrupt() -> None:
    data = encoded(photo(640, 480), "JPEG", progressive=True)
    assert failure(data[: len(data) // 2]).error_type is ErrorType.CORRUPT_IMAGE


@pytest.mark.parametrize(
    "start",
    [
        b"GIF89a",
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x00\x00\x00\x00WEBP",
        b"\x00\x00\x00\x1cftypavif",
    ],
)
def test_a_bare_beginning_of_a_picture_is_corrupt(start: bytes) -> None:
    assert failure(start + b"garbage" * 3).error_type is ErrorType.CORRUPT_IMAGE


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_a_picture_over_the_pixel_limit_is_refused_and_one_at_the_limit_is_taken(form: str) -> None:
    at, over = Image.new("L", (2000, 1000)), Image.new("L", (2001, 1000))
    assert verified(encoded(at, form)).width == 2000
    assert failure(encoded(over, form)).error_type is ErrorType.TOO_MANY_PIXELS


@pytest.mark.parametrize("size", [(20_000, 20_000), (10_000, 10_000)], ids=["pillow refuses", "pillow warns"])
def test_a_picture_that_pillow_itself_finds_too_large_has_too_many_pixels(size: tuple[int, int]) -> None:
    assert failure(encoded(Image.new("1", size), "PNG")).error_type is ErrorType.TOO_MANY_PIXELS


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_damaged_files_are_refused_or_taken_but_never_an_accident(form: str) -> None:
    chance = random.Random(form)
    whole = encoded(photo(160, 120), form)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 12)):
            data[chance.randrange(min(len(data), chance.choice([64, 400, len(data)])))] = chance.randrange(
                256
            )
        try:
            verified(bytes(data))
        except Failed:
            continue


def test_many_threads_at_once_agree() -> None:
    files = [
        encoded(photo(200 + number, 150, seed=number), form)
        for number, form in enumerate(["JPEG", "PNG", "WEBP", "GIF"] * 5)
    ]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(verified, files))
    assert together == [verified(data) for data in files]


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF", "AVIF", "MPO"])
def test_a_moving_picture_without_its_end_is_not_taken_for_a_whole_one(form: str) -> None:
    first, *others = (photo(331, 247, seed=seed) for seed in range(4))
    data = encoded(first, form, save_all=True, append_images=others)
    whole = verified(data)
    assert ends_whole(data, whole.extension)
    for part in range(1, 40):
        cut = data[: len(data) * part // 40]
        try:
            taken = verified(cut)
        except Failed:
            continue
        assert not ends_whole(cut, taken.extension)

"""What is seen in a picture: whether it shows anything, and that it is the same in another encoding."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable

import pytest
from PIL import Image

from ops_core.domain.pictures import LEAST_BITS_SET, SAME_BITS, PictureFlag, distance, is_same
from ops_core.sandbox.pictures import Pictures
from ops_core.sandbox.world import Oddity, World
from ops_core.settings import Settings
from ops_core.work.verify import VerifiedImage, verify_image
from tests.support.cards import card, gradient, plain
from tests.support.photos import encoded, photo

SETTINGS = Settings(max_image_pixels=20_000_000)
F = PictureFlag


def seen(picture: Image.Image, form: str = "JPEG", **options: object) -> VerifiedImage:
    return verify_image(encoded(picture, form, **options), SETTINGS)


def hash_of(picture: Image.Image, form: str = "JPEG", **options: object) -> str:
    found = seen(picture, form, **options).perceptual_hash
    assert found is not None
    return found


def resized(picture: Image.Image, factor: float) -> Image.Image:
    size = round(picture.width * factor), round(picture.height * factor)
    return picture.resize(size, Image.Resampling.LANCZOS)


@pytest.mark.parametrize(
    ("picture", "flags"),
    [
        (plain("white"), (F.BLANK,)),
        (plain("black"), (F.BLANK,)),
        (plain("#777777"), (F.BLANK,)),
        (plain("#1f6fd6"), (F.BLANK,)),
        (gradient(), (F.BLANK,)),
        (gradient(220, 30, sideways=True), (F.BLANK,)),
        (photo(640, 480), ()),
        (photo(150, 100), (F.TINY,)),
        (photo(200, 150), ()),
        (photo(150, 200), ()),
        (photo(199, 199), (F.TINY,)),
        (photo(1200, 149), (F.TINY,)),
        (plain("white", 1, 1), (F.BLANK, F.TINY)),
        (card(), (F.PLACEHOLDER,)),
        (card("Photo coming soon", "#1f6fd6", "white"), (F.PLACEHOLDER,)),
        (card("Brak zdjęcia", "black", "#ff8800"), (F.PLACEHOLDER,)),
        (card().resize((150, 100)), (F.TINY, F.PLACEHOLDER)),
        (card("", "#cccccc", "#cdcdcd"), (F.BLANK,)),
    ],
    ids=[
        "white", "black", "gray", "blue", "gradient", "gradient sideways", "noise", "150 x 100", "200 x 150",
        "150 x 200", "199 x 199", "a strip", "1 x 1", "card", "blue card", "black card", "small card",
        "a card nobody can read",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_what_there_is_against_a_picture(picture: Image.Image, flags: tuple[F, ...], form: str) -> None:
    assert seen(picture, form).flags == flags


def test_a_logo_on_nothing_is_seen_on_white() -> None:
    logo = card().convert("RGBA")
    logo.putdata([(0, 0, 0, 0) if pixel[0] > 200 else pixel for pixel in logo.get_flattened_data()])
    assert seen(logo, "PNG").flags == (F.PLACEHOLDER,)
    assert seen(Image.new("RGBA", (400, 300), (200, 10, 10, 0)), "PNG").flags == (F.BLANK,)


def test_a_blank_picture_has_no_hash_and_any_other_has_one_that_says_something() -> None:
    assert seen(plain("white")).perceptual_hash is None
    assert seen(gradient()).perceptual_hash is None
    for picture in (photo(), card(), photo(40, 30), photo(mode="L")):
        found = hash_of(picture)
        assert len(found) == 64
        assert int(found, 16).bit_count() >= LEAST_BITS_SET


@pytest.fixture(scope="module")
def scenes() -> list[Image.Image]:
    """Photos as the sandbox draws them."""
    world, pictures = World(7), Pictures(7)
    listed = (
        photo
        for number in itertools.count()
        for photo in world.photos("google_places", f"ChIJ{number:020d}")
        if not photo.oddity
    )
    files = [pictures.get(photo, 1600) for photo in itertools.islice(listed, 40)]
    return [Image.open(io.BytesIO(file)).convert("RGB") for file in files]


ANOTHER: dict[str, Callable[[Image.Image], str]] = {
    "poorer": lambda picture: hash_of(picture, quality=50),
    "half": lambda picture: hash_of(resized(picture, 0.5)),
    "double": lambda picture: hash_of(resized(picture, 2)),
    "png": lambda picture: hash_of(picture, "PNG"),
    "webp": lambda picture: hash_of(picture, "WEBP", quality=70),
    "avif": lambda picture: hash_of(picture, "AVIF", quality=60),
    "grey": lambda picture: hash_of(picture.convert("L")),
    "sideways": lambda picture: hash_of(
        picture.transpose(Image.Transpose.ROTATE_90), exif=_turned(6).tobytes()
    ),
}


def _turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("how", ANOTHER)
def test_the_same_photo_is_recognised_in_another_encoding(scenes: list[Image.Image], how: str) -> None:
    apart = [distance(hash_of(scene, quality=90), ANOTHER[how](scene)) for scene in scenes]
    assert sum(bits <= SAME_BITS for bits in apart) >= 0.95 * len(scenes), sorted(apart)


def test_a_photo_whose_sides_a_provider_cut_off_is_recognised() -> None:
    wide = photo(960, 480)
    narrow = wide.crop((160, 0, 800, 480))
    assert is_same(hash_of(wide), hash_of(narrow))


def test_no_photo_of_the_sandbox_is_taken_for_another(scenes: list[Image.Image]) -> None:
    hashes = [hash_of(scene) for scene in scenes]
    assert [pair for pair in itertools.combinations(hashes, 2) if is_same(*pair)] == []
    assert all(seen(scene).flags == () for scene in scenes)


@pytest.mark.parametrize(
    ("oddity", "flags"),
    [(Oddity.CARD, (F.PLACEHOLDER,)), (Oddity.BLANK, (F.BLANK,)), (Oddity.TINY, (F.TINY,))],
)
def test_what_the_sandbox_hands_out_in_place_of_photos_is_recognised(
    oddity: Oddity, flags: tuple[F, ...]
) -> None:
    photos = (
        photo for number in itertools.count() for photo in World(7).photos("here", f"here:pds:place:{number}")
    )
    odd = itertools.islice((photo for photo in photos if photo.oddity is oddity), 8)
    assert {verify_image(Pictures(7).get(photo, 1600), SETTINGS).flags for photo in odd} == {flags}


def test_cards_with_other_words_are_other_pictures_and_those_with_the_same_words_one() -> None:
    one = hash_of(card())
    assert is_same(one, hash_of(resized(card(), 0.5), "PNG"))
    assert not is_same(one, hash_of(card("Photo coming soon")))

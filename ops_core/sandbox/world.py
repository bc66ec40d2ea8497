"""What exists in the sandbox: every venue of every provider, and its photos, from the seed alone.

There is no list of venues. Any subject (a Google place id, a Wikidata entity, a Commons category, a
pair of coordinates) is a venue here, and its photos follow from the seed, so that the same id has
the same photos in every run and on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from ops_core.sandbox.draws import draw

#: Share of venues for which a provider has no photo at all.
EMPTY_SHARE = 0.12

#: Most photos a provider has of one venue.
MOST_PHOTOS = 12

#: Stated sizes, pixels: phones, cameras, old web pictures; wide, square and upright.
SIZES: tuple[tuple[int, int], ...] = (
    (640, 480),
    (800, 600),
    (1024, 683),
    (1080, 1080),
    (1200, 1600),
    (1280, 853),
    (1600, 1200),
    (1920, 1080),
    (2048, 1365),
    (2400, 1600),
    (3000, 2000),
    (3024, 4032),
    (3840, 2160),
    (4000, 3000),
)

AUTHORS: tuple[str, ...] = (
    "Anna Zielińska",
    "John Smith",
    "Łukasz Wójcik",
    "Marie-Ève Dubois",
    "山田 太郎",
    "O'Connor & Sons",
    "Jürgen Weiß",
    "Zoë <3 Travel",
    "Chidi Okafor",
    "Сергей Иванов",
)

LICENSES: tuple[tuple[str, str], ...] = (
    ("CC BY-SA 4.0", "https://creativecommons.org/licenses/by-sa/4.0"),
    ("CC BY 2.0", "https://creativecommons.org/licenses/by/2.0"),
    ("CC0", "http://creativecommons.org/publicdomain/zero/1.0/deed.en"),
    ("CC BY-SA 3.0", "https://creativecommons.org/licenses/by-sa/3.0"),
    ("Public domain", ""),
)


class Oddity(StrEnum):
    """What a listed photo turns out to be instead of a photo of its own."""

    CARD = "card"  #: The "no image" card that venues without a photo share.
    BLANK = "blank"
    TINY = "tiny"  #: Far smaller than stated.
    REPEATED = "repeated"  #: The venue's first photo once more.


#: Share of each among the photos after the first.
ODD_SHARES: dict[Oddity, float] = {
    Oddity.CARD: 0.02,
    Oddity.BLANK: 0.01,
    Oddity.TINY: 0.02,
    Oddity.REPEATED: 0.02,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One photo as its provider knows it."""

    provider: str
    subject: str  #: The venue, in the provider's own naming.
    index: int  #: 0 first, in the provider's order.
    width: int  #: Pixels of the original, as stated.
    height: int
    format: str  #: jpeg, png, webp or svg.
    author: str
    license: str
    license_url: str
    oddity: Oddity | None = None


class World:
    """All photos of all venues under one seed. Pure: asking changes nothing."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.photos = lru_cache(maxsize=20_000)(self._photos)

    def _photos(self, provider: str, subject: str) -> tuple[Photo, ...]:
        """The provider's photos of the venue `subject`, in its order; may be none."""
        none, many, _, _ = draw(self.seed, "venue", provider, subject)
        count = 0 if none < EMPTY_SHARE else 1 + int(many * MOST_PHOTOS)
        return tuple(self._photo(provider, subject, index) for index in range(count))

    def _photo(self, provider: str, subject: str, index: int) -> Photo:
        size, form, author, terms = draw(self.seed, "photo", provider, subject, index)
        width, height = SIZES[int(size * len(SIZES))]
        license_, url = LICENSES[int(terms * len(LICENSES))]
        oddity = _oddity(draw(self.seed, "oddity", provider, subject, index)[0]) if index else None
        if oddity is Oddity.REPEATED:
            return replace(self._photo(provider, subject, 0), index=index, oddity=oddity)
        return Photo(
            provider=provider,
            subject=subject,
            index=index,
            width=width,
            height=height,
            format=_format(form, provider, index),
            author=AUTHORS[int(author * len(AUTHORS))],
            license=license_,
            license_url=url,
            oddity=oddity,
        )


def _oddity(drawn: float) -> Oddity | None:
    for oddity, share in ODD_SHARES.items():
        drawn -= share
        if drawn < 0:
            return oddity
    return None


def _format(drawn: float, provider: str, index: int) -> str:
    if drawn < 0.86:
        return "jpeg"
    if drawn < 0.93:
        return "png"
    # Commons categories hold drawings too, which a source must leave out; a lead picture is a photo
    if drawn > 0.97 and provider == "wikimedia_commons" and index > 0:
        return "svg"
    return "webp"

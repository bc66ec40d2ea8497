"""What a picture itself says: whether it shows anything, and whether it is the same as another one.

A picture is told by its perceptual hash: 256 bits, by which encodings, sizes and formats of one photo
differ in few bits, and two photos in about half of them. Nothing here is a reason to drop an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: A thumbnail's sides, pixels: whatever is smaller in one of them is blown up wherever it is shown.
TINY_LONG, TINY_SHORT = 200, 150

#: Contrast (0..255) below which nobody sees anything. Plain colours, gradients and photos with the cap on the
#: lens stay below 1.8 in every encoding tried; drawn scenes begin at 5, real photos at 10.
BLANK_CONTRAST = 2.5

#: A drawn card is one flat colour with an icon or words on it: this share of it has its commonest colour.
#: Such cards have 0.75 and more as JPEGs of quality 50 or better; of 4,000 drawn scenes and the flattest
#: photos tried (the moon, a cell under a microscope) none has 0.6: what a camera takes is never quite flat.
PLACEHOLDER_SHARE = 0.7
#: And it has few colours (of 4,096): such cards have fewer than 100, a thing before a plain wall has more.
PLACEHOLDER_COLOURS = 100

#: Venues with the same picture from which it is more likely a logo or a "no image" card than a photo: a
#: photo of a street or of a chain's food may serve a few neighbours.
PLACEHOLDER_VENUES = 5

#: Bits of a hash.
HASH_BITS = 256

#: Bits in which two hashes of one picture may differ. Of 300 drawn scenes, encoded again as JPEG, PNG, WebP,
#: AVIF and GIF, at a third to double size, grey, brighter or cut to 4:3, 98 to 100 % stayed within 14; of
#: 8,000,000 pairs of different scenes none came nearer than 16. Half of a hash's bits are set, so that two
#: differ in an even number of them.
SAME_BITS = 14

#: Slices that a hash is cut into, so that equal slices find pictures that look alike.
BANDS = 16
#: Two hashes of one picture have at least so many slices in common: `SAME_BITS` can spoil no more.
SHARED_BANDS = BANDS - SAME_BITS

#: Bits that are set in a hash that says something: usually half of them. An even pattern has a handful of
#: frequencies and so a handful of bits, and another even pattern would pass for the same picture.
LEAST_BITS_SET = 24


class PictureFlag(StrEnum):
    """What there is against a picture, as stored in `images.flags` and `pictures.flags`."""

    BLANK = "blank"
    TINY = "tiny"
    PLACEHOLDER = "placeholder"


@dataclass(frozen=True, slots=True)
class FlagInfo:
    """How a flag is named, drawn and explained."""

    label: str
    icon: str  #: A Material icon's name.
    meaning: str  #: One sentence.
    advice: str  #: One sentence: what a person can do.


FLAGS: dict[PictureFlag, FlagInfo] = {
    PictureFlag.BLANK: FlagInfo(
        "Blank",
        "rectangle",
        "Nothing can be seen in it: it is one colour, a gradient or an even pattern.",
        "Look at the photo at its provider: if it is blank there too, report it, and prefer another one.",
    ),
    PictureFlag.TINY: FlagInfo(
        "Tiny",
        "photo_size_select_small",
        f"It is smaller than {TINY_LONG} × {TINY_SHORT} pixels and looks coarse wherever it is shown.",
        "Prefer another photo of the venue, or look for a larger one at its provider.",
    ),
    PictureFlag.PLACEHOLDER: FlagInfo(
        "Placeholder?",
        "image_not_supported",
        "It is probably no photo: it is drawn on one flat colour, or the same picture is on "
        f"{PLACEHOLDER_VENUES} or more venues, like a logo or a “no image” card.",
        "Look at it once: if it is a placeholder, its venues have one photo less than their numbers say.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What was measured of a picture; all but its size is true of any encoding of it."""

    width: int  #: Pixels, as it is shown.
    height: int
    #: Standard deviation of its strongest colour channel (0..255), even changes across or down taken away.
    contrast: float
    flat_share: float  #: Share of its commonest colour, 0 to 1.
    colours: int  #: Colours in it, of 4,096.
    perceptual_hash: str  #: As computed, whatever it is worth.


def flags_of(measures: Measures) -> tuple[PictureFlag, ...]:
    """What there is against a picture, in the order of `PictureFlag`."""
    flags = []
    blank = measures.contrast < BLANK_CONTRAST or not tells_apart(measures.perceptual_hash)
    if blank:
        flags.append(PictureFlag.BLANK)
    if min(measures.width, measures.height) < TINY_SHORT or max(measures.width, measures.height) < TINY_LONG:
        flags.append(PictureFlag.TINY)
    is_card = measures.flat_share >= PLACEHOLDER_SHARE and measures.colours <= PLACEHOLDER_COLOURS
    if is_card and not blank:
        flags.append(PictureFlag.PLACEHOLDER)
    return tuple(flags)


def hash_of(measures: Measures) -> str | None:
    """The hash to compare a picture by; None for a blank one: all blank pictures would be the same."""
    return None if PictureFlag.BLANK in flags_of(measures) else measures.perceptual_hash


def tells_apart(perceptual_hash: str) -> bool:
    """Whether a hash says anything of its picture."""
    return int(perceptual_hash, 16).bit_count() >= LEAST_BITS_SET


def distance(one: str, other: str) -> int:
    """Bits in which two hashes differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def is_same(one: str, other: str) -> bool:
    """Whether two hashes are of one picture."""
    return distance(one, other) <= SAME_BITS


def bands(perceptual_hash: str) -> tuple[int, ...]:
    """The slices of a hash, 16 bits each. Hashes that differ in n bits have `BANDS` - n in common at least.

    Each takes one bit of every row and column of the hash, which is a square of frequencies: rows and
    columns of a picture that is the same on the left and on the right are empty, and would be shared by all.
    """
    word = f"{int(perceptual_hash, 16):0{HASH_BITS}b}"
    return tuple(
        int("".join(word[row * BANDS + (row + band) % BANDS] for row in range(BANDS)), 2)
        for band in range(BANDS)
    )

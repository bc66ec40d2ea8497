"""Looking at a decoded picture: what it is recognised by, and what there is against it."""

from __future__ import annotations

from dataclasses import dataclass

import imagehash
import numpy
import scipy.fftpack  # noqa: F401
from PIL import Image

from ops_core.domain.pictures import Measures, PictureFlag, flags_of, hash_of

#: Frequencies that a hash has each way: 256 bits in all.
_FREQUENCIES = 16
#: Side of the copy that is looked at, pixels: the library takes four for each frequency.
_SIDE = 4 * _FREQUENCIES
#: Bits of a channel that tell colours apart.
_COLOUR_BITS = 4
#: Steps of a channel within which a pixel has the commonest colour: JPEG ripples a flat ground no further.
_FLAT_WITHIN = 3


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture looks like."""

    perceptual_hash: str | None  #: Hexadecimal, 256 bits; None for a picture with nothing in it.
    flags: tuple[PictureFlag, ...]


def look_at(small: Image.Image, width: int, height: int) -> Look:
    """Look at what the thumbnail shows (RGB) of a picture of `width` x `height`."""
    measures = measure(small, width, height)
    return Look(hash_of(measures), flags_of(measures))


def measure(small: Image.Image, width: int, height: int) -> Measures:
    """The measures of a picture, from what its thumbnail shows.

    Not from all of it: the middle is what people see of it, providers cut the sides off to their liking, and
    a second pass over a full-size picture would cost more than all the rest.
    """
    copy = small.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    red, green, blue = channels = numpy.asarray(copy).reshape(-1, 3).T.astype(numpy.int16, order="C")
    step = 8 - _COLOUR_BITS
    codes = ((red >> step) << 2 * _COLOUR_BITS) | ((green >> step) << _COLOUR_BITS) | (blue >> step)
    counts = numpy.bincount(codes)
    commonest = numpy.median(channels[:, codes == counts.argmax()], axis=1).astype(numpy.int16)
    off = numpy.abs(channels - commonest[:, numpy.newaxis]).max(axis=0)
    bits = imagehash.phash(copy.convert("L"), hash_size=_FREQUENCIES).hash
    return Measures(
        width=width,
        height=height,
        contrast=float(_uneven(channels).std(axis=1).max()),
        flat_share=float((off <= _FLAT_WITHIN).mean()),
        colours=int(numpy.count_nonzero(counts)),
        perceptual_hash=numpy.packbits(bits).tobytes().hex(),
    )


def _uneven(channels: numpy.ndarray) -> numpy.ndarray:
    """The channels without what changes evenly across the picture or down it, as gradients and stripes do."""
    planes = channels.reshape(3, _SIDE, _SIDE).astype(numpy.float32)
    planes -= planes.mean(axis=1, keepdims=True)
    planes -= planes.mean(axis=2, keepdims=True)
    return planes.reshape(3, -1)

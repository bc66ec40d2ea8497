"""The bytes of every photo in the sandbox: drawn when first asked for, then kept in a bounded cache."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from random import Random

from PIL import Image

from ops_core.sandbox import indoors, oddities, outdoors
from ops_core.sandbox.brushes import film
from ops_core.sandbox.draws import number
from ops_core.sandbox.world import Oddity, Photo

#: Longest side really drawn, pixels. Larger photos are stated and asked for as such, but a picture of this
#: size serves every screen and keeps a drawing at a few milliseconds.
DRAWN_SIDE = 720

#: The same for PNG and WebP, whose encoders are ten times slower.
DRAWN_SIDE_SLOW = 400

#: Sides below which scenes are not drawn, pixels.
SMALLEST_SCENE = 200

#: Bytes of finished pictures kept.
CACHE_BYTES = 192 * 1024 * 1024

_SCENES: tuple[Callable[[Random, int, int], Image.Image], ...] = (
    outdoors.skyline,
    outdoors.facade,
    outdoors.facade,
    outdoors.hills,
    indoors.room,
    indoors.room,
    indoors.stage,
    indoors.table,
    indoors.hall,
)

CONTENT_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "svg": "image/svg+xml"}

_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}"><rect width="100%" height="100%" '
    'fill="#{a:06x}"/><circle cx="50%" cy="50%" r="30%" fill="#{b:06x}"/></svg>'
)


class Pictures:
    """Draws photos, each of its own; the same photo at the same width is always the same bytes."""

    def __init__(self, seed: int, cache_bytes: int = CACHE_BYTES) -> None:
        self._seed = seed
        self._limit = cache_bytes
        self._held = 0
        self._cache: OrderedDict[tuple[Photo, int, str], bytes] = OrderedDict()

    def get(self, photo: Photo, max_width: int, max_height: int | None = None, as_format: str = "") -> bytes:
        """The photo within `max_width` x `max_height`, in its own format or `as_format`.

        The picture has the photo's proportions and is never larger than the photo; the card has its own.
        """
        width = max_width if max_height is None else min(max_width, max_height * photo.width // photo.height)
        form = as_format or photo.format
        width = _drawn_width(photo, max(1, width), form)
        key = (photo, width, form)
        data = self._cache.get(key)
        if data is not None:
            self._cache.move_to_end(key)
            return data
        data = self._draw(photo, width, form)
        self._cache[key] = data
        self._held += len(data)
        while self._held > self._limit and len(self._cache) > 1:
            self._held -= len(self._cache.popitem(last=False)[1])
        return data

    def _draw(self, photo: Photo, width: int, form: str) -> bytes:
        index = 0 if photo.oddity is Oddity.REPEATED else photo.index
        seed = number(self._seed, "picture", photo.provider, photo.subject, index)
        if form == "svg":
            return _SVG.format(w=photo.width, h=photo.height, a=seed & 0xFFFFFF, b=seed >> 40).encode()
        height = max(1, round(photo.height * width / photo.width))
        if photo.oddity is Oddity.CARD:
            picture = oddities.card()
        elif photo.oddity is Oddity.BLANK:
            picture = oddities.blank(width, height)
        else:
            picture = _scene(Random(seed), width, height)
        out = io.BytesIO()
        # the same picture for several photos, but a file of its own for each
        mark = {"exif": oddities.mark(photo.subject, photo.index)} if photo.oddity else {}
        if form == "jpeg":
            picture.save(out, "JPEG", quality=82, **mark)
        elif form == "png":
            picture.save(out, "PNG", compress_level=1, **mark)
        else:
            picture.save(out, "WEBP", quality=75, method=0, **mark)
        return out.getvalue()


def _scene(rng: Random, width: int, height: int) -> Image.Image:
    scene = _SCENES[rng.randrange(len(_SCENES))]
    # a scene needs room for its parts: tiny pictures are drawn larger and scaled down
    picture = film(scene(rng, max(width, SMALLEST_SCENE), max(height, SMALLEST_SCENE)))
    return picture if picture.size == (width, height) else picture.resize((width, height))


def _drawn_width(photo: Photo, width: int, form: str) -> int:
    side = DRAWN_SIDE if form == "jpeg" else DRAWN_SIDE_SLOW
    if photo.oddity is Oddity.TINY:
        side = oddities.TINY_SIDE
    return max(1, min(width, photo.width, side, side * photo.width // photo.height))

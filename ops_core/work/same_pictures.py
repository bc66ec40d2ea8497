"""Finding images that show the same picture, whichever venues and providers they belong to.

The dispatcher calls this every round. Only groups are made: an image stays what it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Engine

from ops_core.db import pictures
from ops_core.db.pictures import Known, Ungrouped
from ops_core.domain.pictures import SHARED_BANDS, bands, distance, is_same
from ops_core.work.in_batches import in_batches

#: Images that are compared in one transaction.
BATCH = 100
#: Seconds after which a round begins no further batch: the dispatcher has other things to do.
ROUND_SECONDS = 0.3


def group(engine: Engine) -> int:
    """Compare images that are new in the store and give each its picture; how many were given one."""
    return in_batches(lambda: _batch(engine), size=BATCH, seconds=ROUND_SECONDS)


def _batch(engine: Engine) -> int:
    with engine.begin() as connection:
        if not pictures.hold(connection):
            return 0
        images = pictures.ungrouped(connection, BATCH)
        if not images:
            return 0
        hashes = list(dict.fromkeys(image.perceptual_hash for image in images))
        found = pictures.alike(connection, hashes)
        nearest = {each: _nearest(each, known) for each, known in found.items()}
        same = {each: picture for each, picture in nearest.items() if picture is not None}
        leaders = _leaders([each for each in hashes if each not in same])
        new = pictures.add(connection, list(dict.fromkeys(leaders.values())))
        picture_of = same | {each: new[leader] for each, leader in leaders.items()}
        pictures.join(connection, images, _by_image(images, picture_of))
        return len(images)


def _nearest(perceptual_hash: str, known: Sequence[Known]) -> int | None:
    """The picture that the hash is of, if it is of one of these; the first of those that are as near."""
    near = [
        (distance(perceptual_hash, picture.perceptual_hash), picture.id)
        for picture in known
        if is_same(perceptual_hash, picture.perceptual_hash)
    ]
    return min(near)[1] if near else None


def _leaders(hashes: Sequence[str]) -> dict[str, str]:
    """Hashes that nobody knows yet -> the first of them of the same picture; in their order."""
    leaders: dict[str, str] = {}
    having: dict[tuple[int, int], list[str]] = defaultdict(list)
    for each in hashes:
        slices = list(enumerate(bands(each)))
        shared: dict[str, int] = defaultdict(int)
        for place in slices:
            for other in having.get(place, ()):
                shared[other] += 1
        near = [
            (distance(each, other), place, other)
            for place, (other, bands_shared) in enumerate(shared.items())
            if bands_shared >= SHARED_BANDS and is_same(each, other)
        ]
        leaders[each] = min(near)[2] if near else each
        if not near:
            for place in slices:
                having[place].append(each)
    return leaders


def _by_image(images: Sequence[Ungrouped], picture_of: dict[str, int]) -> dict[int, int]:
    return {image.id: picture_of[image.perceptual_hash] for image in images}

"""The quality rule: which photos of a venue are taken, and in what order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

#: Pixels at which a picture scores full marks for size: 4 megapixels.
FULL_SIZE_PIXELS = 4_000_000


class Ranked(Protocol):
    """What ranking needs to know of a photo."""

    @property
    def provider(self) -> str: ...
    @property
    def provider_ref(self) -> str: ...
    @property
    def width(self) -> int | None: ...
    @property
    def height(self) -> int | None: ...
    @property
    def position(self) -> int: ...


Photo = TypeVar("Photo", bound=Ranked)


def quality_score(width: int | None, height: int | None) -> float:
    """A score in 0..1: seven parts size (up to 4 megapixels), three parts a shape that crops well.

    Unknown dimensions score 0.1: behind every known picture of reasonable size, before nothing.
    The rule and its numbers are the original system's.
    """
    if not width or not height or width < 0 or height < 0:
        return 0.1
    ratio = width / height
    if 1.3 <= ratio <= 1.8:
        shape = 0.3
    elif 1.0 <= ratio <= 2.4:
        shape = 0.25
    else:
        shape = 0.2
    return 0.7 * min(width * height / FULL_SIZE_PIXELS, 1.0) + shape


def choose(
    photos: Iterable[Photo], *, priority: dict[str, int], per_provider: int, per_venue: int
) -> list[Photo]:
    """The photos to take, best first: deduplicated, ranked, cut to the caps.

    The same `provider_ref` of one provider counts once (the first listed stays). Rank is score,
    then the provider's priority (lower is better), then the provider's own order.
    """
    unique: dict[tuple[str, str], Photo] = {}
    for photo in photos:
        unique.setdefault((photo.provider, photo.provider_ref), photo)
    last = max(priority.values(), default=0) + 1

    def rank(photo: Photo) -> tuple[float, int, int, str, str]:
        score = quality_score(photo.width, photo.height)
        return (
            -score,
            priority.get(photo.provider, last),
            photo.position,
            photo.provider,
            photo.provider_ref,
        )

    taken: list[Photo] = []
    count: dict[str, int] = {}
    for photo in sorted(unique.values(), key=rank):
        if len(taken) >= per_venue:
            break
        if count.get(photo.provider, 0) < per_provider:
            count[photo.provider] = count.get(photo.provider, 0) + 1
            taken.append(photo)
    return taken

"""What came of moving pictures from one image store to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MovePlan:
    """What there is to move."""

    images: Mapping[str, int]  #: To be moved, by the store they are in.
    kept: Mapping[str, int]  #: That stay where they are, as copies of them are not allowed, by provider.

    @property
    def total(self) -> int:
        """Images to be moved."""
        return sum(self.images.values())


def kept_in_words(kept: Mapping[str, int]) -> str:
    """Which pictures are not copied, and why; empty if there are none."""
    return ", ".join(
        f"{count:,} kept where they are: copies of {provider} are not allowed"
        for provider, count in kept.items()
    )


@dataclass(slots=True)
class MoveReport:
    """The images of one run by what became of them; those named here are where they were before."""

    target: str
    waiting: int = 0  #: That were to be moved when it began.
    moved: int = 0
    bytes: int = 0  #: Of the pictures moved.
    changed: list[int] = field(default_factory=list)  #: Stored anew meanwhile: the next run takes them.
    left: dict[str, list[int]] = field(default_factory=dict)  #: Damaged, missing or refused, by reason.
    kept: Mapping[str, int] = field(default_factory=dict)  #: See `MovePlan`.
    not_deleted: list[int] = field(default_factory=list)  #: Moved, but the original could not be removed.
    stopped: str | None = None  #: Why it ended early: a store that takes or gives nothing.

    @property
    def seen(self) -> int:
        """Images it is done with."""
        return self.moved + len(self.changed) + sum(map(len, self.left.values()))

    @property
    def whole(self) -> bool:
        """Whether everything there was to do is done."""
        return not (self.changed or self.left or self.kept or self.not_deleted or self.stopped)

    def leave(self, image_id: int, reason: str) -> None:
        """Note that an image stays where it is."""
        self.left.setdefault(reason, []).append(image_id)

    def in_words(self) -> str:
        """One line, for people and the audit."""
        parts = [f"{self.moved:,} of {self.waiting:,} images moved to {self.target}"]
        for count, words in (
            (len(self.changed), "changed meanwhile"),
            (sum(map(len, self.left.values())), "left as they were"),
            (len(self.not_deleted), "originals not removed"),
        ):
            if count:
                parts.append(f"{count:,} {words}")
        if self.kept:
            parts.append(kept_in_words(self.kept))
        if self.stopped:
            parts.append(f"stopped: {self.stopped.rstrip('.')}")
        return ", ".join(parts)

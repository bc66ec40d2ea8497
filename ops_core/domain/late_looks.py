"""What came of looking at pictures that were stored before anybody looked at them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ops_core.domain.pictures import FLAGS, PictureFlag


@dataclass(slots=True)
class LookReport:
    """The images of one run by what became of them."""

    waiting: int = 0  #: That were to be looked at when it began.
    looked: int = 0
    flagged: Counter[PictureFlag] = field(default_factory=Counter)  #: Of those looked at.
    needless: int = 0  #: Looked at by somebody else meanwhile, or not in a store any more.
    changed: list[int] = field(default_factory=list)  #: Stored anew meanwhile: the next run takes them.
    left: dict[str, list[int]] = field(default_factory=dict)  #: Missing or damaged, by reason.
    stopped: dict[str, str] = field(default_factory=dict)  #: Stores that give nothing -> why.

    @property
    def whole(self) -> bool:
        """Whether everything there was to do is done."""
        return not (self.changed or self.left or self.stopped)

    def leave(self, image_id: int, reason: str) -> None:
        """Note that an image cannot be looked at."""
        self.left.setdefault(reason, []).append(image_id)

    def in_words(self) -> str:
        """One line, for people and the audit."""
        parts = [f"{self.looked:,} of {self.waiting:,} pictures looked at"]
        parts += [
            f"{self.flagged[flag]:,} {FLAGS[flag].label.rstrip('?').lower()}"
            for flag in PictureFlag
            if self.flagged[flag]
        ]
        for count, words in (
            (len(self.changed), "changed meanwhile"),
            (sum(map(len, self.left.values())), "not readable"),
        ):
            if count:
                parts.append(f"{count:,} {words}")
        parts += [f"{store} left alone: {why.rstrip('.')}" for store, why in self.stopped.items()]
        return ", ".join(parts)

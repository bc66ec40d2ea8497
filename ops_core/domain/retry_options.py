"""How a retry is to go: when, how fast, with a sample first, and whether rules are overridden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any


class When(StrEnum):
    """When a retry begins."""

    NOW = "now"
    AT = "at"  #: At a given instant.
    OFF_PEAK = "off_peak"  #: At the instant that `domain.off_peak` chose.


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a retry is to go. Raises `ValueError`, with a sentence for people, for what makes no sense."""

    when: When = When.NOW
    at: datetime | None = None  #: For `AT` and `OFF_PEAK`: not before this instant.
    per_hour: int | None = None  #: Drip: at most so many images begin in any hour.
    usd_per_day: Decimal | None = None  #: Drip: at most so many dollars in any 24 hours.
    sample: int = 0  #: Canary: so many images first; 0 for none.
    sample_share: float = 0.8  #: Canary: go on by itself at this share of uploads or more, 0 to 1.
    override: bool = False  #: Also permanent, ambiguous and exhausted images: needs a reason.

    def __post_init__(self) -> None:
        if (self.at is not None) != (self.when is not When.NOW):
            raise ValueError(
                "A retry that begins later needs the time when it begins; one that begins now has none."
            )
        if self.at is not None and self.at.tzinfo is None:
            raise ValueError("The time needs a time zone.")
        if self.per_hour is not None and not 1 <= self.per_hour <= 1_000_000:
            raise ValueError("Give a number of images an hour from 1 to 1,000,000.")
        if self.usd_per_day is not None and not Decimal("0.01") <= self.usd_per_day <= 1_000_000:
            raise ValueError("Give an amount a day from $0.01 to $1,000,000.")
        if not 0 <= self.sample <= 10_000:
            raise ValueError("Give a sample of 1 to 10,000 images.")
        if not 0 <= self.sample_share <= 1:
            raise ValueError("Give a share of uploads from 0 to 100 %.")

    @property
    def drips(self) -> bool:
        """Whether images begin at a bounded rate."""
        return self.per_hour is not None or self.usd_per_day is not None

    def in_words(self) -> str:
        """ "now", "at 2026-11-23 02:00 UTC, 10 images first, at most 100 an hour"."""
        parts = ["now"]
        if self.at is not None:
            said = "off-peak" if self.when is When.OFF_PEAK else "at"
            parts = [f"{said} {self.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"]
        if self.sample:
            images = "1 image" if self.sample == 1 else f"{self.sample:,} images"
            parts.append(f"{images} first, the rest if {100 * self.sample_share:.0f} % come in")
        if self.per_hour is not None:
            parts.append(f"at most {self.per_hour:,} an hour")
        if self.usd_per_day is not None:
            parts.append(f"at most ${self.usd_per_day:,.2f} a day")
        if self.override:
            parts.append("final failures too")
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """As stored in `retry_requests.options`."""
        return {
            "when": self.when.value,
            "at": self.at.isoformat() if self.at else None,
            "per_hour": self.per_hour,
            "usd_per_day": None if self.usd_per_day is None else str(self.usd_per_day),
            "sample": self.sample,
            "sample_share": self.sample_share,
            "override": self.override,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Options:
        """The options that `to_json` wrote; nothing stored means the usual ones."""
        at, usd = stored.get("at"), stored.get("usd_per_day")
        return cls(
            when=When(stored.get("when", When.NOW)),
            at=datetime.fromisoformat(at) if at else None,
            per_hour=stored.get("per_hour"),
            usd_per_day=None if usd is None else Decimal(usd),
            sample=stored.get("sample", 0),
            sample_share=stored.get("sample_share", 0.8),
            override=stored.get("override", False),
        )

"""What the sandbox was asked and what it sent: counts per key, and every request in order."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

#: Requests kept in the log; the oldest are dropped first. Counts are never dropped.
LOG_LENGTH = 50_000

#: Outcome of a request that is not answered yet.
OPEN = "open"


@dataclass(slots=True)
class Entry:
    """One request. `outcome` is ok, a fault's name, refused, outage, client_gone, or open."""

    provider: str
    kind: str  #: listing, resolve, image or other.
    ref: str  #: The photo or venue, in the provider's naming.
    t: float = field(default_factory=time.time)  #: Arrival, seconds since 1970.
    monotonic: float = field(default_factory=time.monotonic)  #: Arrival on a clock that never jumps.
    outcome: str = OPEN
    status: int = 0  #: HTTP status sent; 0 if none was.
    bytes: int = 0  #: Body bytes handed to the network.
    seconds: float = 0.0  #: Until the answer was complete.

    @property
    def key(self) -> str:
        """What counts, scripts and tests name a request by."""
        return f"{self.kind}:{self.provider}:{self.ref}"


@dataclass(slots=True)
class Tally:
    """Counts of one key or of a group of keys."""

    requests: int = 0
    successes: int = 0  #: Complete bodies sent.
    bytes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """The counts as JSON has them."""
        return {
            "requests": self.requests,
            "successes": self.successes,
            "bytes": self.bytes,
            "outcomes": dict(self.outcomes),
        }


class Ledger:
    """All counts and the log. A request is counted when it arrives, its outcome when it ends."""

    def __init__(self) -> None:
        self.keys: dict[str, Tally] = {}
        self.groups: dict[str, Tally] = {}
        self.totals = Tally()
        self.log: deque[Entry] = deque(maxlen=LOG_LENGTH)

    def open(self, provider: str, kind: str, ref: str) -> Entry:
        """Count a request that arrived."""
        entry = Entry(provider, kind, ref)
        self.log.append(entry)
        for tally in self._tallies(entry):
            tally.requests += 1
        return entry

    def close(self, entry: Entry, outcome: str, *, success: bool) -> None:
        """Count how the request ended."""
        entry.outcome = outcome
        entry.seconds = time.monotonic() - entry.monotonic
        for tally in self._tallies(entry):
            tally.successes += success
            tally.bytes += entry.bytes
            tally.outcomes[outcome] += 1

    def counts(self) -> dict[str, Any]:
        """All counts: per key, per `kind:provider`, and in all."""
        return {
            "keys": {key: tally.as_json() for key, tally in self.keys.items()},
            "groups": {name: tally.as_json() for name, tally in self.groups.items()},
            "totals": self.totals.as_json(),
        }

    def _tallies(self, entry: Entry) -> tuple[Tally, Tally, Tally]:
        key, name = entry.key, f"{entry.kind}:{entry.provider}"
        tally = self.keys.get(key)
        if tally is None:
            tally = self.keys[key] = Tally()
        group = self.groups.get(name)
        if group is None:
            group = self.groups[name] = Tally()
        return tally, group, self.totals

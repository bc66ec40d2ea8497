"""Which known venue a line of a list means, and what the line changes. The first rule that fits:

1. The venue with the same natural key: name, address, city and country.
2. The venue of the same city with one of the line's provider ids: a corrected name or address
   still finds its venue.
3. The one venue of the same city and name that lies within 50 metres or, where coordinates are
   missing, of which only one of the two has an address: a correction finds its venue without ids.

A line changes what it says differently and adds its provider ids. It never takes an id, an address
or coordinates away by leaving them out. Two lines of one list never write to the same venue.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from ops_core.domain.places import IDENTIFYING, SAME_PLACE_METRES, Venue, metres_between


class Outcome(StrEnum):
    """What becomes of one line."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DUPLICATE = "duplicate"  #: Not written: an earlier line is the same venue and says it differently.
    CONFLICT = "conflict"  #: Not written: its provider ids, name and address are those of two venues.


@dataclass(slots=True, eq=False)
class Known:
    """A venue of the database, or one that the list adds (`id` is None)."""

    id: int | None
    city_id: int
    natural_key: str
    venue: Venue
    line: int | None = None  #: The line that means it.


class Plan:
    """What a batch of lines does to the venues it could mean."""

    def __init__(self, known: Iterable[Known], taken: Container[int] = ()) -> None:
        """`known` must hold every venue a rule could find; `taken` are ids that earlier batches wrote."""
        self._taken = taken
        self._by_key: dict[str, Known] = {}
        self._by_id: dict[tuple[int, str, str], Known] = {}
        self._by_name: dict[tuple[int, str], list[Known]] = {}
        for item in known:
            self._remember(item)
            self._by_name.setdefault((item.city_id, item.venue.name), []).append(item)
        self.new: list[Known] = []
        self.changed: list[Known] = []

    def place(self, line: int, city_id: int, venue: Venue) -> tuple[Known, Outcome]:
        """The venue that the line means (for a conflict: one of the two) and what becomes of the line."""
        by_key = self._by_key.get(venue.natural_key)
        found = {id(item): item for item in self._with_ids(city_id, venue)}
        if by_key is not None:
            found[id(by_key)] = by_key
        if len(found) > 1:
            return next(iter(found.values())), Outcome.CONFLICT
        item = next(iter(found.values()), None) or self._corrected(city_id, venue)
        if item is None:
            item = Known(None, city_id, venue.natural_key, venue, line)
            self.new.append(item)
            self._remember(item)
            return item, Outcome.ADDED
        return item, self._change(item, line, venue)

    def _change(self, item: Known, line: int, venue: Venue) -> Outcome:
        merged = merge(item.venue, venue)
        if merged == item.venue:
            item.line = line if item.line is None else item.line
            return Outcome.UNCHANGED
        if self._is_taken(item):
            return Outcome.DUPLICATE
        if self._by_key.get(merged.natural_key, item) is not item:
            return Outcome.CONFLICT
        item.venue, item.natural_key, item.line = merged, merged.natural_key, line
        self.changed.append(item)
        self._remember(item)
        return Outcome.UPDATED

    def _remember(self, item: Known) -> None:
        self._by_key[item.natural_key] = item
        for identity in identities(item.city_id, item.venue):
            self._by_id[identity] = item

    def _with_ids(self, city_id: int, venue: Venue) -> list[Known]:
        return [self._by_id[each] for each in identities(city_id, venue) if each in self._by_id]

    def _is_taken(self, item: Known) -> bool:
        return item.line is not None or (item.id is not None and item.id in self._taken)

    def _corrected(self, city_id: int, venue: Venue) -> Known | None:
        same = [
            item
            for item in self._by_name.get((city_id, venue.name), [])
            if not self._is_taken(item) and _is_correction(item.venue, venue)
        ]
        return same[0] if len(same) == 1 else None


def identities(city_id: int, venue: Venue) -> list[tuple[int, str, str]]:
    """What names this venue and no other in its city: (city, provider, id)."""
    return [(city_id, code, venue.provider_ids[code]) for code in IDENTIFYING if code in venue.provider_ids]


def merge(old: Venue, new: Venue) -> Venue:
    """`old` after the line `new`; city and country stay as first written, capitals and all."""
    latitude, longitude = (
        (new.latitude, new.longitude) if new.has_coordinates else (old.latitude, old.longitude)
    )
    return replace(
        new,
        address=new.address or old.address,
        city=old.city,
        country=old.country,
        latitude=latitude,
        longitude=longitude,
        provider_ids={**old.provider_ids, **new.provider_ids},
    )


def _is_correction(old: Venue, new: Venue) -> bool:
    if any(old.provider_ids.get(code, value) != value for code, value in new.provider_ids.items()):
        return False
    here, there = old.point, new.point
    if here is not None and there is not None:
        return metres_between(here, there) <= SAME_PLACE_METRES
    return bool(old.address) != bool(new.address)

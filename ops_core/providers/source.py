"""What every provider module offers, and the values it deals in.

A source turns a venue into listed photos and a photo into something that can be downloaded. It
speaks through an `Api` (`providers/http.py`), which takes permits, guards addresses and caps
replies, and it raises `Failed` (`domain/failures.py`) for everything that goes wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ops_core.domain.failures import Failure
from ops_core.domain.places import Venue
from ops_core.settings import Settings

if TYPE_CHECKING:
    from ops_core.providers.http import Api


#: What a reply means, from status, headers and body (JSON, else text, else None); None: nothing special.
Classify = Callable[[int, Mapping[str, str], Any], Failure | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One photo a provider lists for a venue."""

    provider: str
    provider_ref: str  #: Stable name: the same photo has the same one at every listing.
    fetch_ref: str | None = None  #: What `resolve` needs, where that differs from `provider_ref`.
    source_url: str | None = None  #: http(s) address to show people, without secrets.
    width: int | None = None  #: Pixels, as the provider states them.
    height: int | None = None
    position: int = 0  #: The provider's own order, 0 first.
    attribution: str | None = None  #: Plain text: who made it.
    attribution_url: str | None = None
    license: str | None = None
    license_url: str | None = None
    #: Where a browser may load it from now, without secrets; None where `resolve` must be asked each time.
    show_url: str | None = None


class PlaceKind(StrEnum):
    """What a search found, as far as the provider says."""

    VENUE = "venue"  #: Something with a name of its own: a museum, a bar.
    ADDRESS = "address"  #: A plain address, a street, a building's number: no venue.
    AREA = "area"  #: A city, a district, a post code.
    UNKNOWN = "unknown"  #: The provider does not say.


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One place that a provider found for a venue; texts are plain and capped."""

    provider: str
    place_id: str  #: Of the shape that `domain.places.PROVIDER_ID_SHAPES` has for the finder's `id_key`.
    name: str
    kind: PlaceKind = PlaceKind.UNKNOWN
    address: str | None = None
    latitude: float | None = None  #: Degrees; both or neither.
    longitude: float | None = None
    also_named: tuple[str, ...] = ()  #: Other names and spellings.


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """How to fetch one photo's bytes now."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    needs_permit: bool = False  #: The download itself counts against the provider's limits.
    classify: Classify | None = None  #: What the provider means by an unsuccessful reply to it.


class PhotoSource(Protocol):
    """One provider. Stateless: the same object serves all venues of a process."""

    code: str  #: `providers.code`.

    def not_ready(self, settings: Settings) -> str | None:
        """Why it cannot be asked (a missing key or contact), naming the setting; None if it can."""
        ...

    def knows(self, venue: Venue) -> bool:
        """Whether the venue carries what this provider needs (an id, or coordinates)."""
        ...

    async def list_photos(self, venue: Venue, api: Api, *, limit: int) -> list[Photo]:
        """At most `limit` photos of the venue, in the provider's order; empty if it has none.

        Raises `Failed` when the provider does not answer as documented.
        """
        ...

    async def resolve(self, provider_ref: str, fetch_ref: str | None, api: Api) -> Download:
        """What to download for a listed photo. May call the provider (counted by `api`)."""
        ...


@runtime_checkable
class PlaceFinder(Protocol):
    """A source that also finds out which of its places a venue is."""

    code: str
    id_key: str  #: The key of `Venue.provider_ids` that a found id is kept under.

    def cannot_search(self, settings: Settings) -> str | None:
        """Why it cannot be searched (a missing key), naming the setting; None if it can."""
        ...

    async def find_places(self, venue: Venue, api: Api, *, limit: int) -> list[Place]:
        """At most `limit` places that may be the venue, the provider's best first; empty if it has none.

        Searches by the venue's name, near its coordinates if they are known, else in its city. Raises
        `Failed` when the provider does not answer as documented.
        """
        ...


@runtime_checkable
class UseReporter(Protocol):
    """A source that wants to be told when one of its photos is used (Unsplash)."""

    code: str

    async def report_use(self, provider_ref: str, fetch_ref: str | None, api: Api) -> None:
        """Tell the provider that a listed photo is in use. Raises `Failed`."""
        ...

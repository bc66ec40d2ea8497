"""Whether a place that a provider found is the venue that was looked for.

A candidate's score is how alike the names are, lowered by how far the place lies from the venue. The best
one is taken when its score is clear and nothing else comes near; otherwise a person chooses. Plain
addresses, areas, and ids that another venue has are never taken.

What a provider says of a place (its name, address and coordinates) stands in its `Candidate` and nowhere
else: no sentence quotes it, so that it is gone once `without_details` is all that is left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from ops_core.domain.name_similarity import folded, similarity
from ops_core.domain.places import PROVIDER_ID_SHAPES, Venue, metres_between
from ops_core.domain.providers import facts_of
from ops_core.domain.street_addresses import is_street_address, same_street

#: Score from which a candidate is clearly the venue: one word too many in a name of two, at the same spot.
CLEAR = 0.75
#: Likeness of names below which no place is clearly the venue, however near: neighbours have other names.
CLEAR_NAME = 0.8
#: How far the runner-up must stay behind; twins of one name in one house are within it.
MARGIN = 0.1
#: Score from which a person is asked. Below it lie a namesake out of reach and a neighbour with one word in
#: common.
WORTH_A_LOOK = 0.5
#: Names that differ in no more than a letter: enough where no distance can be told, if the city agrees.
NEARLY_IDENTICAL = 0.95

#: Metres within which two sources mean the same spot: one marks the door, the other the middle of the house.
SAME_SPOT = 60.0
#: Metres beyond `SAME_SPOT` at which nearness has halved: across a large block or a park.
HALVES_AFTER = 150.0
#: Metres beyond which a place is another one, whatever its name: branches of one name lie further apart.
TOO_FAR = 3_000.0
#: What a name alone is worth, of 1: the rest is nearness.
NAME_ALONE = 0.6
#: Nearness of a place whose distance nobody knows, and that of one whose address agrees with the venue's.
UNKNOWN_NEARNESS, AGREEING_NEARNESS = 0.3, 0.9

#: Candidates that are kept for people to look at.
MOST_KEPT = 8

#: Under which key of `Venue.provider_ids` an id is kept, where that is not the provider's own code.
_ID_KEYS = {"wikimedia_commons": "wikidata"}


class MatchState(StrEnum):
    """What became of a search for a venue at a provider, as stored in `venue_matches.state`."""

    MATCHED = "matched"  #: One candidate was clearly the venue, and its id was taken.
    REVIEW = "review"  #: Candidates came near, none is clear: a person chooses.
    NONE = "none"  #: Nothing that was found can be the venue.
    CONFIRMED = "confirmed"  #: A person chose.
    REJECTED = "rejected"  #: A person said that none of them is the venue.

    @property
    def by_person(self) -> bool:
        """Whether a person decided it: a search leaves it alone."""
        return self in (MatchState.CONFIRMED, MatchState.REJECTED)

    @property
    def has_id(self) -> bool:
        """Whether an id was taken."""
        return self in (MatchState.MATCHED, MatchState.CONFIRMED)


class Refusal(StrEnum):
    """Why a place is not taken, however high its score."""

    ADDRESS = "address"
    AREA = "area"
    TAKEN = "taken"
    MALFORMED = "malformed"
    TOO_FAR = "too_far"

    @property
    def words(self) -> str:
        """For people: "a plain address, no venue"."""
        return _REFUSALS[self]

    @property
    def is_final(self) -> bool:
        """Whether a person cannot choose it either."""
        return self is not Refusal.TOO_FAR


_REFUSALS = {
    Refusal.ADDRESS: "a plain address, no venue",
    Refusal.AREA: "an area, no venue",
    Refusal.TAKEN: "another venue has this id",
    Refusal.MALFORMED: "no id of this provider",
    Refusal.TOO_FAR: "too far away",
}


class FoundPlace(Protocol):
    """A place as a search finds it; `providers.source.Place` is one."""

    @property
    def place_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def address(self) -> str | None: ...
    @property
    def latitude(self) -> float | None: ...
    @property
    def longitude(self) -> float | None: ...
    @property
    def also_named(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One place that was found, and how well it fits."""

    place_id: str
    name: str
    address: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    kind: str = "unknown"
    distance_m: float | None = None  #: Metres from the venue; None if either has no coordinates.
    name_score: float = 0.0  #: Likeness of the names, 0 to 1; the best of all names it has.
    score: float = 0.0  #: 0 to 1.
    refused: Refusal | None = None
    taken_by: int | None = None  #: The venue that has its id already.

    def without_details(self) -> Candidate:
        """What may be kept of it for ever: its id, and what we found ourselves."""
        return Candidate(
            place_id=self.place_id,
            name="",
            distance_m=self.distance_m,
            name_score=self.name_score,
            score=self.score,
            refused=self.refused,
            taken_by=self.taken_by,
        )

    def to_json(self) -> dict[str, Any]:
        """As kept in `venue_matches.candidates`."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Candidate:
        """What `to_json` wrote, or what is left of it."""
        known = {name: row[name] for name in cls.__dataclass_fields__ if name in row}
        refused = known.get("refused")
        known["refused"] = Refusal(refused) if refused in list(Refusal) else None
        return cls(**({"place_id": "", "name": ""} | known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about the places that one provider found for a venue."""

    state: MatchState  #: matched, review or none.
    chosen: Candidate | None = None  #: The one whose id is taken.
    candidates: Sequence[Candidate] = ()  #: Best first, refused ones last.
    reason: str  #: A sentence for people, which quotes no provider.

    @property
    def score(self) -> float | None:
        """Of the candidate taken, else of the best one; None if nothing was found."""
        best = self.chosen or next(iter(self.candidates), None)
        return best.score if best else None


def id_key(provider: str) -> str:
    """The key of `Venue.provider_ids` under which an id at `provider` is kept."""
    return _ID_KEYS.get(provider, provider)


def details_kept_until(provider: str, searched_at: datetime) -> datetime | None:
    """When the details of what a search at `provider` found must be dropped; None: never."""
    days = facts_of(provider).search_details_days
    return None if days is None else searched_at + timedelta(days=days)


def judge(
    venue: Venue, places: Iterable[FoundPlace], *, key: str, taken: Mapping[str, int] | None = None
) -> Decision:
    """Which of `places` is the venue. Their order plays no part.

    `key` names the form that ids have (`PROVIDER_ID_SHAPES`); `taken` maps ids that other venues have to
    these venues.

    Where no distance is known, a place is taken only if its name is nearly identical and its address names
    the venue's city or street and number: a namesake in another city would look just the same.
    """
    light = frozenset(folded(f"{venue.city} {venue.country}").split())
    best_first = sorted((_candidate(venue, place, key, taken or {}, light) for place in places), key=_rank)
    seen: dict[str, Candidate] = {}
    for candidate in best_first:
        seen.setdefault(candidate.place_id, candidate)
    candidates = tuple(seen.values())
    open_ = [each for each in candidates if each.refused is None]
    state, reason = _decide(open_, candidates)
    chosen = open_[0] if state is MatchState.MATCHED else None
    return Decision(state=state, chosen=chosen, candidates=candidates[:MOST_KEPT], reason=reason)


def _decide(open_: Sequence[Candidate], candidates: Sequence[Candidate]) -> tuple[MatchState, str]:
    if not open_:
        return MatchState.NONE, _only_refused(candidates)
    best = open_[0]
    told = _in_words(best)
    if best.score < WORTH_A_LOOK:
        return MatchState.NONE, f"Nothing like it was found; the best is {told}."
    if best.score < CLEAR or best.name_score < CLEAR_NAME:
        return MatchState.REVIEW, f"Not clear enough: the best is {told}."
    if len(open_) > 1 and best.score - open_[1].score < MARGIN:
        return MatchState.REVIEW, (
            f"Two places are about as likely: one {told}; the other {_in_words(open_[1])}."
        )
    better = max(open_, key=lambda each: each.name_score)
    if better.name_score - best.name_score >= MARGIN:
        return MatchState.REVIEW, f"The best is {told}; but another is {_in_words(better)}."
    return MatchState.MATCHED, f"Clearly the best: {told}."


def _only_refused(candidates: Sequence[Candidate]) -> str:
    if not candidates:
        return "The provider found nothing."
    whys = list(dict.fromkeys(each.refused.words for each in candidates if each.refused))
    noun = "place" if len(candidates) == 1 else "places"
    return f"Found {len(candidates)} {noun} that cannot be it: {'; '.join(whys)}."


def _in_words(candidate: Candidate) -> str:
    """ "13 m away, name 94% alike"."""
    where = "at an unknown distance" if candidate.distance_m is None else metres(candidate.distance_m)
    alike = "same name" if candidate.name_score == 1 else f"name {candidate.name_score:.0%} alike"
    return f"{where}, {alike}"


def metres(distance_m: float) -> str:
    """ "13 m away" or "2.4 km away"."""
    return f"{distance_m:.0f} m away" if distance_m < 1000 else f"{distance_m / 1000:.1f} km away"


def _rank(candidate: Candidate) -> tuple[bool, float, float, str, str]:
    far = float("inf") if candidate.distance_m is None else candidate.distance_m
    # the last part only makes the order one and the same, should a place be listed twice
    return candidate.refused is not None, -candidate.score, far, candidate.place_id, repr(candidate)


def _candidate(
    venue: Venue, place: FoundPlace, key: str, taken: Mapping[str, int], light: Collection[str]
) -> Candidate:
    name_score = max(similarity(venue.name, name, light=light) for name in (place.name, *place.also_named))
    here = venue.point
    distance = None
    if here is not None and place.latitude is not None and place.longitude is not None:
        distance = metres_between(here, (place.latitude, place.longitude))
    near = _nearness(venue, place, distance, name_score)
    return Candidate(
        place_id=place.place_id,
        name=place.name,
        address=place.address,
        latitude=place.latitude,
        longitude=place.longitude,
        kind=str(place.kind),
        distance_m=None if distance is None else round(distance, 1),
        name_score=round(name_score, 4),
        score=round(name_score * (NAME_ALONE + (1 - NAME_ALONE) * near), 4),
        refused=_refusal(place, key, taken, distance, name_score),
        taken_by=taken.get(place.place_id),
    )


def _nearness(venue: Venue, place: FoundPlace, distance: float | None, name_score: float) -> float:
    """1 at the same spot, towards 0 far away."""
    if distance is not None:
        return 0.5 ** (max(0.0, distance - SAME_SPOT) / HALVES_AFTER)
    agrees = name_score >= NEARLY_IDENTICAL and _address_agrees(venue, place.address or "")
    return AGREEING_NEARNESS if agrees else UNKNOWN_NEARNESS


def _address_agrees(venue: Venue, address: str) -> bool:
    words, city = folded(address).split(), folded(venue.city).split()
    names_city = bool(city) and any(
        words[at : at + len(city)] == city for at in range(len(words) - len(city) + 1)
    )
    return names_city or same_street(venue.address, address)


def _refusal(
    place: FoundPlace, key: str, taken: Mapping[str, int], distance: float | None, name_score: float
) -> Refusal | None:
    shape = PROVIDER_ID_SHAPES.get(key)
    if shape is None or not shape.fullmatch(place.place_id):
        return Refusal.MALFORMED
    if place.kind == "address":
        return Refusal.ADDRESS
    if place.kind == "area":
        return Refusal.AREA
    # a provider that does not say what it found; but a bar may be called "Plac Nowy 1"
    if place.kind == "unknown" and name_score < CLEAR_NAME and is_street_address(place.name, place.address):
        return Refusal.ADDRESS
    if place.place_id in taken:
        return Refusal.TAKEN
    if distance is not None and distance > TOO_FAR:
        return Refusal.TOO_FAR
    return None

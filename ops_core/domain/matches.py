"""Whether a place that a provider found is the venue that was looked for."""

from __future__ import annotations

from enum import StrEnum


class MatchState(StrEnum):
    """What became of a search for a venue at a provider, as stored in `venue_matches.state`."""

    MATCHED = "matched"  #: One candidate was clearly the venue, and its id was taken.
    REVIEW = "review"  #: Candidates came near, none is clear: a person chooses.
    NONE = "none"  #: Nothing that was found can be the venue.
    CONFIRMED = "confirmed"  #: A person chose.
    REJECTED = "rejected"  #: A person said that none of them is the venue.

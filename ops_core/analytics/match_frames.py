"""Searches for venues as frames and words that pages show."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ops_core.analytics.columns import TIME, frame
from ops_core.db.match_lists import Listed
from ops_core.domain.matches import CLEAR, WORTH_A_LOOK, Candidate, MatchState

MATCHES = {
    "venue_id": "int64",
    "venue": "str",
    "city": "str",
    "provider": "str",
    "state": "str",
    "place": "str",  # the name of the place taken, else of the best one
    "place_id": "str",
    "score": "float64",
    "candidates": "int64",
    "reason": "str",
    "decided_by": "str",
    "searched_at": TIME,
    "job_id": "Int64",
}

#: What became of a search, as people read it, and the colour of its badge.
STATES: dict[MatchState, tuple[str, str]] = {
    MatchState.MATCHED: ("Matched", "green"),
    MatchState.REVIEW: ("To review", "orange"),
    MatchState.NONE: ("Nothing found", "gray"),
    MatchState.CONFIRMED: ("Confirmed", "blue"),
    MatchState.REJECTED: ("Rejected", "violet"),
}


def matches(rows: Iterable[Listed]) -> pd.DataFrame:
    """A frame of `MATCHES`, in the order of `rows`."""
    return frame(
        (
            {
                "venue_id": row.match.venue_id,
                "venue": row.venue,
                "city": row.city,
                "provider": row.match.provider,
                "state": row.match.state,
                "place": place_name(row),
                "place_id": row.match.place_id,
                "score": row.match.score,
                "candidates": len(row.match.candidates),
                "reason": row.match.reason,
                "decided_by": row.match.decided_by,
                "searched_at": row.match.searched_at,
                "job_id": row.match.job_id,
            }
            for row in rows
        ),
        MATCHES,
    )


def place_name(row: Listed) -> str | None:
    """The name of the place that was taken, else of the best candidate; its id where no name is kept."""
    best = row.match.best
    return (best.name or best.place_id) if best else row.match.place_id


def score_colour(candidate: Candidate) -> str:
    """The colour that says how well a candidate fits."""
    if candidate.refused is not None or candidate.score < WORTH_A_LOOK:
        return "gray"
    return "green" if candidate.score >= CLEAR else "orange"

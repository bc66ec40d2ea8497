"""What searches for venues at providers found, what was decided, and the ids that venues have of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from ops_core.db.places import hold_places
from ops_core.domain.matches import Candidate, Decision, MatchState


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One row of `venue_matches`."""

    venue_id: int
    provider: str
    state: MatchState
    place_id: str | None
    score: float | None
    reason: str
    candidates: tuple[Candidate, ...]
    details_dropped_at: datetime | None  #: Since then candidates have no name, address or coordinates.
    job_id: int | None
    decided_by: str | None
    decided_at: datetime | None
    searched_at: datetime

    @property
    def best(self) -> Candidate | None:
        """The candidate that was taken, else the best one."""
        if self.state.has_id:
            return next((each for each in self.candidates if each.place_id == self.place_id), None)
        return next(iter(self.candidates), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherVenue:
    """A venue that has an id which somebody wants to give to another one."""

    id: int
    name: str
    city_id: int


_COLUMNS = ", ".join(f"m.{name}" for name in Match.__dataclass_fields__)


def of_venue(connection: Connection, venue_id: int) -> dict[str, Match]:
    """What is known of one venue, by provider."""
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} FROM venue_matches m WHERE m.venue_id = :venue_id ORDER BY m.provider"),
        {"venue_id": venue_id},
    )
    return {row.provider: match_of(row) for row in rows}


def hold(connection: Connection, venue_id: int, provider: str) -> Match | None:
    """One match, kept from changing until this transaction ends; so are all ids of venues."""
    hold_places(connection)
    row = connection.execute(
        text(f"""
            SELECT {_COLUMNS} FROM venue_matches m
            WHERE m.venue_id = :venue_id AND m.provider = :provider FOR UPDATE
        """),
        {"venue_id": venue_id, "provider": provider},
    ).one_or_none()
    return None if row is None else match_of(row)


def match_of(row: Row[Any]) -> Match:
    """The match in a row that has its columns, among others."""
    values = {name: getattr(row, name) for name in Match.__dataclass_fields__}
    return Match(
        **values
        | {
            "state": MatchState(row.state),
            "candidates": tuple(Candidate.from_json(each) for each in row.candidates),
        }
    )


def keep(
    connection: Connection,
    venue_id: int,
    provider: str,
    decision: Decision,
    *,
    job_id: int,
    asked_at: datetime,
    force: bool,
) -> bool:
    """Keep what a search came to, unless a person has decided; whether it was kept.

    With `force` an earlier decision gives way, but not one that was made after the search was `asked_at`.
    """
    done = connection.execute(
        text("""
            INSERT INTO venue_matches AS m (venue_id, provider, state, place_id, score, reason, candidates,
                                            job_id)
            VALUES (:venue_id, :provider, CAST(:state AS match_state), :place_id, :score, :reason,
                    :candidates, :job_id)
            ON CONFLICT (venue_id, provider) DO UPDATE SET
                state = excluded.state, place_id = excluded.place_id, score = excluded.score,
                reason = excluded.reason, candidates = excluded.candidates, details_dropped_at = NULL,
                job_id = excluded.job_id, decided_by = NULL, decided_at = NULL, searched_at = now()
            WHERE m.state NOT IN ('confirmed', 'rejected') OR (:force AND m.decided_at < :asked_at)
        """),
        {
            "venue_id": venue_id,
            "provider": provider,
            "state": decision.state.value,
            "place_id": decision.chosen.place_id if decision.chosen else None,
            "score": decision.score,
            "reason": decision.reason,
            "candidates": json.dumps([each.to_json() for each in decision.candidates]),
            "job_id": job_id,
            "force": force,
            "asked_at": asked_at,
        },
    )
    return done.rowcount == 1


def decide(
    connection: Connection,
    venue_id: int,
    provider: str,
    *,
    place_id: str | None,
    score: float | None,
    reason: str,
    decided_by: str,
) -> None:
    """Keep what a person decided: this place, or with None that no place is the venue."""
    connection.execute(
        text("""
            INSERT INTO venue_matches AS m (venue_id, provider, state, place_id, score, reason, decided_by,
                                            decided_at)
            VALUES (:venue_id, :provider, CAST(:state AS match_state), :place_id, :score, :reason,
                    :decided_by, now())
            ON CONFLICT (venue_id, provider) DO UPDATE SET
                state = excluded.state, place_id = excluded.place_id,
                score = coalesce(excluded.score, m.score), reason = excluded.reason,
                decided_by = excluded.decided_by, decided_at = excluded.decided_at
        """),
        {
            "venue_id": venue_id,
            "provider": provider,
            "state": (MatchState.REJECTED if place_id is None else MatchState.CONFIRMED).value,
            "place_id": place_id,
            "score": score,
            "reason": reason,
            "decided_by": decided_by,
        },
    )


def owners(connection: Connection, key: str, place_ids: Sequence[str], *, but: int) -> dict[str, OtherVenue]:
    """The venues besides `but` that have these ids under `key`, by id; of several, the oldest.

    Call `places.hold_places` before, or the answer may be old at once.
    """
    rows = connection.execute(
        text("""
            SELECT asked.id AS place_id, v.id, v.name, v.city_id
            FROM unnest(CAST(:wanted AS jsonb[]), CAST(:ids AS text[])) AS asked (wanted, id)
            CROSS JOIN LATERAL (SELECT id, name, city_id FROM venues
                                WHERE provider_ids @> asked.wanted OFFSET 0) AS v
            WHERE v.id <> :but ORDER BY v.id DESC
        """),
        {"wanted": [json.dumps({key: each}) for each in place_ids], "ids": list(place_ids), "but": but},
    )
    return {row.place_id: OtherVenue(id=row.id, name=row.name, city_id=row.city_id) for row in rows}


def add_id(connection: Connection, venue_id: int, key: str, place_id: str) -> None:
    """Give the venue an id that it lacks; one that it has under `key` stays."""
    connection.execute(
        text("""
            UPDATE venues SET provider_ids = provider_ids || CAST(:ids AS jsonb), updated_at = now()
            WHERE id = :id AND NOT provider_ids ? :key
        """),
        {"id": venue_id, "key": key, "ids": json.dumps({key: place_id})},
    )


def set_id(connection: Connection, venue_id: int, key: str, place_id: str | None) -> None:
    """Give the venue this id, whatever it had under `key`; with None, take that away."""
    change = "provider_ids - :key" if place_id is None else "provider_ids || CAST(:ids AS jsonb)"
    connection.execute(
        text(f"UPDATE venues SET provider_ids = {change}, updated_at = now() WHERE id = :id"),
        {"id": venue_id, "key": key, "ids": json.dumps({key: place_id})},
    )


def images_of(connection: Connection, venue_id: int, provider: str) -> int:
    """How many images the venue has of that provider."""
    return (
        connection.scalar(
            text("SELECT count(*) FROM images WHERE venue_id = :venue_id AND provider = :provider"),
            {"venue_id": venue_id, "provider": provider},
        )
        or 0
    )


def found_by(matches: Mapping[str, Match], job_id: int) -> dict[str, Match]:
    """Those of `matches` that the job found."""
    return {code: match for code, match in matches.items() if match.job_id == job_id}

"""What a provider says of places stands in one column, and nowhere at all once its time is over."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ops_core import actions
from ops_core.db import searches
from ops_core.domain.access import Actor, Role
from ops_core.domain.matches import MatchState as M
from ops_core.domain.places import Venue
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Place
from ops_core.work import dispatch
from tests.support.dumped import rows_of_all_tables
from tests.support.finders import ScriptedFinder, add, states, twin, venue
from tests.support.given_jobs import run_given
from tests.support.system import System

pytestmark = pytest.mark.postgres

ANNA = Actor("anna", Role.OPERATOR)
#: What the provider says, and nobody else. Punctuation plays no part in likeness.
SAID = ("§§", "50.06190247", "19.93680247")


def found(wanted: Venue) -> Sequence[Place]:
    """One place for a venue that is called clear, two for one of the twins, another name for all others."""
    first = 10 * (2 + ("Clear", "Twins", "Other", "Nobody").index(wanted.name.split()[0]))
    name = wanted.name if wanted.name.startswith(("Clear", "Twins")) else "Quiet Harbour"
    return [
        replace(
            twin(wanted, first + number),
            name=f"§§ {name}",
            address=f"{number} §§ Street",
            also_named=(f"§§ {name} §§",),
            latitude=float(SAID[1]),
            longitude=float(SAID[2]),
        )
        for number in range(2 if wanted.name.startswith("Twins") else 1)
    ]


def test_what_was_said_of_places_is_in_one_column_and_then_nowhere(
    system: System, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setitem(SOURCES, "foursquare", ScriptedFinder(found))
    names = ("Clear Piano Company", "Twins Piano Company", "Other Owl Yard", "Nobody Lion Works")
    clear, twins, other, nobody = add(system, *(venue(name) for name in names))
    with system.engine.begin() as connection:
        only = {each: ["foursquare"] for each in (clear, twins, other, nobody)}
        job_ids = searches.enqueue(connection, only, actor="test")
    run_given(system.engine, system.settings, job_ids)
    # people decide, one of them on an old screen
    chosen = f"{31:024x}"
    actions.choose_match(system.engine, twins, "foursquare", chosen, actor=ANNA)
    actions.choose_match(system.engine, other, "foursquare", None, actor=ANNA)
    with pytest.raises(actions.Refused):
        actions.choose_match(
            system.engine,
            twins,
            "foursquare",
            None,
            actor=ANNA,
            seen=actions.Seen(state=None, venue_has=None),
        )
    reached = {
        clear: M.MATCHED,
        twins: M.CONFIRMED,
        other: M.REJECTED,
        nobody: M.NONE,
    }
    assert {each: states(system, each)["foursquare"] for each in reached} == reached

    said = [row for row in rows_of_all_tables(system.engine) if any(word in row for word in SAID)]
    assert len(said) == len(reached)
    assert all(row.startswith("public.venue_matches: ") for row in said)
    ids = system.rows("SELECT id, provider_ids FROM venues ORDER BY id")

    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE venue_matches SET searched_at = now() - interval '25 hours'")
    dispatch.round_(system.engine, system.settings, lambda kind, ids: None)

    assert [row for row in rows_of_all_tables(system.engine) if any(word in row for word in SAID)] == []
    assert not any(word in caplog.text for word in SAID)
    assert "dropped the details of 4 searches" in caplog.text
    assert {each: states(system, each)["foursquare"] for each in reached} == reached
    assert system.rows("SELECT id, provider_ids FROM venues ORDER BY id") == ids
    (row,) = system.rows("SELECT * FROM venue_matches WHERE venue_id = :id", id=twins)
    assert [each["place_id"] for each in row.candidates] == [f"{30:024x}", chosen]
    assert all(each["score"] == 1 and each["distance_m"] is not None for each in row.candidates)

    # who has no names before them may still choose, or search again and see them
    changed = actions.choose_match(system.engine, twins, "foursquare", f"{30:024x}", actor=ANNA)
    assert changed.is_new
    with system.engine.begin() as connection:
        again = searches.enqueue(connection, {nobody: ["foursquare"]}, actor="test")
    run_given(system.engine, system.settings, again)
    (row,) = system.rows("SELECT * FROM venue_matches WHERE venue_id = :id", id=nobody)
    assert (row.details_dropped_at, row.candidates[0]["name"]) == (None, "§§ Quiet Harbour")

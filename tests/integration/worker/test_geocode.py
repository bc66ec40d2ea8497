"""Searching for venues over a real database and sandbox; the queue's part is in its own tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from ops_core import actions
from ops_core.db import searches
from ops_core.domain.access import Actor, Role
from ops_core.domain.jobs import JobKind
from ops_core.domain.matches import MatchState as M
from ops_core.domain.places import PROVIDER_ID_SHAPES, Venue
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Place
from ops_core.sandbox.faults import Fault
from ops_core.work import runner
from tests.integration.worker.test_enrichment import ask_whatever_happens, let_all_be_tried_now
from tests.support.finders import ScriptedFinder, add, named, states, twin, venue
from tests.support.given_jobs import run_given
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres]

ANNA = Actor("anna", Role.OPERATOR)


def search(system: System, *venue_ids: int, force: bool = False, only: Sequence[str] = ()) -> list[int]:
    """Searches for these venues, not told of to anybody."""
    with system.engine.begin() as connection:
        return searches.enqueue(
            connection, {each: list(only) for each in venue_ids}, actor="test", force=force
        )


def run(system: System, job_ids: Sequence[int]) -> int:
    return run_given(system.engine, system.settings, job_ids)


def job_of(system: System, job_id: int) -> Any:
    (row,) = system.rows("SELECT * FROM jobs WHERE id = :id", id=job_id)
    return row


def lines(system: System, job_id: int) -> dict[str, Any]:
    return {
        row.provider: row for row in system.rows("SELECT * FROM job_providers WHERE job_id = :id", id=job_id)
    }


def ids_of(system: System, venue_id: int) -> dict[str, str]:
    return system.value("SELECT provider_ids FROM venues WHERE id = :id", id=venue_id)


def asked(system: System, provider: str) -> int:
    """How many searches the sandbox got for that provider."""
    return sum(
        line["kind"] == "search" or "search:" in line["key"] for line in system.sandbox.log(provider=provider)
    )


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScriptedFinder]:
    """Has Foursquare's searches answer as given, and no other provider searched."""

    def script(answer: Callable[[Venue], Sequence[Place]]) -> ScriptedFinder:
        finder = ScriptedFinder(answer)
        monkeypatch.setitem(SOURCES, "foursquare", finder)
        return finder

    return script


def test_a_clear_id_is_taken_the_unclear_waits_and_the_job_tells_of_all(system: System) -> None:
    name = named(foursquare=M.MATCHED, here=M.REVIEW, mapbox=M.NONE)
    (venue_id,) = add(system, venue(name))
    (job_id,) = search(system, venue_id)

    assert run(system, [job_id]) == 1

    assert states(system, venue_id) == {"foursquare": "matched", "here": "review", "mapbox": "none"}
    ids = ids_of(system, venue_id)
    assert PROVIDER_ID_SHAPES["foursquare"].fullmatch(ids["foursquare"])
    assert not ids.keys() & {"here", "mapbox"}
    (match,) = system.rows("SELECT * FROM venue_matches WHERE provider = 'foursquare'")
    assert (match.place_id, match.job_id, match.decided_by) == (ids["foursquare"], job_id, None)
    assert match.score > 0.9
    assert match.reason.startswith("Clearly the best: ")
    (open_,) = system.rows("SELECT * FROM venue_matches WHERE provider = 'here'")
    assert len(open_.candidates) >= 1
    assert {"name", "distance_m", "name_score", "score", "refused"} <= open_.candidates[0].keys()

    job = job_of(system, job_id)
    assert (job.kind, job.state, job.status, job.attempt) == ("geocoding", "completed", "partial", 1)
    assert job.summary == ("Id found at foursquare; a person must choose at here; nothing found at mapbox")
    assert (job.images_discovered, job.images_uploaded, job.images_failed) == (0, 0, 0)
    assert job.meta["matches"]["foursquare"]["place_id"] == ids["foursquare"]
    assert (job.meta["ids_found"], job.meta["to_review"], job.meta["not_found"]) == (1, 1, 1)
    assert job.meta["status"] == "partial"
    assert job.meta["venue_context"]["venue_name"] == name
    assert job.meta["execution_time_ms"] >= 0
    results = lines(system, job_id)
    assert {code: line.status for code, line in results.items()} == {
        "foursquare": "success",
        "here": "no_images",
        "mapbox": "no_images",
    }
    assert all(line.reason and line.images_fetched == 0 for line in results.values())


def test_a_search_costs_what_the_provider_charges_for_its_calls(system: System) -> None:
    venue_ids = add(system, venue(named(foursquare=M.MATCHED)), venue(named(foursquare=M.NONE)))
    job_ids = search(system, *venue_ids)
    run(system, job_ids)
    assert asked(system, "foursquare") == 2
    spent = system.value("SELECT sum(cost_usd) FROM jobs WHERE kind = 'geocoding'")
    assert spent == Decimal("0.015") * 2
    assert spent == system.value("SELECT sum(cost_usd) FROM job_providers")
    assert spent == system.value(
        "SELECT sum(cost_usd) FROM job_rollups WHERE facet = 'all' AND kind = 'geocoding'"
    )


def test_photos_follow_an_id_that_was_found_and_nothing_else(system: System) -> None:
    found, not_found = add(
        system,
        venue(named(foursquare=M.MATCHED, here=M.NONE, mapbox=M.NONE)),
        venue(named(foursquare=M.NONE, here=M.NONE, mapbox=M.NONE)),
    )
    run(system, search(system, found, not_found))
    (queued,) = system.rows("SELECT * FROM jobs WHERE kind = 'enrichment'")
    assert (queued.venue_id, queued.args["force"], queued.actor) == (found, True, "test")
    assert system.value("SELECT kind FROM jobs WHERE id = :id", id=queued.parent_id) == "geocoding"
    statuses = [
        row.status for row in system.rows("SELECT status FROM jobs WHERE kind = 'geocoding' ORDER BY id")
    ]
    assert statuses == ["partial", "failed"]


def test_a_job_comes_back_until_the_photos_are_sure_to_follow(system: System) -> None:
    """An enrichment that runs may have asked already, and there is never a second one."""
    (venue_id,) = add(system, venue(named(foursquare=M.MATCHED)))
    (running,) = system.enqueue([venue_id])
    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE jobs SET state = 'executing', claimed_by = 'x', claimed_until = now() + interval '1 h', "
            "attempt = 1, attempted_at = now()"
        )
    (job_id,) = search(system, venue_id)
    run(system, [job_id])
    job = job_of(system, job_id)
    assert (job.state, job.attempt) == ("available", 0)
    assert "foursquare" in ids_of(system, venue_id)

    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE jobs SET state = 'completed', status = 'success', finished_at = now(), "
            "claimed_by = NULL, claimed_until = NULL WHERE kind = 'enrichment'"
        )
    let_all_be_tried_now(system)
    run(system, [job_id])
    assert job_of(system, job_id).state == "completed"
    assert asked(system, "foursquare") == 1
    assert [
        row.state
        for row in system.rows("SELECT state FROM jobs WHERE id > :id AND kind = 'enrichment'", id=running)
    ] == ["available"]


def test_an_enrichment_that_waits_is_brought_forward_and_asks_anew(system: System) -> None:
    (venue_id,) = add(system, venue(named(foursquare=M.MATCHED)))
    (waiting,) = system.enqueue([venue_id])
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET scheduled_at = now() + interval '1 hour'")
    run(system, search(system, venue_id))
    job = job_of(system, waiting)
    assert job.args["force"] is True
    assert system.value("SELECT scheduled_at <= now() FROM jobs WHERE id = :id", id=waiting)
    assert system.value("SELECT count(*) FROM jobs WHERE kind = 'enrichment'") == 1


def test_who_answered_is_not_asked_and_paid_again_while_another_is_down(system: System) -> None:
    name = named(foursquare=M.MATCHED, here=M.MATCHED)
    (venue_id,) = add(system, venue(name))
    ask_whatever_happens(system)
    system.sandbox.set_faults(outages={"here": 503})
    (job_id,) = search(system, venue_id, only=["foursquare", "here"])
    run(system, [job_id])
    job = job_of(system, job_id)
    assert job.state == "retryable"
    assert "here could not search" in job.errors[0]["error"]
    # what the other found is taken already
    assert states(system, venue_id) == {"foursquare": "matched"}
    assert "foursquare" in ids_of(system, venue_id)
    assert system.value("SELECT count(*) FROM jobs WHERE kind = 'enrichment'") == 1

    system.sandbox.set_faults(outages={})
    let_all_be_tried_now(system)
    run(system, [job_id])
    job = job_of(system, job_id)
    assert (job.state, job.status, job.attempt) == ("completed", "success", 2)
    assert asked(system, "foursquare") == 1
    assert job.cost_usd == Decimal("0.015")
    assert set(states(system, venue_id).values()) == {"matched"}


def test_a_provider_that_stays_down_leaves_what_the_others_found(system: System) -> None:
    (venue_id,) = add(system, venue(named(foursquare=M.MATCHED)))
    ask_whatever_happens(system)
    system.sandbox.set_faults(outages={"here": 503})
    (job_id,) = search(system, venue_id, only=["foursquare", "here"])
    for _ in range(3):
        run(system, [job_id])
        let_all_be_tried_now(system)
    job = job_of(system, job_id)
    assert (job.state, job.status, job.attempt) == ("completed", "partial", 3)
    assert job.summary == "Id found at foursquare; here encountered errors"
    assert job.meta["providers"]["here"]["error_type"] == "service_unavailable"
    assert lines(system, job_id)["here"].calls == 3
    assert "here" not in states(system, venue_id)


def test_a_rejected_key_is_an_error_and_never_nothing_found(system: System) -> None:
    (venue_id,) = add(system, venue("Blue Note"))
    system.sandbox.set_faults(listing_rates={Fault.AUTH_ERROR: 1.0})
    (job_id,) = search(system, venue_id, only=["foursquare"])
    run(system, [job_id])
    job = job_of(system, job_id)
    assert (job.state, job.status, job.attempt) == ("discarded", "error", 1)
    assert job.summary == "Failed - foursquare encountered errors"
    assert job.first_error == "auth_error"
    assert states(system, venue_id) == {}


def test_a_used_up_limit_puts_the_job_off_and_keeps_what_was_answered(system: System) -> None:
    (venue_id,) = add(system, venue(named(foursquare=M.MATCHED, here=M.MATCHED)))
    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO rate_limits VALUES ('here', now(), now(), now(), now(), now() + interval '1 hour')"
        )
    (job_id,) = search(system, venue_id, only=["foursquare", "here"])
    run(system, [job_id])
    job = job_of(system, job_id)
    ahead = system.value(
        "SELECT extract(epoch FROM scheduled_at - now()) FROM jobs WHERE id = :id", id=job_id
    )
    assert (job.state, job.attempt, job.meta["answered"]) == ("available", 0, ["foursquare"])
    assert 3000 < ahead <= 3601
    assert states(system, venue_id) == {"foursquare": "matched"}

    let_all_be_tried_now(system)
    run(system, [job_id])
    assert job_of(system, job_id).status == "success"
    assert asked(system, "foursquare") == 1


def test_a_paused_provider_is_not_searched_and_its_line_says_so(system: System) -> None:
    (venue_id,) = add(system, venue(named(foursquare=M.MATCHED)))
    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE providers SET paused_until = now() + interval '1 hour', paused_reason = 'bill' "
            "WHERE code = 'here'"
        )
    (job_id,) = search(system, venue_id, only=["foursquare", "here"])
    run(system, [job_id])
    assert lines(system, job_id)["here"].status == "skipped"
    assert job_of(system, job_id).status == "success"
    assert asked(system, "here") == 0


def test_a_venue_that_lacks_nothing_or_that_nobody_can_be_asked_about_is_skipped(system: System) -> None:
    complete, other = add(
        system,
        venue("Blue Note", foursquare="4" * 24, here="here:pds:place:1", mapbox="dXJuOm1ieHBvaTox"),
        venue("Amber Lantern"),
    )
    (first,) = search(system, complete)
    run(system, [first])
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE providers SET capabilities = '[\"photos\"]'")
    (second,) = search(system, other)
    run(system, [second])
    for job_id in (first, second):
        job = job_of(system, job_id)
        assert (job.state, job.status) == ("completed", "skipped")
        assert job.summary.startswith("Skipped - no id is missing")
        assert lines(system, job_id) == {}


@pytest.mark.parametrize("place_id", ["4" * 24, None])
def test_what_a_person_decided_stays_and_is_not_searched_for_again_unless_forced(
    system: System, scripted: Callable[..., ScriptedFinder], place_id: str | None
) -> None:
    finder = scripted(lambda wanted: [twin(wanted)])
    (venue_id,) = add(system, venue("Blue Note"))
    run(system, search(system, venue_id, only=["foursquare"]))
    actions.choose_match(system.engine, venue_id, "foursquare", place_id, actor=ANNA)
    with system.engine.begin() as connection:  # a list took the id away
        connection.exec_driver_sql("UPDATE venues SET provider_ids = provider_ids - 'foursquare'")
    decided = "rejected" if place_id is None else "confirmed"

    (job_id,) = search(system, venue_id, only=["foursquare"])
    run(system, [job_id])
    assert len(finder.searched) == 1
    assert states(system, venue_id) == {"foursquare": decided}
    assert lines(system, job_id)["foursquare"].reason == f"anna decided: {decided}"
    assert job_of(system, job_id).status == "skipped"

    run(system, search(system, venue_id, only=["foursquare"], force=True))
    assert len(finder.searched) == 2
    assert states(system, venue_id) == {"foursquare": "matched"}


def test_what_a_person_decides_during_the_search_stays(
    system: System, scripted: Callable[..., ScriptedFinder]
) -> None:
    (venue_id,) = add(system, venue("Blue Note"))

    def meanwhile(wanted: Venue) -> list[Place]:
        actions.choose_match(system.engine, venue_id, "foursquare", "4" * 24, actor=ANNA)
        with system.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE venues SET provider_ids = provider_ids - 'foursquare'")
        return [twin(wanted)]

    scripted(meanwhile)
    (job_id,) = search(system, venue_id, only=["foursquare"], force=True)
    run(system, [job_id])
    assert states(system, venue_id) == {"foursquare": "confirmed"}
    assert "foursquare" not in ids_of(system, venue_id)
    assert lines(system, job_id)["foursquare"].reason == "A person decided meanwhile."


def test_an_id_that_came_meanwhile_is_not_overwritten(
    system: System, scripted: Callable[..., ScriptedFinder]
) -> None:
    (venue_id,) = add(system, venue("Blue Note"))

    def meanwhile(wanted: Venue) -> list[Place]:
        add(system, venue("Blue Note", foursquare="4" * 24))
        return [twin(wanted)]

    scripted(meanwhile)
    (job_id,) = search(system, venue_id, only=["foursquare"])
    run(system, [job_id])
    assert ids_of(system, venue_id)["foursquare"] == "4" * 24
    assert states(system, venue_id) == {}
    assert lines(system, job_id)["foursquare"].status == "skipped"


def test_two_venues_never_take_one_id_even_when_searched_for_at_once(
    system: System, scripted: Callable[..., ScriptedFinder]
) -> None:
    one, other = venue("Blue Note"), venue("The Blue Note")
    scripted(lambda wanted: [twin(one)])
    venue_ids = add(system, one, other)
    run(system, search(system, *venue_ids, only=["foursquare"]))
    found = [ids_of(system, venue_id).get("foursquare") for venue_id in venue_ids]
    assert sorted(found, key=str) == sorted([f"{1:024x}", None], key=str)
    assert sorted(states(system, each)["foursquare"] for each in venue_ids) == ["matched", "none"]


def test_a_worker_whose_claim_was_taken_over_writes_nothing(
    system: System, scripted: Callable[..., ScriptedFinder]
) -> None:
    (venue_id,) = add(system, venue("Blue Note"))
    taken_over = []

    def meanwhile(wanted: Venue) -> list[Place]:
        if not taken_over:
            taken_over.append(True)
            with system.engine.begin() as connection:
                connection.exec_driver_sql("UPDATE jobs SET claim = claim + 1, claimed_by = 'another'")
        return [twin(wanted)]

    scripted(meanwhile)
    (job_id,) = search(system, venue_id, only=["foursquare"])
    run(system, [job_id])
    assert states(system, venue_id) == {}
    assert lines(system, job_id) == {}
    assert "foursquare" not in ids_of(system, venue_id)
    assert system.value("SELECT count(*) FROM jobs WHERE kind = 'enrichment'") == 0

    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET claimed_until = now() - interval '1 second'")
    run(system, [job_id])
    assert job_of(system, job_id).status == "success"
    assert states(system, venue_id) == {"foursquare": "matched"}


def test_a_session_takes_searches_on_beside_other_work(system: System) -> None:
    venue_ids = add(system, *(venue(f"{word} Lantern") for word in ("Amber", "Copper", "Ivory")))
    enrichments = system.enqueue(venue_ids[:1])
    search(system, *venue_ids[1:])
    runner.run(system.engine, system.settings, enrichments)
    assert not system.open_jobs()
    assert system.value("SELECT count(*) FROM jobs WHERE kind = 'geocoding' AND state = 'completed'") == 2


def test_workers_are_told_of_searches_and_one_that_dies_leaves_its_search_to_another(system: System) -> None:
    venue_ids = add(system, *(venue(name) for name in ("Amber Lantern", "Copper Owl")))
    system.sandbox.set_faults(delay=3.0)
    system.start_dispatcher()
    worker = system.start_worker()
    queued = actions.find_venue_ids(system.engine, venue_ids, actor=ANNA)
    wait_until(lambda: system.value("SELECT count(*) FROM jobs WHERE state = 'executing'") == 2)
    worker.kill()
    system.sandbox.set_faults(delay=0.0)
    system.start_worker()
    system.wait_for_jobs()
    jobs = system.rows("SELECT state, lost_claims FROM jobs WHERE kind = 'geocoding'")
    assert len(queued.job_ids) == len(jobs) == 2
    assert {job.state for job in jobs} == {"completed"}
    assert max(job.lost_claims for job in jobs) >= 1
    assert system.value("SELECT count(*) FROM venue_matches") == 6


def test_ids_are_missing_where_none_was_searched_for_lately(system: System) -> None:
    lacking, complete, decided, searched, open_ = add(
        system,
        venue("Amber Lantern", here="here:pds:place:1"),
        venue("Ivory Owl", foursquare="4" * 24, here="here:pds:place:2"),
        venue("Copper Piano"),
        venue("Silver Lion"),
        venue("Velvet Garden"),
    )
    search(system, open_)
    keys = {"foursquare": "foursquare", "here": "here"}
    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO venue_matches (venue_id, provider, state, searched_at) VALUES "
            f"({decided}, 'foursquare', 'rejected', now() - interval '90 days'), "
            f"({searched}, 'foursquare', 'none', now() - interval '29 days'), "
            f"({searched}, 'here', 'none', now() - interval '31 days')"
        )
        look = searches.missing(connection, keys, limit=10)
        assert look.venues == {lacking: ["foursquare"], decided: ["here"], searched: ["here"]}
        assert complete not in look.venues
        assert look.looked_to is None
        assert list(searches.missing(connection, keys, limit=1).venues) == [lacking]


def test_venues_whose_search_failed_let_the_others_have_their_turn(system: System) -> None:
    first, second, third = add(
        system, *(venue(name) for name in ("Amber Lantern", "Copper Owl", "Blue Note"))
    )
    keys = {"foursquare": "foursquare"}

    def due(**bounds: int) -> list[int]:
        with system.engine.connect() as connection:
            return list(searches.missing(connection, keys, limit=10, **bounds).venues)

    (job_id,) = search(system, first)
    with system.engine.begin() as connection:  # the provider failed, and left no match behind
        connection.exec_driver_sql("UPDATE jobs SET state = 'discarded', finished_at = now()")
    assert due() == [second, third]
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET finished_at = now() - interval '25 hours'")
    # it is due again, and yet comes after those that were not searched for so long
    assert due() == [second, third, first]
    assert due(at_most=2) == [second, third]
    search(system, third)
    assert due() == [first, second]
    with system.engine.connect() as connection:
        assert list(searches.missing(connection, keys, limit=1).venues) == [first]
    assert job_of(system, job_id).state == "discarded"


def test_a_search_whose_venue_was_never_there_is_discarded(system: System) -> None:
    (venue_id,) = add(system, venue("Blue Note"))
    (job_id,) = search(system, venue_id)
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET venue_id = NULL")
    run(system, [job_id])
    job = job_of(system, job_id)
    assert (job.state, job.status, job.summary) == ("discarded", "error", "Failed - venue not found")


def test_a_search_is_a_kind_of_job_that_sessions_run() -> None:
    assert JobKind.GEOCODING in runner.KINDS

"""`venue-ops venues find-ids`: orders searches, shows what they cost first, and watches them."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ops_core.domain.matches import MatchState as M
from tests.support.command_line import Run
from tests.support.factories import make_venue
from tests.support.finders import add, named, venue
from tests.support.given_jobs import run_given
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.postgres


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process, as `venue-ops` does."""
    return Run(monkeypatch, capsys, "venues", "find-ids")


@pytest.fixture
def lacking(database: Engine, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Two venues that lack ids of three providers, in a sandbox."""
    monkeypatch.setenv("VENUE_OPS_SANDBOX_URL", "http://127.0.0.1:1")
    with database.begin() as connection:
        return [make_venue(connection), make_venue(connection)]


def jobs(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT * FROM jobs ORDER BY id")))


def test_named_venues_are_searched_for(run: Run, database: Engine, lacking: list[Any]) -> None:
    done = run("--venue", lacking[0].id)
    assert (done.code, done.out) == (0, "1 search ordered, 0 open already.\n")
    (job,) = jobs(database)
    assert (job.kind, job.venue_id, job.actor) == ("geocoding", lacking[0].id, "local")
    assert run("--venue", lacking[0].id).out == "0 searches ordered, 1 open already.\n"


def test_a_venue_is_searched_for_again_at_one_provider(
    run: Run, database: Engine, lacking: list[Any]
) -> None:
    done = run("--venue", lacking[0].id, "--provider", "here", "--force")
    assert (done.code, done.out) == (0, "1 search ordered, 0 open already.\n")
    (job,) = jobs(database)
    assert (job.args["providers"], job.args["force"]) == (["here"], True)
    refused = run("--venue", lacking[1].id, "--provider", "nobody")
    assert (refused.code, "“nobody” cannot be searched" in refused.err) == (1, True)


def test_missing_ids_are_shown_with_their_cost_and_nothing_is_ordered_by_looking(
    run: Run, database: Engine, lacking: list[Any]
) -> None:
    done = run("--missing", "--dry-run")
    assert done.code == 0
    assert done.out.startswith("2 venues to search for; about $0.030.\n")
    assert "foursquare" in done.out
    assert jobs(database) == []

    assert (
        run("--missing", "--yes", "--limit", 1)
        .out.splitlines()[0]
        .startswith("1 venue to search for, and more")
    )
    assert len(jobs(database)) == 1
    assert run("--missing", "--yes").code == 0
    assert len(jobs(database)) == 2
    done = run("--missing", "--dry-run")
    assert (done.code, done.out) == (1, "No id is missing that could be searched for now.\n")
    refused = run("--missing", "--yes")
    assert refused.code == 1
    assert "No id is missing" in refused.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "give --venue ID, or --missing"),
        (["--venue", 1, "--missing"], "give --venue ID, or --missing"),
        (["--missing", "--yes", "--force"], "--force goes with --venue"),
        (["--missing", "--yes", "--provider", "here"], "--provider goes with --venue"),
        (["--venue", 1, "--limit", 3], "go with --missing"),
        (["--missing"], "give --yes to order it"),
    ],
)
def test_a_command_that_makes_no_sense_says_what_to_write_instead(
    run: Run, database: Engine, words: list[Any], sentence: str
) -> None:
    done = run(*words)
    assert done.code == 2
    assert sentence in done.err
    assert jobs(database) == []


def test_an_unknown_venue_is_one_line_of_red(run: Run, lacking: list[Any]) -> None:
    done = run("--venue", 999_999)
    assert (done.code, done.err) == (1, "There is no venue #999999.\n")


def test_watched_searches_tell_of_each_venue_and_end_with_a_code(run: Run, system: System) -> None:
    found, lost = add(
        system,
        venue(named(foursquare=M.MATCHED, here=M.MATCHED, mapbox=M.MATCHED)),
        venue(named(foursquare=M.NONE, here=M.NONE, mapbox=M.NONE)),
    )

    def work() -> None:
        rows = wait_until(lambda: system.rows("SELECT id FROM jobs WHERE state = 'available'"))
        run_given(system.engine, system.settings, [row.id for row in rows])

    for venue_id, code, words in (
        (found, 0, "Id found at foursquare, here, mapbox."),
        (lost, 3, "Failed - nothing"),
    ):
        worker = threading.Thread(target=work)
        worker.start()
        done = run("--venue", venue_id, "--watch")
        worker.join()
        assert done.code == code
        assert f"(venue #{venue_id}): {words}" in done.out
        with system.engine.begin() as connection:  # the photos that follow are another story
            connection.exec_driver_sql(
                "UPDATE jobs SET state = 'cancelled', finished_at = now() WHERE kind = 'enrichment'"
            )

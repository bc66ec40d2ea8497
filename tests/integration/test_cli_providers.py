"""Providers from the command line: listed with what keeps them from being asked, paused and resumed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ops_core.db import provider_rows
from ops_core.domain.providers import SEED
from tests.support.command_line import Run

pytestmark = pytest.mark.postgres


@pytest.fixture
def run(database: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `venue-ops providers` in this process, over a database whose policies are the documented ones."""
    with database.begin() as connection:
        for terms in SEED:
            provider_rows.set_rehosting(connection, terms.code, terms.rehosting, None)
    return Run(monkeypatch, capsys, "providers")


def audited(engine: Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT actor, action, outcome FROM audit ORDER BY id"))
        return [tuple(row) for row in rows]


def test_the_list_has_a_line_for_each_and_names_missing_settings(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENUE_OPS_WIKIMEDIA_CONTACT", "ops@example.org")
    done = run()
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split()[:3] == ["provider", "is", "limits"]
    assert lines[1].split() == [
        *("google_places", "not", "set", "up", "50", "a", "second,", "3,000", "a", "minute"),
        *("$0", "$0.007", "$0.032", "referenced"),
    ]
    assert lines[2].split()[:2] == ["wikimedia_commons", "asked"]
    assert lines[2].endswith("copied")
    assert "google_places: Set VENUE_OPS_GOOGLE_PLACES_API_KEY" in done.out
    assert "wikimedia_commons: " not in done.out


def test_scripts_get_exact_prices_and_what_is_missing(run: Run) -> None:
    found = {each["code"]: each for each in json.loads(run("--json").out)}
    assert list(found) == [terms.code for terms in sorted(SEED, key=lambda terms: terms.priority)]
    assert found["foursquare"]["listing_usd"] == "0.018750"
    assert found["foursquare"]["per_second"] == 50
    assert "VENUE_OPS_FOURSQUARE_API_KEY" in found["foursquare"]["not_ready"]["photos"]
    assert (found["here"]["rehosting"], found["here"]["copies"]) == ("reference_only", "unclear")


def test_what_the_sandbox_draws_is_copied_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENUE_OPS_SANDBOX_URL", "http://127.0.0.1:8502")
    assert run().out.splitlines()[1].endswith("copied (drawn)")


def test_a_provider_is_paused_and_resumed_under_the_name_of_the_machines_user(
    database: Engine, run: Run
) -> None:
    paused = run("pause", "google_places", "--reason", "quota used up", "--minutes", 90)
    assert paused.code == 0
    assert paused.out.startswith("google_places is paused until ")
    assert "paused until" in run().out.splitlines()[1]
    assert json.loads(run("--json").out)[0]["paused_reason"] == "quota used up"
    assert run("resume", "google_places").out == "google_places is asked again.\n"
    assert run("resume", "google_places").out == "google_places was not paused.\n"
    assert [(actor, action) for actor, action, _ in audited(database)] == [
        ("local", "pause_provider"),
        ("local", "resume_provider"),
        ("local", "resume_provider"),
    ]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["pause", "flickr", "--reason", "x"], 1, "There is no provider “flickr”."),
        (["pause", "google_places", "--reason", " "], 1, "Give a reason for the pause"),
        (["pause", "google_places"], 2, "--reason"),
        (["pause", "google_places", "--reason", "x", "--minutes", "0"], 2, "--minutes"),
        (["resume", "flickr"], 1, "There is no provider “flickr”."),
    ],
)
def test_what_makes_no_sense_is_a_sentence(
    database: Engine, run: Run, words: list[str], code: int, said: str
) -> None:
    done = run(*words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    with database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM providers WHERE paused_until IS NOT NULL")) == 0

"""Retries from the command line: the same plan, checks and audit as the console, and codes for scripts."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ops_core import actions
from ops_core.domain.access import LOCAL
from ops_core.domain.errors import ErrorType
from ops_core.domain.retries import Scope
from ops_core.sandbox.faults import Fault
from tests.integration.worker.test_enrichment import let_all_be_tried_now
from tests.support.command_line import Run
from tests.support.ctrl_c import hears_ctrl_c
from tests.support.factories import make_image, make_venue
from tests.support.given_jobs import run_given
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process, as `venue-ops` does."""
    return Run(monkeypatch, capsys)


@pytest.fixture
def failures(database: Engine, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two venues in two cities: three time-outs and a missing photo at one, a rate limit at the other."""
    with database.begin() as connection:
        first, second = make_venue(connection), make_venue(connection)
        for error in [*[ErrorType.NETWORK_TIMEOUT] * 3, ErrorType.NOT_FOUND]:
            make_image(connection, first, state="failed", error_type=error, provider="wikimedia_commons")
        limited = make_image(connection, second, state="failed", error_type=ErrorType.RATE_LIMITED)
        old = make_image(
            connection,
            second,
            state="failed",
            error_type=ErrorType.RATE_LIMITED,
            last_attempt_at=text("now() - interval '10 days'"),
        )
        city = connection.scalar(text("SELECT name FROM cities WHERE id = :id"), {"id": second.city_id})
    return {"first": first, "second": second, "limited": limited, "old": old, "city": city}


def rows(engine: Engine, question: str) -> list[tuple]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(question))]


def nothing_written(engine: Engine) -> bool:
    tables = ("retry_requests", "retry_items", "jobs", "audit")
    return all(rows(engine, f"SELECT count(*) FROM {table}") == [(0,)] for table in tables)


@pytest.mark.parametrize(
    ("words", "images", "scope"),
    [
        (["--venue", "{first}"], 3, {"venues": ["{first}"]}),
        (["--venue", "{first}", "--venue", "{second}"], 5, {"venues": ["{first}", "{second}"]}),
        (["--image", "{limited}", "--image", "{old}"], 2, {"images": ["{limited}", "{old}"]}),
        (["--all"], 5, {"everything": True}),
        (["--provider", "google_places"], 2, {"providers": ["google_places"]}),
        (["--provider", "google_places", "--error-type", "rate_limited", "--since", "7d"], 1, None),
        (["--error-type", "Network-Timeout"], 3, {"error_types": ["network_timeout"]}),
        (["--city", "{city}"], 2, {"cities": ["{second_city}"]}),
        (["--city", "{second_city}", "--until", "7d"], 1, None),
        (["--venue", "{second}", "--since", "7d"], 1, None),
    ],
)
def test_a_dry_run_shows_the_plan_of_the_scope_and_changes_nothing(
    database: Engine, failures: dict[str, Any], run: Run, words: list[str], images: int, scope: Any
) -> None:
    ids = {name: str(getattr(row, "id", row)) for name, row in failures.items()}
    ids["second_city"] = str(failures["second"].city_id)
    given = [word.format(**ids) for word in words]

    done = run("retry", *given, "--dry-run", "--json")

    assert done.code == 0, done.err
    assert done.json["plan"]["images"] == images
    assert done.json["request"] is None
    if scope is not None:
        found = done.json["scope"].get("failures", done.json["scope"])
        for name, value in scope.items():
            wanted = value if value is True else [word.format(**ids) for word in value]
            assert (found[name] if value is True else [str(each) for each in found[name]]) == wanted
    said = run("retry", *given, "--dry-run")
    assert said.code == 0
    assert f"{images} image" in said.out
    assert nothing_written(database)


def test_a_plan_is_printed_with_what_it_leaves_out_and_what_to_expect(
    failures: dict[str, Any], run: Run
) -> None:
    done = run("retry", "--all", "--dry-run", "--sample", "2", "--per-hour", "100")
    lines = done.out.splitlines()
    assert lines[0] == (
        "To be tried again (all venues): 5 images of 2 venues, now, 2 images first, "
        "the rest if 80 % come in, at most 100 an hour."
    )
    assert lines[1] == "Left out: 1 permanent."
    assert lines[3].split() == ["provider", "images", "calls", "cost", "of", "today's", "limit", "takes"]
    assert lines[4].split()[:4] == ["google_places", "2", "2", "$0.014"]
    assert lines[5].split()[:4] == ["wikimedia_commons", "3", "0", "$0"]
    assert "no history yet" in lines[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Say what to retry"),
        (["--all", "--venue", "1"], "names everything and venues or what failed"),
        (["--image", "1", "--job", "2"], "names images and operations"),
        (
            ["--provider", "yelp"],
            "Known: google_places, wikimedia_commons, here, mapbox, foursquare, unsplash.",
        ),
        (["--error-type", "rate_limit"], "Did you mean rate_limited? Known: rate_limited, network_timeout"),
        (["--city", "Atlantis"], 'There is no city "Atlantis"'),
        (["--since", "yesterday"], '"yesterday" is no time'),
        (["--all", "--at", "02:00", "--off-peak"], "Begin at a time or off-peak, not both."),
        (["--all", "--at", "2026-01-01"], "is over"),
        (["--all", "--at", "02:00", "--zone", "Mars/Base"], 'no time zone "Mars/Base"'),
        (["--all", "--sample-share", "50"], "belongs to a sample"),
        (["--all", "--sample", "5", "--sample-share", "101"], "from 0 to 100 %"),
        (["--all", "--usd-per-day", "lots"], '"lots" is no amount'),
        (["--all", "--override"], "give --reason"),
    ],
)
def test_a_command_that_makes_no_sense_is_one_sentence_and_code_2(
    database: Engine, run: Run, words: list[str], said: str
) -> None:
    done = run("retry", *words, "--dry-run", "--json")
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert said in line
    assert nothing_written(database)


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_script_that_does_not_say_yes_is_told_so_and_orders_nothing(
    database: Engine, failures: dict[str, Any], run: Run, more: list[str]
) -> None:
    done = run("retry", "--all", *more)
    assert (done.code, done.out) == (2, "")
    assert "give --yes to order it, or --dry-run to look only" in done.err
    assert nothing_written(database)


def test_an_order_is_what_was_planned_under_the_name_of_the_machines_user(
    database: Engine, failures: dict[str, Any], run: Run
) -> None:
    planned = run("retry", "--all", "--dry-run", "--json").json
    done = run(
        "retry", "--all", "--yes", "--json", "--at", "2030-01-01T02:00", "--zone", "Europe/Warsaw",
        "--usd-per-day", "2.50", "--sample", "2", "--sample-share", "60", "--reason", "night run",
    )  # fmt: skip
    assert done.code == 0, done.err
    found = done.json
    assert found["plan"] == planned["plan"]
    assert found["refused"] is None
    request = found["request"]
    assert (request["images"], request["open"], request["state"]) == (5, 5, "pending")
    assert request["not_before"] == "2030-01-01T01:00:00+00:00"
    assert (request["actor"], request["reason"]) == ("local", "night run")
    assert request["options"]["usd_per_day"] == "2.50"
    assert (request["options"]["sample"], request["options"]["sample_share"]) == (2, 0.6)
    ((actor, action, outcome),) = rows(database, "SELECT actor, action, outcome FROM audit")
    assert (actor, action) == (LOCAL.name, "submit_retry")
    assert outcome.startswith(f"request {request['id']} queued: 5 images of 2 venues, at 2030-01-01 01:00")
    assert rows(database, "SELECT count(*) FROM retry_items") == [(5,)]


def test_off_peak_begins_at_the_chosen_hour_and_says_why(failures: dict[str, Any], run: Run) -> None:
    done = run("retry", "--all", "--off-peak", "--yes", "--json").json
    assert done["request"]["not_before"] == done["off_peak"]["at"]
    assert done["request"]["options"]["when"] == "off_peak"
    assert "UTC" in done["off_peak"]["why"]


def test_overriding_takes_what_is_final_too(database: Engine, failures: dict[str, Any], run: Run) -> None:
    venue = failures["first"].id
    done = run("retry", "--venue", venue, "--override", "--reason", "photos were restored", "--yes")
    assert done.code == 0, done.err
    assert "is ordered: 4 images of 1 venue." in done.out
    assert "photos were restored" in rows(database, "SELECT outcome FROM audit")[0][0]


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_to_retry_is_code_1_with_its_reasons(database: Engine, run: Run, as_json: bool) -> None:
    with database.begin() as connection:
        venue = make_venue(connection)
        make_image(connection, venue, state="failed", error_type=ErrorType.NOT_FOUND)
    more = ["--json"] if as_json else []
    sentence = f"Nothing to retry for venue #{venue.id}: 1 permanent."
    dry = run("retry", "--venue", venue.id, "--dry-run", *more)
    done = run("retry", "--venue", venue.id, "--yes", *more)
    assert (dry.code, done.code) == (1, 1)
    assert done.err.strip() == sentence
    if as_json:
        assert dry.json["plan"]["skipped"] == {"permanent": 1}
        assert (done.json["refused"], done.json["request"]) == (sentence, None)
    else:
        assert "Left out: 1 permanent." in dry.out
    assert rows(database, "SELECT outcome FROM audit") == [(f"refused: {sentence}",)]


def test_asking_again_names_the_open_retry(database: Engine, failures: dict[str, Any], run: Run) -> None:
    first = run("retry", "--all", "--yes", "--json").json["request"]["id"]
    again = run("retry", "--all", "--yes")
    assert again.code == 1
    assert f"Retry #{first}" in again.err
    assert f"venue-ops retries watch {first}" in again.out
    as_json = run("retry", "--all", "--yes", "--json")
    assert as_json.code == 1
    assert as_json.json["request"]["id"] == first
    assert f"Retry #{first}" in as_json.json["refused"]
    assert rows(database, "SELECT count(*) FROM retry_requests") == [(1,)]


def test_retries_are_listed_shown_and_steered(database: Engine, failures: dict[str, Any], run: Run) -> None:
    assert run("retries", "list").out == "No retry was ordered yet.\n"
    first = run("retry", "--venue", failures["first"].id, "--yes", "--json").json["request"]["id"]
    second = run("retry", "--all", "--yes", "--json").json["request"]["id"]

    listed = run("retries", "list").out.splitlines()
    assert [line.split()[0] for line in listed] == ["retry", f"#{second}", f"#{first}"]
    assert [each["id"] for each in run("retries", "list", "--limit", 1, "--json").json] == [second]

    paused = run("retries", "pause", first)
    assert (paused.code, paused.out) == (
        0,
        f"Retry #{first}: paused by local. Images: 3, 0 uploaded, 0 failed, 3 open.\n",
    )
    again = run("retries", "pause", first)
    assert again.code == 1
    assert "there is nothing to pause" in again.err
    watched = run("retries", "watch", first)
    assert watched.code == 4
    assert f"venue-ops retries resume {first}" in watched.out
    assert run("retries", "resume", first, "--json").json["state"] in ("pending", "running")
    cancelled = run("retries", "cancel", first, "--json").json
    assert (cancelled["state"], cancelled["let_go"], cancelled["open"]) == ("cancelled", 3, 0)
    ended = run("retries", "watch", first)
    assert ended.code == 3
    assert "3 let go" in ended.out

    assert [each["id"] for each in run("retries", "list", "--open", "--json").json] == [second]
    shown = run("retries", "show", first)
    assert "cancelled by local" in shown.out
    assert shown.out.splitlines()[-1].split() == ["wikimedia_commons", "released", "3"]
    (end,) = run("retries", "show", first, "--json").json["ends"]
    assert (end["state"], end["images"]) == ("released", 3)
    assert rows(database, "SELECT DISTINCT actor FROM audit") == [("local",)]


@pytest.mark.parametrize("command", ["show", "watch", "pause", "resume", "cancel", "rerun"])
def test_a_retry_that_is_not_there_is_one_sentence(database: Engine, run: Run, command: str) -> None:
    done = run("retries", command, 12)
    assert done.code == 1
    assert done.err == "There is no retry #12.\n"
    assert done.out == ""


def test_what_failed_in_a_retry_that_never_was_is_one_sentence(database: Engine, run: Run) -> None:
    done = run("retry", "--request", 12, "--yes")
    assert (done.code, done.err) == (1, "There is no retry #12.\n")


def test_what_failed_in_a_retry_is_ordered_once_more(
    database: Engine, failures: dict[str, Any], run: Run
) -> None:
    first = run("retry", "--venue", failures["first"].id, "--yes", "--json").json["request"]["id"]
    with database.begin() as connection:
        connection.execute(
            text("UPDATE retry_items SET state = 'failed', reason = 'network_timeout', finished_at = now()")
        )
        connection.execute(
            text("UPDATE retry_requests SET state = 'completed', failed = 3, finished_at = now()")
        )
    assert run("retries", "watch", first).code == 3
    planned = run("retry", "--request", first, "--dry-run", "--json").json
    done = run("retries", "rerun", first, "--json")
    assert done.code == 0, done.err
    assert (done.json["images"], done.json["rerun_of"]) == (planned["plan"]["images"], first) == (3, first)


def test_a_script_that_watches_is_told_why_nothing_moves(database: Engine, failures: dict[str, Any]) -> None:
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO circuits (provider, state, failures, opened, error_type, opened_at, retry_at) "
                "VALUES ('wikimedia_commons', 'open', 10, 1, 'bad_gateway', now(), now() + interval '1 h')"
            )
        )
    actions.submit_retry(database, Scope(everything=True), actor=LOCAL, token="t")
    with subprocess.Popen(
        [sys.executable, "-m", "ops_core.cli", "retries", "watch", "1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hears_ctrl_c,
    ) as watching:
        assert watching.stderr is not None
        line = watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 130
    assert "wikimedia_commons does not answer well after Bad gateway" in line
    assert "google_places" not in line


def test_a_circuit_breaker_is_closed_by_hand(database: Engine, run: Run) -> None:
    refused = run("retries", "close-circuit", "wikimedia_commons")
    assert refused.code == 1
    assert "asked as usual already" in refused.err
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO circuits (provider, state, failures, opened, opened_at, retry_at) "
                "VALUES ('wikimedia_commons', 'open', 10, 1, now(), now() + interval '1 h')"
            )
        )
    done = run("retries", "close-circuit", "wikimedia_commons")
    assert done.code == 0, done.err
    assert done.out.startswith("wikimedia_commons is asked again; its circuit breaker stays closed until 20")
    assert rows(database, "SELECT state FROM circuits") == [("closed",)]
    assert rows(database, "SELECT actor, action FROM audit") == [("local", "close_circuit")] * 2


def test_a_scan_is_ordered_once(database: Engine, run: Run) -> None:
    done = run("scan", "--json")
    assert done.code == 0, done.err
    assert done.json["is_new"] is True
    again = run("scan")
    assert again.out == f"A scan is open already: operation #{done.json['job_id']}.\n"
    assert rows(database, "SELECT kind, actor FROM jobs") == [("cleanup", "local")]
    assert rows(database, "SELECT action, actor FROM audit") == [("retry_all_failed", "local")] * 2


class Terminal:
    """The command on a terminal of its own, as a person sees it."""

    def __init__(self, *words: object) -> None:
        pid, self._end = pty.fork()
        if pid == 0:
            os.environ.update(COLUMNS="160", TERM="xterm")
            os.chdir(ROOT)
            hears_ctrl_c()
            os.execv(sys.executable, [sys.executable, "-m", "ops_core.cli", *map(str, words)])
        self.pid = pid
        self.seen = ""

    def read(self, seconds: float = 0.2) -> str:
        """All that has been printed so far."""
        while select.select([self._end], [], [], seconds)[0]:
            try:
                data = os.read(self._end, 65536)
            except OSError:  # it has ended
                break
            if not data:
                break
            self.seen += data.decode(errors="replace")
            seconds = 0
        return self.seen

    def wait_for(self, words: str, seconds: float = 60) -> None:
        wait_until(self.read, lambda seen: words in seen, seconds=seconds)

    def type(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def end(self, seconds: float = 60) -> int:
        """Its exit code, once it has ended by itself."""
        deadline = time.monotonic() + seconds
        while True:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.read()
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise AssertionError(f"it has not ended: {self.seen}")


def test_a_person_is_asked_first_and_may_say_no(database: Engine, failures: dict[str, Any]) -> None:
    terminal = Terminal("retry", "--all")
    terminal.wait_for("Retry them? [y/N]")
    assert "5 images of 2 venues" in terminal.seen
    terminal.type("n\n")
    assert terminal.end() == 1
    assert "Nothing was ordered." in terminal.seen
    assert nothing_written(database)


def test_a_person_sees_the_new_numbers_before_anything_is_ordered(
    database: Engine, failures: dict[str, Any]
) -> None:
    terminal = Terminal("retry", "--all")
    terminal.wait_for("Retry them? [y/N]")
    with database.begin() as connection:
        make_image(connection, failures["second"], state="failed", error_type=ErrorType.BAD_GATEWAY)
    terminal.type("y\n")
    terminal.wait_for("The failures changed meanwhile")
    terminal.wait_for("6 images of 2 venues")
    assert rows(database, "SELECT count(*) FROM retry_requests") == [(0,)]
    terminal.type("y\n")
    assert terminal.end() == 0
    assert "is ordered: 6 images of 2 venues." in terminal.seen
    assert rows(database, "SELECT images FROM retry_requests") == [(6,)]


def change(system: System, statement: str) -> None:
    with system.engine.begin() as connection:
        connection.execute(text(statement))


def fail_all(system: System, venues: int) -> None:
    """Enrich `venues` venues while every photo fails; from then on every photo can be had."""
    system.sandbox.set_faults(rates={Fault.BAD_GATEWAY: 1.0}, recover_tries=1000)
    # so many failures in a row would have the breakers open
    change(
        system,
        "INSERT INTO circuits (provider, overridden_until) "
        "SELECT code, now() + interval '1 h' FROM providers",
    )
    run_given(system.engine, system.settings, system.enqueue(system.add_venues(venues)))
    change(system, "DELETE FROM circuits")
    let_all_be_tried_now(system)
    system.sandbox.set_faults(rates={})


def command(system: System, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops_core.cli", *words],
        cwd=ROOT,
        env=system.env,
        capture_output=True,
        text=True,
        timeout=90,
    )


@pytest.mark.worker
def test_a_retry_is_watched_to_its_end_in_a_script(system: System) -> None:
    fail_all(system, 3)
    system.start_worker()
    system.start_dispatcher()
    done = command(system, "retry", "--all", "--yes", "--watch", "--json")
    assert done.returncode == 0, done.stderr
    request = json.loads(done.stdout)["request"]
    assert request["state"] == "completed"
    assert (request["open"], request["failed"]) == (0, 0)
    assert request["uploaded"] == request["images"] == system.agree()["uploaded"] > 0
    shown = command(system, "retries", "show", str(request["id"]))
    assert f"{request['images']} uploaded" in shown.stdout


@pytest.mark.worker
def test_failures_at_the_end_of_a_watch_are_code_3_and_can_be_tried_once_more(system: System) -> None:
    fail_all(system, 2)
    system.sandbox.set_faults(rates={Fault.NOT_FOUND: 1.0})
    system.start_worker()
    system.start_dispatcher()
    done = command(system, "retry", "--all", "--yes", "--watch")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Try those once more: venue-ops retries rerun 1" in done.stdout
    shown = command(system, "retries", "show", "1")
    assert "not_found (Not found)" in shown.stdout
    rerun = command(system, "retries", "rerun", "1")
    assert rerun.returncode == 1
    assert "Nothing to retry for what failed in retry #1" in rerun.stderr
    # no bar without a terminal: a line whenever its state changes
    said = [line.split(" · ")[0] for line in done.stderr.splitlines() if line.startswith("Retry")]
    assert said
    assert set(said) <= {"Retry #1 pending", "Retry #1 running"}
    assert "━" not in done.stdout + done.stderr


@pytest.mark.worker
def test_a_scan_is_watched_with_the_retry_it_orders(system: System) -> None:
    fail_all(system, 2)
    system.start_worker()
    system.start_dispatcher()
    done = command(system, "scan", "--watch", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["scan"]["meta"]["images_queued"] == found["request"]["uploaded"] > 0
    assert found["request"]["state"] == "completed"
    said = command(system, "scan", "--watch")
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[-1] == "No venue has failed images."


@pytest.mark.worker
def test_ctrl_c_ends_the_watching_and_not_the_retry(system: System) -> None:
    fail_all(system, 2)
    actions.submit_retry(system.engine, Scope(everything=True), actor=LOCAL, token="t")
    terminal = Terminal("retries", "watch", "1")
    terminal.wait_for("Retry #1")
    terminal.wait_for("0/")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "Retry #1 goes on. Watch it again: venue-ops retries watch 1" in terminal.seen

    system.start_worker()
    system.start_dispatcher()
    again = Terminal("retries", "watch", "1")
    assert again.end() == 0
    uploaded = system.agree()["uploaded"]
    assert f"{uploaded}/{uploaded}" in again.seen
    assert "completed" in again.seen

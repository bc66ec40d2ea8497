"""The address that streams the filtered operations, asked of a real console."""

from __future__ import annotations

import csv
import http.client
import io
import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from ops_core.db.engine import make_engine
from ops_core.domain.errors import ErrorType
from ops_core.domain.filters import Period, View
from ops_core.ui.address import BASE
from ops_core.ui.address_filters import Choice
from ops_core.ui.exports import address
from tests.support.console import Console, running_console
from tests.support.factories import make_enrichment, make_job, make_venue
from tests.support.ports import free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.postgres

WARSAW = ZoneInfo("Europe/Warsaw")
NOW = datetime.now(UTC).replace(microsecond=123_456)
EVER = Choice(period=Period.EVER)
CSV, JSON = f"{BASE}/export/operations.csv", f"{BASE}/export/operations.json"

MANY = text("""
    INSERT INTO jobs (kind, state, status, actor, attempt, inserted_at, attempted_at, finished_at, summary)
    SELECT 'cleanup', 'completed', 'success', 'tests', 1, :at, :at, :at, repeat(md5(n::text), 30)
    FROM generate_series(1, :jobs) AS n
""")


@pytest.fixture(scope="module")
def world(postgres):
    with postgres.fresh() as url:
        engine = make_engine(url)
        with engine.begin() as connection:
            louvre = make_venue(connection, name="=HYPERLINK(1)")
            make_enrichment(connection, louvre, failures=[ErrorType.NOT_FOUND], finished_at=NOW)
            make_enrichment(connection, finished_at=NOW - timedelta(days=2))
            make_enrichment(connection, finished_at=NOW - timedelta(days=20))
            make_job(connection, kind="backfill", finished_at=NOW - timedelta(days=40))
        yield url, engine
        engine.dispose()


@pytest.fixture(scope="module")
def engine(world) -> Engine:
    return world[1]


@pytest.fixture(scope="module")
def console(world, tmp_path_factory):
    with running_console(world[0], tmp_path_factory.mktemp("console")) as running:
        yield running


def rows_of(console: Console, path: str) -> list[dict[str, str]]:
    answer, body = console.ask(path)
    assert answer.status == 200, body
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def ids(engine: Engine, condition: str = "true") -> list[int]:
    question = f"SELECT id FROM jobs WHERE finished_at IS NOT NULL AND {condition}"
    with engine.connect() as connection:
        return list(connection.scalars(text(f"{question} ORDER BY finished_at DESC, id DESC")))


def audit(engine: Engine) -> list[tuple[str, dict[str, object], str]]:
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT actor, scope, outcome FROM audit WHERE action = 'export_operations' ORDER BY id")
        )
        return [(row.actor, row.scope, row.outcome) for row in rows]


def test_the_file_is_one_to_keep_and_for_nobody_else(console):
    answer, body = console.ask(address("csv", EVER, as_of=NOW, zone=WARSAW))
    assert answer.status == 200
    assert body.startswith(b"\xef\xbb\xbfid,kind,outcome,")
    name = f"operations-{NOW:%Y%m%d-%H%M%S}.csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Content-Length" not in answer.headers


def test_both_files_hold_the_operations_that_match_and_the_audit_says_who_took_them(console, engine):
    choice = Choice(period=Period.MONTH, view=View.VENUES)
    as_of = NOW + timedelta(seconds=1)
    expected = ids(engine, f"finished_at >= '{as_of - timedelta(days=30)}'")
    assert len(expected) == 3
    before = len(audit(engine))
    found = rows_of(console, address("csv", choice, as_of=as_of, zone=WARSAW))
    assert [int(row["id"]) for row in found] == expected
    answer, body = console.ask(address("json", choice, as_of=as_of, zone=WARSAW))
    assert answer.headers["Content-Type"] == "application/json"
    assert [row["id"] for row in json.loads(body)] == expected
    said = wait_until(lambda: audit(engine)[before:], lambda rows: len(rows) == 2)
    assert [(actor, scope["file"], outcome) for actor, scope, outcome in said] == [
        ("local", "csv", "3 operations written"),
        ("local", "json", "3 operations written"),
    ]
    assert said[0][1] == {
        "file": "csv",
        "filters": {"view": ["venues"], "period": ["30d"]},
        "since": (as_of - timedelta(days=30)).isoformat(),
        "until": as_of.isoformat(),
    }


def test_a_name_that_is_a_formula_is_text_in_the_csv_file_and_itself_in_the_json_file(console):
    as_of = NOW + timedelta(seconds=1)
    first = rows_of(console, address("csv", EVER, as_of=as_of, zone=WARSAW))[0]
    assert first["venue"] == "'=HYPERLINK(1)"
    _, body = console.ask(address("json", EVER, as_of=as_of, zone=WARSAW))
    assert json.loads(body)[0]["venue"] == "=HYPERLINK(1)"


def test_the_file_holds_what_the_page_showed_at_its_time(console, engine):
    earlier = NOW - timedelta(days=1)
    found = rows_of(console, address("csv", Choice(), as_of=earlier, zone=WARSAW))
    assert [int(row["id"]) for row in found] == ids(
        engine, f"finished_at BETWEEN '{earlier - timedelta(days=7)}' AND '{earlier}'"
    )
    assert len(found) == 1


def test_days_begin_where_the_viewer_is(console, engine):
    day = (NOW - timedelta(days=20)).astimezone(ZoneInfo("Pacific/Kiritimati")).date()
    choice = Choice(period=Period.CUSTOM, first=day, last=day)
    for zone, jobs in (("Pacific/Kiritimati", 1), ("Pacific/Niue", 0)):
        begin = datetime.combine(day, datetime.min.time(), ZoneInfo(zone))
        inside = begin <= NOW - timedelta(days=20) < begin + timedelta(days=1)
        found = rows_of(console, address("csv", choice, as_of=NOW, zone=ZoneInfo(zone)))
        assert len(found) == int(inside)
        assert inside or jobs == 0


def test_without_a_time_the_file_is_of_now_and_no_match_is_an_empty_file(console, engine):
    assert len(rows_of(console, CSV)) == len(ids(engine, f"finished_at > '{NOW - timedelta(days=7)}'"))
    assert console.ask(f"{JSON}?q=nothing+says+so")[1] == b"[]\n"
    assert console.ask(f"{CSV}?status=failed")[1].count(b"\r\n") == 1


@pytest.mark.parametrize(
    "query",
    [
        "city=x&provider=%00&error=nonsense&status=&kind=%F0%9F%92%A9&view=none&period=never",
        "period=custom&from=0001-01-01&to=9999-12-31",
        "period=custom&from=2026-13-45&to=yesterday",
        "as_of=-1&zone=/etc/passwd",
        "as_of=99999999999999999999999999&zone=../../etc/passwd",
        "as_of=9223372036854775807&zone=Europe",
        "as_of=0&zone=" + "a" * 3000,
        "as_of=nan&zone=%00",
        "zone=&zone=UTC%0A&as_of=",
        "q=" + quote("'; DROP TABLE jobs; --"),
        "venue=%25_%5C&q=%5C%25",
        "city=9223372036854775808&city=-1",
        "&".join(f"provider=p{number}" for number in range(2000)),
        "%",
        "=&==&&&;",
        "period=today&as_of=1&zone=Pacific/Kiritimati",
    ],
)
def test_whatever_stands_in_the_address_gives_a_file(console, engine, query: str):
    answer, body = console.ask(f"{CSV}?{query}")
    assert answer.status == 200, body
    assert body.startswith(b"\xef\xbb\xbfid,")
    answer, body = console.ask(f"{JSON}?{query}")
    assert isinstance(json.loads(body), list)
    assert len(ids(engine)) == 4


def test_other_kinds_of_files_and_other_ways_to_ask_are_not_there(console):
    for path in (f"{BASE}/export/operations.xlsx", f"{BASE}/export/operations.", f"{BASE}/export/jobs.csv"):
        answer, body = console.ask(path)
        assert answer.status == 404 or b"<html" in body.lower(), path
    for method in ("POST", "PUT", "DELETE"):
        assert console.ask(CSV, method)[0].status == 405


def test_looking_before_taking_reads_and_audits_nothing(console, engine):
    before = audit(engine)
    answer, body = console.ask(CSV, "HEAD")
    assert (answer.status, body) == (200, b"")
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert audit(engine) == before


def test_without_the_database_the_address_says_so(tmp_path):
    with running_console(f"postgresql://someone:secret@127.0.0.1:{free_port()}/gone", tmp_path) as console:
        answer, body = console.ask(CSV)
    assert answer.status == 503
    assert body == b"The database cannot be reached; try again in a minute."


#: More than the buffers hold between the database and a reader that takes its time.
JOBS = 40_000


@pytest.fixture(scope="module")
def many(postgres, tmp_path_factory):
    with postgres.fresh() as url:
        engine = make_engine(url)
        with engine.begin() as connection:
            connection.execute(MANY, {"at": NOW, "jobs": JOBS})
        with running_console(url, tmp_path_factory.mktemp("many")) as console:
            yield console, engine
        engine.dispose()


def begin(console: Console) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """Ask for the file and take nothing of it yet."""
    connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=15)
    connection.request("GET", f"{CSV}?period=all")
    return connection, connection.getresponse()


def reading(engine: Engine) -> int:
    with engine.connect() as connection:
        question = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
        return connection.scalar(text(question)) or 0


def test_only_a_few_are_written_at_a_time_and_a_reader_that_goes_leaves_nothing_behind(many):
    console, engine = many
    begun = [begin(console) for _ in range(2)]
    try:
        assert [answer.status for _, answer in begun] == [200, 200]
        wait_until(lambda: reading(engine), lambda readers: readers == 2)
        connection, answer = begin(console)
        with closing(connection):
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "60"
            assert answer.read() == b"2 files are being written already; try again in a minute."
    finally:
        for connection, answer in begun:
            answer.close()
            connection.close()
    wait_until(lambda: reading(engine), lambda readers: readers == 0)
    said = wait_until(lambda: audit(engine), lambda rows: len(rows) == 2)
    assert all(outcome.startswith("broken off after ") for _, _, outcome in said)
    assert len(rows_of(console, f"{CSV}?period=all")) == JOBS
    assert audit(engine)[-1][2] == f"{JOBS} operations written"

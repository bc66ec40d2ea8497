"""Rows as files: what a CSV and a JSON file of them say."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from ops_core.analytics.exports import csv_file, harmless, json_file
from ops_core.domain.jobs import JobKind

COLUMNS = ("id", "name", "at", "usd", "words", "kind")
AT = datetime(2026, 11, 22, 10, 30, 0, 250_000, tzinfo=UTC)
ROW = (7, "Łazienki", AT, Decimal("0.007000"), ["here", "mapbox"], JobKind.ENRICHMENT)
NOTHING = (8, None, None, None, [], JobKind.STALE)


def read_csv(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_a_csv_file_has_the_mark_of_utf_8_and_ends_its_lines_as_the_standard_says():
    content = b"".join(csv_file(COLUMNS, [[ROW]]))
    assert content.startswith(b"\xef\xbb\xbfid,name,at,usd,words,kind\r\n")
    assert content.endswith(b"\r\n")
    assert content.count(b"\n") == content.count(b"\r\n") == 2


def test_a_csv_file_says_what_the_rows_say():
    content = b"".join(csv_file(COLUMNS, [[ROW], [NOTHING]]))
    assert read_csv(content) == [
        list(COLUMNS),
        ["7", "Łazienki", "2026-11-22T10:30:00.250000Z", "0.007", "here; mapbox", "enrichment"],
        ["8", "", "", "", "", "stale"],
    ]


def test_a_json_file_is_one_array_of_objects():
    content = b"".join(json_file(COLUMNS, [[ROW], [NOTHING]]))
    assert json.loads(content) == [
        {
            "id": 7,
            "name": "Łazienki",
            "at": "2026-11-22T10:30:00.250000Z",
            "usd": 0.007,
            "words": ["here", "mapbox"],
            "kind": "enrichment",
        },
        {"id": 8, "name": None, "at": None, "usd": None, "words": [], "kind": "stale"},
    ]
    assert "Łazienki".encode() in content


@pytest.mark.parametrize("pieces", [[], [[]], [[ROW]], [[ROW], []], [[ROW], [NOTHING, ROW]]])
def test_files_of_any_number_of_rows_are_whole(pieces):
    rows = sum(map(len, pieces))
    assert len(read_csv(b"".join(csv_file(COLUMNS, pieces)))) == 1 + rows
    assert len(json.loads(b"".join(json_file(COLUMNS, pieces)))) == rows


def test_times_are_told_in_utc():
    warsaw = AT.astimezone(timezone(timedelta(hours=1)))
    (_, cells) = read_csv(b"".join(csv_file(["at"], [[(warsaw,)]])))
    assert cells == ["2026-11-22T10:30:00.250000Z"]


def test_a_file_is_written_piece_by_piece():
    taken = []

    def pieces():
        for number in range(3):
            taken.append(number)
            yield [(number,)]

    for write in (csv_file, json_file):
        taken.clear()
        assert next(iter(write(["id"], pieces())))
        assert taken == [0]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+48 123", "'+48 123"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tcmd", "'\tcmd"),
        ("\rcmd", "'\rcmd"),
        ("  =1+1", "'  =1+1"),
        ("\u00a0\ufeff\u200b=1+1", "'\u00a0\ufeff\u200b=1+1"),
        ("＝1+1", "'＝1+1"),
        ("＠here", "'＠here"),
        ('"=1+1"', '\'"=1+1"'),
        ("x;=1+1", "x;'=1+1"),
        ("x, -1", "x, '-1"),
        ("line\n=1+1", "line\n'=1+1"),
        (
            "Found 3 images from here - 2 uploaded, 1 failed",
            "Found 3 images from here - 2 uploaded, 1 failed",
        ),
        ("a@example.org", "a@example.org"),
        ("'=1+1", "'=1+1"),
        ("", ""),
    ],
)
def test_text_that_could_run_as_a_formula_is_told_with_an_apostrophe(text: str, written: str):
    assert harmless(text) == written


def test_numbers_are_numbers_and_lists_are_text():
    row = (-5, -0.25, Decimal("-0.000001"), ["=1+1", "-2"])
    assert read_csv(b"".join(csv_file("abcd", [[row]])))[1] == ["-5", "-0.25", "-0.000001", "'=1+1; '-2"]
    assert json.loads(b"".join(json_file("abcd", [[row]]))) == [
        {"a": -5, "b": -0.25, "c": -0.000001, "d": ["=1+1", "-2"]}
    ]

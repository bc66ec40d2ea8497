"""Lists of venues are read line by line; a bad line is named and spoils no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops_core.importers import rows as rows_module
from ops_core.importers.lines import MAX_LINE_BYTES, CannotRead, open_text
from ops_core.importers.rows import Row, rows_of


def read(path: Path, content: bytes | str) -> list[Row]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    file = open_text(path)
    with file.handle:
        return list(rows_of(path, file))


def problems(rows: list[Row]) -> dict[int, str]:
    return {row.number: row.problem for row in rows if row.problem}


def names(rows: list[Row]) -> list[str]:
    return [row.values["name"] for row in rows if not row.problem]


HEADER = "name,city,country\n"


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    return tmp_path / "venues.csv"


@pytest.fixture
def lines_file(tmp_path: Path) -> Path:
    return tmp_path / "venues.jsonl"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_of_every_common_kind_is_read(csv_file: Path, delimiter: str, bom: bytes, end: str):
    cells = [["Name", " city ", "Country"], ["Jama Michalika", "Kraków", "Poland"]]
    text = end.join(delimiter.join(row) for row in cells) + end
    assert read(csv_file, bom + text.encode()) == [
        Row(2, {"name": "Jama Michalika", "city": "Kraków", "country": "Poland"})
    ]


def test_the_last_line_needs_no_line_end(csv_file: Path):
    assert names(read(csv_file, HEADER + "A,B,C")) == ["A"]


def test_quoted_cells_may_hold_delimiters_quotes_and_line_ends(csv_file: Path):
    rows = read(csv_file, HEADER + '"A, ""the"" bar\nupstairs",B,C\nD,E,F\n')
    assert [(row.number, row.values["name"]) for row in rows] == [(2, 'A, "the" bar\nupstairs'), (4, "D")]


def test_a_quote_inside_a_bare_cell_is_a_character(csv_file: Path):
    assert names(read(csv_file, HEADER + 'The 5" Bar,B,C\nD,E,F\n')) == ['The 5" Bar', "D"]


def test_a_quote_that_is_never_closed_spoils_its_line_only(csv_file: Path):
    rows = read(csv_file, HEADER + 'A,B,C\n"D,E,F\n' + "".join(f"G{i},H,I\n" for i in range(50)))
    assert list(problems(rows)) == [3]
    assert "not closed" in problems(rows)[3]
    assert names(rows) == ["A", *(f"G{i}" for i in range(50))]


def test_more_cells_than_columns_are_refused_and_fewer_are_missing_values(csv_file: Path):
    rows = read(csv_file, HEADER + "A,B,C,D\nE,F\nG,H,I,,\n")
    assert problems(rows) == {2: "has 4 columns, but the header names 3"}
    assert [dict(row.values) for row in rows[1:]] == [
        {"name": "E", "city": "F"},
        {"name": "G", "city": "H", "country": "I"},
    ]


def test_empty_lines_are_passed_over_but_counted(csv_file: Path):
    assert [row.number for row in read(csv_file, HEADER + "\n  \nA,B,C\n")] == [4]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"A,B,C\nD,E,F\n", "the first line must name the columns"),
        (b"name,city,city,country\n", "names the column 'city' twice"),
        (b"name,city,coun\xfftry\n", "line 1 is not UTF-8 text"),
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n\n", "is empty"),
        (b"PK\x03\x04" + b"\x00" * 100, "an Excel workbook"),
        ("name,city".encode("utf-16"), "UTF-16"),
        ("name,city".encode("utf-16-le"), "is a binary file"),
        (bytes(range(256)) * 40, "is a binary file"),
    ],
)
def test_a_file_that_is_no_list_gets_one_clear_sentence(csv_file: Path, content: bytes, reason: str):
    with pytest.raises(CannotRead, match=reason) as caught:
        read(csv_file, content)
    assert str(caught.value).startswith(str(csv_file))
    assert str(caught.value).endswith(".")


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path):
    with pytest.raises(CannotRead, match="does not exist"):
        open_text(tmp_path / "nowhere.csv")
    with pytest.raises(CannotRead, match="is a folder"):
        open_text(tmp_path)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{", "is not JSON: Expecting property name enclosed in double quotes at character 2"),
        (b"nonsense", "is not JSON: Expecting value at character 1"),
        (b'["a"]', "must be a JSON object"),
        (b"7", "must be a JSON object"),
        (b"[" * 60_000, "nested too deep"),
        (b'{"name": ' + b"9" * 5000 + b"}", "numbers are too long"),
        (b'{"name": "\xe9"}', "is not UTF-8 text (byte 11)"),
        (b'{"name": "a\x00"}', "holds a NUL byte"),
        (b'{"name": "' + b"a" * MAX_LINE_BYTES + b'"}', "is longer than 64 KiB"),
    ],
)
def test_a_bad_line_is_refused_with_its_number_and_the_others_load(lines_file: Path, bad: bytes, reason: str):
    rows = read(lines_file, b'{"name": "A"}\n' + bad + b'\n\n{"name": "B"}\n')
    assert list(problems(rows)) == [2]
    assert reason in problems(rows)[2]
    assert [(row.number, row.values["name"]) for row in rows if not row.problem] == [(1, "A"), (4, "B")]


def test_a_json_array_is_read_with_the_line_of_each_element(tmp_path: Path):
    content = '\n[\n  {"name": "A"},\n  {\n    "name": "B"\n  }, 7\n]\n'
    rows = read(tmp_path / "venues.json", content)
    assert [(row.number, row.problem is None) for row in rows] == [(3, True), (4, True), (6, False)]


def test_a_broken_json_array_keeps_what_came_before(tmp_path: Path):
    rows = read(tmp_path / "venues.json", '[{"name": "A"},\n{"name": ]')
    assert names(rows) == ["A"]
    assert problems(rows) == {2: "is not JSON; nothing after it was read, as the file is one JSON array"}


def test_a_huge_json_array_is_refused_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rows_module, "MAX_ARRAY_BYTES", 10)
    with pytest.raises(CannotRead, match="save it as JSON lines"):
        read(tmp_path / "venues.json", '[{"name": "A"}]')


@pytest.mark.parametrize("content", ['{"name": "A"}\n', '[{"name": "A"}]', "name,city,country\nA,B,C\n"])
def test_without_a_telling_extension_the_content_decides(tmp_path: Path, content: str):
    assert names(read(tmp_path / "venues.txt", content)) == ["A"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(lines=st.lists(st.binary(max_size=40).filter(lambda raw: b"\n" not in raw), max_size=8))
def test_good_lines_load_whatever_stands_between_them(lines_file: Path, lines: list[bytes]):
    good = json.dumps({"name": "A"}).encode() * 1
    padding = b" " * 8192  # the head of the file is text, so the file as a whole is looked at
    content = good + padding + b"\n" + b"".join(raw + b"\n" + good + b"\n" for raw in lines)
    rows = read(lines_file, content)
    expected = [1 + 2 * i for i in range(len(lines) + 1)]
    assert [row.number for row in rows if row.values.get("name") == "A" and row.number % 2] == expected

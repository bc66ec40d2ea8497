"""No text from outside becomes a formula, whatever a spreadsheet takes for the separator of its cells."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.analytics.exports import csv_file, harmless, json_file

FORMULAS = "=+-@＝＋－＠﹦﹢﹣﹫"
BLANKS = ' \t\r\n\u00a0\u200b\ufeff\u2060\u3000\x00\x1f\x7f"'
texts = st.one_of(
    st.text(),
    st.text(alphabet=[*FORMULAS, *BLANKS, *",;|'aé1"], max_size=30),
)


def could_run(cell: str) -> bool:
    """Whether a spreadsheet could take the cell for a formula."""
    return cell.startswith(("\t", "\r", "\n")) or begins_formula(cell)


def begins_formula(cell: str) -> bool:
    return cell.lstrip(BLANKS).startswith(tuple(FORMULAS))


def written(*cells: str) -> str:
    return b"".join(csv_file(["a"] * len(cells), [[cells]])).decode("utf-8-sig").partition("\r\n")[2]


@given(texts)
def test_what_is_written_begins_no_formula(text: str):
    assert not could_run(harmless(text))


@given(texts)
def test_only_apostrophes_are_added_and_only_where_there_is_a_formula(text: str):
    rest = iter(harmless(text))
    assert all(character in rest for character in text)
    assert harmless(text).replace("'", "") == text.replace("'", "")
    if not any(character in text for character in FORMULAS + "\t\r\n"):
        assert harmless(text) == text


@given(texts)
def test_what_is_harmless_stays_as_it_is(text: str):
    assert harmless(harmless(text)) == harmless(text)


@given(st.lists(texts, min_size=2, max_size=4))
def test_every_cell_of_the_file_is_read_back_as_it_was_made_harmless(cells: list[str]):
    read = list(csv.reader(io.StringIO(written(*cells), newline="")))
    assert read == [[harmless(cell) for cell in cells]]


@given(st.lists(texts, min_size=1, max_size=3), st.sampled_from(",;|\t"))
def test_no_other_separator_sets_a_formula_free(cells: list[str], separator: str):
    text = written("id", *cells)
    naive = [cell for line in re.split("[\r\n]", text) for cell in line.split(separator)]
    careful = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]
    assert not any(map(begins_formula, naive + careful))


@given(st.lists(texts, max_size=3))
def test_json_is_told_as_it_is(cells: list[str]):
    names = [str(number) for number in range(len(cells))]
    (row,) = json.loads(b"".join(json_file(names, [[cells]])))
    assert list(row.values()) == cells


@pytest.mark.timeout(20)  # each blank looked at once for every other one would take hours
@pytest.mark.parametrize("blank", ["\t", " ", ";", ", ", '"\n'])
def test_endless_blanks_are_looked_at_once(blank: str):
    text = f"x{blank * 300_000}"
    assert harmless(text) == text
    assert harmless(f"{text}=") in (f"{text}=", f"{text}'=")

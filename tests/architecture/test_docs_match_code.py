"""The papers say what the code says: every word is in the glossary, every move is drawn."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest

from ops_core.domain.errors import Classification, ErrorType
from ops_core.domain.images import MOVES, ImageState
from ops_core.domain.jobs import FINISHED_STATES, JobKind, JobState, JobStatus

DOCS = Path(__file__).parents[2] / "docs"
GLOSSARY = (DOCS / "glossary.md").read_text(encoding="utf-8")
LIFECYCLE = (DOCS / "lifecycle.md").read_text(encoding="utf-8")

SECTIONS = {
    "Classifications of an error type": Classification,
    "States of an image": ImageState,
    "Kinds of jobs": JobKind,
    "States of a job": JobState,
    "Statuses of a job": JobStatus,
}


def drawn_moves(heading: str) -> set[tuple[str, str]]:
    section = LIFECYCLE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^ +(\S+) --> (\w+): \S", section, re.MULTILINE))


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_glossary_explains_every_word_of_an_enum_and_no_other(heading: str):
    words: type[StrEnum] = SECTIONS[heading]
    section = GLOSSARY.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^\| `(\w+)` \| \S.+\. \|$", section, re.MULTILINE) == [word.value for word in words]


def test_the_glossary_explains_no_word_twice():
    words = re.findall(r"^\| \*\*(.+?)\*\* \|", GLOSSARY, re.MULTILINE)
    assert len(words) == len(set(words)) > 20


def test_every_legal_move_of_an_image_is_drawn_and_no_other():
    moves = {(old.value, new.value) for old, allowed in MOVES.items() for new in allowed}
    assert drawn_moves("An image") == moves | {("[*]", "discovered")}


def test_every_state_of_a_job_is_drawn_and_the_ends_are_ends():
    moves = drawn_moves("A job")
    assert {new for _, new in moves} == set(JobState)
    assert {old for old, _ in moves} == {"[*]", *JobState} - {*FINISHED_STATES}


def test_the_papers_on_errors_name_only_error_types_there_are():
    paper = (DOCS / "decisions" / "0005-the-error-table.md").read_text(encoding="utf-8")
    named = {word for word in re.findall(r"`([a-z]+_[a-z_]+)`", paper) if "." not in word}
    assert named <= set(ErrorType)


def test_decisions_are_numbered_in_order():
    numbers = [int(path.name[:4]) for path in sorted((DOCS / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))

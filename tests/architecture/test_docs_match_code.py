"""The papers say what the code says: every word is in the glossary, every move is drawn."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest
from typer.main import get_command

import ops_core
from ops_core import cli
from ops_core.domain.circuits import CircuitState
from ops_core.domain.errors import Classification, ErrorType
from ops_core.domain.images import MOVES, ImageState
from ops_core.domain.jobs import FINISHED_STATES, JobKind, JobState, JobStatus
from ops_core.domain.matches import MatchState
from ops_core.domain.pictures import PictureFlag
from ops_core.domain.providers import Copies, Rehosting
from ops_core.domain.retries import ItemState, RequestState
from ops_core.domain.retry_plan import SkipReason

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GLOSSARY = (DOCS / "glossary.md").read_text(encoding="utf-8")
LIFECYCLE = (DOCS / "lifecycle.md").read_text(encoding="utf-8")

SECTIONS = {
    "Classifications of an error type": Classification,
    "States of an image": ImageState,
    "States of a retry": RequestState,
    "States of an image in a retry": ItemState,
    "Reasons an image is left out of a retry": SkipReason,
    "States of a circuit breaker": CircuitState,
    "Kinds of jobs": JobKind,
    "States of a job": JobState,
    "Statuses of a job": JobStatus,
    "What a provider's terms say about copies": Copies,
    "Policies for a provider's photos": Rehosting,
    "States of a match": MatchState,
    "Flags of a picture": PictureFlag,
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


def test_every_state_of_a_retry_is_drawn_and_the_ends_are_ends():
    moves = drawn_moves("A retry")
    assert {new for _, new in moves} == set(RequestState)
    ends = {RequestState.COMPLETED, RequestState.CANCELLED}
    assert {old for old, _ in moves} == {"[*]", *RequestState} - ends


COMMANDS = get_command(cli.app)


def known_options(words: list[str]) -> set[str]:
    """The options of the command that `words` begin with; fails if there is no such command."""
    command = COMMANDS
    for word in words:
        if not hasattr(command, "commands") or word.startswith("-"):
            break
        command = command.commands[word]
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize(
    "paper", ["README.md", "docs/retries.md", "docs/scaling.md", "docs/adding-a-provider.md", "CHANGELOG.md"]
)
def test_the_commands_in_the_papers_are_those_there_are(paper: str):
    text = (ROOT / paper).read_text(encoding="utf-8")
    lines = re.findall(r"venue-ops ([a-z][^`\n#|)]*)", text)
    assert lines
    for line in lines:
        words = line.replace("[", " ").replace("]", " ").split()
        options = known_options(words)
        assert {word.split("=")[0] for word in words if word.startswith("--")} <= options, line


def test_the_papers_on_errors_name_only_error_types_there_are():
    paper = (DOCS / "decisions" / "0005-the-error-table.md").read_text(encoding="utf-8")
    named = {word for word in re.findall(r"`([a-z]+_[a-z_]+)`", paper) if "." not in word}
    assert named <= set(ErrorType)


def test_the_map_names_every_package_and_only_what_there_is():
    mapped = re.findall(r"^    (\w+)(/?) +\S", ops_core.__doc__ or "", re.MULTILINE)
    code = ROOT / "ops_core"
    for name, slash in mapped:
        assert (code / name / "__init__.py" if slash else code / f"{name}.py").is_file(), name
    packages = {path.parent.name for path in code.glob("*/__init__.py")}
    assert packages == {name for name, slash in mapped if slash}


def test_decisions_are_numbered_in_order():
    numbers = [int(path.name[:4]) for path in sorted((DOCS / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))

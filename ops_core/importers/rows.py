"""The rows of a list of venues: CSV, JSON lines or a JSON array, each row with its line number."""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops_core.importers.lines import CannotRead, Line, TextFile

#: Largest JSON array read: it has to be held in memory as a whole; JSON lines have no such limit.
MAX_ARRAY_BYTES = 20_000_000

#: Lines that one quoted CSV cell may run over before its quote counts as never closed.
MAX_CELL_LINES = 20

_REQUIRED = ("name", "city", "country")


@dataclass(frozen=True, slots=True)
class Row:
    """What one record says, or the problem that keeps it from being read."""

    number: int  #: The line it begins on.
    values: Mapping[str, Any]
    problem: str | None = None


def rows_of(path: Path, file: TextFile) -> Iterator[Row]:
    """The rows of `file`, by the extension of `path` or, where that says nothing, by content."""
    lines = iter(file)
    first = next(line for line in lines if line.problem or line.text.strip())
    begins_with = first.text.lstrip()[:1]
    kind = path.suffix.lower()
    if kind in (".csv", ".tsv") or (
        kind not in (".json", ".jsonl", ".ndjson") and begins_with not in ("{", "[")
    ):
        return _csv_rows(path, first, lines)
    if begins_with == "[":
        return _array_rows(path, file, first, lines)
    return _json_rows(_chain(first, lines))


def _chain(first: Line, lines: Iterator[Line]) -> Iterator[Line]:
    yield first
    yield from lines


def _json_rows(lines: Iterable[Line]) -> Iterator[Row]:
    for line in lines:
        if line.problem:
            yield Row(line.number, {}, line.problem)
        elif line.text.strip():
            yield _json_row(line)


def _json_row(line: Line) -> Row:
    try:
        value = json.loads(line.text.rstrip())
    except json.JSONDecodeError as error:
        return Row(line.number, {}, f"is not JSON: {error.msg} at character {error.colno}")
    except (ValueError, RecursionError):
        return Row(
            line.number, {}, "is not JSON that can be read: its numbers are too long or it is nested too deep"
        )
    return _object(line.number, value)


def _object(number: int, value: object) -> Row:
    if not isinstance(value, dict):
        return Row(number, {}, 'must be a JSON object such as {"name": ..., "city": ..., "country": ...}')
    return Row(number, value)


def _array_rows(path: Path, file: TextFile, first: Line, lines: Iterator[Line]) -> Iterator[Row]:
    if file.size > MAX_ARRAY_BYTES:
        limit = MAX_ARRAY_BYTES // 1_000_000
        raise CannotRead(
            f"{path} is a JSON array of more than {limit} MB; save it as JSON lines, one venue a line."
        )
    texts = []
    for line in _chain(first, lines):
        if line.problem:
            raise CannotRead(f"{path}: line {line.number} {line.problem}.")
        texts.append(line.text)
    text = "".join(texts)
    decoder = json.JSONDecoder()
    at, number, seen = text.index("[") + 1, first.number, 0
    while True:
        at = _skip(text, at, " \t\r\n,")
        number += text.count("\n", seen, at)
        seen = at
        if text[at : at + 1] == "]":
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            # where the next element begins cannot be told from broken JSON
            yield Row(number, {}, "is not JSON; nothing after it was read, as the file is one JSON array")
            return
        yield _object(number, value)


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at


def _csv_rows(path: Path, first: Line, lines: Iterator[Line]) -> Iterator[Row]:
    header, delimiter = _header(path, first)
    waiting = deque[Line]()

    def take() -> Line | None:
        return waiting.popleft() if waiting else next(lines, None)

    while line := take():
        if line.problem:
            yield Row(line.number, {}, line.problem)
            continue
        if not line.text.strip():
            continue
        text, extra = line.text, list[Line]()
        while (cells := _cells(text, delimiter)) is None:
            # an odd number of quotes may be a cell that goes on in the next line
            following = take() if text.count('"') % 2 and len(extra) < MAX_CELL_LINES else None
            if following is None:
                break
            extra.append(following)
            if following.problem:
                break
            text += following.text
        if cells is None:
            # what a stray quote swallowed are lines of their own
            waiting.extendleft(reversed(extra))
            yield Row(line.number, {}, 'has a quote (") that is not closed, or text after a closing quote')
        else:
            yield _csv_row(line.number, header, cells)


def _csv_row(number: int, header: list[str], cells: list[str]) -> Row:
    if any(cell.strip() for cell in cells[len(header) :]):
        return Row(number, {}, f"has {len(cells)} columns, but the header names {len(header)}")
    return Row(number, dict(zip(header, cells, strict=False)))


def _cells(text: str, delimiter: str) -> list[str] | None:
    """The cells of one complete record; None while a quote is open."""
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error:
        return None


def _header(path: Path, first: Line) -> tuple[list[str], str]:
    if first.problem:
        raise CannotRead(f"{path}: line 1 {first.problem}.")
    for delimiter in (",", ";", "\t"):
        names = [_column(cell) for cell in _cells(first.text, delimiter) or []]
        if set(_REQUIRED) <= set(names):
            twice = next((name for name in names if name and names.count(name) > 1), None)
            if twice:
                raise CannotRead(f"{path}: the first line names the column {twice!r} twice.")
            return names, delimiter
    found = first.text.strip()[:120]
    raise CannotRead(
        f"{path}: the first line must name the columns (name, city and country at least), separated by "
        f"commas, semicolons or tabs; found {found!r}."
    )


def _column(cell: str) -> str:
    return "_".join(cell.strip().casefold().split())

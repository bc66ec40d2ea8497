"""Rows as files, a piece at a time: CSV that a spreadsheet opens safely, and JSON as it is."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

Rows = Iterable[Sequence[object]]

#: A spreadsheet takes a cell for a formula that begins with one of these, also in their wide forms.
_FORMULA = "=+\\-@＝＋－＠﹦﹢﹣﹫"
#: What it may pass over before: blanks, control and invisible characters, quotes.
_PASSED = '\\s\\x00-\\x1f\\x7f-\\x9f\\u200b-\\u200f\\u2028-\\u202f\\u2060-\\u206f\\ufeff"'
#: Where it may begin a new cell inside one of ours, if it was told of another separator.
_BREAKS = ",;|\\t\\r\\n"

_AT_START = re.compile(f"[\\t\\r\\n]|[{_PASSED}]*+[{_FORMULA}]")
_INSIDE = re.compile(f"([{_BREAKS}][{_BREAKS}{_PASSED}]*+)([{_FORMULA}]?)")


def harmless(text: str) -> str:
    """`text` with an apostrophe before whatever a spreadsheet could run as a formula."""
    text = _INSIDE.sub(lambda found: f"{found[1]}'{found[2]}" if found[2] else found[0], text)
    return f"'{text}" if _AT_START.match(text) else text


def csv_file(columns: Sequence[str], pieces: Iterable[Rows]) -> Iterator[bytes]:
    """RFC 4180 in UTF-8 with the mark by which Excel knows it, one part for each piece of rows."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow(columns)
    for piece in pieces:
        writer.writerows([_cell(value) for value in row] for row in piece)
        yield _taken(buffer)
    yield _taken(buffer)


def json_file(columns: Sequence[str], pieces: Iterable[Rows]) -> Iterator[bytes]:
    """One array with an object for each row, one line each."""
    before = "[\n"
    for piece in pieces:
        lines = [
            json.dumps(dict(zip(columns, map(_value, row), strict=True)), ensure_ascii=False) for row in piece
        ]
        if lines:
            yield (before + ",\n".join(lines)).encode()
            before = ",\n"
    yield b"\n]\n" if before != "[\n" else b"[]\n"


def _cell(value: object) -> object:
    """How a value stands in a CSV cell: times in UTC, numbers as they are, lists with semicolons between."""
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, datetime):
        return _time(value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, list | tuple):
        return harmless("; ".join(map(str, value)))
    return harmless(str(value))


def _value(value: object) -> object:
    """How a value stands in JSON."""
    if isinstance(value, datetime):
        return _time(value)
    return float(value) if isinstance(value, Decimal) else value


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()

"""A text file as lines: streamed, numbered as an editor counts, each proven to be UTF-8 text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

#: Longest line taken, bytes. A venue with every field at its limit has less than a tenth of it.
MAX_LINE_BYTES = 64 * 1024

#: How much of a file is looked at to tell text from a picture, an archive or an office document.
_SNIFF_BYTES = 8192

_BOM = b"\xef\xbb\xbf"
_SIGNATURES = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a SQLite database",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_CONTROL = frozenset(range(32)) - set(b"\t\n\r\f")


class CannotRead(Exception):
    """A file of which no line can be read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its text, or the problem that keeps it from being text."""

    number: int  #: 1 for the first.
    text: str
    problem: str | None = None


@dataclass(slots=True)
class TextFile:
    """An open file and how much of it has been read."""

    handle: BinaryIO
    size: int
    bytes_read: int = 0

    def __iter__(self) -> Iterator[Line]:
        number = 0
        while raw := self.handle.readline(MAX_LINE_BYTES + 1):
            number += 1
            self.bytes_read += len(raw)
            if len(raw) > MAX_LINE_BYTES:
                self._skip_rest(raw)
                yield Line(number, "", f"is longer than {MAX_LINE_BYTES // 1024} KiB")
                continue
            if number == 1:
                raw = raw.removeprefix(_BOM)
            try:
                text = raw.decode()
            except UnicodeDecodeError as error:
                yield Line(number, "", f"is not UTF-8 text (byte {error.start + 1}); save the file as UTF-8")
                continue
            if "\x00" in text:
                yield Line(number, "", "holds a NUL byte, which is no text")
                continue
            yield Line(number, text)

    def _skip_rest(self, raw: bytes) -> None:
        while raw and not raw.endswith(b"\n"):
            raw = self.handle.readline(MAX_LINE_BYTES)
            self.bytes_read += len(raw)


def open_text(path: Path) -> TextFile:
    """`path` opened at its start; the caller closes it. Raises `CannotRead` if it is missing or no text."""
    try:
        handle = path.open("rb")
    except FileNotFoundError:
        raise CannotRead(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise CannotRead(f"{path} is a folder; give the file in it.") from None
    except OSError as error:
        raise CannotRead(f"{path} cannot be opened: {error.strerror}.") from None
    try:
        head = handle.read(_SNIFF_BYTES)
        handle.seek(0)
        _require_text(path, head)
        return TextFile(handle, path.stat().st_size)
    except (CannotRead, OSError):
        handle.close()
        raise


def _require_text(path: Path, head: bytes) -> None:
    advice = "save it as CSV or JSON lines in UTF-8"
    if not head.removeprefix(_BOM).strip():
        raise CannotRead(f"{path} is empty.")
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            raise CannotRead(f"{path} is {kind}, not a list of venues; {advice}.")
    # one stray byte spoils one line; many of them mean that nothing here is text
    if sum(byte in _CONTROL for byte in head) > len(head) / 20:
        raise CannotRead(f"{path} is a binary file, not a list of venues; {advice}.")

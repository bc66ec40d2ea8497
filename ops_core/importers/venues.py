"""Loading a list of venues into the database: all good lines load, every refused one is reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from ops_core.db.places import Upserted, upsert_venues
from ops_core.domain.matching import Outcome
from ops_core.domain.places import BadVenue, Venue, known_columns, parse_venue
from ops_core.importers.lines import CannotRead, open_text
from ops_core.importers.rows import rows_of

__all__ = ["CannotRead", "LoadReport", "Refused", "load_file"]

#: Venues written in one transaction: large enough to be fast, small enough that nobody waits for it.
BATCH = 500

#: Unread columns kept for the report; a list with more has no header.
_MAX_IGNORED = 20


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that was not loaded."""

    line_number: int
    reason: str  #: Goes on after "line 7 ...".


@dataclass(slots=True)
class LoadReport:
    """What became of a list."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[Refused] = field(default_factory=list)  #: In the order of their lines.
    ignored_columns: list[str] = field(default_factory=list)  #: Columns that no rule reads.


def load_file(
    path: Path, engine: Engine, *, progress: Callable[[int, int], None] | None = None
) -> LoadReport:
    """Load the CSV or JSON lines in `path`; loading the same file twice changes nothing.

    `progress` is called with the bytes read so far and the bytes in all, at least once. Raises
    `CannotRead` when the file as a whole cannot be read; nothing is loaded then.
    """
    load = _Load(engine)
    file = open_text(path)
    with file.handle:
        for row in rows_of(path, file):
            load.take(row.number, row.values, row.problem)
            if len(load.waiting) >= BATCH:
                load.write()
                if progress:
                    progress(file.bytes_read, file.size)
        load.write()
        if progress:
            progress(file.size, file.size)
    load.report.refused.sort(key=lambda refused: refused.line_number)
    return load.report


class _Load:
    """One run over a list: what waits to be written, and which line wrote which venue."""

    def __init__(self, engine: Engine) -> None:
        self.report = LoadReport()
        self.waiting: list[tuple[int, Venue]] = []
        self._engine = engine
        self._line_of: dict[int, int] = {}
        self._known_columns = known_columns()

    def take(self, number: int, values: Mapping[str, Any], problem: str | None) -> None:
        """Check one row; it waits for `write`, or is refused."""
        if problem is None:
            self._note_columns(values)
            try:
                self.waiting.append((number, parse_venue(values)))
            except BadVenue as error:
                problem = str(error)
        if problem is not None:
            self.report.refused.append(Refused(number, problem))

    def write(self) -> None:
        """Write what waits, in one transaction."""
        if not self.waiting:
            return
        with self._engine.begin() as connection:
            results = upsert_venues(connection, [venue for _, venue in self.waiting], taken=self._line_of)
        for (number, _), result in zip(self.waiting, results, strict=True):
            self._count(number, result)
        self.waiting = []

    def _count(self, number: int, result: Upserted) -> None:
        report = self.report
        match result.outcome:
            case Outcome.ADDED:
                report.added += 1
            case Outcome.UPDATED:
                report.updated += 1
            case Outcome.UNCHANGED:
                report.unchanged += 1
            case Outcome.DUPLICATE:
                first = self._line_of[result.venue_id]
                reason = f"is the same venue as line {first} but says it differently; keep one of them"
                report.refused.append(Refused(number, reason))
            case Outcome.CONFLICT:
                reason = "has the name and address of one venue and a provider id of another; correct the id"
                report.refused.append(Refused(number, reason))
        if result.outcome not in (Outcome.DUPLICATE, Outcome.CONFLICT):
            self._line_of.setdefault(result.venue_id, number)

    def _note_columns(self, values: Mapping[str, Any]) -> None:
        ignored = self.report.ignored_columns
        for column in values.keys() - self._known_columns - {""}:
            if column not in ignored and len(ignored) < _MAX_IGNORED:
                ignored.append(column[:60])

"""The command line, run in this process as `venue-ops` does."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from ops_core import cli


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Run:
    """Runs commands that begin with the same words."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *beginning: str
    ) -> None:
        self._monkeypatch, self._capsys, self._beginning = monkeypatch, capsys, beginning

    def __call__(self, *words: object) -> Done:
        self._monkeypatch.setattr(sys, "argv", ["venue-ops", *self._beginning, *map(str, words)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        found = self._capsys.readouterr()
        return Done(int(ended.value.code or 0), found.out, found.err)

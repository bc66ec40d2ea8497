"""What the supervisor deals with: parts, each one process with a log and a way to tell that it is ready."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ops_core.embedded.processes import Account, CannotStart, never, spawn, stop, wait_until

#: The worker puts back what it could not finish (20 s), and then ends; see `tasks/app.py`.
PROGRAM_STOP_SECONDS = 30.0


class Part(ABC):
    """One process of the system."""

    name: str
    version = ""
    ready_seconds = 60.0
    stop_signals: tuple[tuple[signal.Signals, float], ...]

    def __init__(self, log: Path) -> None:
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._log_begin = 0

    @property
    def pid(self) -> int | None:
        """The process; None when it was not started."""
        return self.process.pid if self.process else None

    @abstractmethod
    def launch(self) -> None:
        """Start the process and return at once. Also starts it again after it died.

        Raises `CannotStart` with what to do.
        """

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the running process does its work."""

    def start(self, cancelled: Callable[[], bool] = never) -> None:
        """Launch, and wait until the part is ready.

        Raises `CannotStart` with what to do, and `Cancelled`; the part is stopped then.
        """
        try:
            self.launch()
            self.await_ready(cancelled)
        except BaseException:
            self.stop()
            raise

    def await_ready(self, cancelled: Callable[[], bool] = never) -> None:
        """Wait until the launched part is ready. Raises as `start` does, and leaves the part running."""
        process = self.process
        assert process is not None
        done = wait_until(
            lambda: process.poll() is not None or self.is_ready(),
            seconds=self.ready_seconds,
            cancelled=cancelled,
        )
        if process.poll() is not None:
            raise CannotStart(f"{self.name} did not start: {self.complaint()} (log: {self.log})")
        if not done:
            raise CannotStart(f"{self.name} was not ready after {self.ready_seconds:.0f} s: see {self.log}")

    def stop(self) -> None:
        """End the process and all it started. Fine to call at any time."""
        if self.process:
            stop(self.process, *self.stop_signals)
            self.process = None

    def spawn(
        self,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        when_orphaned: signal.Signals,
        account: Account | None = None,
    ) -> None:
        """Run `command` as this part's process; the one before it must have ended, or be about to."""
        if self.process:
            self.process.wait()
        self.process, self._log_begin = spawn(
            command, log=self.log, env=env, when_orphaned=when_orphaned, account=account
        )

    def said(self) -> list[str]:
        """The lines the process wrote so far."""
        with self.log.open("rb") as lines:
            lines.seek(self._log_begin)
            return lines.read().decode(errors="replace").splitlines()

    def complaint(self) -> str:
        """What the process said before it ended, in one line."""
        said = [line.strip() for line in self.said() if line.strip()]
        return said[-1][:300] if said else "it ended at once without a word"


class Program(Part):
    """One of our own commands, such as `venue-ops worker`, as a part."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str],
        ready: Callable[[], bool],
        stop_seconds: float = PROGRAM_STOP_SECONDS,
    ) -> None:
        super().__init__(log)
        self.stop_signals = ((signal.SIGTERM, stop_seconds),)
        self.name = name
        self._command = [sys.executable, *arguments]
        self._env = env
        self._ready = ready

    def launch(self) -> None:
        """Start the command with the settings the supervisor gives it."""
        self.spawn(self._command, env=os.environ | dict(self._env), when_orphaned=signal.SIGTERM)

    def is_ready(self) -> bool:
        """Whether it answers, or has been heard of."""
        return self._ready()

"""Keeps parts running: starts them in order, starts again what dies, ends them in reverse order."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

from ops_core.embedded.parts import Part
from ops_core.embedded.processes import CannotStart, kill_group
from ops_core.embedded.record import forget_processes, write_processes

#: Seconds before a part that died is started again; doubled each time it dies soon after.
FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0

#: A part that ran this long has recovered, seconds.
STEADY_SECONDS = 60.0

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class _Watched:
    part: Part
    launched_at: float
    delay: float = FIRST_DELAY
    restart_at: float | None = None
    announced: bool = False


class Supervisor:
    """Used as `with Supervisor(...) as supervisor`, in the main thread; leaving it ends all parts."""

    def __init__(self, data_dir: Path, say: Callable[[str], None]) -> None:
        self._data_dir = data_dir
        self._say = say
        self._watched: list[_Watched] = []
        self._stop_asked = threading.Event()

    def __enter__(self) -> Supervisor:
        self._former = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_asked.set()
        for watched in reversed(self._watched):
            watched.part.stop()
        forget_processes(self._data_dir)
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def stop_asked(self) -> bool:
        """Whether Ctrl-C, SIGTERM or a closed terminal asked for the end."""
        return self._stop_asked.is_set()

    def start(self, part: Part, note: str = "") -> None:
        """Start `part` and wait until it is ready. Raises `CannotStart` and `Cancelled`."""
        begin = time.monotonic()
        self._watched.append(_Watched(part, begin, announced=True))
        part.launch()
        self._write_processes()
        part.await_ready(self.stop_asked)
        self.report(_title(part), f"ready in {time.monotonic() - begin:.1f} s{note}")

    def report(self, what: str, how: str) -> None:
        """One line of the list people read while the system starts."""
        self._say(f"{what:<20} {how}")

    def watch(self) -> None:
        """Look after the parts until the end is asked for."""
        while not self._stop_asked.wait(0.2):
            for watched in self._watched:
                self._look_after(watched)
        self._say("Stopping; the worker gets half a minute to put down what it holds.")

    def _look_after(self, watched: _Watched) -> None:
        part, now = watched.part, time.monotonic()
        if watched.restart_at is not None:
            if now >= watched.restart_at:
                self._launch_again(watched)
        elif part.process and (code := part.process.poll()) is not None:
            self._plan_restart(watched, _how_it_ended(code))
        elif not watched.announced and part.is_ready():
            watched.announced = True
            self.report(_title(part), f"ready again in {now - watched.launched_at:.1f} s")

    def _plan_restart(self, watched: _Watched, how: str) -> None:
        part, now = watched.part, time.monotonic()
        if part.process:
            kill_group(part.process.pid)  # what it started must not go on beside its successor
        if now - watched.launched_at > STEADY_SECONDS:
            watched.delay = FIRST_DELAY
        watched.restart_at = now + watched.delay
        self._say(f"{part.name} ended ({how}); starting it again in {watched.delay:g} s. Log: {part.log}")
        watched.delay = min(watched.delay * 2, LONGEST_DELAY)

    def _launch_again(self, watched: _Watched) -> None:
        watched.restart_at, watched.announced, watched.launched_at = None, False, time.monotonic()
        try:
            watched.part.launch()
        except (CannotStart, OSError) as error:
            self._plan_restart(watched, str(error))
        self._write_processes()

    def _write_processes(self) -> None:
        write_processes(self._data_dir, {w.part.name: w.part.pid for w in self._watched if w.part.pid})

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_asked.set()


def _title(part: Part) -> str:
    return f"{part.name} {part.version}".strip()


def _how_it_ended(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

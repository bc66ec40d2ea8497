"""Ends the children of a killed process where the kernel does not offer to (macOS).

One small process per supervisor. It learns of each child on its standard input, and the end of
that input, which comes with the supervisor's death, is the sign to send each child its signal.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys

import psutil

_guard: subprocess.Popen[str] | None = None


def watch(pid: int, number: int) -> None:
    """Have `pid` sent signal `number` when this process ends."""
    global _guard
    if _guard is None or _guard.poll() is not None:
        _guard = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, start_new_session=True, text=True
        )
    assert _guard.stdin is not None
    print(pid, int(number), file=_guard.stdin, flush=True)


def main() -> None:
    """Read `pid signal` lines until the input ends, then send the signals."""
    watched: list[tuple[psutil.Process, int]] = []
    for line in sys.stdin:
        pid, number = map(int, line.split())
        with contextlib.suppress(psutil.NoSuchProcess):
            watched.append((psutil.Process(pid), number))
    for process, number in watched:
        with contextlib.suppress(psutil.NoSuchProcess):  # psutil compares start times: never a stranger
            process.send_signal(number)


if __name__ == "__main__":
    main()

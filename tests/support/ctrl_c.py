"""Ctrl-C for processes that tests start."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def hears_ctrl_c() -> None:
    """For children, as `preexec_fn`: what a shell started in the background does not hear, they must."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(*words: str, log: Path) -> subprocess.Popen[bytes]:
    """A running `venue-ops` command that hears Ctrl-C; what it says goes into `log`."""
    with log.open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "ops_core.cli", *words],
            cwd=_ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=hears_ctrl_c,
        )

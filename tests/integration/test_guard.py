"""The guard that ends children where the kernel does not, as on macOS."""

from __future__ import annotations

import signal
import subprocess
import sys

from ops_core.embedded import guard
from tests.support.waiting import wait_until


def test_children_get_their_signal_when_the_guarded_process_ends() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    code = f"from ops_core.embedded import guard; guard.watch({child.pid}, {int(signal.SIGTERM)})"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert wait_until(child.poll, lambda status: status is not None, seconds=10) == -signal.SIGTERM


def test_children_that_are_gone_and_strangers_are_left_alone() -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    subprocess.run(
        [sys.executable, "-m", guard.__name__],
        input=f"{gone.pid} {int(signal.SIGKILL)}\n",
        text=True,
        check=True,
    )
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()

"""Child processes that never outlive the one that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops_core.embedded import guard

#: A log larger than this is set aside when its part starts.
MAX_LOG_BYTES = 10_000_000

_PR_SET_PDEATHSIG = 1


class CannotStart(Exception):
    """Something outside the program stands in the way; the message says what to do."""


class Cancelled(Exception):
    """Whoever waited was asked to stop."""


def never() -> bool:
    """Nobody asks to stop."""
    return False


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str],
    when_orphaned: signal.Signals,
    account: Account | None = None,
) -> tuple[subprocess.Popen[bytes], int]:
    """Start `command` in its own session, its output appended to `log`.

    Returns it, and where in the log its output begins.

    The child is sent `when_orphaned` if this process ends in any way, `kill -9` included. On Linux
    the kernel does that, and ties it to the calling *thread*: call from the main thread only.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))
    with log.open("ab") as output:
        begin = output.tell()
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            start_new_session=True,
            preexec_fn=_die_with_parent(when_orphaned),
            **_as_account(account),
        )
    if sys.platform != "linux":
        guard.watch(child.pid, when_orphaned)
    return child, begin


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
    entered: bytes = b"",
) -> subprocess.CompletedProcess[bytes]:
    """Run `command` to its end, out of reach of the terminal's Ctrl-C; killed if this process ends."""
    return subprocess.run(
        command,
        input=entered,
        capture_output=True,
        env=None if env is None else dict(env),
        cwd="/",
        start_new_session=True,
        preexec_fn=_die_with_parent(signal.SIGKILL),
        **_as_account(account),
    )


def stop(child: subprocess.Popen[bytes], *signals: tuple[signal.Signals, float]) -> None:
    """Send each signal in turn, giving the child that many seconds; then kill its whole session."""
    for number, patience in signals:
        if child.poll() is not None:
            break
        child.send_signal(number)
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    kill_group(child.pid)
    child.wait()


def kill_group(pid: int) -> None:
    """Kill what is left of the session that `pid` led."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS answers with the latter for a group of zombies
        return


def wait_until(
    done: Callable[[], bool], *, seconds: float, pause: float = 0.02, cancelled: Callable[[], bool] = never
) -> bool:
    """Ask `done` until it says yes or the time is over; returns its last answer.

    Raises `Cancelled` as soon as `cancelled` says yes.
    """
    deadline = time.monotonic() + seconds
    while not done():
        if cancelled():
            raise Cancelled
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def _as_account(account: Account | None) -> dict[str, Any]:
    """The arguments that make `subprocess` run a command under `account`."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def _die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: after the fork nothing may be loaded
    parent = os.getpid()

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return arm

"""What a running system writes down in its data folder: its processes, its addresses, its world."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from ops_core.embedded.processes import CannotStart, never, wait_until

#: How long the parts of a killed supervisor get to end by themselves before they are killed, seconds.
LEFTOVER_SECONDS = 30.0

_PROCESSES = Path("run") / "processes.json"
_US = "venue-ops up"


def write_processes(data_dir: Path, pids: Mapping[str, int]) -> None:
    """Note the process of each part, and our own, with the time it began: a number alone may be reused."""
    found = {}
    for name, pid in {_US: os.getpid(), **pids}.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            found[name] = [pid, psutil.Process(pid).create_time()]
    _write(data_dir / _PROCESSES, json.dumps(found))


def is_running(data_dir: Path) -> bool:
    """Whether `venue-ops up` runs on this data folder."""
    noted = _read_processes(data_dir).get(_US)
    return noted is not None and _is_alive(*noted)


def end_leftovers(data_dir: Path, say: Callable[[str], None], cancelled: Callable[[], bool] = never) -> None:
    """Wait for the parts of a supervisor that was killed, and end those that do not.

    The caller holds the lock of the data folder, so that nobody else cares for them.
    """
    noted = _read_processes(data_dir)
    noted.pop(_US, None)
    left = {name: sessions for name, sessions in noted.items() if _members(*sessions)}
    if left:
        say(f"Waiting for what an earlier start left: {', '.join(left)}")
        ended = wait_until(
            lambda: not any(_members(*session) for session in left.values()),
            seconds=LEFTOVER_SECONDS,
            pause=0.1,
            cancelled=cancelled,
        )
        if not ended:
            for pid, began in left.values():
                for process in _members(pid, began):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.send_signal(signal.SIGKILL)
    forget_processes(data_dir)


def forget_processes(data_dir: Path) -> None:
    """All parts have ended."""
    (data_dir / _PROCESSES).unlink(missing_ok=True)


def write_addresses(file: Path, addresses: Mapping[str, str]) -> None:
    """Publish the addresses of the running parts, to this user only."""
    _write(file, json.dumps(addresses, indent=2) + "\n")


def stamp_world(data_dir: Path, world: str) -> None:
    """Bind the folder to `sandbox` or `real`, so that drawn photos never mix with true ones.

    Raises `CannotStart` if it is bound to the other.
    """
    file = data_dir / "world"
    if not file.exists():
        _write(file, world + "\n")
        return
    found = file.read_text().strip()
    if found != world:
        raise CannotStart(
            f"{data_dir} holds data of the {found} world: choose another --data-dir for the {world} one."
        )


def _read_processes(data_dir: Path) -> dict[str, tuple[int, float]]:
    try:
        noted = json.loads((data_dir / _PROCESSES).read_text())
        return {name: (int(pid), float(began)) for name, (pid, began) in noted.items()}
    except (FileNotFoundError, PermissionError, ValueError):
        return {}


def _is_alive(pid: int, began: float) -> bool:
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - began) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _members(leader: int, began: float) -> list[psutil.Process]:
    """The living processes of the session that `leader` led, itself gone or not."""
    if psutil.pid_exists(leader) and not _is_alive(leader, began):
        return []  # another program has the number now
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_name(f".{file.name}.half")
    half.unlink(missing_ok=True)
    with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)
    half.replace(file)

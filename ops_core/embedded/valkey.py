"""The embedded broker: a Valkey server that writes every message to disk, reached through a Unix socket."""

from __future__ import annotations

import contextlib
import signal
import socket
from pathlib import Path

import psutil

from ops_core.embedded.binaries import valkey_program, valkey_version
from ops_core.embedded.folders import FolderLock, make_folder, remove_socket_folder, socket_folder
from ops_core.embedded.parts import Part
from ops_core.embedded.processes import wait_until

#: How long a server that lost its supervisor gets to end before it is killed, seconds.
LEFTOVER_SECONDS = 10.0


class EmbeddedValkey(Part):
    """A Valkey server whose data live in `data_dir/valkey`; its log in `data_dir/logs`."""

    name = "Valkey"
    ready_seconds = 120.0  # reading a long append-only file takes a while
    stop_signals = ((signal.SIGTERM, 15.0),)

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir.absolute() / "logs" / "valkey.log")
        self.version = valkey_version()
        self.folder = data_dir.absolute() / "valkey"
        self._lock: FolderLock | None = None
        self._socket: Path | None = None

    @property
    def url(self) -> str:
        """The address as Celery takes it; valid from `start` on."""
        return f"redis+socket://{self._socket}"

    def launch(self) -> None:
        """Start the server on its folder, which is made at the first start."""
        make_folder(self.folder)
        folder = self.folder.resolve()
        if self._lock is None:
            self._lock = FolderLock(folder)
        _end_leftovers(folder)
        self._socket = socket_folder(folder, "valkey.sock") / "valkey.sock"
        self._socket.unlink(missing_ok=True)
        command: list[str | Path] = [valkey_program(), *_options(folder, self._socket)]
        self.spawn(command, env={"LC_ALL": "C.UTF-8"}, when_orphaned=signal.SIGTERM)

    def is_ready(self) -> bool:
        """Whether the server takes commands: it refuses them while it reads its file."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(5)
            talk.connect(str(self._socket))
            talk.sendall(b"PING\r\n")
            return talk.recv(16).startswith(b"+PONG")
        return False

    def stop(self) -> None:
        """Stop the server; its messages are on disk."""
        super().stop()
        if self._lock:
            remove_socket_folder(self.folder.resolve())
            self._lock.release()
            self._lock = None


def _options(folder: Path, socket_path: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    return [item for name, value in options.items() for item in (f"--{name}", value)]


def _end_leftovers(folder: Path) -> None:
    """Wait for the server of a killed supervisor: two must never write the same file."""
    if not wait_until(lambda: not _servers(folder), seconds=LEFTOVER_SECONDS):
        for process in _servers(folder):
            process.kill()
        wait_until(lambda: not _servers(folder), seconds=5)


def _servers(folder: Path) -> list[psutil.Process]:
    """The running Valkey servers whose data are in `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "valkey-server" and process.cwd() == str(folder):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found

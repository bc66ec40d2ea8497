"""The embedded PostgreSQL: one folder, one server, reached through a Unix socket only."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from ops_core.embedded.binaries import postgres_programs, postgres_version
from ops_core.embedded.folders import (
    FolderLock,
    give_to,
    remove_socket_folder,
    server_account,
    server_folder,
    socket_folder,
)
from ops_core.embedded.parts import Part
from ops_core.embedded.processes import Account, CannotStart, run, wait_until

#: How long a server that lost its supervisor gets to end before it is killed, seconds.
LEFTOVER_SECONDS = 20.0

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

_ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


class EmbeddedPostgres(Part):
    """A PostgreSQL server whose data live in `data_dir/postgres`; its log in `data_dir/logs`."""

    name = "PostgreSQL"
    ready_seconds = 600.0  # recovery after a crash may take minutes, and stopping it would only begin it anew
    stop_signals = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0))

    def __init__(self, data_dir: Path, **settings: str) -> None:
        """`settings` are parameters of the server that are to differ from ours."""
        super().__init__(data_dir.absolute() / "logs" / "postgresql.log")
        self._settings = settings
        self.version = postgres_version()
        self._wanted = data_dir.absolute() / "postgres"
        self._lock: FolderLock | None = None
        self._socket: Path | None = None

    @property
    def url(self) -> str:
        """The address as SQLAlchemy takes it; valid from `start` on."""
        return f"postgresql+psycopg://venue_ops@/venue_ops?host={self._socket}"

    @property
    def folder(self) -> Path:
        """Where the data are; valid from `start` on."""
        return self._wanted.resolve()

    def launch(self) -> None:
        """Start the server on its folder, which is made at the first start."""
        account = server_account(self._wanted / "cluster")
        folder = server_folder(self._wanted, account)
        if self._lock is None:
            self._lock = FolderLock(folder)
        programs = postgres_programs(folder, account)
        cluster = folder / "cluster"
        if cluster.exists():
            _check(cluster)
            _end_leftovers(cluster)
        else:
            _create(cluster, programs, account)
        self._socket = socket_folder(folder, ".s.PGSQL.5432.lock", account)
        options = _SETTINGS | self._settings | {"unix_socket_directories": str(self._socket)}
        command: list[str | Path] = [programs / "postgres", "-D", cluster]
        command += [item for name, value in options.items() for item in ("-c", f"{name}={value}")]
        self.spawn(command, env=_ENV, when_orphaned=signal.SIGINT, account=account)

    def is_ready(self) -> bool:
        """Whether connections are taken, as the server itself says."""
        try:
            lines = (self._wanted / "cluster" / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def stop(self) -> None:
        """Stop the server; whoever is connected is cut off, and nothing committed is lost."""
        super().stop()
        if self._lock:
            remove_socket_folder(self.folder)
            self._lock.release()
            self._lock = None

    def complaint(self) -> str:
        """What the server said before it ended."""
        fatal = [line.partition("FATAL:")[2].strip() for line in self.said() if "FATAL:" in line]
        return fatal[0] if fatal else super().complaint()


def _create(cluster: Path, programs: Path, account: Account | None) -> None:
    """Make the cluster beside its place and move it there complete, so that half of one is never seen."""
    for half in cluster.parent.glob(".init-*"):
        shutil.rmtree(half, ignore_errors=True)  # its maker may be in its last moments
    half = Path(tempfile.mkdtemp(prefix=".init-", dir=cluster.parent))
    give_to(account, half)
    options = ["--username=venue_ops", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
    options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    _run([programs / "initdb", "-D", half, *options], account)
    # by the server's single-user mode, so that a cluster never lacks its database
    _run(
        [programs / "postgres", "--single", "-D", half, "postgres"], account, b"CREATE DATABASE venue_ops;\n"
    )
    half.rename(cluster)
    handle = os.open(cluster.parent, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def _run(command: Sequence[str | Path], account: Account | None, entered: bytes = b"") -> None:
    done = run(command, env=_ENV, account=account, entered=entered)
    if done.returncode or b"ERROR:" in done.stderr:  # single-user mode ends with 0 all the same
        lines = done.stderr.decode(errors="replace").splitlines()
        said = [line for line in lines if "error:" in line.lower() or "fatal:" in line.lower()]
        raise CannotStart(f"The database could not be created: {(said or lines or ['no reason given'])[0]}")


def _check(cluster: Path) -> None:
    written_by = (cluster / "PG_VERSION").read_text().strip()
    ours = postgres_version().split(".")[0]
    if written_by != ours:
        raise CannotStart(
            f"{cluster} was written by PostgreSQL {written_by}, and this is {ours}: dump it with the former "
            "version of this program and load it here, or choose another --data-dir."
        )
    if os.geteuid() not in (0, cluster.stat().st_uid):
        raise CannotStart(
            f"{cluster} belongs to another user: start as that user or root, or choose another --data-dir."
        )


def _end_leftovers(cluster: Path) -> None:
    """End servers of a supervisor that was killed; then a `postmaster.pid` can only be stale.

    We hold the folder's lock, so no other supervisor cares for them. Its number may since belong to
    another program, which makes PostgreSQL refuse to start: hence the file goes.
    """
    if not wait_until(lambda: not _servers(cluster), seconds=LEFTOVER_SECONDS):
        for process in _servers(cluster):
            process.kill()
        wait_until(lambda: not _servers(cluster), seconds=5)
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _servers(cluster: Path) -> list[psutil.Process]:
    """The running PostgreSQL processes whose data are in `cluster`."""
    number, started = _postmaster(cluster)
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() != "postgres":
                continue
            try:
                ours = process.cwd() == str(cluster)
            except psutil.AccessDenied:  # root in a container may not look into other accounts' processes
                ours = process.pid == number and abs(process.create_time() - started) < 60
            if ours:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def _postmaster(cluster: Path) -> tuple[int, int]:
    """Process id and start (seconds since 1970) that `postmaster.pid` names; zeros if it does not."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        return int(lines[0]), int(lines[2])
    except (FileNotFoundError, IndexError, ValueError):
        return 0, 0

"""Folders of the embedded servers: who may use them, and for how long a name a socket bears."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import re
import shutil
import tempfile
from pathlib import Path

from ops_core.embedded.processes import Account, CannotStart, run

#: Less than this and a server would stop in the middle of its work, MB.
MIN_FREE_MB = 300

#: Unix socket paths end at 103 (macOS) or 107 bytes (Linux).
MAX_SOCKET_PATH = 100

#: What needs no quoting in server options and addresses.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+")

#: Where root keeps databases that the server's account could not reach otherwise.
SYSTEM_FOLDER = Path("/var/lib/venue-ops")


class FolderLock:
    """Exclusive use of a folder, for as long as this process lives or until `release`."""

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise CannotStart(
                f"{folder} is in use by another running copy: stop that one, or choose another --data-dir."
            ) from None

    def release(self) -> None:
        """Let others use the folder."""
        os.close(self._fd)


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents; raises `CannotStart` if that is not allowed or the disk is full."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError:
        raise CannotStart(f"{folder} is not a folder: move it away, or choose another --data-dir.") from None
    except OSError as error:
        raise CannotStart(
            f"Cannot write in {folder} ({error.strerror}): correct that, or choose another --data-dir."
        ) from None
    free = shutil.disk_usage(folder).free // 1_000_000
    if free < MIN_FREE_MB:
        raise CannotStart(
            f"Only {free} MB are free in {folder}, and {MIN_FREE_MB} are needed: make room, "
            "or choose another --data-dir."
        )


def server_account(cluster: Path) -> Account | None:
    """The account PostgreSQL must run under, since it refuses to be root; None: our own.

    Root lends it the owner of an existing cluster, else `postgres`, else `nobody`.
    """
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (owner := cluster.stat().st_uid) != 0:
        return _account(pwd.getpwuid(owner))
    for name in ("postgres", "nobody"):
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise CannotStart(
        "PostgreSQL does not run as root: create a user `postgres`, or start as an ordinary user."
    )


def can_enter(folder: Path, account: Account | None) -> bool:
    """Whether `account` gets through all the parents of `folder` and into it."""
    if account is None:
        return os.access(folder, os.X_OK)
    try:
        asked = run(["/bin/sh", "-c", 'cd "$0"', str(folder)], account=account)
    except PermissionError:
        raise CannotStart(
            f"Root may not become user {account.name} here: start as an ordinary user, or set DATABASE_URL."
        ) from None
    return asked.returncode == 0


def server_folder(folder: Path, account: Account | None) -> Path:
    """`folder`, created and within reach of `account`; a link to a place within reach if it must be.

    Root's own folders are often closed to all others, and opening them is not ours to do.
    """
    make_folder(folder.parent)
    if folder.is_symlink() and not folder.exists():
        raise CannotStart(f"{folder} leads to {folder.readlink()}, which is gone: delete it to begin anew.")
    make_folder(folder)
    place = folder.resolve()
    if can_enter(place, account):
        return place
    assert account is not None
    if any(folder.iterdir()):
        raise CannotStart(f"User {account.name} cannot reach {folder}: choose another --data-dir.")
    make_folder(SYSTEM_FOLDER)
    place = Path(tempfile.mkdtemp(prefix="postgres-", dir=SYSTEM_FOLDER))
    place.chmod(0o755)
    folder.rmdir()
    folder.symlink_to(place)
    return place


def socket_folder(folder: Path, file_name: str, account: Account | None = None) -> Path:
    """A private folder for a socket called `file_name`: in `folder`, or in /tmp if that path is too long.

    The one in /tmp, also taken if the path holds unusual characters, is linked from `folder`; after
    a crash it is used again.
    """
    wanted = folder / "socket"
    if wanted.is_symlink() and not _is_private(wanted, account):
        wanted.unlink()
    if not wanted.is_symlink() and (
        len(os.fsencode(wanted / file_name)) > MAX_SOCKET_PATH or not _PLAIN_PATH.fullmatch(str(wanted))
    ):
        if wanted.exists():
            shutil.rmtree(wanted)  # the data folder was moved to a longer path
        wanted.symlink_to(tempfile.mkdtemp(prefix="venue-ops-", dir="/tmp"))
    wanted.mkdir(mode=0o700, exist_ok=True)
    give_to(account, wanted)
    return wanted.resolve()


def remove_socket_folder(folder: Path) -> None:
    """Take away the socket folder of a server that has stopped, the one in /tmp too."""
    wanted = folder / "socket"
    if wanted.is_dir():
        shutil.rmtree(wanted.resolve())
    if wanted.is_symlink():
        wanted.unlink()


def give_to(account: Account | None, folder: Path) -> None:
    """Make `folder` private to `account`."""
    folder.chmod(0o700)
    if account is not None:
        os.chown(folder, account.uid, account.gid)


def _is_private(folder: Path, account: Account | None) -> bool:
    try:
        found = folder.stat()
    except OSError:
        return False
    owner = account.uid if account else os.geteuid()
    return found.st_uid == owner and found.st_mode & 0o077 == 0


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)

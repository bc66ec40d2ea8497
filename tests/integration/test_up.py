"""`venue-ops up` as people use it: the whole system in real processes, on a folder and ports of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from ops_core.db import heartbeats
from ops_core.db.engine import make_engine
from tests.support.folders import open_folder
from tests.support.ports import free_port
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.worker, pytest.mark.faults, pytest.mark.postgres]

ROOT = Path(__file__).parents[2]
PARTS = {"PostgreSQL", "Valkey", "Sandbox providers", "Worker", "Dispatcher", "Console"}


class Up:
    """One data folder on which `venue-ops up` is started, stopped and killed."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        self.printed = folder / "printed"
        self.port, self.sandbox_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        options = [
            f"--data-dir={self.data_dir}",
            f"--port={self.port}",
            f"--sandbox-port={self.sandbox_port}",
        ]
        return [sys.executable, "-m", "ops_core.cli", "up", *options]

    @property
    def addresses(self) -> dict[str, str]:
        return json.loads((self.data_dir / "run" / "addresses.json").read_text())

    @property
    def pids(self) -> dict[str, int]:
        noted = json.loads((self.data_dir / "run" / "processes.json").read_text())
        return {name: pid for name, (pid, _) in noted.items()}

    def start(self) -> None:
        if self.process and self.process.poll() is None:
            return
        with self.printed.open("wb") as output:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
            )
        wait_until(
            lambda: (self.process and self.process.poll() is not None) or "Ctrl-C" in self.said(), seconds=60
        )
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self.printed.read_text()

    def everyone(self) -> list[psutil.Process]:
        assert self.process is not None
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ops_core.cli", *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def count(self, table: str) -> int:
        with psycopg.connect(self.addresses["DATABASE_URL"]) as connection:
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row is not None
        return int(row[0])

    def end(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


@pytest.fixture(scope="module")
def system() -> Iterator[Up]:
    with open_folder() as folder:
        up = Up(folder)
        yield up
        up.end()


@pytest.fixture
def up(system: Up) -> Up:
    """The system, running."""
    system.start()
    return system


def test_every_part_is_there_and_work_gets_done(up: Up) -> None:
    said = up.said()
    for part in PARTS:
        assert f"\n{part}" in f"\n{said}", said
    with urllib.request.urlopen(f"{up.addresses['CONSOLE_URL']}/operations") as reply:
        assert reply.status == 200
    wait_until(lambda: up.count("images WHERE state = 'uploaded'"), seconds=30)
    assert list((up.data_dir / "store" / "venues").rglob("*.jpg"))
    doctor = up.run("doctor", f"--data-dir={up.data_dir}")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "✗" not in doctor.stdout


def test_env_prints_addresses_that_a_shell_and_psql_take(up: Up) -> None:
    shown = up.run("env", f"--data-dir={up.data_dir}").stdout
    taken = subprocess.run(
        ["sh", "-c", f'{shown}\nprintf %s "$DATABASE_URL"'], capture_output=True, text=True
    )
    with psycopg.connect(taken.stdout) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("venue_ops",)
    assert f"export CONSOLE_URL=http://127.0.0.1:{up.port}/admin/venue-images\n" in shown
    assert f"export VENUE_OPS_DATA_DIR={up.data_dir}\n" in shown
    for name in ("addresses.json", "processes.json"):
        assert (up.data_dir / "run" / name).stat().st_mode & 0o077 == 0


def test_a_second_copy_on_the_same_folder_is_refused(up: Up) -> None:
    second = subprocess.run(up.command, cwd=ROOT, capture_output=True, text=True)
    assert second.returncode == 1
    assert second.stderr.splitlines() == [
        f"{up.data_dir} is in use by another running copy: stop that one, or choose another --data-dir."
    ]


def test_parts_that_are_killed_come_back(up: Up) -> None:
    before = up.pids
    for part in ("PostgreSQL", "Worker"):
        os.kill(before[part], signal.SIGKILL)
    wait_until(lambda: up.said().count("ready again"), lambda count: count >= 2, seconds=40)
    assert up.pids["PostgreSQL"] != before["PostgreSQL"]
    assert "Worker ended (killed by SIGKILL); starting it again in 0.5 s. Log: " in up.said()
    engine = make_engine(up.addresses["DATABASE_URL"].replace("://", "+psycopg://", 1), pool_size=1)
    wait_until(
        lambda: heartbeats.alive(engine, "worker", 8),
        lambda names: any(name.endswith(f":{up.pids['Worker']}") for name in names),
        seconds=30,
    )
    engine.dispose()


def test_a_killed_supervisor_leaves_no_process_and_the_data_survive(up: Up) -> None:
    everyone, venues = up.everyone(), up.count("venues")
    assert up.process is not None
    up.process.kill()
    up.process.wait()
    _, left = psutil.wait_procs(everyone, timeout=25)
    assert not left
    assert up.run("env", f"--data-dir={up.data_dir}").returncode == 1
    up.start()
    assert f"{venues:,} venues" in up.said()


def test_sigterm_ends_everything_in_good_order(up: Up) -> None:
    everyone = up.everyone()
    assert up.process is not None
    up.process.terminate()
    assert up.process.wait(60) == 0
    _, left = psutil.wait_procs(everyone, timeout=1)
    assert not left
    assert up.said().endswith("Stopped.\n")
    assert list((up.data_dir / "run").iterdir()) == []


def test_a_port_in_use_is_one_sentence(tmp_path: Path, system: Up) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = system.run("up", f"--data-dir={tmp_path}", f"--port={port}")
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"Port {port} on 127.0.0.1 cannot be used (Address already in use): "
        "stop what uses it, or choose another with --port or VENUE_OPS_CONSOLE_PORT."
    ]


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("VENUE_OPS_CONSOLE_HOST", "0.0.0.0", "The console has no sign-in"),
        ("VENUE_OPS_STORE_DIR", "/proc/nothing", "The image store cannot write to /proc/nothing"),
        ("BROKER_URL", "redis://127.0.0.1:1/0", "The broker of BROKER_URL cannot be reached"),
    ],
)
def test_what_cannot_work_is_said_before_anything_starts(
    tmp_path: Path, system: Up, setting: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, value)
    refused = system.run("up", f"--data-dir={tmp_path}")
    assert refused.returncode == 1
    (sentence,) = refused.stderr.splitlines()
    assert sentence.startswith(said)
    assert "ready" not in refused.stdout


def test_drawn_photos_never_mix_with_true_ones(tmp_path: Path, system: Up) -> None:
    (tmp_path / "world").write_text("real\n")
    refused = system.run("up", f"--data-dir={tmp_path}")
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"{tmp_path} holds data of the real world: choose another --data-dir for the sandbox one."
    ]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, system: Up) -> None:
    (tmp_path / "file").write_text("")
    refused = system.run("up", f"--data-dir={tmp_path / 'file' / 'data'}")
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"Cannot write in {tmp_path / 'file' / 'data'} (Not a directory): "
        "correct that, or choose another --data-dir."
    ]

"""The console as a process of its own."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops_core.ui.address import BASE
from tests.support.ports import free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Console:
    """A running console."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.port}{BASE}{path}"

    def ask(
        self, path: str, method: str = "GET", headers: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """The raw answer to `path`, sent as it stands: no client tidies it up on the way."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()


@contextmanager
def running_console(
    database_url: str, data_dir: Path, *, port: int | None = None, env: Mapping[str, str] | None = None
) -> Iterator[Console]:
    """A console for that database and data folder, started from another folder than the project's.

    `env` is added to its environment.
    """
    port = port or free_port()
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "console.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops_core.cli", "web"],
            cwd=data_dir,
            env=os.environ
            | {
                "PYTHONPATH": str(ROOT),
                "DATABASE_URL": database_url,
                "VENUE_OPS_DATA_DIR": str(data_dir),
                "VENUE_OPS_CONSOLE_PORT": str(port),
                **(env or {}),
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    console = Console(port, process, log)
    try:
        wait_until(lambda: _answers(console), seconds=40)
        yield console
    finally:
        process.kill()
        process.wait()


def _answers(console: Console) -> bool:
    assert console.process.poll() is None, console.log.read_text()
    try:
        return console.ask(f"{BASE}/healthz")[0].status == 200
    except OSError:
        return False

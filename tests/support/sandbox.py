"""The sandbox as a process of its own, driven over its control paths."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
#: Python that runs a sandbox from the environment alone.
COMMAND = """
from ops_core.sandbox.server import serve
from ops_core.settings import Settings
serve(Settings(_env_file=None))
"""
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Answer:
    """One reply, read to its end."""

    status: int
    headers: dict[str, str]  #: Names in lower case.
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class SandboxProcess:
    """A running sandbox; without arguments it never fails and never waits. Use as a context manager."""

    def __init__(
        self,
        *,
        seed: int = 7,
        fault_rate: float = 0.0,
        listing_fault_rate: float = 0.0,
        delay: float = 0.0,
        port: int | None = None,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._output = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - closed in stop()
        settings = {
            "SANDBOX_PORT": self.port,
            "SANDBOX_SEED": seed,
            "SANDBOX_FAULT_RATE": fault_rate,
            "SANDBOX_LISTING_FAULT_RATE": listing_fault_rate,
            "SANDBOX_DELAY": delay,
        }
        env = {name: value for name, value in os.environ.items() if not name.startswith("VENUE_OPS_")}
        env |= {f"VENUE_OPS_{name}": str(value) for name, value in settings.items()}
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND],
            env=env,
            cwd=ROOT,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._wait_for_health()

    def __enter__(self) -> SandboxProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def get(self, path: str, headers: dict[str, str] | None = None, timeout: float = 5) -> Answer:
        """The reply to a path, or to an address that the sandbox gave. Raises what http.client raises."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path.removeprefix(self.url), headers=headers or {})
            reply = connection.getresponse()
            named = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, named, reply.read())
        finally:
            connection.close()

    def outcomes(self, key: str) -> dict[str, int]:
        """The outcomes of one key, once none of its requests is open."""
        deadline = time.monotonic() + 5
        while True:
            counts = self.counts()["keys"].get(key, {"requests": 0, "outcomes": {}})
            if counts["requests"] and sum(counts["outcomes"].values()) == counts["requests"]:
                return counts["outcomes"]
            assert time.monotonic() < deadline, f"{key} is still open: {counts}"
            time.sleep(0.02)

    def counts(self) -> dict[str, Any]:
        """Requests, successes, bytes and outcomes: under keys, groups and totals."""
        return self._call("/_sandbox/counts")

    def log(self, **only: str) -> list[dict[str, Any]]:
        """Requests in order of arrival; `provider`, `kind` and `key` choose."""
        return self._call(f"/_sandbox/log?{urllib.parse.urlencode(only)}")["log"]

    def set_faults(self, **changes: Any) -> dict[str, Any]:
        """Change fields of the fault plan (see `ops_core.sandbox.faults.FaultPlan`)."""
        return self._call("/_sandbox/faults", changes)

    def reset(self) -> None:
        """As at the start: first plan, no counts, no log."""
        self._call("/_sandbox/reset", {})

    def stop(self, timeout: float = 10.0) -> int:
        """End it as an operator would; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._output.close()

    def output(self) -> str:
        """What it printed so far."""
        self._output.seek(0)
        return self._output.read()

    def _wait_for_health(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                self._call("/_sandbox/health")
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    said = self.output()
                    self.stop()
                    raise RuntimeError(f"the sandbox did not start; it said: {said}") from None
                time.sleep(0.05)

    def _call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data=data, headers={"Content-Type": "application/json"}
        )
        try:
            with _DIRECT.open(request, timeout=10) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as problem:
            with problem:
                raise ValueError(problem.read().decode()) from None

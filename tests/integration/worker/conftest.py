"""A pipeline with its own broker and sandbox for each test of the worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine

from ops_core.embedded.valkey import EmbeddedValkey
from tests.support.sandbox import SandboxProcess
from tests.support.system import System


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess) -> SandboxProcess:
    """A sandbox that neither fails nor waits, with empty counts."""
    sandbox_process.reset()
    return sandbox_process


@pytest.fixture(scope="session")
def broker_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    # one address for the session: the Celery app of the test process keeps the first it is given
    valkey = EmbeddedValkey(tmp_path_factory.mktemp("broker"))
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture
def broker(broker_process: EmbeddedValkey) -> EmbeddedValkey:
    """A broker without any message."""
    path = broker_process.url.removeprefix("redis+socket://")
    with redis.Redis(unix_socket_path=path) as client:
        client.flushall()
    return broker_process


@pytest.fixture
def system(
    database: Engine,
    broker: EmbeddedValkey,
    sandbox: SandboxProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[System]:
    folder = tmp_path / "system"
    folder.mkdir()
    made = System(
        database_url=database.url.render_as_string(hide_password=False),
        broker_url=broker.url,
        sandbox=sandbox,
        engine=database,
        folder=folder,
        monkeypatch=monkeypatch,
    )
    yield made
    made.stop()

"""What all tests share: a clean environment, a real PostgreSQL when asked for, and what this machine has."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from hypothesis import settings as examples
from sqlalchemy import Engine

from ops_core.db.engine import get_engine, make_engine
from ops_core.domain import known_secrets
from ops_core.embedded.valkey import EmbeddedValkey
from ops_core.settings import Settings, get_settings
from tests.support.folders import open_folder
from tests.support.imagekit_server import ImageKitServer, running_imagekit
from tests.support.postgres import TestServer
from tests.support.rclone_server import RcloneServer, running_rclone
from tests.support.sandbox import SandboxProcess
from tests.support.system import System

if TYPE_CHECKING:
    from tests.support.s3_server import S3Server

#: Marks of tests that start workers, a browser or the whole system, or kill things.
_HEAVY = ("worker", "e2e", "faults")

_OURS = ("VENUE_OPS_", "DATABASE_URL", "BROKER_URL")

# a machine that is busy with other things makes any example slow once
examples.register_profile("ours", deadline=None)
examples.load_profile("ours")


def pytest_report_header() -> str:
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or "Playwright's own, if installed"
    return f"python {sys.version.split()[0]}; browser: {chromium}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where tests run side by side, those that need a machine to themselves go one after the other."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        heavy = any(item.get_closest_marker(name) for name in _HEAVY)
        # a file keeps to one process: what its tests share is made once
        item.add_marker(pytest.mark.xdist_group("processes" if heavy else item.location[0]))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path) -> Iterator[None]:
    """No setting of the machine's owner reaches a test, and no test's setting reaches the next."""
    for name in list(os.environ):
        if name.startswith(_OURS):
            monkeypatch.delenv(name)
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    monkeypatch.setenv("VENUE_OPS_DATA_DIR", str(tmp_path / "data"))
    # one test's secret may be an ordinary word of the next
    monkeypatch.setattr(known_secrets, "_known", known_secrets.Known())
    _forget()
    yield
    _forget()


@pytest.fixture(scope="session")
def postgres() -> Iterator[TestServer]:
    """One real server for the session."""
    with open_folder() as folder:
        test_server = TestServer(folder)
        yield test_server
        test_server.server.stop()


@pytest.fixture
def database(postgres: TestServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine on a fresh database with the current schema, which the settings point to as well."""
    with postgres.fresh() as url:
        monkeypatch.setenv("DATABASE_URL", url)
        _forget()
        engine = make_engine(url)
        yield engine
        engine.dispose()
        if get_engine.cache_info().currsize:
            get_engine().dispose()
            get_engine.cache_clear()


def _forget() -> None:
    get_settings.cache_clear()
    get_engine.cache_clear()


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


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    from tests.support.s3_server import running_s3  # moto is much to load for tests that need no bucket

    with running_s3() as running:
        yield running


@pytest.fixture
def s3(s3_server: S3Server) -> S3Server:
    """An S3 service with an empty bucket."""
    s3_server.reset()
    return s3_server


@pytest.fixture(scope="session")
def rclone_server() -> Iterator[RcloneServer]:
    with running_rclone() as running:
        yield running


@pytest.fixture
def rclone(rclone_server: RcloneServer) -> RcloneServer:
    """A real S3 service, over a disk, with an empty bucket."""
    rclone_server.reset()
    return rclone_server


@pytest.fixture(scope="session")
def imagekit_server() -> Iterator[ImageKitServer]:
    with running_imagekit() as running:
        yield running


@pytest.fixture
def imagekit(imagekit_server: ImageKitServer) -> ImageKitServer:
    """An ImageKit account without a file."""
    imagekit_server.reset()
    return imagekit_server


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

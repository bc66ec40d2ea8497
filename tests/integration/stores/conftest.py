"""Settings that know every store, and one event loop for a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from ops_core.settings import Settings, get_settings
from ops_core.settings_help import env_name
from tests.support.imagekit_server import ImageKitServer
from tests.support.s3_server import S3Server

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs coroutines in one event loop."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture
def everything(tmp_path: Path, s3: S3Server, imagekit: ImageKitServer) -> Settings:
    """The settings of every store."""
    return Settings(store_dir=tmp_path / "store", store_timeout=5, **s3.settings, **imagekit.settings)


@pytest.fixture
def all_stores(
    database: Engine, s3: S3Server, imagekit: ImageKitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every store is set up; the disk is in use."""
    for name, value in {**s3.settings, **imagekit.settings, "store_dir": tmp_path / "store"}.items():
        monkeypatch.setenv(env_name(name), str(value))
    get_settings.cache_clear()

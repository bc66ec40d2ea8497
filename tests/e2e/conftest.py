from __future__ import annotations

import pytest

from ops_core.db.engine import make_engine
from tests.support.browser import chromium
from tests.support.console import running_console
from tests.support.showcase import fill


@pytest.fixture(scope="module")
def browser():
    # it keeps an event loop running in this thread, in which later tests could not start theirs
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def world(postgres):
    """A database with jobs of every outcome: its URL."""
    with postgres.fresh() as url:
        yield url


@pytest.fixture(scope="module")
def console(world, tmp_path_factory):
    """A console over that world, asked nothing yet."""
    data_dir = tmp_path_factory.mktemp("console")
    engine = make_engine(world)
    with engine.begin() as connection:
        fill(connection, data_dir / "store")
    engine.dispose()
    with running_console(world, data_dir) as running:
        yield running

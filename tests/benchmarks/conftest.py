"""Databases with many jobs, for the benchmarks that ask how the console does with them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from ops_core.db.engine import make_engine
from tests.benchmarks import many_jobs
from tests.support.postgres import TestServer

SIZES = (10_000, 1_000_000)


@pytest.fixture(scope="package")
def worlds(postgres: TestServer) -> Iterator[dict[int, str]]:
    """Databases with so many finished jobs, all with their images and tries: jobs -> URL."""
    with ExitStack() as stack:
        urls = {jobs: stack.enter_context(postgres.fresh()) for jobs in SIZES}
        for jobs, url in urls.items():
            began = time.monotonic()
            engine = make_engine(url)
            many_jobs.load(engine, jobs=jobs, now=datetime.now(UTC))
            engine.dispose()
            print(f"\nloaded {jobs:,} jobs in {time.monotonic() - began:.0f} s")
        yield urls

"""Folders that PostgreSQL's account may enter; pytest's own are closed to others when root runs the tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_folder() -> Iterator[Path]:
    """A new folder that other accounts may enter, removed afterwards; its path is short."""
    with tempfile.TemporaryDirectory(prefix="venue-ops-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()

"""The disk store: whole objects or none, and clear reasons when the disk refuses."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed
from ops_core.storage.disk import ABANDONED_AFTER, INCOMING, DiskStore

ROOT = Path(__file__).parents[3]
WRITER = """
import asyncio, sys
from pathlib import Path
from ops_core.storage.disk import DiskStore
async def write():
    store = DiskStore(Path(sys.argv[1]), "/media")
    print("ready", flush=True)
    number = 0
    while True:
        number += 1
        await store.put("venues/1/a.bin", bytes([number % 251]) * 3_000_000, "image/jpeg")
asyncio.run(write())
"""


def put(folder: Path, key: str = "venues/1/a.jpg") -> None:
    asyncio.run(DiskStore(folder, "/media").put(key, b"data", "image/jpeg"))


def test_a_writer_killed_in_the_middle_leaves_no_half_object(tmp_path: Path) -> None:
    target = tmp_path / "venues/1/a.bin"
    for pause in (0.0, 0.01, 0.03, 0.07):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        with writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            deadline = time.monotonic() + 20
            while not target.exists() and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(pause)  # a different moment of the write each time
            writer.send_signal(signal.SIGKILL)
        data = target.read_bytes()
        assert len(data) == 3_000_000
        assert len(set(data)) == 1


def test_nothing_but_the_object_is_left_after_a_put(tmp_path: Path) -> None:
    put(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.jpg"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "may not be written"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "input/output error"),
    ],
)
def test_a_disk_that_refuses_is_a_store_error_with_its_reason_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(number, os.strerror(number), str(tmp_path))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(Failed) as caught:
        put(tmp_path)
    assert caught.value.failure.error_type is ErrorType.STORE_ERROR
    assert words in caught.value.failure.detail
    assert str(tmp_path) not in caught.value.failure.detail
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_file_where_a_folder_must_be_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "venues").write_text("in the way")
    with pytest.raises(Failed) as caught:
        put(tmp_path)
    assert caught.value.failure.error_type is ErrorType.STORE_ERROR


def test_what_a_killed_writer_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    incoming = tmp_path / INCOMING
    incoming.mkdir()
    old, fresh = incoming / "old", incoming / "fresh"
    for path in (old, fresh):
        path.write_bytes(b"half")
    long_ago = time.time() - ABANDONED_AFTER - 60
    os.utime(old, (long_ago, long_ago))
    DiskStore(tmp_path, "/media")
    assert [path.name for path in incoming.iterdir()] == ["fresh"]


def test_opening_a_store_writes_nothing(tmp_path: Path) -> None:
    DiskStore(tmp_path / "not there yet", "/media")
    assert list(tmp_path.iterdir()) == []

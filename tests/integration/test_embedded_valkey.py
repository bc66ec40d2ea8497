"""The embedded broker on its folder."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from ops_core.embedded.processes import CannotStart
from ops_core.embedded.valkey import EmbeddedValkey


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    embedded = EmbeddedValkey(tmp_path)
    yield embedded
    embedded.stop()


@pytest.fixture
def client(server: EmbeddedValkey) -> Iterator[redis.Redis]:
    server.start()
    with redis.Redis(unix_socket_path=server.url.removeprefix("redis+socket://")) as connection:
        yield connection


def test_messages_survive_a_kill_of_the_broker(server: EmbeddedValkey, client: redis.Redis) -> None:
    for number in range(200):
        client.rpush("queue", number)
    os.kill(server.pid or 0, signal.SIGKILL)
    server.start()
    assert client.llen("queue") == 200


def test_messages_survive_a_stop(server: EmbeddedValkey, client: redis.Redis) -> None:
    client.rpush("queue", "one")
    server.stop()
    server.start()
    assert client.lrange("queue", 0, -1) == [b"one"]


def test_it_is_reached_through_its_socket_only(server: EmbeddedValkey, client: redis.Redis) -> None:
    assert client.config_get("port") == {"port": "0"}
    path = Path(server.url.removeprefix("redis+socket://"))
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_it_refuses_new_messages_rather_than_dropping_old_ones(
    server: EmbeddedValkey, client: redis.Redis
) -> None:
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_a_second_server_on_the_same_folder_is_refused(
    server: EmbeddedValkey, client: redis.Redis, tmp_path: Path
) -> None:
    with pytest.raises(CannotStart, match="in use by another running copy"):
        EmbeddedValkey(tmp_path).start()
    assert client.ping()


def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / ("x" * 100))
    server.start()
    try:
        with redis.Redis(unix_socket_path=server.url.removeprefix("redis+socket://")) as client:
            assert client.ping()
    finally:
        server.stop()


def test_a_damaged_file_is_told_with_its_log(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    server.start()
    server.stop()
    (tmp_path / "valkey" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(CannotStart, match=r"Valkey did not start: .*\(log: .*valkey.log\)"):
        server.start()

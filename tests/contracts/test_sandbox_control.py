"""The sandbox can be steered and asked what it did, and starts and stops as a process should."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ops_core.sandbox.server import make_app
from ops_core.sandbox.world import World
from tests.support.sandbox import COMMAND, ROOT, SandboxProcess
from tests.support.sandbox_world import GOOGLE, IMAGE, IMAGE_KEY, MASK, PLACE, REFS, image


def test_every_request_is_counted_and_logged_in_order(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(script={IMAGE_KEY: ["rate_limited", "ok"]})
    sandbox.get(GOOGLE + PLACE, MASK)
    sizes = [len(sandbox.get(IMAGE).body) for _ in range(3)]
    counts = sandbox.counts()
    assert counts["keys"][IMAGE_KEY] == {
        "requests": 3,
        "successes": 2,
        "bytes": sum(sizes),
        "outcomes": {"rate_limited": 1, "ok": 2},
    }
    assert counts["groups"]["image:google_places"]["requests"] == 3
    assert (counts["totals"]["requests"], counts["totals"]["successes"]) == (4, 3)
    log = sandbox.log()
    assert [entry["outcome"] for entry in log] == ["ok", "rate_limited", "ok", "ok"]
    assert [entry["kind"] for entry in log] == ["listing", "image", "image", "image"]
    assert [entry["monotonic"] for entry in log] == sorted(entry["monotonic"] for entry in log)
    assert sandbox.log(key=IMAGE_KEY) == log[1:]


def test_an_application_of_its_own_world_runs_inside_another_process() -> None:
    async def ask() -> tuple[int, int]:
        async with TestClient(TestServer(make_app(World(8)))) as client:
            lists = await client.get(GOOGLE + PLACE, headers=MASK)
            health = await client.get("/_sandbox/health")
            return lists.status, (await health.json())["seed"]

    assert asyncio.run(ask()) == (200, 8)


def test_a_path_that_no_provider_has_is_404_and_counted(sandbox: SandboxProcess) -> None:
    assert sandbox.get("/example.org/photo.jpg").status == 404
    assert sandbox.outcomes("other:unknown:example.org") == {"refused": 1}


def test_reset_brings_back_the_first_plan_and_empty_counts(sandbox: SandboxProcess) -> None:
    before = sandbox.set_faults()
    sandbox.set_faults(rates={"html": 1.0}, delay=0.01)
    sandbox.get(IMAGE)
    sandbox.reset()
    assert sandbox.set_faults() == before
    assert sandbox.counts()["totals"]["requests"] == 0
    assert sandbox.log() == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rates": {"explode": 1}}, "rates"),
        ({"speed": 9}, "speed"),
        ({"outages": {"google": 503}}, "no provider google"),
        ({"script": {"image:a:b": ["boom"]}}, "must be a list of ok, rate_limited"),
    ],
)
def test_a_wrong_plan_is_refused_with_a_sentence(
    sandbox: SandboxProcess, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        sandbox.set_faults(**changes)


def test_a_port_in_use_ends_with_one_sentence_that_says_what_to_do(sandbox: SandboxProcess) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", COMMAND],
        env={"VENUE_OPS_SANDBOX_PORT": str(sandbox.port)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "set VENUE_OPS_SANDBOX_PORT to a free one" in ended.stderr


def test_it_stops_at_once_on_sigterm_even_with_stalled_and_endless_replies() -> None:
    with SandboxProcess(seed=7) as running:
        words = dict(zip(REFS[:3], ("timeout", "oversize", "timeout"), strict=True))
        running.set_faults(
            script={f"image:google_places:{ref}": [word] for ref, word in words.items()}, stall_seconds=300
        )
        lines = [socket.create_connection(("127.0.0.1", running.port), timeout=5) for _ in words]
        try:
            for line, ref in zip(lines, words, strict=True):
                line.sendall(f"GET {image(ref)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            deadline = time.monotonic() + 5
            while sorted(entry["outcome"] for entry in running.log()) != sorted(words.values()):
                assert time.monotonic() < deadline, running.log()
                time.sleep(0.02)
            began = time.monotonic()
            assert running.stop() == 0
            assert time.monotonic() - began < 4
        finally:
            for line in lines:
                line.close()

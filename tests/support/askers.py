"""Processes of their own that ask for permits, and note on one clock when they could have called."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from ops_core.db.engine import make_engine
from ops_core.domain.permits import Limits
from ops_core.work.rate_limits import Permits, PutOff

ROOT = Path(__file__).parents[2]


def calls_of_processes(
    url: str, limits: dict[str, int], *, processes: int, askers: int, seconds: float
) -> list[float]:
    """When calls could be made by `processes` with `askers` each, all wanting as many as they can get.

    Instants of the machine's monotonic clock, which its processes share.
    """
    order = json.dumps({"url": url, "limits": limits, "askers": askers, "seconds": seconds})
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.askers", order], cwd=ROOT, stdout=subprocess.PIPE
        )
        for _ in range(processes)
    ]
    calls: list[float] = []
    for process in running:
        said, _ = process.communicate(timeout=seconds + 60)
        assert process.returncode == 0
        calls += json.loads(said)
    return sorted(calls)


def most_within(calls: list[float], seconds: float) -> int:
    """The most of the sorted `calls` in any window of that length."""
    most, first = 0, 0
    for last, call in enumerate(calls):
        while call - calls[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


async def _ask(permits: Permits, until: float, calls: list[float]) -> None:
    while time.monotonic() < until:
        try:
            await permits("p")
        except PutOff as error:
            await asyncio.sleep(min(error.seconds, 0.2))
        else:
            calls.append(time.monotonic())


async def _run(url: str, limits: dict[str, int], askers: int, seconds: float) -> list[float]:
    calls: list[float] = []
    permits = Permits(make_engine(url, pool_size=3), {"p": Limits(**limits)}, 1.0)
    until = time.monotonic() + seconds
    await asyncio.gather(*(_ask(permits, until, calls) for _ in range(askers)))
    return calls


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_run(**json.loads(sys.argv[1])))))

"""Images per second through a real worker, beside a bare client that does the same fetch-and-store."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.benchmark, pytest.mark.postgres, pytest.mark.worker, pytest.mark.timeout(900)]

VENUES = 200
PROCESSES = 2
ROUNDS = 3


def bare(system: System, folder: Path) -> tuple[int, float]:
    """Images brought in by bare clients, as many processes as the worker has, and the seconds it took."""
    clients = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.bare_client", str(folder), str(part), str(PROCESSES)],
            env=system.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for part in range(PROCESSES)
    ]
    for client in clients:
        assert client.stdout is not None
        assert client.stdout.readline().strip() == "ready"
    began = time.monotonic()
    said = [client.communicate("go\n")[0].split() for client in clients]
    return sum(int(images) for images, _ in said), time.monotonic() - began


def through_worker(system: System) -> tuple[int, float]:
    """Images brought in by a running worker from the first message on, and the seconds it took."""
    from ops_core.domain.jobs import JobKind
    from ops_core.tasks.send import send

    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "TRUNCATE attempts, rollups, job_providers, images, jobs, retry_items CASCADE"
        )
        connection.exec_driver_sql("UPDATE venues SET last_checked_at = NULL, uploaded_images = 0")
        venue_ids = [row[0] for row in connection.exec_driver_sql("SELECT id FROM venues ORDER BY id")]
    job_ids = system.enqueue(venue_ids)
    began = time.monotonic()
    size = system.settings.venues_per_task
    for start in range(0, len(job_ids), size):
        send(JobKind.ENRICHMENT, job_ids[start : start + size])
    wait_until(system.open_jobs, lambda rows: not rows, seconds=200, every=0.1)
    seconds = time.monotonic() - began
    return system.agree()["uploaded"], seconds


@pytest.mark.parametrize("delay", [0.0, 0.05], ids=["no delay", "50 ms delay"])
def test_images_per_second_beside_a_bare_client(system: System, tmp_path: Path, delay: float) -> None:
    # on a machine that is busy with other things a sandbox that is late must not count as one that failed
    for name in ("STALL_TIMEOUT", "DOWNLOAD_TIMEOUT", "PROVIDER_TIMEOUT"):
        system.env[f"VENUE_OPS_{name}"] = "60"
    system.add_venues(VENUES)
    system.start_worker()
    bare(system, tmp_path / "warm-up")  # the sandbox draws every picture once
    system.sandbox.set_faults(delay=delay)
    through_worker(system)

    rates: dict[str, list[float]] = {"bare": [], "worker": []}
    for number in range(ROUNDS):
        images, seconds = bare(system, tmp_path / f"bare-{number}")
        rates["bare"].append(images / seconds)
        same, seconds = through_worker(system)
        rates["worker"].append(same / seconds)
        assert same == images

    best = {name: max(values) for name, values in rates.items()}
    ratios = sorted(w / b for w, b in zip(rates["worker"], rates["bare"], strict=True))
    print(
        f"\n{delay * 1000:.0f} ms delay, {images} images: bare {best['bare']:.0f}/s, "
        f"worker {best['worker']:.0f}/s; ratio median {ratios[len(ratios) // 2]:.2f} "
        f"(all: {', '.join(f'{ratio:.2f}' for ratio in ratios)})"
    )

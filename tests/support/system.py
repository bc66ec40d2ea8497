"""The whole pipeline for a test: database, broker, sandbox and store, with real worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, text

from ops_core.db import heartbeats, jobs
from ops_core.db.places import upsert_venues
from ops_core.domain.places import Venue
from ops_core.settings import Settings, get_settings
from ops_core.work.first_start import sandbox_place_id
from tests.support.sandbox import SandboxProcess
from tests.support.waiting import wait_until

_ROOT = Path(__file__).parents[2]

#: Short times, so that what is left behind is found again within seconds.
QUICK = {
    "VENUE_OPS_LEASE_SECONDS": "3",
    "VENUE_OPS_DISPATCH_INTERVAL": "0.3",
    "VENUE_OPS_JOB_RETRY_DELAY": "0.5",
    "VENUE_OPS_STALL_TIMEOUT": "1.5",
    "VENUE_OPS_DOWNLOAD_TIMEOUT": "4",
    "VENUE_OPS_PROVIDER_TIMEOUT": "15",
    "VENUE_OPS_MAX_LOST_CLAIMS": "10",
    "VENUE_OPS_VISIBILITY_TIMEOUT": "60",
    "VENUE_OPS_LOG_LEVEL": "INFO",
}


_ON_A_FULL_DISK = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Running:
    """One process of the system, started as an operator starts it."""

    def __init__(
        self, command: Sequence[str], env: dict[str, str], log: Path, largest_file: int | None = None
    ) -> None:
        self.log = log
        program = [sys.executable, "-m", "ops_core.cli", *command]
        if largest_file is not None:
            # as on a disk that is full: a longer write fails in its middle
            program = [sys.executable, "-c", _ON_A_FULL_DISK, str(largest_file), *program]
        # what it says must not fall under its own limit
        with Path(os.devnull if largest_file is not None else log).open("a") as output:
            self.process = subprocess.Popen(
                program,
                env=env,
                cwd=_ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it and all it started at once, as a crash of the machine would."""
        everyone = [psutil.Process(self.process.pid)]
        everyone += everyone[0].children(recursive=True)
        for process in everyone:
            process.kill()
        psutil.wait_procs(everyone, timeout=10)
        self.process.wait()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, seconds: float = 40) -> None:
        """End it as an operator would."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise


class System:
    """What a test drives. Every process uses the same settings, which `settings` holds as well."""

    def __init__(
        self,
        *,
        database_url: str,
        broker_url: str,
        sandbox: SandboxProcess,
        engine: Engine,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        **more: str,
    ) -> None:
        self.engine = engine
        self.sandbox = sandbox
        self.folder = folder
        self.running: list[Running] = []
        ours = {
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "VENUE_OPS_DATA_DIR": str(folder),
            "VENUE_OPS_SANDBOX_URL": sandbox.url,
            "VENUE_OPS_GOOGLE_PLACES_API_KEY": "sandbox-google-key",
            "VENUE_OPS_WIKIMEDIA_CONTACT": "tests@example.org",
            "VENUE_OPS_FOURSQUARE_API_KEY": "sandbox-foursquare-key",
            "VENUE_OPS_HERE_API_KEY": "sandbox-here-key",
            "VENUE_OPS_HERE_IMAGES": "true",
            "VENUE_OPS_MAPBOX_ACCESS_TOKEN": "sandbox-mapbox-token",
            "VENUE_OPS_UNSPLASH_ACCESS_KEY": "sandbox-unsplash-key",
            # what is copied follows from the providers' rows, which a test may change
            "VENUE_OPS_SANDBOX_COPIES": " ",
            **QUICK,
            **more,
        }
        for name, value in ours.items():
            monkeypatch.setenv(name, value)
        get_settings.cache_clear()
        self.settings: Settings = get_settings()
        with (
            engine.begin() as connection
        ):  # the limits have tests of their own; here they would only cost time
            connection.execute(
                text("UPDATE providers SET per_second = NULL, per_minute = NULL, per_hour = NULL")
            )
        self.env = {**os.environ, "PYTHONWARNINGS": "default"}

    def start_worker(self) -> Running:
        """A worker that answers; it counts as ready once it gave a sign of life."""
        before = set(heartbeats.alive(self.engine, "worker", 3600))
        worker = self.start("worker")
        wait_until(
            lambda: worker.process.poll() is not None or set(heartbeats.alive(self.engine, "worker")) - before
        )
        assert worker.process.poll() is None, worker.log.read_text()[-2000:]
        return worker

    def start_dispatcher(self) -> Running:
        return self.start("dispatcher")

    def start(self, *command: str, largest_file: int | None = None) -> Running:
        """A process of the system; with `largest_file`, one that can write no more bytes to a file."""
        log = self.folder / f"{command[0]}-{len(self.running)}.log"
        running = Running(command, self.env, log, largest_file)
        self.running.append(running)
        return running

    def stop(self) -> None:
        for running in reversed(self.running):
            if running.process.poll() is None:
                running.kill()

    def add_venues(self, count: int) -> list[int]:
        """`count` venues that both sandbox providers know; their ids."""
        venues = [
            Venue(
                name=f"Venue {number}",
                address=f"Street {number}",
                city=f"City {number % 5}",
                country="Poland",
                latitude=50.0 + number / 10,
                longitude=19.0,
                provider_ids={
                    "wikidata": f"Q{90_000_000 + number}",
                    "google_places": sandbox_place_id(f"test {number}"),
                },
            )
            for number in range(count)
        ]
        with self.engine.begin() as connection:
            return [item.venue_id for item in upsert_venues(connection, venues)]

    def enqueue(self, venue_ids: Sequence[int], *, force: bool = False) -> list[int]:
        """One enrichment per venue, not told of to anybody."""
        with self.engine.begin() as connection:
            return jobs.enqueue_enrichments(connection, venue_ids, actor="test", force=force)

    def rows(self, question: str, **values: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(question), values))

    def value(self, question: str, **values: Any) -> Any:
        with self.engine.connect() as connection:
            return connection.scalar(text(question), values)

    def uploading(self) -> int:
        """How many images a worker holds."""
        return self.value("SELECT count(*) FROM images WHERE state = 'uploading'")

    def open_jobs(self) -> list[Any]:
        return self.rows(
            "SELECT id, state, attempt, lost_claims, claimed_by, errors FROM jobs WHERE finished_at IS NULL"
        )

    def wait_for_jobs(self, seconds: float = 60) -> None:
        """Until every job has ended."""
        wait_until(self.open_jobs, lambda rows: not rows, seconds=seconds, every=0.2)

    def stored_files(self) -> list[Path]:
        """The full pictures in the store."""
        root = self.settings.store_path
        return [path for path in root.rglob("*") if path.is_file() and path.parent.name != "thumbs"]

    def agree(self) -> Counter[str]:
        """Check that store, database and sandbox say the same; the images by state."""
        states = Counter(
            {row.state: row.n for row in self.rows("SELECT state, count(*) AS n FROM images GROUP BY 1")}
        )
        uploaded = states["uploaded"]
        assert states["uploading"] == 0, states
        files = self.stored_files()
        keys = {
            row.storage_key for row in self.rows("SELECT storage_key FROM images WHERE state = 'uploaded'")
        }
        found = {str(path.relative_to(self.settings.store_path)) for path in files}
        assert keys <= found, sorted(keys - found)[:3]
        assert len(keys) == uploaded
        tried = self.value("SELECT count(*) FROM attempts WHERE outcome = 'uploaded'")
        assert tried == uploaded, "an image was counted as uploaded twice"
        twice = self.rows(
            "SELECT image_id FROM attempts WHERE outcome = 'uploaded' GROUP BY image_id HAVING count(*) > 1"
        )
        assert not twice
        assert self.value("SELECT coalesce(sum(uploaded_images), 0) FROM venues") == uploaded
        assert self.value("SELECT coalesce(sum(tries), 0) FROM rollups WHERE error_type = ''") == uploaded
        in_jobs = self.value("SELECT coalesce(sum(images_uploaded), 0) FROM jobs")
        assert in_jobs == uploaded, f"jobs say {in_jobs}, images say {uploaded}"
        assert self.value("SELECT coalesce(sum(images_failed), 0) FROM jobs") == self.value(
            "SELECT coalesce(sum(images_failed), 0) FROM job_providers"
        )
        return states

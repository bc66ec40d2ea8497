"""What `venue-ops up` does: the whole system on this machine, part by part."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import heartbeats, migrate
from ops_core.db.engine import make_engine
from ops_core.embedded import record
from ops_core.embedded.folders import FolderLock, make_folder
from ops_core.embedded.parts import PROGRAM_STOP_SECONDS, Program
from ops_core.embedded.postgres import EmbeddedPostgres
from ops_core.embedded.processes import Cancelled, CannotStart
from ops_core.embedded.supervisor import Supervisor
from ops_core.embedded.valkey import EmbeddedValkey
from ops_core.providers.registry import SOURCES
from ops_core.settings import Settings
from ops_core.settings_help import env_name
from ops_core.storage.registry import store_problem
from ops_core.ui.address import BASE, why_not_listen
from ops_core.work import first_start

#: What every provider is given to work with in the sandbox; none of it is a secret.
_SANDBOX_KEYS: dict[str, object] = {
    "google_places_api_key": "sandbox-google-key",
    "wikimedia_contact": "sandbox@example.org",
    "foursquare_api_key": "sandbox-foursquare-key",
    "here_api_key": "sandbox-here-key",
    "here_images": True,
    "mapbox_access_token": "sandbox-mapbox-token",
    "unsplash_access_key": "sandbox-unsplash-key",
}


def up(settings: Settings, *, sandbox: bool, say: Callable[[str], None]) -> None:
    """Start everything, look after it, and end it when asked to (SIGINT, SIGTERM or SIGHUP).

    Raises `CannotStart` with what to do if something stands in the way.
    """
    settings = settings.model_copy(update={"data_dir": settings.data_dir.absolute()})
    with _exclusive(settings), Supervisor(settings.data_dir, say) as supervisor:
        record.stamp_world(settings.data_dir, "sandbox" if sandbox else "real")
        with contextlib.suppress(Cancelled):
            record.end_leftovers(settings.data_dir, say, supervisor.stop_asked)
            _check_console_host(settings)
            _check_ports(settings, sandbox)
            _check_store(settings)
            _check_broker(settings)
            running, changes = _start_servers(settings, supervisor, sandbox)
            _migrate(running, supervisor)
            _start_programs(running, changes, supervisor, sandbox)
            record.write_addresses(settings.addresses_file, _addresses(running))
            say(f"\nConsole: {_console_url(running)}/operations")
            if all(source.not_ready(running) for source in SOURCES.values()):
                say("No provider can be asked, so no image will come: `venue-ops doctor` says why.")
            say(f"Ctrl-C stops everything. Data and logs are in {settings.data_dir}.")
            if shutil.which("venue-ops") is None:
                say(f"In another terminal: {Path(sys.executable).with_name('venue-ops')} doctor")
            supervisor.watch()
    say("Stopped.")


@contextmanager
def _exclusive(settings: Settings) -> Iterator[None]:
    make_folder(settings.data_dir)
    lock = FolderLock(settings.data_dir)
    settings.addresses_file.unlink(missing_ok=True)  # of one that was killed
    try:
        yield
    finally:
        settings.addresses_file.unlink(missing_ok=True)
        lock.release()


def _check_console_host(settings: Settings) -> None:
    refusal = why_not_listen(settings.console_host, sign_in=settings.sign_in)
    if refusal:
        raise CannotStart(refusal)


def _check_store(settings: Settings) -> None:
    problem = store_problem(settings)
    if problem:
        raise CannotStart(problem)
    if settings.store != "disk":
        return
    folder = settings.store_path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CannotStart(
            f"The image store cannot write to {folder} ({error.strerror}): give this user the right to, "
            "or set VENUE_OPS_STORE_DIR to another folder."
        ) from None


def _check_broker(settings: Settings) -> None:
    if settings.broker_url is None:
        return
    # imported here: without an outside broker there is no address for Celery yet
    from ops_core.tasks.inspection import BrokerAway, check_broker

    try:
        check_broker()
    except BrokerAway as error:
        raise CannotStart(
            f"The broker of BROKER_URL cannot be reached ({error}): start it or correct the address, "
            "or leave BROKER_URL empty for the embedded one."
        ) from None


def _check_ports(settings: Settings, sandbox: bool) -> None:
    wanted = [(settings.console_host, settings.console_port, "--port or VENUE_OPS_CONSOLE_PORT")]
    if sandbox:
        wanted.append(("127.0.0.1", settings.sandbox_port, "--sandbox-port or VENUE_OPS_SANDBOX_PORT"))
    for host, port, option in wanted:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise CannotStart(
                    f"Port {port} on {host} cannot be used ({error.strerror}): stop what uses it, "
                    f"or choose another with {option}."
                ) from None


def _start_servers(
    settings: Settings, supervisor: Supervisor, sandbox: bool
) -> tuple[Settings, dict[str, object]]:
    """Start the servers that are not set to outside ones; returns the settings of all other parts."""
    changes: dict[str, object] = {"data_dir": settings.data_dir, "sandbox_url": ""}
    if sandbox:
        changes |= {"sandbox_url": f"http://127.0.0.1:{settings.sandbox_port}", **_SANDBOX_KEYS}
    for name in ("console_host", "console_port", "sandbox_port"):  # as given on the command line
        changes[name] = getattr(settings, name)
    changes["database_url"] = settings.database_url
    changes["broker_url"] = settings.broker_url
    if settings.database_url is None:
        postgres = EmbeddedPostgres(settings.data_dir)
        supervisor.start(postgres)
        if (settings.data_dir / "postgres").is_symlink():
            supervisor.report("", f"its data are in {postgres.folder}, as its account cannot enter ours")
        changes["database_url"] = postgres.url
    if settings.broker_url is None:
        valkey = EmbeddedValkey(settings.data_dir)
        supervisor.start(valkey)
        changes["broker_url"] = valkey.url
    return Settings.model_validate(settings.model_dump() | changes), changes


def _migrate(settings: Settings, supervisor: Supervisor) -> None:
    begin = time.monotonic()
    revision = migrate.upgrade(settings.require_database_url())
    supervisor.report("Database schema", f"at {revision} in {time.monotonic() - begin:.1f} s")


def _start_programs(
    settings: Settings, changes: dict[str, object], supervisor: Supervisor, sandbox: bool
) -> None:
    env = {env_name(field): _as_text(value) for field, value in changes.items()} | {"PYTHONUNBUFFERED": "1"}
    engine = make_engine(settings.require_database_url(), pool_size=1)

    def program(
        name: str, command: str, ready: Callable[[], bool], stop_seconds: float = PROGRAM_STOP_SECONDS
    ) -> Program:
        arguments = ["-m", "ops_core.cli", command]
        log = settings.data_dir / "logs" / f"{command}.log"
        return Program(name, arguments, log=log, env=env, ready=ready, stop_seconds=stop_seconds)

    if sandbox:
        port = settings.sandbox_port
        supervisor.start(
            program("Sandbox providers", "sandbox", lambda: _listens("127.0.0.1", port), 5.0),
            f" at {settings.sandbox_url}, nothing goes to the internet",
        )
    supervisor.report("Data", first_start.prepare(engine, settings))
    worker = program("Worker", "worker", lambda: _heard_of(engine, "worker", worker))
    supervisor.start(worker, f", {settings.worker_processes} processes")
    dispatcher = program(
        "Dispatcher", "dispatcher", lambda: _heard_of(engine, "dispatcher", dispatcher), 10.0
    )
    supervisor.start(dispatcher)
    host, console_port = settings.console_host, settings.console_port
    supervisor.start(program("Console", "web", lambda: _serves(host, console_port, f"{BASE}/healthz"), 10.0))


def _addresses(settings: Settings) -> dict[str, str]:
    url = settings.require_database_url()
    addresses = {
        "DATABASE_URL": "postgresql://" + url.partition("://")[2],  # as psql understands it too
        "BROKER_URL": settings.require_broker_url(),
        "CONSOLE_URL": _console_url(settings),
    }
    # parts started by hand with these must keep pictures where the others look for them
    addresses[env_name("data_dir")] = str(settings.data_dir.absolute())
    if settings.store_dir:
        addresses[env_name("store_dir")] = str(settings.store_dir.absolute())
    if settings.sandbox_url:
        addresses["SANDBOX_URL"] = settings.sandbox_url
        # parts started by hand with these must not ask the real providers
        addresses[env_name("sandbox_url")] = settings.sandbox_url
    return addresses


def _console_url(settings: Settings) -> str:
    origin = settings.public_url or f"http://{settings.console_host}:{settings.console_port}"
    return f"{origin}{BASE}"


def _as_text(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _listens(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=2):
        return True
    return False


def _serves(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _heard_of(engine: Engine, kind: str, program: Program) -> bool:
    """Whether the process of `program` has given a sign of life."""
    try:
        return any(name.endswith(f":{program.pid}") for name in heartbeats.alive(engine, kind))
    except SQLAlchemyError:  # the database is away; it is being started again
        return False

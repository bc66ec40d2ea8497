"""The `venue-ops` command. What a command needs is imported inside it, so that `--help` answers at once."""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops_core.commands import pictures, providers, retries, store
from ops_core.commands.find_ids import find_ids
from ops_core.commands.retry import retry
from ops_core.commands.scan import scan

if TYPE_CHECKING:
    from ops_core.settings import Settings

#: `venues load` when the file was read but some of its lines were refused.
EXIT_SOME_REFUSED = 3

app = typer.Typer(
    help="Venue Image Operations: photos of venues from providers into a store, and what happened to each.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
venues_app = typer.Typer(help="The venues that need photos.", no_args_is_help=True)
app.add_typer(venues_app, name="venues")
venues_app.command("find-ids")(find_ids)
app.command()(retry)
app.command()(scan)
app.add_typer(retries.app, name="retries")
app.add_typer(providers.app, name="providers")
app.add_typer(store.app, name="store")
app.add_typer(pictures.app, name="pictures")

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder of all local data. Default: .data")]
Port = Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Port of the console.")]
SandboxPort = Annotated[
    int | None, typer.Option("--sandbox-port", min=1, max=65535, help="Port of the sandbox.")
]


@app.command()
def up(
    data_dir: DataDir = None,
    port: Port = None,
    sandbox_port: SandboxPort = None,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox/--no-sandbox", help="Play the providers here, or ask the real ones."),
    ] = True,
) -> None:
    """Start the whole system here and look after it; Ctrl-C stops it. Same data at the next start."""
    settings = _settings(data_dir=data_dir, console_port=port, sandbox_port=sandbox_port)
    from ops_core.embedded.up import up as start

    start(settings, sandbox=sandbox, say=_say)


@app.command()
def migrate() -> None:
    """Bring the database to the schema this version needs. Safe to run twice."""
    url = _settings().require_database_url()
    from ops_core.db.migrate import upgrade

    typer.echo(f"The database is at revision {upgrade(url)}.")


@app.command()
def worker() -> None:
    """Run a worker: it fetches and stores images. Start as many as you like, on any machine."""
    settings = _in_one_world(_settings())
    settings.require_database_url()
    settings.require_broker_url()
    from ops_core.storage.registry import NotSetUp, store_problem

    problem = store_problem(settings)
    if problem:
        raise NotSetUp(problem)
    command = [sys.executable, "-m", "celery", "-A", "ops_core.tasks.app:app", "worker"]
    command += [f"--loglevel={settings.log_level}", f"--concurrency={settings.worker_processes}"]
    command += [f"--hostname=worker-{os.getpid()}@%h"]  # two on one machine need two names
    os.execv(sys.executable, command)


@app.command()
def dispatcher() -> None:
    """Run the dispatcher: schedules, sending of pending work, and claims of workers that are gone."""
    settings = _logged(_settings())
    from ops_core.tasks.dispatcher import run

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(settings, stop)


@app.command()
def web(port: Port = None) -> None:
    """Serve the console."""
    settings = _in_one_world(_logged(_settings(console_port=port)))
    from ops_core.ui.server import serve

    serve(settings)


@app.command()
def sandbox(sandbox_port: SandboxPort = None) -> None:
    """Serve the sandbox: providers played on this machine, with drawn photos and failures on purpose."""
    settings = _logged(_settings(sandbox_port=sandbox_port))
    from ops_core.sandbox.server import serve

    serve(settings)


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """Check every piece and say how to mend what is wrong. Exit code 1 if something is."""
    settings = _settings(data_dir=data_dir)
    from ops_core.doctor import Mark, examine
    from ops_core.domain.known_secrets import hide

    colours = {Mark.GOOD: "green", Mark.ODD: "yellow", Mark.WRONG: "red"}
    worst = False
    for finding in examine(settings):
        worst |= finding.mark is Mark.WRONG
        typer.secho(finding.mark, fg=colours[finding.mark], nl=False)
        typer.echo(f" {finding.what:<12} {hide(finding.text)}")
    if worst:
        raise typer.Exit(1)


@app.command()
def env(data_dir: DataDir = None) -> None:
    """Print the addresses of the running parts, for `eval "$(venue-ops env)"` before psql or Flower."""
    settings = _settings(data_dir=data_dir)
    from ops_core.embedded.record import is_running
    from ops_core.mending import masked
    from ops_core.settings import NotRunning

    if not is_running(settings.data_dir):
        raise NotRunning(f"No system runs in {settings.data_dir}: start `venue-ops up`, or give --data-dir.")
    try:
        addresses = json.loads(settings.addresses_file.read_text())
    except FileNotFoundError:
        raise NotRunning(f"The system in {settings.data_dir} is still starting: try again soon.") from None
    for name, value in addresses.items():
        if value.startswith("/") or masked(value) == value:  # a folder, or an address without a password
            typer.echo(f"export {name}={shlex.quote(value)}")
        else:  # it was not made here: whoever set it has it
            typer.echo(f"{name} holds a password and is not printed; it is in your settings.", err=True)


@venues_app.command("load")
def load_venues(file: Annotated[Path, typer.Argument(help="CSV or JSON lines.")]) -> None:
    """Load venues from FILE. All good lines load; each refused one is named with its reason.

    Exit code 0: all loaded; 1: the file cannot be read, nothing loaded; 3: some lines were refused.
    """
    _settings()
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from ops_core.db.engine import get_engine
    from ops_core.importers.venues import load_file

    terminal = Console(stderr=True)
    columns = (TextColumn("Loading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task("venues", total=None)
        report = load_file(
            file, get_engine(), progress=lambda read, size: bar.update(task, completed=read, total=size)
        )
    for refused in report.refused:
        terminal.print(f"[red]line {refused.line_number}[/] {escape(refused.reason)}", highlight=False)
    for column in report.ignored_columns:
        terminal.print(f"[yellow]column {escape(column)}[/] is not read", highlight=False)
    loaded = f"{report.added:,} venues added, {report.updated:,} updated, {report.unchanged:,} unchanged"
    typer.echo(f"{loaded}, {len(report.refused):,} lines refused.")
    if report.refused:
        raise typer.Exit(EXIT_SOME_REFUSED)


@app.command()
def settings() -> None:
    """Print every setting with its help line and default, as in `.env.example`."""
    from ops_core.settings_help import env_example

    typer.echo(env_example(), nl=False)


def main() -> None:
    """Run the command; what a person can mend is one red line and exit code 1, or 2 for a setting."""
    try:
        app()
    except Exception as error:
        from ops_core.domain.known_secrets import hide
        from ops_core.mending import sentences

        found = sentences(error)
        if found is None:
            raise
        for line in found.lines:
            typer.secho(hide(line), fg="red", err=True)
        sys.exit(found.exit_code)


def _settings(**given: object) -> Settings:
    """The settings of this process, those given on the command line first."""
    from ops_core.settings import get_settings
    from ops_core.settings_help import env_name

    os.environ.update({env_name(field): str(value) for field, value in given.items() if value is not None})
    return get_settings()


def _in_one_world(settings: Settings) -> Settings:
    """`settings`, unless they ask the real providers for a system whose providers a sandbox plays."""
    sandbox = settings.running_sandbox()
    if sandbox and settings.sandbox_url is None:
        from ops_core.settings import NotRunning

        raise NotRunning(
            f"The providers of the system in {settings.data_dir} are played by the sandbox at {sandbox}, and "
            'this would ask the real ones: run `eval "$(venue-ops env)"` first, or set VENUE_OPS_SANDBOX_URL.'
        )
    return settings


def _logged(settings: Settings) -> Settings:
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return settings


def _say(line: str) -> None:
    try:
        typer.echo(line)
        sys.stdout.flush()
    except OSError:  # the terminal is gone; the system is not
        return


if __name__ == "__main__":
    main()

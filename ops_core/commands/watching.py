"""Watching a retry until it ends: a bar on a terminal, a few lines in a script."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from ops_core.commands.printed import counts_in_words, state_in_words, when
from ops_core.domain.errors import info
from ops_core.domain.retries import RequestState
from ops_core.domain.retry_texts import money

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ops_core.db.providers_now import ProviderNow
    from ops_core.db.retries import Request

#: How a watched retry ended, as the command's exit code.
EXIT_SOME_FAILED = 3
EXIT_PAUSED = 4
EXIT_INTERRUPTED = 130

#: Seconds between two looks.
PAUSE = 0.5
#: Seconds for which a database may be away before watching ends.
PATIENCE = 120.0

Value = TypeVar("Value")


def watch(engine: Engine, request_id: int, *, quiet: bool = False) -> Request:
    """The retry once it has ended or is paused; until then it shows how it goes, unless `quiet`.

    That is a bar on a terminal; elsewhere a line on stderr whenever its state changes, or what it waits
    for. Ctrl-C stops watching only: the command then ends with `EXIT_INTERRUPTED`. Raises `Refused` if
    there is no such retry.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    terminal = Console(stderr=True)
    words = TextColumn("{task.description}", markup=False)
    bar = Progress(words, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=terminal)
    bar.disable = quiet or not terminal.is_terminal
    said = ""
    try:
        with bar:
            row = bar.add_task("", total=None)
            while True:
                request, waits = look(engine, lambda connection: _seen(connection, request_id))
                standing = f"Retry #{request.id} {state_in_words(request)}{waits}"
                ended = request.images - request.open
                bar.update(
                    row, description=_counted(standing, request), total=request.images, completed=ended
                )
                if request.finished_at is not None or request.state is RequestState.PAUSED:
                    return request
                if standing != said and bar.disable and not quiet:
                    said = standing
                    typer.echo(_counted(standing, request), err=True)
                time.sleep(PAUSE)
    except KeyboardInterrupt:
        typer.echo(
            f"Retry #{request_id} goes on. Watch it again: venue-ops retries watch {request_id}", err=True
        )
        raise typer.Exit(EXIT_INTERRUPTED) from None


def exit_code(request: Request) -> int:
    """What the command that watched says to whoever started it."""
    if request.finished_at is None:
        return EXIT_PAUSED
    return EXIT_SOME_FAILED if request.failed or request.let_go else 0


def ended_in_words(request: Request) -> str:
    """One sentence on how it stands at the end of watching."""
    words = f"Retry #{request.id} {state_in_words(request)}. Images: {counts_in_words(request)}."
    if request.finished_at is None:
        return (
            f"{words} Go on: venue-ops retries resume {request.id}; or: venue-ops retries cancel {request.id}"
        )
    if request.failed:
        return f"{words} Try those once more: venue-ops retries rerun {request.id}"
    return words


def look(engine: Engine, ask: Callable[[Connection], Value], *, patience: float = PATIENCE) -> Value:
    """The answer to `ask`; a database that is away for a moment is waited for."""
    from sqlalchemy.exc import SQLAlchemyError

    from ops_core.db.engine import is_unavailable

    deadline = time.monotonic() + patience
    while True:
        try:
            with engine.connect() as connection:
                return ask(connection)
        except SQLAlchemyError as error:
            if not is_unavailable(error) or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE)


def now(engine: Engine, request_id: int) -> Request:
    """The retry as it is. Raises `Refused` if there is none with this id."""
    return look(engine, lambda connection: _request(connection, request_id))


def on_a_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def _request(connection: Connection, request_id: int) -> Request:
    from ops_core.actions import Refused
    from ops_core.db import retries

    request = retries.request(connection, request_id)
    if request is None:
        raise Refused(f"There is no retry #{request_id}.")
    return request


def _seen(connection: Connection, request_id: int) -> tuple[Request, str]:
    """The retry, and which of its providers are not asked at the moment."""
    from ops_core.db.providers_now import providers_now

    request = _request(connection, request_id)
    mine = [share.provider for share in request.plan.by_provider]
    if request.finished_at is not None or not mine:
        return request, ""
    now = providers_now(connection, mine)
    return request, "".join(f", {words}" for each in now if each.code in mine and (words := _waits(each)))


def _waits(provider: ProviderNow) -> str:
    """Why nothing of a provider is tried at the moment, if so."""
    circuit = provider.circuit
    if not provider.active:
        return f"{provider.code} is switched off"
    if provider.paused_until is not None:
        return f"{provider.code} is paused until {when(provider.paused_until)}"
    if not circuit.is_closed:
        kind = f" after {info(circuit.error_type).label}" if circuit.error_type else ""
        return f"{provider.code} does not answer well{kind} and is probed now and then"
    return ""


def _counted(standing: str, request: Request) -> str:
    return f"{standing} · {request.uploaded:,} uploaded, {request.failed:,} failed, {money(request.cost_usd)}"

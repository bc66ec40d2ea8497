"""`venue-ops retries ...`: looking at retries and steering them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from ops_core.commands import printed, watching
from ops_core.commands.retry import AsJson, Watch, follow
from ops_core.domain.access import LOCAL

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops_core.db.retries import Request

app = typer.Typer(help="Retries that were ordered: look at them, and steer them.", no_args_is_help=True)

RetryId = Annotated[int, typer.Argument(metavar="ID", help="The retry's number.", min=1)]


@app.command("list")
def list_(
    open_only: Annotated[bool, typer.Option("--open", help="Only those that have not ended.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List retries, newest first."""
    from ops_core.db import retry_lists
    from ops_core.db.retry_lists import Which

    which = Which.OPEN if open_only else Which.ALL
    with _engine().connect() as connection:
        found = retry_lists.page(connection, which, limit=limit).requests
    if as_json:
        _print_json([printed.request_json(each) for each in found])
    elif found:
        _print(printed.list_lines(found))
    else:
        typer.echo("No retry is open." if open_only else "No retry was ordered yet.")


@app.command()
def show(request_id: RetryId, as_json: AsJson = False) -> None:
    """Show one retry: how far it is, what came of its images and why, and what was expected."""
    from ops_core.db import retry_lists

    engine = _engine()
    request = watching.now(engine, request_id)
    with engine.connect() as connection:
        tally = retry_lists.tally(connection, request_id)
    if as_json:
        _print_json(printed.request_json(request) | {"ends": [dict(row) for row in tally]})
        return
    _print(printed.request_lines(request))
    if tally:
        _print(["", *printed.ends_lines(tally)])


@app.command()
def watch(request_id: RetryId, as_json: AsJson = False) -> None:
    """Show how a retry goes until it ends or is paused. Ctrl-C ends only the watching.

    Exit code 0: ended, and none failed; 3: some failed or were let go; 4: it is paused.
    """
    request = follow(_engine(), request_id, watch=True, as_json=as_json)
    if as_json:
        _print_json(printed.request_json(request))
    raise typer.Exit(watching.exit_code(request))


@app.command()
def pause(request_id: RetryId, as_json: AsJson = False) -> None:
    """Hand out nothing more; what workers have begun finishes."""
    from ops_core import actions

    _steered(actions.pause_retry(_engine(), request_id, actor=LOCAL), as_json)


@app.command()
def resume(request_id: RetryId, as_json: AsJson = False) -> None:
    """Go on with a paused retry, also with one that its sample stopped."""
    from ops_core import actions

    _steered(actions.resume_retry(_engine(), request_id, actor=LOCAL), as_json)


@app.command()
def cancel(request_id: RetryId, as_json: AsJson = False) -> None:
    """End a retry: what workers have begun finishes, the rest is let go."""
    from ops_core import actions

    _steered(actions.cancel_retry(_engine(), request_id, actor=LOCAL), as_json)


@app.command()
def rerun(request_id: RetryId, watch: Watch = False, as_json: AsJson = False) -> None:
    """Order what failed in a retry once more. Exit codes as those of `venue-ops retry`."""
    from ops_core import actions

    engine = _engine()
    done = actions.rerun_failed(engine, request_id, actor=LOCAL, token=uuid4().hex)
    if not as_json:
        typer.echo(f"Retry #{done.request_id} is ordered: {done.plan.in_words()}.")
    request = follow(engine, done.request_id, watch=watch, as_json=as_json)
    if as_json:
        _print_json(printed.request_json(request))
    raise typer.Exit(watching.exit_code(request) if watch else 0)


@app.command("close-circuit")
def close_circuit(provider: Annotated[str, typer.Argument(metavar="CODE", help="The provider.")]) -> None:
    """Have a provider asked again whose circuit breaker is open, and for some minutes however it does."""
    from ops_core import actions

    closed = actions.close_circuit(_engine(), provider, actor=LOCAL)
    until = f" until {printed.when(closed.overridden_until)}" if closed.overridden_until else ""
    typer.echo(f"{provider} is asked again; its circuit breaker stays closed{until}.")


def _engine() -> Engine:
    from ops_core.db.engine import get_engine

    return get_engine()


def _steered(request: Request, as_json: bool) -> None:
    if as_json:
        _print_json(printed.request_json(request))
    else:
        typer.echo(
            f"Retry #{request.id}: {printed.state_in_words(request)}. "
            f"Images: {printed.counts_in_words(request)}."
        )


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def _print_json(found: object) -> None:
    typer.echo(json.dumps(found, indent=2))

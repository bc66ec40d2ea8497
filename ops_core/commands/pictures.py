"""`venue-ops pictures ...`: what stored pictures show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ops_core.commands import watching
from ops_core.commands.printed import named
from ops_core.domain.access import LOCAL

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops_core.domain.late_looks import LookReport

#: When some pictures could not be looked at.
EXIT_SOME_LEFT = 3

app = typer.Typer(help="What stored pictures show.", no_args_is_help=True)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say how many there are and read none.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Look at so many pictures at most.")]


@app.callback()
def pictures() -> None:
    """What stored pictures show."""


@app.command()
def look(dry_run: DryRun = False, limit: Limit = None) -> None:
    """Look at pictures that an earlier version stored, so that Picture quality knows them too.

    Each is read from its store once; nothing in the store is changed. May run beside workers, be stopped
    with Ctrl-C and run again: it goes on where it was.

    Exit code 0: all were looked at; 1: nothing was begun; 2: the command makes no sense; 3: some could not
    be read, and are named with the reason; 130: stopped with Ctrl-C.
    """
    from ops_core import actions
    from ops_core.db.engine import get_engine

    engine = get_engine()
    waiting = actions.pictures_to_look_at(engine)
    if not waiting:
        typer.echo("Every stored picture was looked at.")
        return
    where = ", ".join(f"{count:,} in {store}" for store, count in waiting.items())
    most = f"; of these at most {limit:,} now" if limit is not None else ""
    typer.echo(f"Pictures to look at: {where}{most}.")
    if dry_run:
        return
    total = sum(waiting.values())
    report = _looked(engine, total if limit is None else min(limit, total), limit)
    _print(report)
    if not report.whole:
        raise typer.Exit(EXIT_SOME_LEFT)


def _looked(engine: Engine, total: int, limit: int | None) -> LookReport:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ops_core import actions

    columns = (TextColumn("Looking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            row = bar.add_task("pictures", total=total)
            return actions.look_at_pictures(
                engine, actor=LOCAL, limit=limit, on_image=lambda: bar.advance(row)
            )
    except KeyboardInterrupt:
        typer.echo("Stopped. What was seen is kept; the same command goes on with the rest.", err=True)
        raise typer.Exit(watching.EXIT_INTERRUPTED) from None


def _print(report: LookReport) -> None:
    for reason, ids in report.left.items():
        typer.secho(f"Not looked at. {reason} Images: {named(ids)}", fg="red", err=True)
    if report.changed:
        typer.echo(f"Stored anew meanwhile, run it again for them. Images: {named(report.changed)}", err=True)
    typer.echo(f"{report.in_words()}.")
    if report.looked:
        typer.echo("The dispatcher compares them with the others in passing; Picture quality shows them.")

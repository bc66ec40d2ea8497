"""`venue-ops store ...`: the image store."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ops_core.commands import watching
from ops_core.commands.printed import named
from ops_core.domain.access import LOCAL
from ops_core.domain.retry_wishes import Unclear

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops_core.domain.store_moves import MovePlan, MoveReport

#: When some images are still where they were.
EXIT_SOME_LEFT = 3

app = typer.Typer(help="The image store: where pictures are kept.", no_args_is_help=True)


class StoreName(StrEnum):
    """The stores there are."""

    DISK = "disk"
    S3 = "s3"
    IMAGEKIT = "imagekit"


To = Annotated[StoreName, typer.Option("--to", help="Store the pictures are moved to.")]
From = Annotated[
    StoreName | None, typer.Option("--from", help="Move those of this store only. Default: of all others.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say how many there are and change nothing.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many images.")]
DeleteSource = Annotated[
    bool, typer.Option("--delete-source", help="Remove each original once its copy was read back.")
]


@app.callback()
def store() -> None:
    """The image store: where pictures are kept."""


@app.command()
def move(
    to: To,
    source: From = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    limit: Limit = None,
    delete_source: DeleteSource = False,
) -> None:
    """Move stored pictures and their thumbnails to another store, each proven before and after.

    May be stopped with Ctrl-C and run again: it goes on where it was. Originals stay unless --delete-source;
    without it, pictures of which no copies are allowed are not moved.

    Exit code 0: all are moved; 1: nothing was begun; 2: the command makes no sense; 3: some are where they
    were, and are named with the reason; 130: stopped with Ctrl-C.
    """
    asks = not (yes or dry_run)
    if asks and not watching.on_a_terminal():
        raise Unclear("Nobody can be asked here: give --yes to move, or --dry-run to look only.")
    from ops_core import actions
    from ops_core.db.engine import get_engine

    engine = get_engine()
    plan = actions.preview_move(
        engine, to.value, source=source.value if source else None, delete_source=delete_source
    )
    typer.echo(_found(plan, to, limit))
    if dry_run:
        return
    if not plan.images:
        raise typer.Exit(EXIT_SOME_LEFT if plan.kept else 0)
    if asks and not typer.confirm(_question(to, delete_source), err=True):
        typer.echo("Nothing was moved.", err=True)
        raise typer.Exit(1)
    total = plan.total if limit is None else min(limit, plan.total)
    report = _moved(engine, to, source, total, limit, delete_source)
    _print(report, to)
    if not report.whole:
        raise typer.Exit(EXIT_SOME_LEFT)


def _moved(
    engine: Engine,
    to: StoreName,
    source: StoreName | None,
    total: int,
    limit: int | None,
    delete_source: bool,
) -> MoveReport:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ops_core import actions

    columns = (TextColumn("Moving"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            row = bar.add_task("images", total=total)
            return actions.move_store(
                engine,
                to.value,
                actor=LOCAL,
                source=source.value if source else None,
                limit=limit,
                delete_source=delete_source,
                on_image=lambda: bar.advance(row),
            )
    except KeyboardInterrupt:
        typer.echo("Stopped. What was moved stays moved; the same command goes on with the rest.", err=True)
        raise typer.Exit(watching.EXIT_INTERRUPTED) from None


def _found(plan: MovePlan, to: StoreName, limit: int | None) -> str:
    from ops_core.domain.store_moves import kept_in_words

    kept = f" {kept_in_words(plan.kept)}." if plan.kept else ""
    if not plan.images:
        return f"No image is to be moved to {to.value}.{kept}"
    where = ", ".join(f"{count:,} in {name}" for name, count in plan.images.items())
    most = f"; of these at most {limit:,} now" if limit is not None else ""
    return f"Images to be moved to {to.value}: {where}{most}.{kept}"


def _question(to: StoreName, delete_source: bool) -> str:
    return (
        f"Move them to {to.value} and remove the originals?" if delete_source else f"Move them to {to.value}?"
    )


def _print(report: MoveReport, to: StoreName) -> None:
    from ops_core.settings import get_settings

    for reason, ids in report.left.items():
        typer.secho(f"Left as they were. {reason} Images: {named(ids)}", fg="red", err=True)
    if report.changed:
        typer.echo(f"Stored anew meanwhile, run it again for them. Images: {named(report.changed)}", err=True)
    if report.not_deleted:
        typer.echo(
            f"Moved, but the original could not be removed. Images: {named(report.not_deleted)}", err=True
        )
    typer.echo(f"{report.in_words()}; {report.bytes / 1_000_000:,.1f} MB.")
    in_use = get_settings().store
    if in_use != to.value:
        typer.echo(
            f"New pictures go to {in_use} still: set VENUE_OPS_STORE={to.value} and restart the system."
        )

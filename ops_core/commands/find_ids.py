"""`venue-ops venues find-ids`: searching for venues at the providers whose ids they lack."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ops_core.commands import watching
from ops_core.commands.retry import EXIT_REFUSED, DryRun, Watch, Yes
from ops_core.domain.access import LOCAL
from ops_core.domain.retry_texts import columns, money
from ops_core.domain.retry_wishes import Unclear

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops_core.actions import MissingIds

#: A watched search did not end with an id of every provider it asked.
EXIT_SOME_OPEN = 3

Venue = Annotated[
    list[int] | None, typer.Option("--venue", metavar="ID", help="Search for this venue; repeat for more.")
]
Missing = Annotated[
    bool, typer.Option("--missing", help="Search for venues that lack an id and were not searched lately.")
]
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="With --missing: at most so many venues.")
]
Force = Annotated[
    bool, typer.Option("--force", help="With --venue: search again where a person had decided, too.")
]
Provider = Annotated[
    list[str] | None,
    typer.Option(
        "--provider", metavar="CODE", help="With --venue: search at this provider only; repeat for more."
    ),
]


def find_ids(
    venue: Venue = None,
    missing: Missing = False,
    limit: Limit = None,
    force: Force = False,
    provider: Provider = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    watch: Watch = False,
) -> None:
    """Find venues at the providers whose ids they lack; what is not clear waits on the Geocoding page.

    With --missing it first shows how many venues that is and what the searches cost, and asks.

    Exit code 0: ordered, or watched and all was found; 1: nothing was ordered; 2: the command makes no
    sense; 3: watched, and something was not found, is for a person to choose, or failed.
    """
    if bool(venue) == missing:
        raise Unclear("Say which venues: give --venue ID, or --missing.")
    if missing and provider:
        raise Unclear("--provider goes with --venue: --missing searches wherever an id is missing.")
    if missing and force:
        raise Unclear("--force goes with --venue: --missing leaves alone what people decided.")
    if venue and (limit is not None or dry_run):
        raise Unclear("--limit and --dry-run go with --missing.")
    if missing and not (yes or dry_run) and not watching.on_a_terminal():
        raise Unclear("Nobody can be asked here: give --yes to order it, or --dry-run to look only.")
    from ops_core import actions
    from ops_core.actions.geocoding import USUAL_LIMIT
    from ops_core.db.engine import get_engine

    engine = get_engine()
    if venue:
        queued = actions.find_venue_ids(engine, venue, actor=LOCAL, force=force, only=provider or [])
    else:
        most = limit or USUAL_LIMIT
        preview = actions.preview_missing_ids(engine, limit=most, at_most=None)
        typer.echo("\n".join(_preview_lines(preview)))
        if dry_run:
            raise typer.Exit(0 if preview.venues else EXIT_REFUSED)
        if preview.venues and not yes and not typer.confirm("Search for them?", err=True):
            typer.echo("Nothing was ordered.", err=True)
            raise typer.Exit(EXIT_REFUSED)
        queued = actions.find_missing_ids(engine, preview, actor=LOCAL)
    needless = f", {queued.needless:,} need none any more" if queued.needless else ""
    made = _count(len(queued.job_ids), "search")
    typer.echo(f"{made} ordered, {len(queued.open_ids):,} open already{needless}.")
    if watch:
        raise typer.Exit(_watch(engine, [*queued.open_ids, *queued.job_ids]))


def _preview_lines(preview: MissingIds) -> list[str]:
    if not preview.venues:
        return ["No id is missing that could be searched for now."]
    more = ", and more after these" if preview.more else ""
    lines = [f"{_count(len(preview.venues), 'venue')} to search for{more}; about {money(preview.cost_usd)}."]
    rows = [("provider", "venues"), *((code, f"{count:,}") for code, count in preview.searches.items())]
    return lines + columns(rows)


def _watch(engine: Engine, job_ids: Sequence[int]) -> int:
    """Tell of each search when it has ended; the exit code."""
    from ops_core.db import searches

    told: set[int] = set()
    all_found = True
    try:
        while True:
            rows = watching.look(engine, lambda connection: searches.ended(connection, job_ids))
            for row in rows:
                if row.id not in told:
                    told.add(row.id)
                    all_found &= row.outcome in ("success", "skipped")
                    typer.echo(f"{row.venue} (venue #{row.venue_id}): {row.summary or row.outcome}.")
            if len(told) == len(job_ids):
                return 0 if all_found else EXIT_SOME_OPEN
            time.sleep(watching.PAUSE)
    except KeyboardInterrupt:
        typer.echo("The searches go on; the Geocoding page tells of them.", err=True)
        raise typer.Exit(watching.EXIT_INTERRUPTED) from None


def _count(number: int, noun: str) -> str:
    plural = {"search": "searches"}.get(noun, f"{noun}s")
    return f"{number:,} {noun if number == 1 else plural}"

"""`venue-ops providers ...`: what each provider allows and costs, and pausing one."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops_core.commands import printed
from ops_core.commands.retry import AsJson
from ops_core.domain import provider_edits
from ops_core.domain.access import LOCAL
from ops_core.domain.providers import Rehosting, in_force
from ops_core.domain.retry_texts import columns

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops_core.db.provider_rows import ProviderRow
    from ops_core.domain.readiness import Readiness

app = typer.Typer(help="The providers: what each allows, costs, and may be asked for.")

Code = Annotated[str, typer.Argument(metavar="CODE", help="The provider, such as google_places.")]


@app.callback(invoke_without_command=True)
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the providers, first priority first. They are edited on the console's Admin page."""
    if context.invoked_subcommand is not None:
        return
    from ops_core import actions
    from ops_core.db import provider_rows
    from ops_core.db.clock import server_time

    with _engine().connect() as connection:
        rows, now = provider_rows.all_rows(connection), server_time(connection)
    ready = actions.ready([row.code for row in rows])
    if as_json:
        typer.echo(json.dumps([_json(row, ready[row.code], now) for row in rows], indent=2))
        return
    table: list[tuple[str, ...]] = [
        ("provider", "is", "limits", "listing", "photo", "search", "photos are"),
        *(_line(row, ready[row.code], now) for row in rows),
    ]
    for line in columns(table):
        typer.echo(line)
    for row in rows:
        for why in _missing(row, ready[row.code]):
            typer.echo(f"{row.code}: {why}")


@app.command()
def pause(
    code: Code,
    reason: Annotated[str, typer.Option("--reason", help="Why; others will ask.")],
    minutes: Annotated[float, typer.Option("--minutes", min=1, help="For how long.")] = 60,
) -> None:
    """Ask nothing of a provider for a time; calls that have begun end."""
    from ops_core import actions

    until = actions.pause_provider(_engine(), code, actor=LOCAL, minutes=minutes, reason=reason)
    typer.echo(f"{code} is paused until {printed.when(until)}.")


@app.command()
def resume(code: Code) -> None:
    """Ask a paused provider again, and let the work begin that waits for it."""
    from ops_core import actions

    was_paused = actions.resume_provider(_engine(), code, actor=LOCAL)
    typer.echo(f"{code} is asked again." if was_paused else f"{code} was not paused.")


def _engine() -> Engine:
    from ops_core.db.engine import get_engine

    return get_engine()


def _line(row: ProviderRow, ready: Readiness, now: datetime) -> tuple[str, ...]:
    prices = (row.edit.listing_usd, row.edit.photo_usd, row.edit.search_usd)
    return (
        row.code,
        _standing(row, ready, now),
        provider_edits.limits_in_words(row.edit),
        *map(provider_edits.price, prices),
        _policy(row),
    )


def _policy(row: ProviderRow) -> str:
    from ops_core.settings import get_settings

    if row.rehosting is Rehosting.STORE:
        return "copied"
    drawn = get_settings().drawn
    return "copied (drawn)" if in_force(row.rehosting, row.code, drawn) is Rehosting.STORE else "referenced"


def _standing(row: ProviderRow, ready: Readiness, now: datetime) -> str:
    if not row.edit.active:
        return "switched off"
    if row.paused_until is not None and row.paused_until > now:
        return f"paused until {printed.when(row.paused_until)}"
    if len(ready.lacking(row.edit.capabilities)) == len(row.edit.capabilities):
        return "not set up"
    return "asked"


def _missing(row: ProviderRow, ready: Readiness) -> list[str]:
    return list(dict.fromkeys(ready.lacking(row.edit.capabilities).values()))


def _json(row: ProviderRow, ready: Readiness, now: datetime) -> dict[str, Any]:
    """A provider as scripts read it: times in ISO 8601, UTC; dollars as text, exact."""
    edit = row.edit
    is_paused = row.paused_until is not None and row.paused_until > now
    return {
        "code": row.code,
        "name": row.name,
        "active": edit.active,
        "paused_until": row.paused_until.isoformat() if row.paused_until and is_paused else None,
        "paused_reason": row.paused_reason if is_paused else None,
        "not_ready": ready.lacking(row.edit.capabilities),
        "priority": edit.priority,
        "capabilities": sorted(edit.capabilities),
        "per_second": edit.per_second,
        "per_minute": edit.per_minute,
        "per_hour": edit.per_hour,
        "listing_usd": str(edit.listing_usd),
        "photo_usd": str(edit.photo_usd),
        "search_usd": str(edit.search_usd),
        "rehosting": row.rehosting.value,
        "rehosting_reason": row.rehosting_reason,
        "copies": row.copies.value,
        "terms_note": row.terms_note,
        "terms_url": row.terms_url,
    }

"""`venue-ops retry`: the same plan, checks and audit as the console's dialog."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from ops_core.commands import printed, watching
from ops_core.domain.access import LOCAL
from ops_core.domain.retry_wishes import Unclear

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops_core.db.retries import Request
    from ops_core.notebook import RetryPreview

#: Nothing was ordered: nothing to do, refused, or the person said no.
EXIT_REFUSED = 1

WHAT, HOW, RUN = "What to retry", "How", "This command"


def _what(flag: str, metavar: str, words: str) -> Any:
    return typer.Option(flag, metavar=metavar, help=words, rich_help_panel=WHAT)


def _how(flag: str, metavar: str, words: str, **more: Any) -> Any:
    return typer.Option(flag, metavar=metavar, help=words, rich_help_panel=HOW, **more)


def _run(flag: str, words: str) -> Any:
    return typer.Option(flag, help=words, rich_help_panel=RUN)


Venue = Annotated[list[int] | None, _what("--venue", "ID", "What failed at this venue; repeat for more.")]
Image = Annotated[list[int] | None, _what("--image", "ID", "This image; repeat for more.")]
Job = Annotated[list[int] | None, _what("--job", "ID", "What this operation left failed; repeat for more.")]
Earlier = Annotated[int | None, _what("--request", "ID", "What failed in this earlier retry.")]
Provider = Annotated[list[str] | None, _what("--provider", "CODE", "Photos of this provider that failed.")]
ErrorType = Annotated[list[str] | None, _what("--error-type", "TYPE", "Failed like this: rate_limited.")]
City = Annotated[list[str] | None, _what("--city", "CITY", "In this city, by its id or name.")]
Since = Annotated[str | None, _what("--since", "TIME", "Failed since then: 24h, 7d, 2026-11-23.")]
Until = Annotated[str | None, _what("--until", "TIME", "Failed before then.")]
Everything = Annotated[bool, typer.Option("--all", help="All failed images.", rich_help_panel=WHAT)]
At = Annotated[str | None, _how("--at", "TIME", "Begin later: 02:00, or 2026-11-23T02:00.")]
Zone = Annotated[
    str | None, _how("--zone", "ZONE", "Time zone of the times: Europe/Warsaw. Default: this machine's.")
]
OffPeak = Annotated[
    bool,
    typer.Option("--off-peak", help="Begin in the hour in which least failed.", rich_help_panel=HOW),
]
PerHour = Annotated[int | None, _how("--per-hour", "N", "At most so many images an hour.")]
UsdPerDay = Annotated[str | None, _how("--usd-per-day", "X", "At most so many dollars in 24 hours.")]
Sample = Annotated[int | None, _how("--sample", "N", "Try so many images first.")]
SampleShare = Annotated[
    float | None,
    _how("--sample-share", "PERCENT", "Go on if so much of the sample comes in; else pause. Default: 80."),
]
Override = Annotated[
    bool,
    typer.Option("--override", help="Final failures too; needs --reason.", rich_help_panel=HOW),
]
Reason = Annotated[str, _how("--reason", "TEXT", "Why, kept with the retry and in the audit.")]
DryRun = Annotated[bool, _run("--dry-run", "Show the plan and change nothing.")]
Yes = Annotated[bool, _run("--yes", "Do not ask.")]
Watch = Annotated[bool, _run("--watch", "Show how it goes until it ends; Ctrl-C ends only the watching.")]
AsJson = Annotated[bool, _run("--json", "Print one JSON document and nothing else.")]


def retry(
    venue: Venue = None,
    image: Image = None,
    job: Job = None,
    request: Earlier = None,
    provider: Provider = None,
    error_type: ErrorType = None,
    city: City = None,
    since: Since = None,
    until: Until = None,
    everything: Everything = False,
    at: At = None,
    zone: Zone = None,
    off_peak: OffPeak = False,
    per_hour: PerHour = None,
    usd_per_day: UsdPerDay = None,
    sample: Sample = None,
    sample_share: SampleShare = None,
    override: Override = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    watch: Watch = False,
    as_json: AsJson = False,
) -> None:
    """Try failed images again: shows what it would do, asks, and orders it from the workers.

    Venues, providers, error types, cities and times may be combined: what fits all of them is tried.
    Without a terminal, and with --json, give --yes or --dry-run.

    Exit code 0: ordered, or watched to its end and none failed; 1: nothing was ordered; 2: the command
    makes no sense; 3: watched to its end, and some failed or were let go; 4: watched until it was paused.
    """
    asks = not (yes or dry_run)
    if override and not reason.strip():
        raise Unclear("Final failures are tried again only with a reason: give --reason.")
    if asks and (as_json or not watching.on_a_terminal()):
        raise Unclear("Nobody can be asked here: give --yes to order it, or --dry-run to look only.")
    from ops_core import notebook
    from ops_core.db.engine import get_engine

    engine = get_engine()
    shown = notebook.preview_retry(
        venues=venue or (),
        images=image or (),
        jobs=job or (),
        request=request,
        providers=provider or (),
        error_types=error_type or (),
        cities=city or (),
        since=since,
        until=until,
        all=everything,
        at=at,
        off_peak=off_peak,
        zone=zone,
        per_hour=per_hour,
        usd_per_day=usd_per_day,
        sample=sample,
        sample_share=None if sample_share is None else sample_share / 100,
        override=override,
        engine=engine,
    )
    if not as_json:
        typer.echo(repr(shown))
    if dry_run:
        if as_json:
            typer.echo(_document(shown))
        raise typer.Exit(0 if shown.plan.images else EXIT_REFUSED)
    ordered = _order(engine, shown, reason, asks=asks, watch=watch, as_json=as_json)
    if as_json:
        typer.echo(_document(shown, ordered))
    raise typer.Exit(watching.exit_code(ordered) if watch else 0)


def _order(
    engine: Engine, shown: RetryPreview, reason: str, *, asks: bool, watch: bool, as_json: bool
) -> Request:
    """Order what was shown; the retry as it is then. Ends the command if nothing is ordered."""
    from ops_core import actions

    token = uuid4().hex
    while True:
        if asks and shown.plan.images and not typer.confirm("Retry them?", err=True):
            typer.echo("Nothing was ordered.", err=True)
            raise typer.Exit(EXIT_REFUSED)
        try:
            done = actions.submit_retry(
                engine,
                shown.scope,
                actor=LOCAL,
                token=token,
                options=shown.options,
                expected=shown.plan if asks else None,
                reason=reason,
            )
        except actions.Changed as changed:
            shown = replace(shown, plan=changed.preview.plan, forecast=changed.preview.forecast)
            typer.echo("The failures changed meanwhile. Now it is this:", err=True)
            typer.echo(repr(shown))
        except actions.AlreadyOpen as open_:
            typer.secho(str(open_), fg="red", err=True)
            request = follow(engine, open_.request_id, watch=watch, as_json=as_json)
            if watch:
                return request
            if as_json:
                typer.echo(_document(shown, request, refused=str(open_)))
            raise typer.Exit(EXIT_REFUSED) from None
        except actions.Refused as refused:
            if as_json:
                typer.echo(_document(shown, refused=str(refused)))
            raise
        else:
            if not as_json:
                typer.echo(f"Retry #{done.request_id} is ordered: {done.plan.in_words()}.")
            return follow(engine, done.request_id, watch=watch, as_json=as_json)


def follow(engine: Engine, request_id: int, *, watch: bool, as_json: bool) -> Request:
    """The retry, once watching it has ended if that is asked for; says how it stands, or how to watch it."""
    if watch:
        request = watching.watch(engine, request_id, quiet=as_json)
        if not as_json:
            typer.echo(watching.ended_in_words(request))
        return request
    if not as_json:
        typer.echo(f"Watch it: venue-ops retries watch {request_id}")
    return watching.now(engine, request_id)


def _document(shown: RetryPreview, request: Request | None = None, *, refused: str | None = None) -> str:
    plan, forecast = shown.plan, shown.forecast
    if request is not None and refused is None:  # what was ordered, should it differ from what was seen
        plan, forecast = request.plan, request.forecast or forecast
    found = {
        "scope": shown.scope.to_json(),
        "options": shown.options.to_json(),
        **printed.preview_json(plan, forecast, shown.off_peak),
        "request": None if request is None else printed.request_json(request),
        "refused": refused,
    }
    return json.dumps(found, indent=2)

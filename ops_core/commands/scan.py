"""`venue-ops scan`: the cleanup scan, as the console's "Retry all failed" orders it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import typer

from ops_core.commands import printed, watching
from ops_core.commands.retry import EXIT_REFUSED, AsJson, Watch, follow
from ops_core.domain.access import LOCAL

if TYPE_CHECKING:
    from sqlalchemy import Engine


def scan(watch: Watch = False, as_json: AsJson = False) -> None:
    """Look at all failures and retry what can be: the console's "Retry all failed".

    With --watch the retry that the scan orders is watched too. Exit code 0: the scan is ordered, or all was
    watched and none failed; 1: the scan itself broke; 3: some images failed or were let go; 4: its retry
    is paused.
    """
    from ops_core import actions
    from ops_core.db.engine import get_engine

    engine = get_engine()
    queued = actions.retry_all_failed(engine, actor=LOCAL, token=uuid4().hex)
    if not as_json:
        begun = "The scan is ordered" if queued.is_new else "A scan is open already"
        typer.echo(f"{begun}: operation #{queued.job_id}.")
    found: dict[str, Any] = {"job_id": queued.job_id, "is_new": queued.is_new, "scan": None, "request": None}
    code = _watch(engine, queued.job_id, found, as_json=as_json) if watch else 0
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    raise typer.Exit(code)


def _watch(engine: Engine, job_id: int, found: dict[str, Any], *, as_json: bool) -> int:
    """Watch the scan and then its retry; `found` learns of both. The exit code."""
    from ops_core.db import job_detail

    try:
        while True:
            job = watching.look(engine, lambda connection: job_detail.job(connection, job_id))
            assert job is not None
            if job["finished_at"] is not None:
                break
            time.sleep(watching.PAUSE)
    except KeyboardInterrupt:
        typer.echo("The scan goes on. Its retry will be in: venue-ops retries list", err=True)
        raise typer.Exit(watching.EXIT_INTERRUPTED) from None
    raw = watching.look(engine, lambda connection: job_detail.raw(connection, job_id))
    meta = raw["meta"] if raw is not None and isinstance(raw["meta"], dict) else {}
    found["scan"] = {"state": job["state"].value, "meta": meta}
    if not as_json:
        typer.echo(f"{job['summary'] or 'The scan did not report'}.")
    if job["status"] is None or job["status"].value != "success":
        return EXIT_REFUSED
    request_id = meta.get("request_id")
    if request_id is None:
        return 0
    request = follow(engine, request_id, watch=True, as_json=as_json)
    found["request"] = printed.request_json(request)
    return watching.exit_code(request)

"""The enrichment tasks. Arguments are job ids only: a message that comes twice finds the job taken."""

from __future__ import annotations

from ops_core.db.engine import get_engine
from ops_core.settings import get_settings
from ops_core.tasks.app import app
from ops_core.tasks.worker import database_is_there, is_stopping
from ops_core.work import batches, runner


def _run(job_ids: list[int]) -> None:
    if database_is_there():
        runner.run(get_engine(), get_settings(), job_ids, is_stopping=is_stopping)


def _expand(job_id: int) -> None:
    if database_is_there():
        batches.expand(get_engine(), get_settings(), job_id)


@app.task(name="enrich_venue")
def enrich_venue(job_id: int) -> None:
    """Bring one venue's photos into the store, then go on with what else is due."""
    _run([job_id])


@app.task(name="enrich_venues")
def enrich_venues(job_ids: list[int]) -> None:
    """Bring several venues' photos into the store at once, then go on with what else is due."""
    _run(job_ids)


@app.task(name="enrich_batch")
def enrich_batch(job_id: int) -> None:
    """Write one enrichment for each venue of a list; the dispatcher tells the workers of them."""
    _expand(job_id)


@app.task(name="enrich_stale")
def enrich_stale(job_id: int) -> None:
    """Write one enrichment for each venue that is due."""
    _expand(job_id)

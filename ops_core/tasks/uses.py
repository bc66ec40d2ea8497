"""The task of reports of use. It has no arguments: a message that comes twice finds nothing due."""

from __future__ import annotations

from ops_core.db.engine import get_engine
from ops_core.settings import get_settings
from ops_core.tasks.app import app
from ops_core.tasks.worker import database_is_there, is_stopping
from ops_core.work import uses


@app.task(name="report_uses")
def report_uses() -> None:
    """Tell providers that want to know it of some photos that are in use."""
    if database_is_there():
        uses.report(get_engine(), get_settings(), is_stopping=is_stopping)

"""The dispatcher with the queue's way of sending."""

from __future__ import annotations

import threading

from ops_core.db.engine import get_engine
from ops_core.settings import Settings
from ops_core.tasks.send import ask_for_reports, send
from ops_core.work import dispatch


def run(settings: Settings, stop: threading.Event) -> None:
    """Dispatch until `stop` is set."""
    dispatch.run(get_engine(), settings, stop, send, ask_for_reports)

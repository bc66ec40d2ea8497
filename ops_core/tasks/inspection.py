"""Asking the queue how it is."""

from __future__ import annotations

from kombu.exceptions import OperationalError

from ops_core.tasks.app import app

#: Seconds workers get to answer; a busy one answers within milliseconds.
_PATIENCE = 1.5


class BrokerAway(Exception):
    """The broker cannot be reached; the message is its reason."""


def check_broker() -> None:
    """Reach the broker once. Raises `BrokerAway`."""
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=3, reraise_as_library_errors=True)
    except (OperationalError, OSError) as error:
        raise BrokerAway(str(error).strip() or type(error).__name__) from error


def workers() -> list[str]:
    """The workers that answer now, by name. Raises `BrokerAway`."""
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=3, reraise_as_library_errors=True)
            answers = app.control.ping(timeout=_PATIENCE, connection=connection)
    except (OperationalError, OSError) as error:
        raise BrokerAway(str(error).strip() or type(error).__name__) from error
    return sorted(name for answer in answers for name in answer)

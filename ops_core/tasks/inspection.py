"""Asking the queue how it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kombu import Connection
from kombu.exceptions import OperationalError

from ops_core.domain.redact import redact
from ops_core.tasks.app import app

#: Seconds workers get to answer; a busy one answers within milliseconds.
_PATIENCE = 1.5


class BrokerAway(Exception):
    """The broker cannot be reached; the message is its reason."""


def check_broker() -> None:
    """Reach the broker once. Raises `BrokerAway`."""
    with _reached():
        pass


def workers() -> list[str]:
    """The workers that answer now, by name. Raises `BrokerAway`."""
    with _reached() as connection:
        answers = app.control.ping(timeout=_PATIENCE, connection=connection)
    return sorted(name for answer in answers for name in answer)


@contextmanager
def _reached() -> Iterator[Connection]:
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=3, reraise_as_library_errors=True)
            yield connection
    except (OperationalError, OSError) as error:
        raise BrokerAway(redact(str(error).strip()) or type(error).__name__) from error

"""Changes of a provider's circuit from several connections at once: none is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

import pytest
from sqlalchemy import Engine, text

from ops_core.db import circuits
from ops_core.domain.circuits import FAILURES_TO_OPEN, Circuit, admit, after_failure, probing
from ops_core.domain.errors import ErrorType

pytestmark = pytest.mark.postgres

P = "wikimedia_commons"


def at_once(work: Callable[[], None], threads: int) -> None:
    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def failed(circuit: Circuit, now: datetime) -> Circuit:
    return after_failure(circuit, ErrorType.NETWORK_ERROR, now)


def test_every_failure_counts_even_when_all_are_the_first(database: Engine) -> None:
    ready = threading.Barrier(8)

    def fail() -> None:
        with database.begin() as connection:
            connection.execute(text("SELECT 1"))
            ready.wait()
            circuits.change(connection, P, failed)

    at_once(fail, 8)
    with database.connect() as connection:
        assert circuits.load(connection, [P])[P].failures == 8


def test_of_many_that_would_probe_one_does(database: Engine) -> None:
    with database.begin() as connection:
        for _ in range(FAILURES_TO_OPEN):
            circuits.change(connection, P, failed)
        connection.execute(text("UPDATE circuits SET retry_at = now()"))
    ready = threading.Barrier(8)
    taken: list[bool] = []

    def step(circuit: Circuit, now: datetime) -> Circuit:
        return probing(circuit, now) if admit(circuit, now).is_probe else circuit

    def probe() -> None:
        with database.begin() as connection:
            connection.execute(text("SELECT 1"))
            ready.wait()
            before, after = circuits.change(connection, P, step)
            taken.append(before != after)

    at_once(probe, 8)
    assert sorted(taken) == [False] * 7 + [True]


def test_what_stays_as_it_is_is_not_written(database: Engine) -> None:
    with database.begin() as connection:
        before, after = circuits.change(connection, P, lambda circuit, _: circuit)
        assert before == after == Circuit(provider=P)
        assert connection.scalar(text("SELECT count(*) FROM circuits")) == 0
        circuits.change(connection, P, failed)
        written = connection.scalar(text("SELECT changed_at FROM circuits"))
    with database.begin() as connection:
        circuits.change(connection, P, lambda circuit, _: circuit)
        assert connection.scalar(text("SELECT changed_at FROM circuits")) == written

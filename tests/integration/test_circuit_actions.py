"""Closing the circuit of a provider by hand: who may, what it does, what is written."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine, text

from ops_core.actions import NotAllowed, Refused, close_circuit
from ops_core.db import circuits
from ops_core.domain.access import Actor, Role
from ops_core.domain.circuits import FAILURES_TO_OPEN, Circuit, CircuitState, after_failure
from ops_core.domain.errors import ErrorType
from ops_core.domain.providers import SEED

pytestmark = pytest.mark.postgres

ANNA = Actor("anna", Role.OPERATOR)
P = "google_places"


def fail(engine: Engine, times: int = FAILURES_TO_OPEN) -> Circuit:
    for _ in range(times):
        with engine.begin() as connection:
            _, now = circuits.change(
                connection, P, lambda circuit, now: after_failure(circuit, ErrorType.AUTH_ERROR, now)
            )
    return now


def audited(engine: Engine) -> list[tuple]:
    with engine.connect() as connection:
        return [
            tuple(row)
            for row in connection.execute(text("SELECT actor, action, scope, outcome FROM audit ORDER BY id"))
        ]


def test_an_open_circuit_is_closed_and_stays_closed_for_ten_minutes(database: Engine) -> None:
    assert fail(database).state is CircuitState.OPEN
    closed = close_circuit(database, P, actor=ANNA)
    assert closed.overridden_until is not None
    with database.connect() as connection:
        stored = {each.provider: each for each in circuits.all_circuits(connection)}
        left = connection.scalar(
            text("SELECT extract(epoch FROM :until - now())"), {"until": closed.overridden_until}
        )
    assert stored[P] == closed
    assert 590 < left <= 600
    assert fail(database, 3 * FAILURES_TO_OPEN).is_closed
    ((actor, action, scope, outcome),) = audited(database)
    assert (actor, action, scope) == ("anna", "close_circuit", {"provider": P})
    assert outcome.startswith("closed; does not open before ")


def test_a_closed_circuit_and_an_unknown_provider_are_refused_and_audited(database: Engine) -> None:
    with pytest.raises(Refused, match="Google Places is asked as usual already"):
        close_circuit(database, P, actor=ANNA)
    with pytest.raises(Refused, match="There is no provider “nobody”"):
        close_circuit(database, "nobody", actor=ANNA)
    assert [row[3] for row in audited(database)] == [
        "refused: Google Places is asked as usual already.",
        "refused: There is no provider “nobody”.",
    ]
    with database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM circuits")) == 0


def test_who_may_only_look_may_not_close_it(database: Engine) -> None:
    fail(database)
    with pytest.raises(NotAllowed):
        close_circuit(database, P, actor=Actor("vera", Role.VIEWER))
    with database.connect() as connection:
        assert circuits.load(connection, [P])[P].state is CircuitState.OPEN
    assert audited(database)[0][3] == "refused: takes the role operator, has viewer"


def test_screens_see_every_provider_first_priority_first(database: Engine) -> None:
    fail(database, 2)
    with database.connect() as connection:
        found = circuits.all_circuits(connection)
    assert [each.provider for each in found] == [
        row.code for row in sorted(SEED, key=lambda row: row.priority)
    ]
    assert [each.failures for each in found] == [2, 0, 0, 0, 0, 0]


def test_what_was_put_off_is_due_at_once_and_nothing_else_is(database: Engine) -> None:
    fail(database)
    with database.begin() as connection:
        held = make_job(connection, providers=[P], seconds=10**8)
        broken = make_job(connection, providers=[P], seconds=60, state="retryable")
        other = make_job(connection, providers=["wikimedia_commons"], seconds=60)
        waits = make_job(connection, providers=[P, "wikimedia_commons"], seconds=120)
        unknown = make_job(connection, providers=[], seconds=60)
    close_circuit(database, P, actor=ANNA)
    with database.connect() as connection:
        due = connection.scalars(text("SELECT id FROM jobs WHERE scheduled_at <= now() ORDER BY id")).all()
    assert due == [waits, unknown]
    assert {held, broken, other}.isdisjoint(due)


def make_job(
    connection: Connection, *, providers: list[str], seconds: float, state: str = "available"
) -> int:
    job_id: int = connection.scalar(
        text("""
            INSERT INTO jobs (kind, state, actor, providers, scheduled_at)
            VALUES ('stale', CAST(:state AS job_state), 'anna', :providers,
                    now() + make_interval(secs => :seconds))
            RETURNING id
        """),
        {"state": state, "providers": providers, "seconds": seconds},
    )
    return job_id

"""Closing the circuit breaker of a provider."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Engine

from ops_core.actions.outcomes import Refused
from ops_core.actions.steps import require
from ops_core.db import audit, circuits, due_jobs, providers
from ops_core.domain.access import Actor, Role
from ops_core.domain.circuits import OVERRIDE_MINUTES, Circuit, overridden


def close_circuit(engine: Engine, provider: str, *, actor: Actor) -> Circuit:
    """Have `provider` asked again at once, and for `OVERRIDE_MINUTES` however it does.

    Raises `Refused` when there is no such provider or its circuit is closed already.
    """
    scope = {"provider": provider}
    require(engine, actor, Role.OPERATOR, "close_circuit", scope)
    try:
        with engine.begin() as connection:
            closed = _close(connection, provider)
            due_jobs.bring_forward(connection, provider)
            outcome = f"closed; does not open before {closed.overridden_until:%Y-%m-%d %H:%M:%S} UTC"
            audit.write(connection, actor=actor.name, action="close_circuit", scope=scope, outcome=outcome)
    except Refused as refused:
        with engine.begin() as connection:
            outcome = f"refused: {refused}"
            audit.write(connection, actor=actor.name, action="close_circuit", scope=scope, outcome=outcome)
        raise
    return closed


def _close(connection: Connection, provider: str) -> Circuit:
    name = providers.name_of(connection, provider)
    if name is None:
        raise Refused(f"There is no provider “{provider}”.")

    def step(circuit: Circuit, now: datetime) -> Circuit:
        return circuit if circuit.is_closed else overridden(circuit, now, OVERRIDE_MINUTES)

    before, after = circuits.change(connection, provider, step)
    if before.is_closed:
        raise Refused(f"{name} is asked as usual already.")
    return after

"""Worker processes together: no window of the provider's own log is overfull, and nearly all of it is used.

Takes over a minute, as the longer one of the windows does.
"""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import text

from ops_core import actions
from ops_core.domain.access import Actor, Role
from ops_core.domain.retries import Scope
from ops_core.sandbox.faults import Fault
from tests.support.askers import most_within
from tests.support.given_jobs import run_given
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.worker]

PROVIDER = "wikimedia_commons"
PER_SECOND, PER_MINUTE = 5, 120
#: Seconds after the first call from which on all processes have found the work.
STEADY_AFTER = 3.0
STEADY = 64.0
NOT_UPLOADED = "SELECT count(*) FROM images WHERE state <> 'uploaded'"
#: The third part of who held an image is the process.
PROCESSES = "SELECT count(DISTINCT split_part(worker, ':', 3)) FROM attempts WHERE number > 1"


def change(system: System, statement: str, **values: object) -> None:
    with system.engine.begin() as connection:
        connection.execute(text(statement), values)


def fail_photos(system: System, venues: int) -> None:
    """Enrich `venues` venues while no photo can be had, for a reason that passes; from then on all can."""
    change(system, "UPDATE providers SET active = (code = :code)", code=PROVIDER)
    # a fault that the provider's circuit takes for an answer
    system.sandbox.set_faults(rates={Fault.NOT_FOUND: 1.0}, recover_tries=1000)
    run_given(system.engine, system.settings, system.enqueue(system.add_venues(venues)))
    change(system, "UPDATE images SET error_type = 'network_timeout'")
    system.sandbox.set_faults(rates={})


def calls(system: System) -> list[float]:
    """When the provider was called, of whatever kind, in order of arrival there."""
    return sorted(line["monotonic"] for line in system.sandbox.log(provider=PROVIDER))


def test_four_processes_use_a_providers_limits_up_and_never_exceed_them(system: System) -> None:
    fail_photos(system, venues=80)  # enough for a process that begins late
    change(
        system,
        "UPDATE providers SET per_second = :second, per_minute = :minute",
        second=PER_SECOND,
        minute=PER_MINUTE,
    )
    system.sandbox.reset()
    system.env["VENUE_OPS_WORKER_PROCESSES"] = "4"
    system.start_worker()
    system.start_dispatcher()
    actions.submit_retry(
        system.engine, Scope(everything=True), actor=Actor("anna", Role.OPERATOR), token=uuid4().hex
    )

    first = wait_until(lambda: calls(system), seconds=30)[0]
    begin, end = first + STEADY_AFTER, first + STEADY_AFTER + STEADY
    made = wait_until(lambda: calls(system), lambda seen: seen[-1] > end, seconds=STEADY + 30, every=1)
    assert system.value(NOT_UPLOADED) > 0, "the work ran out: how much was used says nothing"
    assert system.value(PROCESSES) == 4

    assert most_within(made, 1.0) <= PER_SECOND
    assert most_within(made, 60.0) <= PER_MINUTE
    steady = [call for call in made if begin <= call <= end]
    # between two calls there is one space less than there are calls
    used = (len(steady) - 1) / (steady[-1] - steady[0]) * 60 / PER_MINUTE
    assert 0.98 <= used <= 1
    assert steady[0] - begin < 1
    assert end - steady[-1] < 1

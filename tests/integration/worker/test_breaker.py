"""A provider that is down while workers retry: it is left alone, holds nobody up, and comes back."""

from __future__ import annotations

import time

import pytest

from ops_core.domain.errors import ErrorType
from tests.integration.worker.test_enrichment import let_all_be_tried_now
from tests.integration.worker.test_retry import change, fail_all, submit
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.worker]

DOWN, WELL = "wikimedia_commons", "google_places"


def left(system: System, provider: str) -> int:
    question = "SELECT count(*) FROM images WHERE provider = :provider AND state <> 'uploaded'"
    return system.value(question, provider=provider)


def asked_until_now(system: System) -> int:
    """How often the provider that is down was asked, once what was on its way has arrived."""
    counts = [(time.monotonic(), -1)]

    def stands_still() -> bool:
        now, count = time.monotonic(), len(system.sandbox.log(provider=DOWN))
        if count != counts[-1][1]:
            counts.append((now, count))
        # each process looks at the breakers once a second
        return now - counts[-1][0] > 3

    wait_until(stands_still, seconds=30, every=0.2)
    return counts[-1][1]


def test_a_provider_that_is_down_is_left_alone_until_a_probe_says_it_is_well(system: System) -> None:
    fail_all(system, 14)
    images = left(system, DOWN)
    system.sandbox.reset()
    system.sandbox.set_faults(outages={DOWN: 503})
    system.start_worker()
    system.start_dispatcher()
    submit(system)

    wait_until(lambda: system.value("SELECT state FROM circuits WHERE state <> 'closed'"))
    wait_until(lambda: left(system, WELL), lambda n: n == 0)
    (circuit,) = system.rows("SELECT * FROM circuits WHERE provider = :code", code=DOWN)
    assert (circuit.state, circuit.opened, circuit.error_type) == (
        "open",
        1,
        ErrorType.SERVICE_UNAVAILABLE,
    )
    asked = asked_until_now(system)
    assert 10 <= asked < images, "what was on its way when it opened, and no more"
    assert left(system, DOWN) == images

    # it is time for a probe; the provider is still down
    change(system, "UPDATE circuits SET retry_at = now()")
    let_all_be_tried_now(system)
    wait_until(lambda: system.value("SELECT opened FROM circuits WHERE state = 'open'"), lambda n: n == 2)
    assert len(system.sandbox.log(provider=DOWN)) == asked + 1

    system.sandbox.set_faults(outages={})
    change(system, "UPDATE circuits SET retry_at = now()")
    let_all_be_tried_now(system)
    wait_until(lambda: system.value("SELECT state FROM circuits"), lambda state: state == "closed")

    def nearly_done() -> int:
        # those who asked while the probe was on its way come back in their own time
        let_all_be_tried_now(system)
        return len(system.open_jobs())

    wait_until(nearly_done, lambda n: n == 0, seconds=60, every=1)
    failed = system.value("SELECT count(*) FROM images WHERE state = 'failed'")
    assert failed <= asked + 1
    assert left(system, DOWN) == failed
    assert left(system, WELL) == 0
    system.agree()

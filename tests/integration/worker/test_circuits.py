"""The circuit breaker of a provider over a real database: shared by sessions and processes."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text

from ops_core import actions
from ops_core.db import circuits
from ops_core.domain.access import Actor, Role
from ops_core.domain.circuits import FAILURES_TO_OPEN, Circuit, CircuitState
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure
from ops_core.domain.permits import Limits
from ops_core.work.circuits import LONGEST_LOOK
from ops_core.work.rate_limits import Permits, PutOff

pytestmark = pytest.mark.postgres

P = "wikimedia_commons"
TIMEOUT = Failure(ErrorType.NETWORK_TIMEOUT)
ROOT = Path(__file__).parents[3]


def session(engine: Engine, limits: Limits | None = None) -> Permits:
    return Permits(engine, {P: limits or Limits()}, longest_wait=0)


def circuit(engine: Engine) -> Circuit:
    with engine.connect() as connection:
        return circuits.load(connection, [P])[P]


def change(engine: Engine, what: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE circuits SET {what}"))


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


async def fails(permits: Permits, times: int = FAILURES_TO_OPEN) -> None:
    await asyncio.gather(*(permits.note(P, TIMEOUT) for _ in range(times)))


async def wait_of(permits: Permits) -> float:
    """The seconds for which `check` puts off; 0 when it lets through."""
    try:
        await permits.check(P)
    except PutOff as error:
        return error.seconds
    return 0.0


@pytest.fixture
def writes(database: Engine) -> Iterator[list[str]]:
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_: object) -> None:
        if "circuits" in statement and not statement.startswith("SELECT"):
            asked.append(statement)

    event.listen(database, "before_cursor_execute", note)
    yield asked
    event.remove(database, "before_cursor_execute", note)


def test_failures_of_two_sessions_together_open_it_for_all(
    database: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        ours, theirs = session(database), session(database)
        assert await wait_of(ours) == await wait_of(theirs) == 0
        await fails(ours, FAILURES_TO_OPEN - 1)
        assert circuit(database).failures == FAILURES_TO_OPEN - 1
        assert await wait_of(ours) == 0
        await fails(theirs, 1)
        assert 30 <= await wait_of(theirs) <= 36.5
        assert await wait_of(session(database)) >= 29
        deadline = time.monotonic() + 1.5
        while not await wait_of(ours):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)

    with caplog.at_level(logging.INFO):
        run(scenario)
    now = circuit(database)
    assert (now.state, now.error_type, now.failures) == (CircuitState.OPEN, ErrorType.NETWORK_TIMEOUT, 10)
    (line,) = caplog.messages
    assert line.startswith(f"{P} is not asked until ")
    assert "10 failures in a row, the last: Network timeout" in line


def test_a_healthy_provider_costs_no_writes_even_when_a_few_photos_fail(
    database: Engine, writes: list[str]
) -> None:
    async def scenario() -> None:
        permits = session(database)

        async def works(number: int) -> None:
            await permits.check(P)
            await asyncio.sleep(number * 0.001)
            await permits.note(P, TIMEOUT if number % 10 == 0 else None)

        await asyncio.gather(*(works(number) for number in range(1, 200)))
        await permits.note(P, Failure(ErrorType.NOT_FOUND))

    run(scenario)
    assert writes == []


def test_a_success_between_failures_starts_the_count_anew(database: Engine) -> None:
    async def scenario() -> None:
        permits = session(database)
        for answer in (None, Failure(ErrorType.NOT_FOUND), Failure(ErrorType.CORRUPT_IMAGE)):
            await fails(permits, FAILURES_TO_OPEN - 1)
            await permits.note(P, answer)
            assert circuit(database).failures == 0
            assert await wait_of(permits) == 0
        await fails(permits, FAILURES_TO_OPEN - 1)
        # says nothing about the provider, either way
        await permits.note(P, Failure(ErrorType.NOT_CONFIGURED))
        assert circuit(database).failures == FAILURES_TO_OPEN - 1

    run(scenario)


def test_one_probe_is_let_through_and_its_success_closes_it(
    database: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        ours, theirs = session(database), session(database)
        await fails(ours)
        change(database, "retry_at = now()")
        waits = await asyncio.gather(*(wait_of(each) for each in [session(database)] * 5 + [theirs] * 5))
        assert sorted(waits)[:2] == [0, pytest.approx(5.5, abs=0.6)]
        assert circuit(database).state is CircuitState.HALF_OPEN

    async def probes() -> None:
        permits = session(database)
        change(database, "probe_until = now()")
        assert await wait_of(permits) == 0
        await permits.note(P, Failure(ErrorType.NOT_FOUND))
        assert await wait_of(permits) == 0

    with caplog.at_level(logging.INFO):
        run(scenario)
        run(probes)
    assert circuit(database) == Circuit(provider=P)
    assert caplog.messages[-1] == f"{P} answers, and is asked as usual again"


def test_a_probe_that_fails_opens_it_for_twice_as_long(database: Engine) -> None:
    async def scenario() -> None:
        permits = session(database)
        await fails(permits)
        change(database, "retry_at = now()")
        probing = session(database)
        assert await wait_of(probing) == 0
        # begun before it opened: neither is the probe
        await permits.note(P, None)
        await permits.note(P, TIMEOUT)
        assert circuit(database).state is CircuitState.HALF_OPEN
        await probing.note(P, Failure(ErrorType.BAD_GATEWAY))
        assert 60 <= await wait_of(probing) <= 73

    run(scenario)
    now = circuit(database)
    assert (now.opened, now.failures, now.error_type) == (2, 11, ErrorType.BAD_GATEWAY)


def test_a_probe_whose_lease_ran_out_has_no_say_any_more(database: Engine) -> None:
    async def scenario() -> None:
        await fails(session(database))
        change(database, "retry_at = now()")
        slow, quick = session(database), session(database)
        assert await wait_of(slow) == 0
        change(database, "probe_until = now()")
        assert await wait_of(quick) == 0
        await slow.note(P, TIMEOUT)
        assert circuit(database).state is CircuitState.HALF_OPEN
        await quick.note(P, None)
        assert circuit(database).is_closed

    run(scenario)


def test_a_probe_that_gets_no_permit_makes_room_for_another_in_time(database: Engine) -> None:
    async def scenario() -> None:
        await fails(session(database))
        change(database, "retry_at = now()")
        permits = session(database, Limits(per_second=5))
        await permits.block(P, 20)
        assert await wait_of(permits) == 0
        with pytest.raises(PutOff):
            await permits(P)
        assert circuit(database).state is CircuitState.OPEN
        assert 18 <= await wait_of(permits) <= 25
        change(database, "retry_at = now()")
        again = session(database)
        assert await wait_of(again) == 0
        await again.note(P, Failure(ErrorType.UNKNOWN_ERROR))
        assert 4 <= await wait_of(again) <= 6.1

    run(scenario)


def test_a_long_wait_is_looked_at_again_as_a_person_may_end_it(database: Engine) -> None:
    async def scenario() -> None:
        permits = session(database)
        await fails(permits)
        change(database, "retry_at = now() + interval '15 minutes'")
        assert LONGEST_LOOK <= await wait_of(session(database)) <= LONGEST_LOOK * 1.2
        actions.close_circuit(database, P, actor=Actor("anna", Role.OPERATOR))
        fresh = session(database)
        assert await wait_of(fresh) == 0
        await fails(fresh, 3 * FAILURES_TO_OPEN)
        assert await wait_of(fresh) == 0
        change(database, "overridden_until = now()")
        await fails(fresh, 1)
        assert await wait_of(fresh) > 0

    run(scenario)


def test_what_cannot_be_noted_is_no_reason_to_lose_a_try(
    database: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        permits = session(database)
        assert await wait_of(permits) == 0
        with database.begin() as connection:
            connection.execute(text("ALTER TABLE circuits RENAME TO gone"))
        await permits.note(P, TIMEOUT)

    run(scenario)
    assert caplog.messages == [f"how {P} does could not be noted: ProgrammingError"]


PROBER = """
import asyncio, json, sys, time
from ops_core.db.engine import make_engine
from ops_core.domain.permits import Limits
from ops_core.work.rate_limits import Permits, PutOff

async def run(url, provider, askers, until):
    permits = Permits(make_engine(url, pool_size=5), {provider: Limits()}, 0)
    async def ask():
        try:
            await permits.check(provider)
        except PutOff:
            return 0
        return 1
    await asyncio.sleep(until - time.time())
    return sum(await asyncio.gather(*(ask() for _ in range(askers))))

url, provider, until = json.loads(sys.argv[1])
print(asyncio.run(run(url, provider, 20, until)))
"""


def test_exactly_one_of_many_processes_probes(database: Engine) -> None:
    run(lambda: fails(session(database)))
    change(database, "retry_at = now()")
    url = database.url.render_as_string(hide_password=False)
    order = json.dumps([url, P, time.time() + 8])
    processes = [
        subprocess.Popen([sys.executable, "-c", PROBER, order], cwd=ROOT, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    let_through = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sorted(let_through) == [0, 0, 0, 1]
    assert circuit(database).state is CircuitState.HALF_OPEN

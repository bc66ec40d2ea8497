"""Permits as work takes them: shared by processes, in batches, and given up when they are of no use."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event, text

from ops_core.db import rate_limits
from ops_core.domain.permits import Limits
from ops_core.work import rate_limits as rate_limits_of_work
from ops_core.work.rate_limits import Permits, PutOff
from tests.support.askers import calls_of_processes, most_within

pytestmark = pytest.mark.postgres


@pytest.fixture
def statements(database: Engine) -> Iterator[list[str]]:
    """What is asked of the database."""
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_: object) -> None:
        asked.append(statement)

    event.listen(database, "before_cursor_execute", note)
    yield asked
    event.remove(database, "before_cursor_execute", note)


async def call(permits: Permits, provider: str = "p") -> float | PutOff:
    """When a call could be made, or why not."""
    try:
        await permits(provider)
    except PutOff as error:
        return error
    return time.monotonic()


def test_those_who_ask_at_the_same_time_share_one_statement(
    database: Engine, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # who misses a permit on a busy machine would ask once more
    monkeypatch.setattr(rate_limits_of_work, "good_for", lambda limits: math.inf)

    async def run() -> list[float | PutOff]:
        permits = Permits(database, {"p": Limits(per_second=40)}, longest_wait=1.0)
        return await asyncio.gather(*(call(permits) for _ in range(60)))

    answers = asyncio.run(run())
    calls = sorted(answer for answer in answers if isinstance(answer, float))
    refused = [answer for answer in answers if isinstance(answer, PutOff)]
    assert len([each for each in statements if "UPDATE rate_limits" in each]) == 1
    # those of the second that may be waited for, 1.1 / 40 apart; all others know when to come again
    assert len(calls) == 37
    assert len(refused) == 23
    assert all(1.0 < error.seconds < 1.1 for error in refused)


def test_a_permit_of_an_asker_who_went_away_goes_to_the_next(database: Engine) -> None:
    async def run() -> float:
        permits = Permits(database, {"p": Limits(per_second=2)}, longest_wait=5)
        gone = [asyncio.create_task(permits("p")) for _ in range(4)]
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        began = time.monotonic()
        await permits("p")
        return time.monotonic() - began

    assert asyncio.run(run()) < 0.5


def test_new_limits_hold_from_the_next_permit_on(database: Engine) -> None:
    limits = {"p": Limits(per_second=100)}

    async def run() -> float | PutOff:
        permits = Permits(database, limits, longest_wait=0.5)
        await permits("p")
        limits["p"] = Limits(per_minute=1)
        await permits("p")
        return await call(permits)

    assert isinstance(asyncio.run(run()), PutOff)


def test_without_limits_nothing_is_asked_but_for_silence_once_a_second(
    database: Engine, statements: list[str]
) -> None:
    async def run() -> None:
        permits = Permits(database, {}, longest_wait=0)
        for _ in range(200):
            await permits("p")
            await permits.check("p")
            await permits.note("p", None)

    asyncio.run(run())
    assert len(statements) <= 3


@pytest.mark.parametrize("limits", [Limits(), Limits(per_second=20)])
def test_who_waits_for_a_permit_when_silence_is_asked_for_does_not_use_it(
    database: Engine, limits: Limits
) -> None:
    async def run() -> tuple[float, list[float | PutOff]]:
        permits = Permits(database, {"p": limits}, longest_wait=5)
        waiting = [asyncio.create_task(call(permits)) for _ in range(20)]
        await asyncio.sleep(0.3)
        began = time.monotonic()
        await permits.block("p", 60)
        return began, [*await asyncio.gather(*waiting), await call(permits)]

    began, answers = asyncio.run(run())
    assert all(55 < answer.seconds <= 60 for answer in answers if isinstance(answer, PutOff))
    assert all(answer <= began for answer in answers if isinstance(answer, float))
    assert isinstance(answers[-1], PutOff)
    assert isinstance(answers[-2], PutOff) or not limits.any


def test_silence_that_another_process_was_asked_for_is_known_a_second_later(database: Engine) -> None:
    async def run() -> None:
        permits = Permits(database, {}, longest_wait=0)
        await permits("p")
        with database.begin() as connection:
            rate_limits.block(connection, "p", 60)
        deadline = time.monotonic() + 1.5
        while not isinstance(await call(permits), PutOff):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)

    asyncio.run(run())


def test_a_permit_that_was_missed_is_not_used(database: Engine) -> None:
    """Calls 1.1 / 20 s apart; the loop stands still for so long that two of them come too late."""

    async def run() -> list[float]:
        permits = Permits(database, {"p": Limits(per_second=20)}, longest_wait=5)
        waiting = [asyncio.create_task(call(permits)) for _ in range(30)]
        await asyncio.sleep(0.2)
        time.sleep(0.2)  # as in a worker that has too much to do
        return sorted(answer for answer in await asyncio.gather(*waiting) if isinstance(answer, float))

    calls = asyncio.run(run())
    assert len(calls) == 30
    after_the_pause = max(range(29), key=lambda i: calls[i + 1] - calls[i]) + 1
    assert most_within(calls, 1.0) <= 20
    at_once = [each for each in calls if calls[after_the_pause] <= each < calls[after_the_pause] + 0.02]
    assert len(at_once) <= 2


def test_an_emptied_table_is_no_reason_to_call_more_often(database: Engine) -> None:
    async def run() -> float | PutOff:
        permits = Permits(database, {"p": Limits(per_minute=1)}, longest_wait=5)
        await permits("p")
        with database.begin() as connection:
            connection.execute(text("TRUNCATE rate_limits"))
        return await call(Permits(database, {"p": Limits(per_minute=1)}, longest_wait=5))

    assert isinstance(asyncio.run(run()), PutOff)


def test_whoever_asks_is_told_that_the_database_is_away(database: Engine) -> None:
    async def run() -> list[object]:
        permits = Permits(database, {"p": Limits(per_second=5)}, longest_wait=5)
        with database.begin() as connection:
            connection.execute(text("ALTER TABLE rate_limits RENAME TO gone"))
        return await asyncio.gather(*(permits("p") for _ in range(3)), return_exceptions=True)

    assert [type(answer).__name__ for answer in asyncio.run(run())] == ["ProgrammingError"] * 3


@pytest.mark.parametrize("limits", [{"per_second": 40}, {"per_second": 10, "per_minute": 300}])
def test_four_processes_never_call_too_often_and_leave_next_to_nothing_unused(
    database: Engine, limits: dict[str, int]
) -> None:
    url = database.url.render_as_string(hide_password=False)
    calls = calls_of_processes(url, limits, processes=4, askers=8, seconds=8)
    assert most_within(calls, 1.0) <= limits["per_second"]
    # from when all had begun until the first ended
    steady = [each for each in calls if calls[0] + 2 <= each <= calls[-1] - 2]
    possible = 40 / 1.1 if "per_minute" not in limits else 300 / 60.4
    used = (len(steady) - 1) / (steady[-1] - steady[0])
    assert 0.97 * possible <= used <= 1.02 * possible


def test_a_process_that_waits_takes_nothing_from_another_provider(database: Engine) -> None:
    async def run() -> float:
        limits = {"slow": Limits(per_minute=6), "quick": Limits(per_second=100)}
        permits = Permits(database, limits, longest_wait=60)
        slow = [asyncio.create_task(permits("slow")) for _ in range(5)]
        began = time.monotonic()
        for _ in range(20):
            await permits("quick")
        took = time.monotonic() - began
        for task in slow:
            task.cancel()
        return took

    assert asyncio.run(run()) < 1.5


def test_the_lock_of_one_provider_does_not_stop_another(database: Engine) -> None:
    limits = {"p": Limits(per_second=100), "q": Limits(per_second=100)}

    async def run() -> None:
        permits = Permits(database, limits, longest_wait=1)
        await permits("p")
        with database.connect() as holder, holder.begin():
            rate_limits.take(holder, "p", limits["p"], longest_wait=1)
            waiting = asyncio.create_task(permits("p"))
            await asyncio.wait_for(permits("q"), 2)
            assert not waiting.done()
        await asyncio.wait_for(waiting, 2)

    asyncio.run(run())

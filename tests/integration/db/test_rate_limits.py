"""Permits from several connections at once stay within every window."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import Engine, text

from ops_core.db import rate_limits
from ops_core.db.rate_limits import Limits, take

pytestmark = pytest.mark.postgres


def grants(engine: Engine, limits: Limits, *, seconds: float, threads: int = 4) -> list[float]:
    """When permits could be used, asked for by several at once for a while."""
    moments: list[float] = []
    end = time.monotonic() + seconds

    def ask() -> None:
        while time.monotonic() < end:
            with engine.begin() as connection:
                permit = take(connection, "p", limits, longest_wait=1.0)
                now = time.monotonic()
            if permit.granted:
                moments.append(now + permit.wait)
            time.sleep(min(permit.wait, 0.05))

    workers = [threading.Thread(target=ask) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sorted(moments)


def most_within(moments: list[float], window: float) -> int:
    return max(sum(1 for other in moments if start <= other < start + window) for start in moments)


def test_no_second_holds_more_than_its_limit_and_almost_all_of_it_is_used(database: Engine) -> None:
    moments = grants(database, Limits(per_second=20), seconds=2.5)
    assert most_within(moments, 0.99) <= 20
    span = moments[-1] - moments[0]
    assert (len(moments) - 1) / span >= 20 * 0.97


def test_the_tightest_window_rules(database: Engine) -> None:
    moments = grants(database, Limits(per_second=50, per_minute=120), seconds=2.0)
    # 120 a minute with 2 at once after a quiet time: one each half second
    assert 4 <= len(moments) <= 9


def test_a_long_wait_is_refused_and_costs_nothing(database: Engine) -> None:
    limits = Limits(per_minute=1)
    with database.begin() as connection:
        assert take(connection, "p", limits, longest_wait=0).granted
        refused = [take(connection, "p", limits, longest_wait=1) for _ in range(3)]
        assert not any(permit.granted for permit in refused)
        assert all(55 < permit.wait < 61 for permit in refused), refused


def test_silence_asked_for_by_the_provider_holds_for_all(database: Engine) -> None:
    limits = Limits(per_second=100)
    with database.begin() as connection:
        take(connection, "p", limits, longest_wait=0)
        rate_limits.block(connection, "p", 30)
        rate_limits.block(connection, "p", 5)
    with database.begin() as connection:
        permit = take(connection, "p", limits, longest_wait=1)
        other = take(connection, "q", limits, longest_wait=1)
    assert not permit.granted
    assert 28 < permit.wait < 31
    assert other.granted


def test_an_emptied_table_starts_anew(database: Engine) -> None:
    with database.begin() as connection:
        take(connection, "p", Limits(per_second=1), longest_wait=5)
        connection.execute(text("TRUNCATE rate_limits"))
        assert take(connection, "p", Limits(per_second=1), longest_wait=0).granted


def test_the_first_permits_of_all_are_given_to_everybody_who_asks_at_once(database: Engine) -> None:
    for _ in range(10):
        with database.begin() as connection:
            connection.execute(text("DELETE FROM rate_limits"))
        ready = threading.Barrier(6)
        permits: list[rate_limits.Permit] = []

        def ask(ready: threading.Barrier = ready, permits: list[rate_limits.Permit] = permits) -> None:
            with database.connect() as connection:
                connection.execute(text("SELECT 1"))
                ready.wait()
                permits.append(take(connection, "p", Limits(per_second=1000), longest_wait=1))
                connection.commit()

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [permit.granted for permit in permits] == [True] * 6


def test_a_provider_without_limits_never_waits(database: Engine) -> None:
    with database.begin() as connection:
        permits = [take(connection, "p", Limits(), longest_wait=0) for _ in range(50)]
    assert all(permit.granted for permit in permits)

"""Permits from several connections at once stay within every window."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import Engine, text

from ops_core.db import rate_limits
from ops_core.db.rate_limits import take
from ops_core.domain.permits import Limits, Taken
from tests.support.askers import most_within

pytestmark = pytest.mark.postgres


def starts_given(engine: Engine, limits: Limits, *, seconds: float, threads: int = 4) -> list[float]:
    """When permits could be used, by the database's clock, asked for by several at once for a while."""
    starts: list[float] = []
    end = time.monotonic() + seconds

    def ask(n: int) -> None:
        while time.monotonic() < end:
            with engine.begin() as connection:
                taken = take(connection, "p", limits, n, longest_wait=1.0)
            starts.extend(start.timestamp() for start in taken.starts)
            time.sleep(0.01)

    askers = [threading.Thread(target=ask, args=(n + 1,)) for n in range(threads)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    return sorted(starts)


def test_no_second_holds_more_than_its_limit_and_it_is_used_but_for_the_margin(database: Engine) -> None:
    starts = starts_given(database, Limits(per_second=20), seconds=2.5)
    assert most_within(starts, 1.0) <= 20
    assert len(set(starts)) == len(starts)
    gaps = [later - start for start, later in pairwise(starts)]
    assert max(gaps) < 1.1 / 20 + 0.001, "a start was given to nobody"


def test_the_tightest_window_rules(database: Engine) -> None:
    starts = starts_given(database, Limits(per_second=50, per_minute=120), seconds=2.0)
    # one each half second, for two seconds and the one that may be waited for
    assert 5 <= len(starts) <= 7


def test_a_long_wait_is_refused_and_costs_nothing(database: Engine) -> None:
    limits = Limits(per_minute=1)
    with database.begin() as connection:
        assert take(connection, "p", limits, longest_wait=0).starts
        refused = [take(connection, "p", limits, 3, longest_wait=1) for _ in range(3)]
    assert not any(taken.starts for taken in refused)
    assert all(taken.wait and 59 < taken.wait < 61 for taken in refused), refused


def test_several_at_once_are_granted_as_far_as_the_wait_allows(database: Engine) -> None:
    with database.begin() as connection:
        taken = take(connection, "p", Limits(per_minute=60), 30, longest_wait=5)
        more = take(connection, "p", Limits(per_minute=60), 1, longest_wait=10)
    assert len(taken.starts) == 5
    assert taken.wait
    assert 5 < taken.wait < 6
    gaps = {later - start for start, later in pairwise(taken.starts)}
    assert gaps == {timedelta(microseconds=1_006_667)}
    assert more.starts[0] - taken.starts[-1] == gaps.pop()


def test_silence_asked_for_by_the_provider_holds_for_all(database: Engine) -> None:
    limits = Limits(per_second=100)
    with database.begin() as connection:
        take(connection, "p", limits, longest_wait=0)
        rate_limits.block(connection, "p", 30)
        rate_limits.block(connection, "p", 5)
    with database.begin() as connection:
        taken = take(connection, "p", limits, longest_wait=1)
        other = take(connection, "q", limits, longest_wait=1)
        silences = rate_limits.silences(connection, ["p", "q", "r"])
    assert not taken.starts
    assert taken.wait
    assert 28 < taken.wait < 31
    assert other.starts
    assert silences.keys() == {"p"}
    assert 28 < silences["p"] < 31


def test_a_provider_can_ask_for_silence_before_anybody_took_a_permit(database: Engine) -> None:
    with database.begin() as connection:
        rate_limits.block(connection, "new", 20)
        taken = take(connection, "new", Limits(per_second=5), longest_wait=1)
    assert not taken.starts


def test_an_emptied_table_starts_anew_but_not_with_what_a_process_knows_was_used(database: Engine) -> None:
    limits = Limits(per_minute=2)
    with database.begin() as connection:
        before = take(connection, "p", limits, 2, longest_wait=60)
        assert len(before.starts) == 2
        connection.execute(text("TRUNCATE rate_limits"))
        remembering = take(connection, "p", limits, longest_wait=10, known=before.standing)
        assert not remembering.starts
        connection.execute(text("TRUNCATE rate_limits"))
        assert take(connection, "p", limits, longest_wait=0).starts


def test_the_first_permits_of_all_are_given_to_everybody_who_asks_at_once(database: Engine) -> None:
    for _ in range(10):
        with database.begin() as connection:
            connection.execute(text("DELETE FROM rate_limits"))
        ready = threading.Barrier(6)
        answers: list[Taken] = []

        def ask(ready: threading.Barrier = ready, answers: list[Taken] = answers) -> None:
            with database.connect() as connection:
                connection.execute(text("SELECT 1"))
                ready.wait()
                answers.append(take(connection, "p", Limits(per_second=1000), longest_wait=1))
                connection.commit()

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [len(taken.starts) for taken in answers] == [1] * 6
        assert len({taken.starts for taken in answers}) == 6


def test_who_waited_for_the_row_is_answered_by_the_time_at_which_it_was_free(database: Engine) -> None:
    limits = Limits(per_second=1000)
    with database.begin() as connection:
        take(connection, "p", limits, longest_wait=0)
    answers: list[Taken] = []

    def ask() -> None:
        with database.begin() as connection:
            answers.append(take(connection, "p", limits, longest_wait=0))

    with database.connect() as holder:
        with holder.begin():
            take(holder, "p", limits, longest_wait=0)
            waiter = threading.Thread(target=ask)
            waiter.start()
            time.sleep(0.3)
            until = holder.execute(text("SELECT clock_timestamp()")).scalar_one()
        waiter.join()
    assert answers[0].starts[0] >= until


def test_a_provider_without_limits_never_waits(database: Engine) -> None:
    with database.begin() as connection:
        taken = take(connection, "p", Limits(), 50, longest_wait=0)
    assert len(taken.starts) == 50
    assert taken.wait is None

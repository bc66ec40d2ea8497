"""A circuit opens after failures in a row, lets one probe through at a time, and closes on a success."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ops_core.domain.circuits import (
    FAILURES_TO_OPEN,
    FIRST_OPEN,
    LONGEST_OPEN,
    PROBE_LEASE,
    UNWELL,
    Circuit,
    CircuitState,
    admit,
    after_failure,
    after_success,
    open_seconds,
    overridden,
    probing,
    says_unwell,
    without_answer,
)
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TIMEOUT = ErrorType.NETWORK_TIMEOUT


def failed(circuit: Circuit, times: int, now: datetime = NOW) -> Circuit:
    for _ in range(times):
        circuit = after_failure(circuit, TIMEOUT, now)
    return circuit


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


OPEN = failed(Circuit(provider="p"), FAILURES_TO_OPEN)


def test_ten_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    almost = failed(Circuit(provider="p"), FAILURES_TO_OPEN - 1)
    assert almost.is_closed
    assert admit(almost, NOW).allowed
    assert failed(after_success(almost, NOW), FAILURES_TO_OPEN - 1).is_closed
    assert (OPEN.state, OPEN.error_type, OPEN.opened_at) == (CircuitState.OPEN, TIMEOUT, NOW)
    assert not admit(OPEN, after(FIRST_OPEN - 0.1)).allowed
    assert admit(OPEN, after(10)).wait == FIRST_OPEN - 10
    assert admit(OPEN, after(FIRST_OPEN)).is_probe


def test_a_probe_that_fails_doubles_the_wait_up_to_a_quarter_of_an_hour() -> None:
    circuit, now, waits = OPEN, NOW, []
    for _ in range(8):
        assert circuit.retry_at is not None
        waits.append((circuit.retry_at - now).total_seconds())
        now = circuit.retry_at
        circuit = after_failure(probing(circuit, now), TIMEOUT, now)
        assert circuit.state is CircuitState.OPEN
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]
    assert circuit.opened_at == NOW
    closed = after_success(probing(circuit, now), now)
    assert closed == Circuit(provider="p")
    again = failed(closed, FAILURES_TO_OPEN, now)
    assert again.retry_at == now + timedelta(seconds=FIRST_OPEN)


def test_one_probe_at_a_time_and_another_when_the_first_never_came_back() -> None:
    half = probing(OPEN, after(30))
    assert not admit(half, after(31)).allowed
    assert admit(half, after(31)).wait == PROBE_LEASE - 1
    assert admit(half, after(30 + PROBE_LEASE)).is_probe


def test_what_was_begun_before_it_opened_changes_nothing() -> None:
    assert after_failure(OPEN, TIMEOUT, after(1)) == OPEN
    assert after_success(OPEN, after(1)) == OPEN
    assert without_answer(OPEN, after(1)) == OPEN


def test_a_probe_that_never_reached_the_provider_makes_room_for_another() -> None:
    back = without_answer(probing(OPEN, after(30)), after(31), 20)
    assert (back.state, back.opened, back.retry_at) == (CircuitState.OPEN, 1, after(51))


@given(failures=st.integers(0, 50), minutes=st.floats(0, 600))
def test_closed_by_a_person_it_stays_closed_for_that_long(failures: int, minutes: float) -> None:
    closed = overridden(OPEN, NOW, minutes)
    end = NOW + timedelta(minutes=minutes)
    assert closed.is_closed
    before_end = end - timedelta(microseconds=1)
    circuit = failed(closed, failures, before_end) if before_end >= NOW else closed
    assert circuit.is_closed
    if circuit.failures >= FAILURES_TO_OPEN - 1:
        assert after_failure(circuit, TIMEOUT, end).state is CircuitState.OPEN
    assert after_success(circuit, end).overridden_until is None


@given(opened=st.integers(1, 1_000_000))
def test_the_wait_is_always_within_its_bounds(opened: int) -> None:
    assert FIRST_OPEN <= open_seconds(opened) <= LONGEST_OPEN


@pytest.mark.parametrize("error_type", ErrorType)
def test_only_failures_that_say_the_provider_is_unwell_count(error_type: ErrorType) -> None:
    expected: dict[ErrorType, bool | None] = dict.fromkeys(UNWELL, True)
    expected |= dict.fromkeys(
        (
            ErrorType.NOT_CONFIGURED,
            ErrorType.BLOCKED_ADDRESS,
            ErrorType.INVALID_URL,
            ErrorType.WORKER_LOST,
            ErrorType.UNKNOWN_ERROR,
        )
    )
    assert says_unwell(Failure(error_type)) is expected.get(error_type, False)
    assert says_unwell(None) is False


class AnyHistory(RuleBasedStateMachine):
    """Whatever happens to it, the circuit can be stored, and always comes to a probe again."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.circuit = Circuit(provider="p")

    @rule(seconds=st.floats(0, 2000))
    def time_goes_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(times=st.integers(1, 15))
    def it_fails(self, times: int) -> None:
        self.circuit = failed(self.circuit, times, self.now)

    @rule()
    def it_answers(self) -> None:
        self.circuit = after_success(self.circuit, self.now)

    @rule()
    def a_person_closes_it(self) -> None:
        self.circuit = overridden(self.circuit, self.now)

    @precondition(lambda self: admit(self.circuit, self.now).is_probe)
    @rule()
    def it_is_probed(self) -> None:
        self.circuit = probing(self.circuit, self.now)
        assert not admit(self.circuit, self.now).allowed

    @rule(seconds=st.floats(0, 900))
    def the_probe_comes_to_nothing(self, seconds: float) -> None:
        self.circuit = without_answer(self.circuit, self.now, seconds)

    @invariant()
    def it_can_be_stored(self) -> None:
        circuit = self.circuit
        assert circuit.is_closed == (circuit.retry_at is None)
        assert (circuit.probe_until is not None) == (circuit.state is CircuitState.HALF_OPEN)
        assert circuit.is_closed or not circuit.is_overridden(self.now)

    @invariant()
    def it_is_asked_again_in_the_end(self) -> None:
        admission = admit(self.circuit, self.now)
        assert admission.allowed == (admission.wait == 0)
        assert admission.wait <= LONGEST_OPEN
        later = self.now + timedelta(seconds=admission.wait)
        assert admit(self.circuit, later).allowed


TestAnyHistory = AnyHistory.TestCase

"""The circuit breaker of a provider: opens after failures in a row, probes, closes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure

#: Failures in a row, whoever saw them, after which a provider is not asked for a while.
FAILURES_TO_OPEN = 10
#: Seconds a circuit stays open at first; doubled each time a probe fails, up to `LONGEST_OPEN`.
FIRST_OPEN = 30.0
LONGEST_OPEN = 900.0
#: Seconds a probe may take. Then another one is let through: who sent it may have died.
PROBE_LEASE = 60.0
#: Seconds until another probe, when one came to nothing that says how the provider is.
AFTER_NO_ANSWER = 5.0
#: Minutes for which a circuit that a person closed does not open again.
OVERRIDE_MINUTES = 10.0

#: Failures that say the provider is unwell. All others mean that it answered, or were never its doing.
UNWELL = frozenset(
    {
        ErrorType.RATE_LIMITED,
        ErrorType.NETWORK_TIMEOUT,
        ErrorType.NETWORK_ERROR,
        ErrorType.GATEWAY_TIMEOUT,
        ErrorType.BAD_GATEWAY,
        ErrorType.SERVICE_UNAVAILABLE,
        ErrorType.AUTH_ERROR,
        ErrorType.QUOTA_EXCEEDED,
        ErrorType.SERVER_ERROR,
    }
)
#: Failures from before the provider was asked, or of our own making: they say nothing about it.
SAYS_NOTHING = frozenset(
    {
        ErrorType.NOT_CONFIGURED,
        ErrorType.BLOCKED_ADDRESS,
        ErrorType.INVALID_URL,
        ErrorType.WORKER_LOST,
        ErrorType.UNKNOWN_ERROR,
    }
)


class CircuitState(StrEnum):
    """Whether a provider is asked, as stored in `circuits.state`."""

    CLOSED = "closed"  #: Asked as usual.
    OPEN = "open"  #: Not asked until `retry_at`; then one probe is let through.
    HALF_OPEN = "half_open"  #: A probe is on its way.


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """One provider's breaker; the fields are those of `db.schema.Circuit`."""

    provider: str
    state: CircuitState = CircuitState.CLOSED
    failures: int = 0
    opened: int = 0
    error_type: ErrorType | None = None
    opened_at: datetime | None = None
    retry_at: datetime | None = None
    probe_until: datetime | None = None
    overridden_until: datetime | None = None

    @property
    def is_closed(self) -> bool:
        """Whether the provider is asked as usual."""
        return self.state is CircuitState.CLOSED

    def is_overridden(self, now: datetime) -> bool:
        """Whether a person wants the provider asked, however it does."""
        return self.overridden_until is not None and now < self.overridden_until


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a provider may be asked now."""

    allowed: bool
    is_probe: bool = False  #: Only if the asker manages to take the one probe (`probing`).
    wait: float = 0.0  #: Not allowed: seconds until it makes sense to ask again.


def says_unwell(failure: Failure | None) -> bool | None:
    """Whether a try that ended so (None: well) says that the provider is unwell; None: it says nothing."""
    if failure is None:
        return False
    if failure.error_type in SAYS_NOTHING:
        return None
    return failure.error_type in UNWELL


def open_seconds(opened: int) -> float:
    """How long a circuit stays open that has opened `opened` times since it was last closed."""
    return min(LONGEST_OPEN, FIRST_OPEN * 2.0 ** min(opened - 1, 10))


def after_failure(circuit: Circuit, error_type: ErrorType, now: datetime) -> Circuit:
    """The circuit after one more failure that says the provider is unwell.

    Half-open, the failure is the probe's. What fails while it is open was begun before, and is no news.
    """
    if circuit.state is CircuitState.OPEN:
        return circuit
    failed = replace(circuit, failures=circuit.failures + 1, error_type=error_type)
    if circuit.is_overridden(now) or (circuit.is_closed and failed.failures < FAILURES_TO_OPEN):
        return failed
    opened = circuit.opened + 1
    return replace(
        failed,
        state=CircuitState.OPEN,
        opened=min(opened, 1000),
        opened_at=now if circuit.is_closed else circuit.opened_at,
        retry_at=now + timedelta(seconds=open_seconds(opened)),
        probe_until=None,
    )


def after_success(circuit: Circuit, now: datetime) -> Circuit:
    """The circuit after the provider answered. Half-open, it was the probe, and the circuit closes."""
    if circuit.state is CircuitState.OPEN:
        return circuit
    keep = circuit.overridden_until if circuit.is_overridden(now) else None
    return Circuit(provider=circuit.provider, overridden_until=keep)


def admit(circuit: Circuit, now: datetime) -> Admission:
    """Whether the provider may be asked at `now`."""
    if circuit.is_closed:
        return Admission(True)
    # half open: the lease of the probe that is on its way
    until = circuit.retry_at if circuit.state is CircuitState.OPEN else circuit.probe_until
    if until is None or until <= now:
        return Admission(True, is_probe=True)
    return Admission(False, wait=(until - now).total_seconds())


def probing(circuit: Circuit, now: datetime) -> Circuit:
    """The circuit once the probe that `admit` allows is on its way."""
    return replace(circuit, state=CircuitState.HALF_OPEN, probe_until=now + timedelta(seconds=PROBE_LEASE))


def without_answer(circuit: Circuit, now: datetime, wait: float = AFTER_NO_ANSWER) -> Circuit:
    """The circuit after a probe that did not reach the provider: another may go in `wait` seconds."""
    if circuit.state is not CircuitState.HALF_OPEN:
        return circuit
    return replace(circuit, state=CircuitState.OPEN, retry_at=now + timedelta(seconds=wait), probe_until=None)


def overridden(circuit: Circuit, now: datetime, minutes: float = OVERRIDE_MINUTES) -> Circuit:
    """The circuit closed by a person, and kept from opening for `minutes`."""
    return Circuit(provider=circuit.provider, overridden_until=now + timedelta(minutes=minutes))

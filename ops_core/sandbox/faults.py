"""How the sandbox fails: the kinds of failure, how often each happens, and when it passes.

`decide` is a pure function of the plan, the seed, the key and the tries so far, so that a run can be
repeated exactly. A plan comes from the settings and can be changed while the sandbox runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ops_core.sandbox.draws import draw
from ops_core.settings import Settings


class Fault(StrEnum):
    """Every way in which the sandbox can fail one request."""

    RATE_LIMITED = "rate_limited"  #: 429 with Retry-After.
    SERVER_ERROR = "server_error"  #: 500.
    BAD_GATEWAY = "bad_gateway"  #: 502.
    SERVICE_UNAVAILABLE = "service_unavailable"  #: 503 with Retry-After.
    GATEWAY_TIMEOUT = "gateway_timeout"  #: 504.
    TIMEOUT = "timeout"  #: Silence, before the first byte or in the middle, for `stall_seconds`.
    RESET = "reset"  #: Half of the reply, then a TCP reset.
    FORBIDDEN = "forbidden"  #: 403.
    NOT_FOUND = "not_found"  #: 404.
    AUTH_ERROR = "auth_error"  #: 401.
    HTML = "html"  #: 200 with a web page.
    TRUNCATED = "truncated"  #: The connection closes before Content-Length is reached.
    CUT_JPEG = "cut_jpeg"  #: An honest Content-Length, but only half of the file.
    OVERSIZE = "oversize"  #: A body without end.
    WRONG_TYPE = "wrong_type"  #: The right Content-Type, but a PDF inside.
    SVG = "svg"  #: 200 with a drawing that carries a script.
    EMPTY = "empty"  #: 200 with no byte.
    STALE_REFERENCE = (
        "stale_reference"  #: Google only: the photo's name expired, until its place is listed anew.
    )


#: Status of the faults that are an HTTP error.
STATUS: dict[Fault, int] = {
    Fault.RATE_LIMITED: 429,
    Fault.SERVER_ERROR: 500,
    Fault.BAD_GATEWAY: 502,
    Fault.SERVICE_UNAVAILABLE: 503,
    Fault.GATEWAY_TIMEOUT: 504,
    Fault.FORBIDDEN: 403,
    Fault.NOT_FOUND: 404,
    Fault.AUTH_ERROR: 401,
    Fault.STALE_REFERENCE: 400,
}

#: Faults that no amount of trying or waiting heals.
LASTING: frozenset[Fault] = frozenset(
    {
        Fault.FORBIDDEN,
        Fault.NOT_FOUND,
        Fault.AUTH_ERROR,
        Fault.HTML,
        Fault.OVERSIZE,
        Fault.WRONG_TYPE,
        Fault.SVG,
    }
)

#: Share of passing faults that, without a `recover_` setting, never pass either.
NEVER_SHARE = 0.1

#: Without a `recover_` setting a fault passes after at most so many tries, or so many seconds.
USUAL_TRIES = 3
USUAL_SECONDS = 40.0

#: How the faults of photos share the fault rate; the sum is 1.
PHOTO_MIX: dict[Fault, float] = {
    Fault.RATE_LIMITED: 0.26,
    Fault.SERVICE_UNAVAILABLE: 0.10,
    Fault.BAD_GATEWAY: 0.07,
    Fault.GATEWAY_TIMEOUT: 0.05,
    Fault.RESET: 0.07,
    Fault.TRUNCATED: 0.06,
    Fault.TIMEOUT: 0.04,
    Fault.SERVER_ERROR: 0.07,
    Fault.NOT_FOUND: 0.09,
    Fault.FORBIDDEN: 0.05,
    Fault.AUTH_ERROR: 0.01,
    Fault.HTML: 0.03,
    Fault.CUT_JPEG: 0.02,
    Fault.OVERSIZE: 0.01,
    Fault.WRONG_TYPE: 0.01,
    Fault.SVG: 0.01,
    Fault.EMPTY: 0.02,
    Fault.STALE_REFERENCE: 0.03,
}

#: The same for listings, which are API calls.
LISTING_MIX: dict[Fault, float] = {
    Fault.RATE_LIMITED: 0.35,
    Fault.SERVICE_UNAVAILABLE: 0.2,
    Fault.SERVER_ERROR: 0.15,
    Fault.BAD_GATEWAY: 0.1,
    Fault.RESET: 0.1,
    Fault.TIMEOUT: 0.05,
    Fault.NOT_FOUND: 0.05,
}

#: The word in a script for a request that succeeds.
OK = "ok"


class FaultPlan(BaseModel):
    """What fails, how often and for how long. The plain `FaultPlan()` never fails and never waits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rates: Mapping[Fault, float] = Field({}, description="Share of photos per fault; the sum is at most 1.")
    listing_rates: Mapping[Fault, float] = Field({}, description="The same for listings.")
    recover_tries: int | None = Field(
        None, ge=1, description="Failing tries after which a passing fault passes. null: each has its own."
    )
    recover_seconds: float | None = Field(
        None, ge=0, description="Seconds since the first try after which a passing fault passes."
    )
    delay: float = Field(0.0, ge=0, le=60, description="Usual seconds until an answer.")
    retry_after: int = Field(1, ge=0, description="Seconds in Retry-After and RetryInfo.")
    stall_seconds: float = Field(40.0, gt=0, description="Seconds of silence of the `timeout` fault.")
    names_change: bool = Field(
        False, description="Google's photos get new names at each listing, as the real ones do."
    )
    outages: Mapping[str, int] = Field({}, description="Provider -> HTTP status that all its hosts answer.")
    script: Mapping[str, list[str]] = Field(
        {}, description="Key -> what its requests get, one word each, a fault or `ok`; the last word repeats."
    )

    @model_validator(mode="after")
    def _sensible(self) -> FaultPlan:
        for name, rates in (("rates", self.rates), ("listing_rates", self.listing_rates)):
            if any(rate < 0 for rate in rates.values()) or sum(rates.values()) > 1 + 1e-9:
                raise ValueError(f"{name} must be shares that sum to at most 1")
        for provider, status in self.outages.items():
            if not 400 <= status <= 599:
                raise ValueError(f"the outage of {provider} must be a status from 400 to 599")
        for key, words in self.script.items():
            unknown = [word for word in words if word != OK and word not in set(Fault)]
            if unknown or not words:
                raise ValueError(f"the script of {key} must be a list of {', '.join([OK, *Fault])}")
        return self

    @classmethod
    def from_settings(cls, settings: Settings) -> FaultPlan:
        """The usual mix at the settings' rates and delay; a stall outlasts their download limit."""
        return cls(
            rates={fault: share * settings.sandbox_fault_rate for fault, share in PHOTO_MIX.items()},
            listing_rates={
                fault: share * settings.sandbox_listing_fault_rate for fault, share in LISTING_MIX.items()
            },
            delay=settings.sandbox_delay,
            stall_seconds=settings.download_timeout + 10,
            names_change=True,
        )


def decide(
    plan: FaultPlan,
    seed: int,
    key: str,
    *,
    subject: str,
    possible: Collection[Fault],
    tries: int,
    seconds: float,
    listed_again: bool = False,
) -> Fault | None:
    """What befalls this request, or None.

    `key` is the request's own key, which a script may name; `subject` is what the draw is made for, so
    that all requests for one photo share it; `possible` are the faults that can happen at this request.
    `tries` counts earlier requests with this key, `seconds` is the time since the first of them, and
    `listed_again` says whether the venue was listed after it.
    """
    words = plan.script.get(key)
    if words:
        word = words[min(tries, len(words) - 1)]
        return None if word == OK else Fault(word)
    rates = plan.listing_rates if key.startswith("listing:") else plan.rates
    which, often, long, how = draw(seed, "fault", subject)
    fault = _pick(rates, which)
    if fault is None or fault not in possible:
        return None
    if fault is Fault.STALE_REFERENCE:
        return None if listed_again else fault
    return None if _passed(plan, fault, tries, seconds, (often, long, how)) else fault


def coin(seed: int, key: str) -> bool:
    """Heads or tails, always the same for one key: which form of a fault is used."""
    return draw(seed, "coin", key)[0] < 0.5


def _pick(rates: Mapping[Fault, float], drawn: float) -> Fault | None:
    for fault in Fault:  # in the enum's order: the order in which rates were given must not matter
        drawn -= rates.get(fault, 0.0)
        if drawn < 0:
            return fault
    return None


def _passed(
    plan: FaultPlan, fault: Fault, tries: int, seconds: float, drawn: tuple[float, float, float]
) -> bool:
    if fault in LASTING:
        return False
    if plan.recover_tries is not None or plan.recover_seconds is not None:
        by_tries = plan.recover_tries is not None and tries >= plan.recover_tries
        by_time = plan.recover_seconds is not None and tries > 0 and seconds >= plan.recover_seconds
        return by_tries or by_time
    often, long, how = drawn
    if how < NEVER_SHARE:
        return False
    if how < (1 + NEVER_SHARE) / 2:
        return tries >= 1 + int(often * USUAL_TRIES)
    return tries > 0 and seconds >= long * USUAL_SECONDS

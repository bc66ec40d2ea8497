"""Asking several providers at once, each with its lane, permit and time limit, and a note for its breaker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

from ops_core.db.job_providers import ProviderResult
from ops_core.db.providers import ActiveProvider
from ops_core.domain.errors import ErrorType, info
from ops_core.domain.failures import Failed, Failure
from ops_core.domain.jobs import ProviderStatus
from ops_core.providers.http import Api
from ops_core.work.rate_limits import PutOff
from ops_core.work.session import Session

Item = TypeVar("Item")

#: Shortest time after which a provider that could not be asked is asked again, seconds.
SOONEST = 1.0

#: Puts one question to the provider of that code. Raises `Failed`.
Question = Callable[[str, Api], Awaitable[list[Item]]]


@dataclass(frozen=True, slots=True)
class Asked(Generic[Item]):
    """What the providers answered."""

    found: Mapping[str, list[Item]]  #: What each of those who answered has, by code; may be nothing.
    results: list[ProviderResult]  #: How each did; who must wait has none yet.
    wait: float  #: Seconds until a provider's limit lets it be asked; 0 when none has to wait.

    @property
    def may_answer_later(self) -> list[ProviderResult]:
        """The providers that failed in a way that tends to pass."""
        return may_answer_later(self.results)


def may_answer_later(results: Sequence[ProviderResult]) -> list[ProviderResult]:
    """Those of `results` that failed in a way that tends to pass."""
    return [line for line in results if line.error_type and info(line.error_type).retryable]


async def ask_all(
    session: Session,
    codes: Sequence[str],
    question: Question[Item],
    price: Callable[[ActiveProvider], Decimal],
) -> Asked[Item]:
    """Put `question` to the providers `codes`; `price` is what one call of it costs, in US dollars.

    Who is paused is not asked, and its result says so.
    """
    paused = [code for code in codes if session.providers[code].paused_for]
    asked = [code for code in codes if code not in paused]
    answers = await asyncio.gather(
        *(_ask(session, session.providers[code], question, price) for code in asked), return_exceptions=True
    )
    found: dict[str, list[Item]] = {}
    results = [_skipped(code) for code in paused]
    wait = 0.0
    for code, answer in zip(asked, answers, strict=True):
        if isinstance(answer, PutOff):
            wait = max(wait, answer.seconds, SOONEST)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            items, result = answer
            results.append(result)
            if result.status is not ProviderStatus.FAILED:
                found[code] = items
    return Asked(found, results, wait)


def _skipped(code: str) -> ProviderResult:
    return ProviderResult(provider=code, status=ProviderStatus.SKIPPED, reason="it is paused")


async def _ask(
    session: Session,
    provider: ActiveProvider,
    question: Question[Item],
    price: Callable[[ActiveProvider], Decimal],
) -> tuple[list[Item], ProviderResult]:
    code = provider.code
    api = session.api(code)
    async with session.listings.enter(code):
        started = time.monotonic()
        try:
            await session.permits.check(code)
            items, failure = await _answer(session, code, question, api)
        except PutOff as error:
            session.listings.shut(code, error.seconds)
            raise
    duration_ms = round((time.monotonic() - started) * 1000)
    await session.permits.note(code, failure)
    if failure and failure.error_type is ErrorType.RATE_LIMITED and failure.retry_after:
        await session.permits.block(code, failure.retry_after)
    cost = api.calls * price(provider)
    if failure:
        return [], _failed(code, failure, api.calls, cost, duration_ms)
    return items, ProviderResult(
        provider=code,
        status=ProviderStatus.SUCCESS if items else ProviderStatus.NO_IMAGES,
        calls=api.calls,
        cost_usd=cost,
        duration_ms=duration_ms,
    )


async def _answer(
    session: Session, code: str, question: Question[Item], api: Api
) -> tuple[list[Item], Failure | None]:
    seconds = session.settings.provider_timeout
    try:
        async with asyncio.timeout(seconds):
            return await question(code, api), None
    except Failed as error:
        return [], error.failure
    except TimeoutError:
        return [], Failure(ErrorType.NETWORK_TIMEOUT, f"no full answer within {seconds:g} s")


def _failed(code: str, failure: Failure, calls: int, cost: Decimal, duration_ms: int) -> ProviderResult:
    return ProviderResult(
        provider=code,
        status=ProviderStatus.FAILED,
        error_type=failure.error_type,
        reason=failure.detail or info(failure.error_type).label,
        status_code=failure.status_code,
        calls=calls,
        cost_usd=cost,
        duration_ms=duration_ms,
    )

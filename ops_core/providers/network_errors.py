"""The border where exceptions of the network become failures of the one error table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from ops_core.domain.errors import ErrorType, info
from ops_core.domain.failures import Failed, Failure, error_type_of_status, failed
from ops_core.providers.guard import BlockedAddress

#: Longest wait believed when the other side names one, seconds: a week.
MAX_RETRY_AFTER = 7 * 86_400.0


@contextmanager
def as_failures(host: str) -> Iterator[None]:
    """Raises Failed for whatever goes wrong on the network inside; `host` is named in the detail."""
    try:
        yield
    except BlockedAddress:
        raise failed(ErrorType.BLOCKED_ADDRESS, f"{host} does not lead to a public address.") from None
    except aiohttp.ConnectionTimeoutError:
        raise failed(ErrorType.NETWORK_TIMEOUT, f"No connection to {host} in time.") from None
    except aiohttp.SocketTimeoutError:
        raise failed(ErrorType.NETWORK_TIMEOUT, f"{host} fell silent.") from None
    except TimeoutError:
        raise failed(ErrorType.NETWORK_TIMEOUT, f"{host} took longer than allowed in all.") from None
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
        raise failed(ErrorType.INVALID_URL, f"The address at {host} cannot be read.") from None
    except (aiohttp.ClientResponseError, HttpProcessingError):
        raise failed(ErrorType.BAD_RESPONSE, f"{host} did not answer with valid HTTP.") from None
    except aiohttp.ClientPayloadError:
        raise failed(ErrorType.NETWORK_ERROR, f"{host} ended its reply before it was complete.") from None
    except (aiohttp.ClientError, OSError) as error:
        raise failed(ErrorType.NETWORK_ERROR, f"{host}: {_reason(error)}") from None


def failure_of_status(status: int, host: str) -> Failure:
    """What an unsuccessful HTTP status means when the provider says nothing more precise."""
    return Failure(error_type_of_status(status), f"HTTP {status} from {host}.")


def clean(failure: Failure, status: int, headers: Mapping[str, str]) -> Failed:
    """`failure` ready to raise, with its status and, if it may pass, the wait asked for."""
    wait = failure.retry_after
    if wait is None and info(failure.error_type).retryable:
        wait = retry_after(headers.get("Retry-After"), datetime.now(UTC))
    return Failed(
        replace(
            failure,
            status_code=failure.status_code or status,
            retry_after=None if wait is None else min(max(wait, 0.0), MAX_RETRY_AFTER),
        )
    )


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header: whole seconds or an HTTP date; None if it is neither."""
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]+", text):
        return min(float(text), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), MAX_RETRY_AFTER)


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the name is not known."
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not valid."
    if isinstance(error, aiohttp.ClientSSLError):
        return "no secure connection could be made."
    if isinstance(error, ConnectionRefusedError) or isinstance(error.__cause__, ConnectionRefusedError):
        return "the connection was refused."
    if isinstance(error, aiohttp.ClientConnectorError):
        return "the connection could not be made."
    return "the connection broke."

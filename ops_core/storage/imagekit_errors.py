"""What ImageKit answers when it refuses, as failures that say what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import aiohttp
from imagekitio import APIConnectionError, APIStatusError, APITimeoutError

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, error_type_of_status, failed
from ops_core.domain.redact import redact

#: Longest wait believed when ImageKit names one, seconds.
MAX_WAIT = 3600.0

_KEY = "VENUE_OPS_IMAGEKIT_PRIVATE_KEY"
_E = ErrorType

#: Parts of ImageKit's sentences in a 400, most telling first: what they mean, and what to do.
_REFUSALS: tuple[tuple[re.Pattern[str], ErrorType, str], ...] = (
    (re.compile("too many requests"), _E.RATE_LIMITED, "asks to slow down."),
    (re.compile("upload limit"), _E.QUOTA_EXCEEDED, "takes no more: the account's limit is reached."),
    (re.compile("size.*(exceed|limit|large)"), _E.FILE_TOO_LARGE, "takes no file as large as this."),
    (
        re.compile("same name already exists"),
        _E.STORE_ERROR,
        "has a file of that name and kept it: allow the account to overwrite files.",
    ),
)


def to_failure(error: Exception) -> Failed:
    """The failure that an exception of the SDK means."""
    if isinstance(error, APITimeoutError):
        return failed(_E.NETWORK_TIMEOUT, "ImageKit did not answer in time.")
    if isinstance(error, APIConnectionError):
        return failed(_E.NETWORK_ERROR, "ImageKit cannot be reached, or the connection broke.")
    if not isinstance(error, APIStatusError):
        return unreadable("ImageKit did not answer as documented.")
    status, message = error.status_code, _message(error.body)
    wait = wait_of(error.response.headers)
    if status in (401, 403):
        return failed(_E.AUTH_ERROR, _not_let_in(status, message.lower()), status_code=status)
    if status == 429:
        return failed(_E.RATE_LIMITED, "ImageKit asks to slow down.", status_code=status, retry_after=wait)
    if status in (400, 413, 422):
        for words, kind, sentence in _REFUSALS:
            if words.search(message.lower()):
                return failed(kind, f"ImageKit {sentence}", status_code=status, retry_after=wait)
    kind = error_type_of_status(status)
    if kind is _E.HTTP_ERROR or kind is _E.NOT_FOUND:
        kind = _E.STORE_ERROR
    said = f" and said: {redact(message)}" if message else "."
    return failed(kind, f"ImageKit answered {status}{said}", status_code=status)


def unreadable(detail: str, status: int | None = None) -> Failed:
    """A failure for an answer that is not a documented one, by its status if that is one of refusal."""
    if status is None or status < 400:
        return failed(_E.BAD_RESPONSE, detail, status_code=status)
    kind = error_type_of_status(status)
    refused = kind in (_E.AUTH_ERROR, _E.FORBIDDEN, _E.NOT_FOUND, _E.HTTP_ERROR)
    return failed(_E.STORE_ERROR if refused else kind, detail, status_code=status)


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds ImageKit asks to wait: `Retry-After` in seconds, or `X-RateLimit-Reset` in milliseconds."""
    for name, unit in (("retry-after", 1.0), ("x-ratelimit-reset", 0.001)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", value):
            return min(float(value) * unit, MAX_WAIT)
    return None


@contextmanager
def as_cdn_failures() -> Iterator[None]:
    """Raises Failed for whatever goes wrong on the way to ImageKit's CDN."""
    try:
        yield
    except TimeoutError:
        raise failed(_E.NETWORK_TIMEOUT, "ImageKit's CDN did not answer in time.") from None
    except (aiohttp.ClientError, OSError):
        raise failed(_E.NETWORK_ERROR, "ImageKit's CDN cannot be reached, or the connection broke.") from None


def _not_let_in(status: int, message: str) -> str:
    if "disabled" in message:
        return "ImageKit has disabled the account: ask ImageKit, or set up another."
    if "expired" in message:
        return f"ImageKit says that the key of {_KEY} has expired: set a new one."
    return f"ImageKit does not take the private key ({status}): correct {_KEY}."


def _message(body: object) -> str:
    found = body.get("message") if isinstance(body, dict) else None
    return found if isinstance(found, str) else ""

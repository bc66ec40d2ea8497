"""A failure as a value, and how a reply's HTTP status becomes one.

The border modules (`providers/`, `storage/`) turn every outside error into a `Failed` carrying a
`Failure`; nothing further inside sees aiohttp, obstore or Pillow exceptions.
"""

from __future__ import annotations

from dataclasses import dataclass

from ops_core.domain.errors import ErrorType
from ops_core.domain.redact import redact_said

#: Longest detail kept with a failure, characters: enough for a sentence, too short for a page.
MAX_DETAIL = 300

_BY_STATUS: dict[int, ErrorType] = {
    401: ErrorType.AUTH_ERROR,
    403: ErrorType.FORBIDDEN,
    404: ErrorType.NOT_FOUND,
    408: ErrorType.NETWORK_TIMEOUT,
    410: ErrorType.NOT_FOUND,
    413: ErrorType.FILE_TOO_LARGE,
    429: ErrorType.RATE_LIMITED,
    500: ErrorType.SERVER_ERROR,
    502: ErrorType.BAD_GATEWAY,
    503: ErrorType.SERVICE_UNAVAILABLE,
    504: ErrorType.GATEWAY_TIMEOUT,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one call or one image did not succeed; its detail holds no secret, whatever it was made of."""

    error_type: ErrorType
    detail: str = ""
    status_code: int | None = None
    retry_after: float | None = None  #: Seconds the other side asked us to wait, if it did.

    def __post_init__(self) -> None:
        # redacted before it is cut: half a secret would not be known as one; PostgreSQL takes no NUL
        clean = redact_said(self.detail.replace("\x00", ""))
        object.__setattr__(self, "detail", clean[:MAX_DETAIL])


class Failed(Exception):
    """Raised at the border; carries the `Failure` that is recorded."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.error_type}: {failure.detail}")
        self.failure = failure


def failed(
    error_type: ErrorType,
    detail: str = "",
    *,
    status_code: int | None = None,
    retry_after: float | None = None,
) -> Failed:
    """A `Failed` ready to raise."""
    return Failed(Failure(error_type, detail, status_code, retry_after))


def error_type_of_status(status: int) -> ErrorType:
    """The error type of an unsuccessful HTTP status when the provider says nothing more precise."""
    return _BY_STATUS.get(status, ErrorType.HTTP_ERROR)

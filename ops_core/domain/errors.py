"""The one error table: what can go wrong with an image or a provider call, and what it means.

Screens, the retry rules, the cleanup scan and the importer all read this table; nothing else in
the project classifies errors. The transient and permanent names are those of the mission's page;
what neither list names is ambiguous: it waits for a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Classification(StrEnum):
    """What a failure's error type says about trying again."""

    TRANSIENT = "transient"  #: Likely to pass: retried automatically, within the limit.
    PERMANENT = "permanent"  #: Cannot become right by trying again.
    AMBIGUOUS = "ambiguous"  #: Could be either: a person decides.


class ErrorType(StrEnum):
    """Every kind of failure, as stored in `images.error_type` and `attempts.error_type`."""

    # transient
    RATE_LIMITED = "rate_limited"
    NETWORK_TIMEOUT = "network_timeout"
    NETWORK_ERROR = "network_error"
    GATEWAY_TIMEOUT = "gateway_timeout"
    BAD_GATEWAY = "bad_gateway"
    SERVICE_UNAVAILABLE = "service_unavailable"
    # permanent
    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    AUTH_ERROR = "auth_error"
    FILE_TOO_LARGE = "file_too_large"
    TOO_MANY_PIXELS = "too_many_pixels"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    BLOCKED_ADDRESS = "blocked_address"
    INVALID_URL = "invalid_url"
    # ambiguous
    SERVER_ERROR = "server_error"
    HTTP_ERROR = "http_error"
    QUOTA_EXCEEDED = "quota_exceeded"
    STALE_REFERENCE = "stale_reference"
    BAD_RESPONSE = "bad_response"
    CORRUPT_IMAGE = "corrupt_image"
    EMPTY_BODY = "empty_body"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    STORE_ERROR = "store_error"
    NOT_CONFIGURED = "not_configured"
    WORKER_LOST = "worker_lost"
    DOWNLOAD_FAILED = "download_failed"
    UNKNOWN_ERROR = "unknown_error"


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """One row of the table: how an error type is classified, named, drawn and answered."""

    classification: Classification
    label: str  #: Short name on badges and in tables.
    icon: str  #: One emoji; colour is never the only sign.
    colour: str  #: A name of `analytics.palette`: yellow, orange, red or gray.
    advice: str  #: One sentence: what a person should do.

    @property
    def retryable(self) -> bool:
        """Whether automatic retries may touch it."""
        return self.classification is Classification.TRANSIENT


_T, _P, _A = Classification.TRANSIENT, Classification.PERMANENT, Classification.AMBIGUOUS
_E = ErrorType

ERRORS: dict[ErrorType, ErrorInfo] = {
    _E.RATE_LIMITED: ErrorInfo(
        _T, "Rate limited", "⏱️", "yellow", "The provider asked us to slow down; retry after its delay."
    ),
    _E.NETWORK_TIMEOUT: ErrorInfo(
        _T, "Network timeout", "🌐", "orange", "The other side was too slow; retry, later if many fail."
    ),
    _E.NETWORK_ERROR: ErrorInfo(
        _T,
        "Network error",
        "🌐",
        "orange",
        "The connection broke; retry, and check the network if many fail.",
    ),
    _E.GATEWAY_TIMEOUT: ErrorInfo(
        _T, "Gateway timeout", "⏳", "orange", "HTTP 504 at the provider; retry in a few minutes."
    ),
    _E.BAD_GATEWAY: ErrorInfo(
        _T, "Bad gateway", "🔀", "orange", "HTTP 502 at the provider; retry in a few minutes."
    ),
    _E.SERVICE_UNAVAILABLE: ErrorInfo(
        _T, "Service unavailable", "🚧", "orange", "HTTP 503 at the provider; retry in a few minutes."
    ),
    _E.NOT_FOUND: ErrorInfo(
        _P, "Not found", "❓", "red", "The photo is gone at the provider; ask for the venue's photos anew."
    ),
    _E.FORBIDDEN: ErrorInfo(
        _P, "Forbidden", "🚫", "red", "The provider refuses this photo; check the key's rights and its terms."
    ),
    _E.AUTH_ERROR: ErrorInfo(
        _P,
        "Auth error",
        "🔐",
        "red",
        "The provider rejects the API key; correct it in the settings, then retry.",
    ),
    _E.FILE_TOO_LARGE: ErrorInfo(
        _P, "File too large", "🐘", "red", "The file is over the size limit; raise the limit or leave it out."
    ),
    _E.TOO_MANY_PIXELS: ErrorInfo(
        _P, "Too many pixels", "🧨", "red", "The picture is over the pixel limit; ask for a smaller width."
    ),
    _E.NOT_AN_IMAGE: ErrorInfo(
        _P, "Not an image", "📄", "red", "The address answered with something that is no image; leave it out."
    ),
    _E.UNSUPPORTED_FORMAT: ErrorInfo(
        _P, "Unsupported format", "🧩", "red", "Only JPEG, PNG, WebP, GIF and AVIF are taken; leave it out."
    ),
    _E.BLOCKED_ADDRESS: ErrorInfo(
        _P,
        "Blocked address",
        "🛡️",
        "red",
        "The address is not public, so it was not fetched; check the source.",
    ),
    _E.INVALID_URL: ErrorInfo(
        _P, "Invalid URL", "🔗", "red", "The photo has no usable http or https address; check the source."
    ),
    _E.SERVER_ERROR: ErrorInfo(
        _A, "Server error", "💥", "gray", "HTTP 500 at the provider; retry by hand once it looks healthy."
    ),
    _E.HTTP_ERROR: ErrorInfo(
        _A, "HTTP error", "⚠️", "gray", "An unusual HTTP status; read the detail before retrying."
    ),
    _E.QUOTA_EXCEEDED: ErrorInfo(
        _A, "Quota exceeded", "🪫", "gray", "The account's quota or billing ran out; mend it, then retry."
    ),
    _E.STALE_REFERENCE: ErrorInfo(
        _A,
        "Stale reference",
        "🕰️",
        "gray",
        "The photo's name expired and the new one was refused too; retry by hand: the venue is listed anew.",
    ),
    _E.BAD_RESPONSE: ErrorInfo(
        _A,
        "Bad response",
        "🧾",
        "gray",
        "The provider's answer was not in its documented form; read the detail.",
    ),
    _E.CORRUPT_IMAGE: ErrorInfo(
        _A, "Corrupt image", "🩹", "gray", "The picture is damaged or cut short; retry by hand once."
    ),
    _E.EMPTY_BODY: ErrorInfo(
        _A, "Empty file", "🫙", "gray", "The provider sent nothing; retry by hand once."
    ),
    _E.TOO_MANY_REDIRECTS: ErrorInfo(
        _A, "Too many redirects", "🔁", "gray", "The address leads in circles; open it by hand."
    ),
    _E.STORE_ERROR: ErrorInfo(
        _A,
        "Store error",
        "🗄️",
        "gray",
        "The image store refused the file; check its disk and rights, then retry.",
    ),
    _E.NOT_CONFIGURED: ErrorInfo(
        _A, "Not configured", "🔧", "gray", "A setting is missing; `venue-ops doctor` says which."
    ),
    _E.WORKER_LOST: ErrorInfo(
        _A,
        "Worker lost",
        "💀",
        "gray",
        "Workers died on this image again and again; look at it before retrying.",
    ),
    _E.DOWNLOAD_FAILED: ErrorInfo(
        _A, "Download failed", "📥", "gray", "Imported without a precise cause; retry by hand."
    ),
    _E.UNKNOWN_ERROR: ErrorInfo(
        _A, "Unknown error", "❔", "gray", "Not seen before; read the detail before retrying."
    ),
}


def info(error_type: ErrorType | str) -> ErrorInfo:
    """The table's row for `error_type`; an unknown word is `unknown_error`, never lost."""
    return ERRORS[parse(error_type)]


def parse(word: ErrorType | str) -> ErrorType:
    """The error type named `word`; anything else is `unknown_error`."""
    try:
        return ErrorType(word)
    except ValueError:
        return ErrorType.UNKNOWN_ERROR


def of_class(classification: Classification) -> tuple[ErrorType, ...]:
    """All error types of one classification, in the table's order."""
    return tuple(kind for kind, row in ERRORS.items() if row.classification is classification)


TRANSIENT_TYPES = of_class(Classification.TRANSIENT)

"""What Wikimedia's APIs and file servers say went wrong, as failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure
from ops_core.providers.reply import dig, mapping, text

_CODES: dict[str, ErrorType] = {
    "ratelimited": ErrorType.RATE_LIMITED,
    "maxlag": ErrorType.SERVICE_UNAVAILABLE,
    "readonly": ErrorType.SERVICE_UNAVAILABLE,
    "no-such-entity": ErrorType.NOT_FOUND,
    "unresolved-redirect": ErrorType.NOT_FOUND,
    "missingtitle": ErrorType.NOT_FOUND,
    "blocked": ErrorType.FORBIDDEN,
    "permissiondenied": ErrorType.FORBIDDEN,
    "readapidenied": ErrorType.FORBIDDEN,
}


def classify(status: int, headers: Mapping[str, str], body: Any) -> Failure | None:
    """The failure in a reply; API errors come with status 200. None when it holds nothing special."""
    if status == 200:
        return _api_error(mapping(body)["error"]) if "error" in mapping(body) else None
    said = (body if isinstance(body, str) else str(dig(body, "message"))).lower()
    if status == 429 and "thumbnail steps" in said:
        return Failure(
            ErrorType.HTTP_ERROR,
            "Wikimedia serves thumbnails in fixed widths only, and this address asks for another; "
            "list the venue again. Trying the same address again cannot help.",
        )
    if status == 429 and "user-agent" in said:
        return Failure(
            ErrorType.RATE_LIMITED,
            "Wikimedia takes few calls from clients without a contact; check VENUE_OPS_WIKIMEDIA_CONTACT.",
        )
    if status == 403 and "user-agent" in said:
        return Failure(
            ErrorType.NOT_CONFIGURED,
            "Wikimedia refuses our User-Agent; set VENUE_OPS_WIKIMEDIA_CONTACT to your e-mail address.",
        )
    return None


def _api_error(error: Any) -> Failure:
    code, info = text(dig(error, "code"), 60) or "unknown", text(dig(error, "info"), 200) or ""
    if code == "unresolved-redirect":
        info = "the entity was merged into another one; correct the venue's Wikidata id"
    if code.startswith("internal_api_error"):
        kind = ErrorType.SERVER_ERROR
    else:
        kind = _CODES.get(code, ErrorType.BAD_RESPONSE)
    return Failure(kind, f"Wikimedia: {code}: {info}" if info else f"Wikimedia: {code}")

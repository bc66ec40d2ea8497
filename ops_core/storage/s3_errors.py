"""What S3 services answer when they refuse, as failures that say what to do.

Nothing of an answer is quoted but its code, one word: the rest may hold the access key or the request.
"""

from __future__ import annotations

import re

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, error_type_of_status, failed

# the client tells all of it in the text of one exception
_STATUS = re.compile(r"\bstatus: ([1-5][0-9]{2})\b|non-2xx status code: ([1-5][0-9]{2})\b")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>|\bcode: \"([A-Za-z]{1,60})\"")
_KIND = re.compile(r"\bkind: ([A-Z][A-Za-z]+)")

_KEYS = "VENUE_OPS_S3_ACCESS_KEY_ID"
_PLACE = "VENUE_OPS_S3_REGION and VENUE_OPS_S3_ENDPOINT"
_RIGHTS = "read, write, list and delete in the bucket"

_E = ErrorType
#: What an answer with one of these codes is, and what to do.
_ANSWERS: tuple[tuple[tuple[str, ...], ErrorType, str], ...] = (
    (
        ("NoSuchBucket", "InvalidBucketName"),
        _E.STORE_ERROR,
        "has no bucket of that name: make it, or correct VENUE_OPS_S3_BUCKET.",
    ),
    (
        ("AccessDenied", "AllAccessDisabled", "AccountProblem"),
        _E.STORE_ERROR,
        f"does not let this key do it: give the key of {_KEYS} the rights to {_RIGHTS}.",
    ),
    (
        ("SignatureDoesNotMatch",),
        _E.STORE_ERROR,
        "does not know this secret: correct VENUE_OPS_S3_SECRET_ACCESS_KEY.",
    ),
    (
        ("InvalidAccessKeyId", "InvalidToken", "ExpiredToken", "Unauthorized"),
        _E.STORE_ERROR,
        f"does not know this key: correct {_KEYS}.",
    ),
    (
        ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"),
        _E.STORE_ERROR,
        f"has the bucket elsewhere: correct {_PLACE}.",
    ),
    (("RequestTimeTooSkewed",), _E.STORE_ERROR, "finds the time of this machine wrong: set its clock."),
    (
        ("QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"),
        _E.STORE_ERROR,
        "is full: make room in the bucket.",
    ),
    (("EntityTooLarge",), _E.FILE_TOO_LARGE, "takes no file as large as this."),
    (("RequestTimeout",), _E.NETWORK_TIMEOUT, "waited too long for the file to arrive."),
)
_BY_CODE = {code: (kind, sentence) for codes, kind, sentence in _ANSWERS for code in codes}


def is_missing(said: str) -> bool:
    """Whether the text of an exception means that the object is missing, and not its bucket."""
    return _code(said) in (None, "NoSuchKey")


def to_failure(said: str) -> Failed:
    """The failure that the text of an exception means."""
    status, code = _status(said), _code(said)
    if code in _BY_CODE:
        kind, sentence = _BY_CODE[code]
        return failed(kind, f"The s3 store {sentence} ({code})", status_code=status)
    if status is None:
        return _without_answer(said)
    named = f"{status}, {code}" if code else f"{status}"
    kind = error_type_of_status(status)
    if status in (401, 403):
        return failed(
            ErrorType.STORE_ERROR,
            f"The s3 store refused ({named}): correct {_KEYS} and VENUE_OPS_S3_SECRET_ACCESS_KEY, and give "
            f"the key the rights to {_RIGHTS}.",
            status_code=status,
        )
    if 300 <= status < 400:
        detail = f"The s3 store sent us elsewhere ({named}): correct {_PLACE}."
        return failed(ErrorType.STORE_ERROR, detail, status_code=status)
    if kind in (ErrorType.HTTP_ERROR, ErrorType.NOT_FOUND):
        kind = ErrorType.STORE_ERROR
    return failed(kind, f"The s3 store answered {named}.", status_code=status)


def _without_answer(said: str) -> Failed:
    kinds = _KIND.findall(said)
    if "Timeout" in kinds or "TimedOut" in kinds:
        return failed(ErrorType.NETWORK_TIMEOUT, "The s3 store did not answer in time.")
    if "Connect" in kinds:
        return failed(
            ErrorType.NETWORK_ERROR,
            "The s3 store cannot be reached: check the network and VENUE_OPS_S3_ENDPOINT.",
        )
    if "redirect" in said:
        return failed(ErrorType.STORE_ERROR, f"The s3 store sent us elsewhere: correct {_PLACE}.")
    if kinds:
        return failed(ErrorType.NETWORK_ERROR, "The connection to the s3 store broke.")
    return failed(ErrorType.BAD_RESPONSE, "The s3 store did not answer as S3 does.")


def _status(said: str) -> int | None:
    match = _STATUS.search(said)
    return int(match[1] or match[2]) if match else None


def _code(said: str) -> str | None:
    match = _CODE.search(said)
    return (match[1] or match[2]) if match else None

"""An image's life: its states, which moves are legal, and when it may be tried again.

discovered -> uploading -> uploaded
    ^            |  ^
    v            v  |  (retry)
referenced <-  failed -> permanently_failed

A photo whose provider forbids copies is `referenced`: it is shown from there and never tried.
"""

from __future__ import annotations

from enum import StrEnum

from ops_core.domain.errors import Classification, ErrorType, info

#: Automatic retries per image (rule 6.2); the first try is not a retry.
MAX_RETRIES = 3


class ImageState(StrEnum):
    """Where an image is now, as stored in `images.state`."""

    DISCOVERED = "discovered"  #: Listed by the provider, not tried yet.
    UPLOADING = "uploading"  #: Claimed by a worker until its lease runs out.
    UPLOADED = "uploaded"  #: In the store.
    FAILED = "failed"  #: The last try failed; it may be tried again.
    PERMANENTLY_FAILED = "permanently_failed"  #: No automatic try is left.
    REFERENCED = "referenced"  #: Not copied, as its provider's terms ask: shown from there.


class AttemptOutcome(StrEnum):
    """How one try ended, as stored in `attempts.outcome`."""

    UPLOADED = "uploaded"
    FAILED = "failed"
    LOST = "lost"  #: The worker died; its lease ran out.


_S = ImageState
MOVES: dict[ImageState, frozenset[ImageState]] = {
    # the provider's policy on copies may change either way between two listings
    _S.DISCOVERED: frozenset({_S.UPLOADING, _S.REFERENCED}),
    _S.REFERENCED: frozenset({_S.DISCOVERED}),
    # back to discovered or what it had failed as: a lease ran out and the claim was released
    _S.UPLOADING: frozenset({_S.UPLOADED, _S.FAILED, _S.PERMANENTLY_FAILED, _S.DISCOVERED}),
    _S.FAILED: frozenset({_S.UPLOADING, _S.PERMANENTLY_FAILED, _S.REFERENCED}),
    # uploading by a person's override only
    _S.PERMANENTLY_FAILED: frozenset({_S.UPLOADING, _S.REFERENCED}),
    _S.UPLOADED: frozenset(),
}


def may_move(old: ImageState, new: ImageState) -> bool:
    """Whether an image may go from `old` to `new`."""
    return new in MOVES[old]


def state_after_failure(error_type: ErrorType, retry_count: int) -> ImageState:
    """Where a failed try leaves the image; `retry_count` includes this try if it was a retry.

    A transient failure at the limit has no automatic try left. Permanent and ambiguous failures
    stay `failed`: they are not retried automatically, and a person sees them as open.
    """
    if info(error_type).classification is Classification.TRANSIENT and retry_count >= MAX_RETRIES:
        return ImageState.PERMANENTLY_FAILED
    return ImageState.FAILED


def retry_count_after(retry_count: int, *, is_retry: bool) -> int:
    """Retries an image has behind it after one more try; a person's override goes on, the count does not."""
    return min(retry_count + is_retry, max(retry_count, MAX_RETRIES))


def state_given_back(error_type: ErrorType | None, retry_count: int) -> ImageState:
    """What an image is again when its claim ends untried: what it was before, by what it failed with."""
    if error_type is None:
        return ImageState.DISCOVERED
    return state_after_failure(error_type, retry_count)


def may_try_automatically(state: ImageState, error_type: ErrorType | None, retry_count: int) -> bool:
    """Whether work that no person ordered may try this image now (rule 6.2)."""
    if state is ImageState.DISCOVERED:
        return True
    if state is not ImageState.FAILED or error_type is None:
        return False
    return info(error_type).retryable and retry_count < MAX_RETRIES

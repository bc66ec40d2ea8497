"""When the report of a photo's use has been made, and when it must be made again."""

from __future__ import annotations

from ops_core.domain.circuits import says_unwell
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure

#: Failures of a provider that is well, which pass all the same: an application may be given the right
#: later, and a venue's next listing brings the address that is missing.
_PASSING = frozenset({ErrorType.FORBIDDEN, ErrorType.STALE_REFERENCE})


def is_settled(failure: Failure | None) -> bool:
    """Whether a report that ended so (None: it was taken) need not be made again.

    So it is when the photo is gone, or the answer is of another kind that no second report would change.
    It is not while the provider is unwell or rejects the key, nor when the report was never sent.
    """
    if failure is None:
        return True
    return says_unwell(failure) is False and failure.error_type not in _PASSING

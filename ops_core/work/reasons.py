"""The reasons people give, as they are kept."""

from __future__ import annotations

from ops_core.domain.redact import redact


def clean(reason: str) -> str:
    """A reason without the secrets that were pasted with it, and without space around it."""
    return redact(reason.strip())

"""Providers' keys as they are sent."""

from __future__ import annotations

from pydantic import SecretStr


def as_sent(secret: SecretStr | None) -> str:
    """The key without the spaces and line ends it was pasted with; empty if there is none."""
    return "".join(secret.get_secret_value().split()) if secret else ""

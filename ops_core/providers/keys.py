"""Providers' keys as they are sent."""

from __future__ import annotations

from pydantic import SecretStr

from ops_core.settings import Settings


def sent(secret: SecretStr | None, settings: Settings) -> str:
    """The key to ask with, or empty if there is none; the real one has no business in the sandbox."""
    return "sandbox" if settings.sandbox_url else as_sent(secret)


def as_sent(secret: SecretStr | None) -> str:
    """The key without the spaces and line ends it was pasted with; empty if there is none."""
    return "".join(secret.get_secret_value().split()) if secret else ""

"""Addresses of photos that providers state in their replies: taken only from the provider's own hosts."""

from __future__ import annotations

from typing import Any

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, failed
from ops_core.domain.providers import facts_of
from ops_core.domain.redact import holds_secret
from ops_core.providers.guard import check_url
from ops_core.providers.http import Api
from ops_core.providers.reply import in_full


def photo_address(value: Any, code: str, api: Api) -> str | None:
    """`value` if it is an address that photos of the provider `code` are fetched and shown from, else None.

    It must be https, at one of the provider's photo hosts, and hold no secret. While a sandbox is
    in use it is the sandbox's stand-in for one. `//host/path` becomes https.
    """
    if not isinstance(value, str):
        return None
    address = in_full(value)
    real = stood_for(address, api)
    if real is None:
        return None
    try:
        url = check_url(real)
    except Failed:
        return None
    if url.scheme != "https" or url.explicit_port is not None or not _is_host(url.host or "", code):
        return None
    return None if holds_secret(real) else address


def known_address(given: Any, code: str, api: Api) -> str:
    """The address of a photo as it was listed; raises Failed(stale_reference) if it is none."""
    address = photo_address(given, code, api)
    if address is None:
        raise failed(ErrorType.STALE_REFERENCE, "The photo's address is not known; list the venue again.")
    return address


def stood_for(address: str, api: Api) -> str | None:
    """The address the sandbox in use stands in for with `address`, None if it does not; else `address`."""
    sandbox = api.settings.sandbox_url
    if not sandbox:
        return address
    return f"https://{address.removeprefix(f'{sandbox}/')}" if address.startswith(f"{sandbox}/") else None


def _is_host(host: str, code: str) -> bool:
    return any(
        host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
        for pattern in facts_of(code).photo_hosts
    )

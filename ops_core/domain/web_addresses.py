"""Addresses of the console and of its sign-in provider: which are right, which are this machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_USUAL_PORTS = {"http": 80, "https": 443}


def is_this_machine(host: str) -> bool:
    """Whether `host` means this machine alone: localhost or a loopback address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin(url: str) -> str:
    """Scheme, host and port of `url`, which has nothing else, as browsers write them.

    Raises `ValueError` with what it must look like.
    """
    parts = _web_address(url)
    if parts is None or parts[1].strip("/"):
        raise ValueError("must look like https://console.example.org, without a path")
    return parts[0]


def metadata_url(url: str) -> str:
    """`url`, if the metadata of a sign-in provider may be fetched from there.

    Raises `ValueError` with what it must look like.
    """
    parts = _web_address(url)
    if parts is None or not parts[1].strip("/"):
        raise ValueError("must look like https://.../.well-known/openid-configuration")
    if url.startswith("http:") and not is_this_machine(urlsplit(url).hostname or ""):
        raise ValueError("must begin with https://: who changes it on its way can sign in as anybody")
    return url


def _web_address(url: str) -> tuple[str, str] | None:
    """The origin of a web address and what follows it; None for anything else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _USUAL_PORTS or not host or "@" in parts.netloc or not url.isascii():
        return None
    shown = f"[{host}]" if ":" in host else host
    number = "" if port in (None, _USUAL_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{shown}{number}", url[len(parts.scheme) + 3 + len(parts.netloc) :]

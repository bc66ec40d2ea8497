"""Addresses of the console and of services: which are right, which are this machine."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote, urlsplit

_USUAL_PORTS = {"http": 80, "https": 443}

#: Plain enough to be joined with a key, and to stand in a header.
_PLAIN = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(?::[0-9]+)?(?:/[A-Za-z0-9._~%-]+)*")

#: A name or an IP address; and all that an address may be made of.
_HOST = re.compile(r"[A-Za-z0-9._-]*[A-Za-z0-9]|[0-9A-Fa-f:.]*[0-9A-Fa-f:]")
_VISIBLE = re.compile(r"[!-~]+")

_PASSWORD = re.compile(r"[a-z0-9.+-]+://[^:@/]*:([^@]+)@", re.IGNORECASE)
_PLAIN_WORD = re.compile(r"[a-z]+")


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


def service_url(url: str) -> str:
    """`url` without a slash at its end, if it is the address of a service, which may have a path.

    Raises `ValueError` with what it must look like.
    """
    bare = url.strip().rstrip("/")
    if _web_address(bare) is None or not _PLAIN.fullmatch(bare):
        raise ValueError("must look like https://host.example.org or https://host.example.org/path")
    if bare.startswith("http:") and not is_this_machine(urlsplit(bare).hostname or ""):
        raise ValueError("must begin with https://: only this machine is spoken to without it")
    return bare


def origin_of(url: str) -> str:
    """Scheme, host and port of a `service_url`, as browsers write them."""
    parts = _web_address(url)
    assert parts is not None
    return parts[0]


def passwords(url: str) -> list[str]:
    """The password in the address of a database or a broker, as it stands and decoded; empty without one.

    A plain word in small letters is left out: it is no secret worth the name, and other texts have it too.
    """
    match = _PASSWORD.match(url)
    if match is None or _PLAIN_WORD.fullmatch(match[1]):
        return []
    return [match[1], unquote(match[1])]


def _web_address(url: str) -> tuple[str, str] | None:
    """The origin of a web address and what follows it; None for anything else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _USUAL_PORTS or not host or "@" in parts.netloc:
        return None
    if not _VISIBLE.fullmatch(url) or not _HOST.fullmatch(host):
        return None
    shown = f"[{host}]" if ":" in host else host
    number = "" if port in (None, _USUAL_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{shown}{number}", url[len(parts.scheme) + 3 + len(parts.netloc) :]

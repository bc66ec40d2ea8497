"""The door every fetch passes: which addresses may be asked at all.

Two checks, both needed. `Guard.check` looks at the URL, before anything is looked up. The socket
is made by `Guard.open_socket`, which sees the very IP address about to be connected: names,
literals, redirects and names that change between two look-ups all end there.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Any

from yarl import URL

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, failed

#: Longest URL fetched, characters.
MAX_URL = 4096

#: Ports of ordinary web servers; a photo is nowhere else.
WEB_PORTS = frozenset({80, 443, 8080, 8443})

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Written out, because Python's `is_global` differs from one release to the next.
_CLOSED_V4 = tuple(
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's metadata service behind a public-looking address
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_OPEN_V6 = ipaddress.IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    ipaddress.IPv6Network(block)
    for block in (
        "2001::/23",  # Teredo, ORCHID, benchmarking
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",
    )
)

_FORBIDDEN_CHARACTERS = re.compile(r"[\x00-\x20\x7f-\xa0\\\ud800-\udfff]")
_USER = re.compile(r"[a-z]+://[^/?#]*@", re.IGNORECASE)
_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NUMBER_AT_THE_END = re.compile(r"(?:^|\.)(?:\d+|0x[0-9a-f]*)$", re.IGNORECASE)


class BlockedAddress(RuntimeError):
    """The address about to be connected is not allowed.

    A RuntimeError with one fixed message on purpose: aiohttp hides an OSError among its own, and
    with several addresses for one name only a RuntimeError comes through unchanged.
    """

    def __init__(self) -> None:
        super().__init__("not a public address")


def is_public(address: Address) -> bool:
    """Whether `address` is an ordinary one on the internet, in every disguise it may wear."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        return address in _OPEN_V6 and not any(address in block for block in _CLOSED_V6)
    return not any(address in block for block in _CLOSED_V4)


def check_url(url: str, sandbox: tuple[str, int] | None = None) -> URL:
    """`url`, parsed by the parser that will also connect; raises Failed(invalid_url | blocked_address).

    With `sandbox` (its host and port), that is the only place allowed.
    """
    if len(url) > MAX_URL:
        raise _invalid(f"The address is longer than {MAX_URL} characters.")
    if _FORBIDDEN_CHARACTERS.search(url):
        raise _invalid("The address holds spaces, control characters or backslashes.")
    try:
        parsed = URL(url)
        host, port = parsed.host, parsed.port
        ascii_host = (parsed.raw_host or "").rstrip(".").lower()
    except ValueError:
        raise _invalid("The address cannot be read.") from None
    if parsed.scheme not in ("http", "https"):
        raise _invalid("The address does not begin with http:// or https://.")
    if not host or not ascii_host or not port:
        raise _invalid("The address names no host.")
    if _USER.match(url):
        raise _invalid("The address holds a user name or password.")
    if sandbox is not None:
        if (ascii_host, port) != sandbox:
            raise _blocked("The sandbox is in use, so nothing outside it is fetched.")
        return parsed
    if port not in WEB_PORTS:
        raise _blocked(f"Port {port} is not one of a web server.")
    _check_host(ascii_host)
    return parsed


def follow(url: URL, location: str, sandbox: tuple[str, int] | None = None) -> URL:
    """Where a redirect from `url` to `location` leads, checked like any other address."""
    if len(location) > MAX_URL or _FORBIDDEN_CHARACTERS.search(location):
        raise _invalid("The address redirects to something that is no address.")
    try:
        target = str(url.join(URL(location)))
    except ValueError:
        raise _invalid("The address redirects to something that is no address.") from None
    return check_url(target, sandbox)


def _check_host(host: str) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if _NUMBER_AT_THE_END.search(host):
            # 2130706433, 0177.0.0.1, 0x7f.1: spellings of an IP address that only some parsers read
            raise _blocked("The host is an IP address in an unusual spelling.") from None
        if host == "localhost" or host.endswith(".localhost"):
            raise _blocked("localhost is not a public address.") from None
        if not _HOST_NAME.fullmatch(host):
            raise _invalid("The address names no host that could exist.") from None
        return
    if not is_public(address):
        raise _blocked(f"{host} is not a public address.")


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of one session; `sandbox` is the host and port of the sandbox if one is in use."""

    sandbox: tuple[str, int] | None = None

    @classmethod
    def of(cls, sandbox_url: str | None) -> Guard:
        """The guard for the setting `sandbox_url`."""
        if sandbox_url is None:
            return cls()
        parsed = URL(sandbox_url)
        return cls(((parsed.raw_host or "").rstrip(".").lower(), parsed.port or 80))

    def check(self, url: str) -> URL:
        """`url` parsed; raises Failed(invalid_url | blocked_address)."""
        return check_url(url, self.sandbox)

    def follow(self, url: URL, location: str) -> URL:
        """The checked target of a redirect."""
        return follow(url, location, self.sandbox)

    def open_socket(self, addr_info: tuple[Any, ...]) -> socket.socket:
        """A socket for an address from `getaddrinfo`; raises BlockedAddress if it must not be connected."""
        family, kind, protocol, _, where = addr_info
        if family not in (socket.AF_INET, socket.AF_INET6) or not self._may_connect(where[0], where[1]):
            raise BlockedAddress
        return socket.socket(family=family, type=kind, proto=protocol)

    def _may_connect(self, text: str, port: int) -> bool:
        address = ipaddress.ip_address(text)
        if self.sandbox is not None:
            return address.is_loopback and port == self.sandbox[1]
        return port in WEB_PORTS and is_public(address)


def _invalid(detail: str) -> Failed:
    return failed(ErrorType.INVALID_URL, detail)


def _blocked(detail: str) -> Failed:
    return failed(ErrorType.BLOCKED_ADDRESS, detail)

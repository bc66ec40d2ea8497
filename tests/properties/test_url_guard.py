"""No private address passes, however it is spelled; ordinary addresses do."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed
from ops_core.providers.guard import BlockedAddress, Guard, check_url, follow, is_public

PRIVATE_V4 = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
    *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
]
PRIVATE_V6 = [
    *(
        "::/128",
        "::1/128",
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/32",
        "2001:db8::/32",
    ),
    *("2002::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
]


def addresses_in(block: str) -> st.SearchStrategy[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    network = ipaddress.ip_network(block)
    first, last = int(network[0]), int(network[-1])
    return st.integers(first, last).map(type(network[0]))


private_v4 = st.sampled_from(PRIVATE_V4).flatmap(addresses_in)
private_v6 = st.sampled_from(PRIVATE_V6).flatmap(addresses_in)
spellings = st.sampled_from(
    [
        str,
        lambda ip: str(int(ip)),
        lambda ip: hex(int(ip)),
        lambda ip: ".".join(f"0{part:o}" for part in ip.packed),
        lambda ip: ".".join(hex(part) for part in ip.packed),
        lambda ip: f"{ip.packed[0]}.{int(ip) & 0xFFFFFF}",
        lambda ip: f"[::ffff:{ip}]",
        lambda ip: f"[::ffff:{ip.packed[:2].hex()}:{ip.packed[2:].hex()}]",
        lambda ip: f"[64:ff9b::{ip}]",
        lambda ip: f"[2002:{ip.packed[:2].hex()}:{ip.packed[2:].hex()}::1]",
        lambda ip: f"[::{ip}]",
        lambda ip: f"{ip}.",
        lambda ip: str(ip).translate(str.maketrans("0123456789", "０１２３４５６７８９")),
        lambda ip: str(ip).replace(".", "。"),
        lambda ip: "".join(f"%{ord(char):02x}" for char in str(ip)),
    ]
)


@given(private_v4 | private_v6)
def test_no_private_address_counts_as_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert not is_public(address)
    with pytest.raises(BlockedAddress):
        Guard().open_socket(_addr_info(str(address), 80))


@given(private_v4)
def test_an_address_mapped_into_ipv6_is_judged_by_what_it_hides(address: ipaddress.IPv4Address) -> None:
    assert not is_public(ipaddress.IPv6Address(f"::ffff:{address}"))
    assert is_public(ipaddress.IPv6Address("::ffff:8.8.8.8"))


@given(st.ip_addresses())
def test_nothing_is_public_that_python_calls_private(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert not is_public(address) or (address.is_global and not address.is_multicast)


@pytest.mark.parametrize(
    "public", ["8.8.8.8", "208.80.154.224", "142.250.75.1", "2620:0:861:ed1a::1", "2a00:1450:4001::5"]
)
def test_ordinary_addresses_are_public(public: str) -> None:
    assert is_public(ipaddress.ip_address(public))
    Guard().open_socket(_addr_info(public, 443)).close()


@given(private_v4, spellings, st.sampled_from(["http", "https"]))
def test_a_private_address_is_refused_in_every_spelling(
    address: ipaddress.IPv4Address, spell, scheme: str
) -> None:
    with pytest.raises(Failed) as caught:
        check_url(f"{scheme}://{spell(address)}/photo.jpg")
    assert caught.value.failure.error_type in (ErrorType.BLOCKED_ADDRESS, ErrorType.INVALID_URL)


@given(private_v4, spellings)
def test_a_redirect_to_a_private_address_is_refused(address: ipaddress.IPv4Address, spell) -> None:
    start = check_url("https://photos.example.org/a")
    for location in (f"http://{spell(address)}/x", f"//{spell(address)}/x"):
        with pytest.raises(Failed):
            follow(start, location)


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda rest: f"http://{rest}"))
@example("http://[::1")
@example("http://a:99999/")
@example("http://\ud800/")
def test_any_text_is_a_checked_address_or_a_classified_failure(text: str) -> None:
    try:
        parsed = check_url(text)
    except Failed:
        return
    assert parsed.scheme in ("http", "https")
    assert parsed.raw_host
    assert parsed.raw_user is None


@given(st.text(max_size=80))
def test_any_location_is_followed_safely_or_refused(location: str) -> None:
    start = check_url("https://photos.example.org/a")
    try:
        target = follow(start, location)
    except Failed:
        return
    assert target.scheme in ("http", "https")


@given(
    st.from_regex(r"[a-z][a-z0-9]{0,10}(\.[a-z]{2,8}){1,3}", fullmatch=True),
    st.from_regex(r"(/[A-Za-z0-9_~.-]{1,10}){0,4}", fullmatch=True),
    st.sampled_from(["", ":80", ":443", ":8080", ":8443"]),
)
def test_ordinary_addresses_pass(host: str, path: str, port: str) -> None:
    assume(not host.endswith(".localhost"))
    assert check_url(f"https://{host}{port}{path}").raw_host == host


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ftp://example.org/a", ErrorType.INVALID_URL),
        ("file:///etc/passwd", ErrorType.INVALID_URL),
        ("gopher://example.org/", ErrorType.INVALID_URL),
        ("example.org/a.jpg", ErrorType.INVALID_URL),
        ("", ErrorType.INVALID_URL),
        ("http://", ErrorType.INVALID_URL),
        ("http://user:pass@example.org/", ErrorType.INVALID_URL),
        ("http://@example.org/", ErrorType.INVALID_URL),
        ("http://example.org\\@127.0.0.1/", ErrorType.INVALID_URL),
        ("http://example.org/a b", ErrorType.INVALID_URL),
        ("http://example.org/\r\nX-Evil: 1", ErrorType.INVALID_URL),
        ("http://example.org/" + "a" * 5000, ErrorType.INVALID_URL),
        ("http://" + "a" * 64 + ".org/", ErrorType.INVALID_URL),
        ("http://example..org/", ErrorType.INVALID_URL),
        ("http://example.org:22/", ErrorType.BLOCKED_ADDRESS),
        ("http://example.org:6379/", ErrorType.BLOCKED_ADDRESS),
        ("http://localhost/", ErrorType.BLOCKED_ADDRESS),
        ("http://LOCALHOST./", ErrorType.BLOCKED_ADDRESS),
        ("http://a.localhost/", ErrorType.BLOCKED_ADDRESS),
    ],
)
def test_what_is_no_public_web_address_is_refused(url: str, expected: ErrorType) -> None:
    with pytest.raises(Failed) as caught:
        check_url(url)
    assert caught.value.failure.error_type is expected


def test_a_query_or_fragment_with_an_at_sign_does_not_move_the_host() -> None:
    assert check_url("http://example.org/?u=@127.0.0.1").host == "example.org"
    assert check_url("http://example.org/#@127.0.0.1").host == "example.org"


def test_the_sandbox_is_its_host_and_port_and_nothing_else() -> None:
    guard = Guard.of("http://127.0.0.1:8502")
    assert guard.check("http://127.0.0.1:8502/lh3.googleusercontent.com/a").port == 8502
    for other in (
        "http://127.0.0.1:8503/",
        "http://127.0.0.2:8502/",
        "http://localhost:8502/",
        "https://example.org/",
    ):
        with pytest.raises(Failed) as caught:
            guard.check(other)
        assert caught.value.failure.error_type is ErrorType.BLOCKED_ADDRESS
    guard.open_socket(_addr_info("127.0.0.1", 8502)).close()
    for host, port in (("127.0.0.1", 5432), ("10.0.0.1", 8502), ("8.8.8.8", 8502), ("8.8.8.8", 443)):
        with pytest.raises(BlockedAddress):
            guard.open_socket(_addr_info(host, port))


def test_without_a_sandbox_its_address_is_closed() -> None:
    with pytest.raises(BlockedAddress):
        Guard.of(None).open_socket(_addr_info("127.0.0.1", 8502))


def test_only_internet_sockets_are_made() -> None:
    with pytest.raises(BlockedAddress):
        Guard().open_socket((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", ("/run/docker.sock", 80)))


def _addr_info(host: str, port: int) -> tuple[int, int, int, str, tuple[str, int]]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return (family, socket.SOCK_STREAM, 6, "", (host, port))

"""Addresses of the console and of its sign-in provider."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.web_addresses import is_this_machine, metadata_url, origin


@pytest.mark.parametrize(
    ("url", "as_browsers_write_it"),
    [
        ("https://console.example.org", "https://console.example.org"),
        ("https://Console.Example.org/", "https://console.example.org"),
        ("https://console.example.org:443", "https://console.example.org"),
        ("https://console.example.org:8443/", "https://console.example.org:8443"),
        ("http://127.0.0.1:8501", "http://127.0.0.1:8501"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url, as_browsers_write_it):
    assert origin(url) == as_browsers_write_it


@pytest.mark.parametrize(
    "url",
    [
        "",
        "console.example.org",
        "ftp://console.example.org",
        "https://",
        "https://console.example.org/admin",
        "https://console.example.org?x=1",
        "https://console.example.org#x",
        "https://ann:geheim@console.example.org",
        "https://console.example.org:port",
        "https://[::1",
        "https://münchen.example",
        "https://console example.org",
        'https://console".example.org',
        "https://console;example.org",
        "https://console%2f.example.org",
        "https://.",
        "https://console.example.org/\n",
    ],
)
def test_what_is_more_or_less_than_an_origin_is_refused(url):
    with pytest.raises(ValueError, match="must look like https://console"):
        origin(url)


@given(st.sampled_from(["", "http://", "https://", "https://h:"]), st.text(max_size=20))
def test_what_is_taken_for_an_origin_stays_what_it_is(start, rest):
    with contextlib.suppress(ValueError):
        found = origin(start + rest)
        assert origin(found) == found


@pytest.mark.parametrize(
    "url",
    [
        "https://id.example.org/.well-known/openid-configuration",
        "https://id.example.org/realms/a/.well-known/openid-configuration?x=1",
        "http://127.0.0.1:9000/.well-known/openid-configuration",
        "http://localhost/.well-known/openid-configuration",
    ],
)
def test_metadata_may_come_over_https_or_from_this_machine(url):
    assert metadata_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "https://<b>.example.org/.well-known/openid-configuration",
        "https://id.example.org/.well-known/openid configuration",
        "https://id.example.org/.well-known/openid-configuration\n",
    ],
)
def test_metadata_is_fetched_from_nothing_that_only_looks_like_an_address(url):
    with pytest.raises(ValueError, match="must look like"):
        metadata_url(url)


def test_metadata_may_not_come_over_the_network_in_the_open():
    with pytest.raises(ValueError, match="must begin with https"):
        metadata_url("http://id.example.org/.well-known/openid-configuration")
    with pytest.raises(ValueError, match="must look like"):
        metadata_url("https://id.example.org")


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.7", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("", False),
    ],
)
def test_this_machine_is_loopback_and_nothing_that_looks_like_it(host, here):
    assert is_this_machine(host) is here

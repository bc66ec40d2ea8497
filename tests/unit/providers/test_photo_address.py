"""Which addresses in replies are taken as photos of a provider."""

from __future__ import annotations

from typing import Any

import pytest

from ops_core.domain import known_secrets
from ops_core.providers.http import Http
from ops_core.providers.photo_address import photo_address
from ops_core.providers.reply import web_url
from ops_core.settings import Settings
from tests.support.loopback import api_of

SANDBOX = "http://127.0.0.1:8502"
#: The names of Foursquare's older photos, which look like its keys of 2025.
OLDER = "ABBYAIL1IP5BZJEXGZNSCW33UJZWU3THJTUSOQCGL3P2UPXO"
KEY = "KQ7XZ9VT2MR4WL8PN5BD3HJ6SF1YU0GE4TA2BC8QWERTYUI1"


def taken(value: Any, code: str, **settings: Any) -> str | None:
    return photo_address(value, code, api_of(Http(Settings(**settings)), code))


@pytest.mark.parametrize(
    ("code", "address"),
    [
        ("foursquare", "https://fastly.4sqi.net/img/general/original/1_a.jpg"),
        ("foursquare", f"https://fastly.4sqi.net/img/general/original/{OLDER}.jpg"),
        ("mapbox", f"https://igx.4sqi.net/img/general/width960/{OLDER}.jpg"),
        ("here", "https://media-cdn.tripadvisor.com/media/photo-o/0d/e1/2a/a1/blue-note.jpg"),
        ("here", "https://dynamic-media-cdn.tripadvisor.com/media/photo-o/0d/a.jpg?w=900&h=500&s=1"),
        ("unsplash", "https://images.unsplash.com/photo-1?ixid=M3w&w=1080"),
    ],
)
def test_an_address_at_the_providers_own_hosts_is_taken_as_it_is(code: str, address: str) -> None:
    assert taken(address, code) == address
    assert taken(address.removeprefix("https:"), code) == address


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "",
        "fastly.4sqi.net/img/a.jpg",
        "http://fastly.4sqi.net/img/a.jpg",
        "ftp://fastly.4sqi.net/img/a.jpg",
        "https://4sqi.net.example.org/a.jpg",
        "https://evil4sqi.net/a.jpg",
        "https://fastly.4sqi.net@example.org/a.jpg",
        "https://someone@fastly.4sqi.net/a.jpg",
        "https://fastly.4sqi.net:8443/a.jpg",
        "https://fastly.4sqi.net/a b.jpg",
        "https://fastly.4sqi.net/a.jpg\x00",
        "https://fastly.4sqi.net/a.jpg?key=secret",
        "https://fastly.4sqi.net/a.jpg?X-Amz-Signature=secret",
        f"https://fastly.4sqi.net/img/general/original/{KEY}",
        f"https://fastly.4sqi.net/img/{KEY}/a.jpg",
        f"https://fastly.4sqi.net/img/{KEY}/{OLDER}.jpg",
        f"https://fastly.4sqi.net/img/{OLDER}.jpg?v={KEY}",
        f"https://fastly.4sqi.net/img/a.jpg?u=https://fastly.4sqi.net/{KEY}.jpg",
        f"https://fastly.4sqi.net/img/a.jpg#/{KEY}.jpg",
        "https://fastly.4sqi.net/" + "a" * 5000,
        f"{SANDBOX}/fastly.4sqi.net/img/a.jpg",
    ],
)
def test_any_other_is_not(value: Any) -> None:
    assert taken(value, "foursquare") is None


def test_a_key_of_ours_is_no_name_of_a_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_secrets, "_known", known_secrets.Known())
    known_secrets.remember([KEY])
    for name in (KEY, KEY.lower(), "".join(f"%{byte:02x}" for byte in KEY.encode())):
        assert taken(f"https://fastly.4sqi.net/img/general/original/{name}.jpg", "foursquare") is None


def test_the_page_of_a_photo_keeps_its_name() -> None:
    for end in ("jpg", "JPEG", "png", "webp", "gif", "jpg?v=2"):
        address = f"https://fastly.4sqi.net/img/general/original/{OLDER}.{end}"
        assert web_url(address) == address


def test_a_provider_without_known_hosts_has_no_addresses() -> None:
    assert taken("https://example.org/a.jpg", "somebody") is None


@pytest.mark.parametrize(
    ("value", "is_taken"),
    [
        (f"{SANDBOX}/fastly.4sqi.net/img/a.jpg", True),
        (f"{SANDBOX}/fastly.4sqi.net/img/general/original/{OLDER}.jpg", True),
        (f"{SANDBOX}/fastly.4sqi.net/img/general/original/{KEY}", False),
        (f"{SANDBOX}/images.unsplash.com/img/a.jpg", False),
        (f"{SANDBOX}/fastly.4sqi.net/img/a.jpg?token=secret", False),
        (f"{SANDBOX}0/fastly.4sqi.net/img/a.jpg", False),
        ("http://127.0.0.1:9/fastly.4sqi.net/img/a.jpg", False),
        ("https://fastly.4sqi.net/img/a.jpg", False),
        ("//fastly.4sqi.net/img/a.jpg", False),
    ],
)
def test_with_a_sandbox_only_its_stand_ins_are_taken(value: str, is_taken: bool) -> None:
    assert taken(value, "foursquare", sandbox_url=SANDBOX) == (value if is_taken else None)

"""Keys planted to be looked for afterwards: each is new, says where it was planted, and has a mark.

`OURS` are the keys of the settings, which providers repeat; their mark is another one.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

#: Settings with keys as real ones look.
OURS: dict[str, str] = {
    "google_places_api_key": "AIzaSyC0nfGoogle7Kq2xZ9vT2mR4wL8pN5bD3",
    "foursquare_api_key": "C0NFGFSQ7KQ2XZ9VT2MR4WL8PN5BD3HJ6SF1YU0GE4TA2BC8",
    "here_api_key": "c0nfGhere-7Kq2xZ9vT2mR4wL8pN5bD3_hJ6sF1yU",
    "mapbox_access_token": "sk.eyJ1IjoiYzBuZkcifQ.c0nfGmapbox7Kq2xZ9vT2m",
    "unsplash_access_key": "c0nfGunsplash7Kq2xZ9vT2m-R4wL8pN5bD3hJ6sF1",
    "imagekit_private_key": "private_c0nfG+imagekit/7Kq2xZ9vT2mR4w=",
    "s3_access_key_id": "AKIAC0NFGS3KEY7KQ2XZ",
    "s3_secret_access_key": "c0nfG/s3+secret7Kq2xZ9vT2mR4wL8pN5bD3hJ6",
}
#: Names of parameters that hold secrets.
NAMES = (
    *("key", "apikey", "apiKey", "api_key", "access_token", "token", "client_id", "client_secret"),
    *("signature", "sig", "ik-s", "session_token", "X-Amz-Signature", "X-Amz-Credential"),
    *("X-Amz-Security-Token", "KEY", "app_code", "AWSAccessKeyId"),
)
#: What keys of some providers begin with.
LOOKS = ("AIzaSy", "fsq3", "private_", "AKIA", "pk.eyJ1Ijoi", "tk.eyJ1Ijoi", "ya29.")

_MARK = re.compile(r"pl4nt[0-9]{5}|c0nfg|leaked-secret", re.IGNORECASE)
_LONG_WORD = re.compile(r"[A-Za-z0-9_-]{14,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}")


@dataclass
class Planter:
    """Makes keys and remembers what each was planted in."""

    planted: dict[str, str] = field(default_factory=dict)  #: Mark, in small letters -> where.
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def key(self, where: str) -> str:
        """A new key without any known look."""
        number = next(self._numbers)
        self.planted[f"pl4nt{number:05d}"] = where
        return f"pL4nt{number:05d}kQ7xZ9vT2m"

    def known_by_look(self, where: str) -> str:
        """A new key that looks like one of some provider."""
        key = self.key(where)
        look = LOOKS[len(self.planted) % len(LOOKS)]
        return look + (key.upper() if look == "AKIA" else key)

    def name(self) -> str:
        """The name of a parameter: another one each time."""
        return NAMES[len(self.planted) % len(NAMES)]

    def told(self, marks: set[str]) -> list[str]:
        """Where the keys with these marks were planted."""
        return sorted(f"{mark}: {self.planted.get(mark, 'a key of ours')}" for mark in marks)


#: Makes another value of one that a provider states: (value, key maker, where, a key of ours) -> value.
Style = Callable[[str, Planter, str, str], str]


def _with(url: str, pair: str) -> str:
    head, hash_, fragment = url.partition("#")
    return f"{head}{'&' if '?' in head else '?'}{pair}{hash_}{fragment}"


def _in_query(url: str, planter: Planter, where: str, ours: str) -> str:
    return _with(url, f"{planter.name()}={planter.key(where)}")


def _in_fragment(url: str, planter: Planter, where: str, ours: str) -> str:
    return f"{url}#access_token={planter.key(where)}"


def _in_encoded_address(url: str, planter: Planter, where: str, ours: str) -> str:
    inner = f"https://api.example.org/v1?{planter.name()}={planter.key(where)}"
    return _with(url, f"u={quote(inner, safe='')}")


def _as_user(url: str, planter: Planter, where: str, ours: str) -> str:
    scheme, _, rest = url.partition("//")
    return f"{scheme}//{planter.key(where)}:{planter.key(where)}@{rest}"


def _ours_in_query(url: str, planter: Planter, where: str, ours: str) -> str:
    return _with(url, f"x={quote(ours, safe='')}")


def _ours_in_path(url: str, planter: Planter, where: str, ours: str) -> str:
    head, slash, last = url.rpartition("/")
    return f"{head}/{''.join(f'%{byte:02x}' for byte in ours.encode())}{slash}{last}"


def _ours_in_place_of_a_name(url: str, planter: Planter, where: str, ours: str) -> str:
    return _LONG_WORD.sub(ours, url)


def _look_in_path(url: str, planter: Planter, where: str, ours: str) -> str:
    head, slash, last = url.rpartition("/")
    return f"{head}/{planter.known_by_look(where)}{slash}{last}"


def _in_words(value: str, planter: Planter, where: str, ours: str) -> str:
    link = f'<a href="https://x.example/?{planter.name()}={planter.key(where)}">{value}</a>'
    pair = f'{{"api_key": "{planter.key(where)}"}} Bearer {planter.key(where)}'
    return f"{link} key={planter.key(where)} {planter.known_by_look(where)} {pair}"


def _ours_in_words(value: str, planter: Planter, where: str, ours: str) -> str:
    basic = base64.b64encode(f"{ours}:".encode()).decode()
    return f"{value} {ours} {quote(ours, safe='')} {basic} {ours.swapcase()}"


def _ours_alone(value: str, planter: Planter, where: str, ours: str) -> str:
    return ours


def _look_alone(value: str, planter: Planter, where: str, ours: str) -> str:
    return f"AIzaSy{planter.key(where)}0000000000000"


def _before_the_end(value: str, planter: Planter, where: str, ours: str) -> str:
    """So far behind that it is cut in its middle where texts are cut."""
    return f"{'x' * 270} key={planter.key(where)}{'y' * 60} {'z ' * 1200}{ours}"


IN_ADDRESS: tuple[Style, ...] = (
    *(_in_query, _ours_in_query, _in_fragment, _ours_in_path),
    *(_as_user, _ours_in_place_of_a_name, _in_encoded_address, _look_in_path),
)
IN_TEXT: tuple[Style, ...] = (_in_words, _ours_in_words, _ours_alone, _look_alone, _before_the_end)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where the texts of a reply are."""
    if isinstance(value, str):
        return [path]
    if isinstance(value, Mapping):
        return [leaf for name, held in value.items() for leaf in leaves(held, (*path, name))]
    if isinstance(value, list):
        return [leaf for number, held in enumerate(value) for leaf in leaves(held, (*path, number))]
    return []


def replaced(value: Any, path: tuple[str | int, ...], change: Callable[[str], str]) -> Any:
    """A reply whose text at `path` is changed."""
    if not path:
        return change(value)
    step, rest = path[0], path[1:]
    if isinstance(value, Mapping):
        return {name: replaced(held, rest, change) if name == step else held for name, held in value.items()}
    return [replaced(held, rest, change) if number == step else held for number, held in enumerate(value)]


def is_address(value: str) -> bool:
    """Whether a text of a reply is an address, whole or without its scheme."""
    return value.startswith(("http://", "https://", "//"))


def marks(text: str) -> set[str]:
    """The marks of all planted keys in `text`: plain, percent-encoded or in base64."""
    found = set()
    for _ in range(4):
        found |= {mark.lower() for mark in _MARK.findall(text)}
        text = unquote(text, errors="replace")
    for run in set(_BASE64.findall(text)):
        plain = run.replace("-", "+").replace("_", "/")
        for begin in range(4):
            piece = plain[begin:]
            decoded = base64.b64decode(piece[: len(piece) // 4 * 4]).decode("latin-1")
            found |= {mark.lower() for mark in _MARK.findall(decoded)}
    return found

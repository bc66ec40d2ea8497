"""Reading replies that may hold anything: every function takes any value and never raises.

What does not have the expected form becomes None or empty, so that a source can skip one odd photo
or say that the whole reply is odd.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html.parser import HTMLParser
from typing import Any

from ops_core.domain.failures import Failed
from ops_core.domain.redact import holds_secret, redact, redact_url
from ops_core.providers.guard import check_url

#: Longest text taken from a reply, characters.
MAX_TEXT = 300

#: Longest side believed, pixels: what fits a database integer when multiplied out.
MAX_SIDE = 100_000

#: Markup read of one field, characters.
MAX_MARKUP = 4_000

_UNWANTED = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+"
)
#: What joins or parts letters inside a word, as Persian and Indian languages write it.
_JOINERS = "\u200c\u200d"


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> Sequence[Any]:
    """`value` if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else ()


def dig(value: Any, *path: str | int) -> Any:
    """What lies at `path` of nested objects and arrays, None if anything on the way is missing."""
    for step in path:
        if isinstance(step, str):
            value = mapping(value).get(step)
        else:
            held = items(value)
            value = held[step] if -len(held) <= step < len(held) else None
    return value


def text(value: Any, limit: int = MAX_TEXT) -> str | None:
    """`value` as one clean line without secrets, of at most `limit` characters; None if it is no text."""
    if not isinstance(value, str):
        return None
    # cut before cleaning, so that a giant value costs no more than a long one
    longest = limit * 8
    words = _UNWANTED.sub(" ", value[:longest]).split()
    if len(value) > longest and len(words) > 1:
        words.pop()  # half a secret would not be known as one
    return redact(" ".join(words))[:limit].strip(f" {_JOINERS}") or None


def name(value: Any, shape: re.Pattern[str]) -> str | None:
    """`value` if it is a name of that shape by which a provider knows something, and no secret is in it."""
    if not isinstance(value, str) or not shape.fullmatch(value) or holds_secret(value):
        return None
    return value


def pixels(value: Any) -> int | None:
    """`value` as the length of a side in pixels; None if it cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return int(value) if 1 <= value <= MAX_SIDE else None


def in_full(address: str) -> str:
    """`address` with its scheme: `//host/x` becomes https."""
    return f"https:{address}" if address.startswith("//") else address


def web_url(value: Any) -> str | None:
    """`value` as an address to show people: http(s), without secrets; `//host/x` becomes https."""
    if not isinstance(value, str):
        return None
    try:
        return redact_url(str(check_url(in_full(value))))
    except Failed:
        return None


def plain(value: Any, limit: int = MAX_TEXT) -> str | None:
    """The words of an HTML fragment as one clean line; scripts and styles are left out."""
    return text("".join(_read(value).words), limit)


def first_link(value: Any) -> str | None:
    """The first usable link of an HTML fragment."""
    return next((link for link in map(web_url, _read(value).links) if link), None)


def _read(fragment: Any) -> _Words:
    reader = _Words()
    if isinstance(fragment, str):
        # html.parser takes quadratic time over broken markup, and an AssertionError over some of it
        with suppress(AssertionError):
            reader.feed(fragment[:MAX_MARKUP])
            reader.close()
    return reader


class _Words(HTMLParser):
    _SILENT = ("script", "style", "template", "noscript")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.links: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._SILENT:
            self._silent += 1
        elif tag in ("br", "p", "div", "li", "td", "tr"):
            self.words.append(" ")
        if tag == "a":
            self.links.extend(link for name, link in attrs if name == "href" and link)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._SILENT and self._silent:
            self._silent -= 1

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)

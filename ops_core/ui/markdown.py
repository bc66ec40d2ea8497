"""Words from outside, made safe to stand in Markdown."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")
#: Where words that look like a web address would become a link by themselves, whatever is escaped.
_ADDRESSES = re.compile(r"(?<=https:)(?=//)|(?<=http:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=\w)", re.IGNORECASE)
_WORD_JOINER = "\u2060"


def plain(text: str) -> str:
    """`text` so that Markdown shows it as it is: no links, images, badges, formulas or line breaks.

    Web and mail addresses in it are held together by an invisible character: bare ones would be links.
    """
    return _MARKS.sub(r"\\\1", _ADDRESSES.sub(_WORD_JOINER, " ".join(text.split())))


def link(text: str, url: str | None) -> str:
    """A Markdown link to `url` if that is a web address, else the text alone."""
    if not url or urlsplit(url).scheme not in ("http", "https"):
        return plain(text)
    return f"[{plain(text)}]({quote(url, safe=':/?#@!$&*+,;=%~')})"

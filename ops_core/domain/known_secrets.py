"""The values of this process's own secrets, taken out of any text wherever they stand, named or not.

Who answers us may repeat a key it was sent: plain, percent-encoded, or in base64 as part of a Basic header.
The settings tell this module their secrets when they are read.
"""

from __future__ import annotations

import html
import re
from base64 import b64encode
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote

#: What stands where a secret was.
PLACEHOLDER = "REDACTED"

#: A shorter value could be part of any word, characters.
SHORTEST = 8

#: Times one secret is looked for in one text that has it written in several ways.
_TURNS = 8
#: Stands between the readings of a text; no secret has it in it.
_BETWEEN = "\0"
_IN_JSON = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|(?=.))", re.DOTALL)


class Known:
    """Secrets of which every spelling is found."""

    def __init__(self) -> None:
        self._values: frozenset[str] = frozenset()
        #: What to look for, in small letters, and whether more of the same may follow.
        self._forms: tuple[tuple[str, bool], ...] = ()

    def remember(self, values: Iterable[str]) -> None:
        """Take `values` out of texts from now on; those that are too short are left out."""
        tidy = {form for value in values for form in (value.strip(), "".join(value.split()))}
        new = frozenset(value for value in tidy if len(value) >= SHORTEST) - self._values
        if not new:
            return
        self._values |= new
        whole = {(value.lower(), False) for value in self._values}
        coded = {(core, True) for value in self._values for core in _base64_cores(value)}
        self._forms = tuple(sorted(whole | coded, key=lambda form: (form[1], -len(form[0]), form[0])))

    def hide(self, text: str) -> str:
        """`text` with the placeholder in place of each secret."""
        if not self._forms:
            return text
        readings = _readings(text)
        for form, goes_on in self._forms:
            for _ in range(_TURNS):
                if form not in readings:
                    break
                text, found = _spelled(form, goes_on).subn(PLACEHOLDER, text)
                if not found:
                    # written in a way that no pattern follows: what is read in it stands for it then
                    reading = next(each for each in readings.split(_BETWEEN) if form in each)
                    text = reading.replace(form, PLACEHOLDER)
                readings = _readings(text)
        return text


_known = Known()


def remember(values: Iterable[str]) -> None:
    """Have this process take `values` out of all its texts."""
    _known.remember(values)


def hide(text: str) -> str:
    """`text` without the secrets of this process."""
    return _known.hide(text)


def _base64_cores(value: str) -> set[str]:
    """What `value` looks like in base64, whatever stands before and after it; in small letters."""
    data, cores = value.encode(errors="replace"), set()
    for begin in range(3):
        coded = b64encode(data[begin : begin + (len(data) - begin) // 3 * 3]).decode().lower()
        cores |= {coded, coded.replace("+", "-").replace("/", "_")}
    return cores


def _readings(text: str) -> str:
    """`text`, and what it is for whoever decodes it once or more often, all in small letters."""
    readings = [text]
    for _ in range(5):  # an address may be encoded inside another, inside another
        if "%" not in text:
            break
        text = unquote(text, errors="replace")
        readings.append(text)
    if "\\" in text or "&#" in text:
        text = _IN_JSON.sub(lambda match: chr(int(match[1], 16)) if match[1] else "", text)
        readings.append(html.unescape(text))
    return _BETWEEN.join(readings).lower()


@lru_cache(maxsize=256)
def _spelled(form: str, goes_on: bool) -> re.Pattern[str]:
    """`form` with any of its characters written as in addresses, in JSON and in HTML."""
    more = "[A-Za-z0-9+/=_-]*" if goes_on else ""
    return re.compile("".join(map(_any_spelling, form)) + more, re.IGNORECASE)


def _any_spelling(char: str) -> str:
    codes = {ord(char), ord(char.upper())} if len(char.upper()) == 1 else {ord(char)}
    forms = [rf"\\{{0,9}}{re.escape(char)}"]
    for code in sorted(codes):
        in_url = (f"%(?:25){{0,4}}{byte:02x}" for byte in chr(code).encode(errors="replace"))
        forms += ["".join(in_url), rf"\\{{1,9}}u{code:04x}", f"&#(?:0{{0,4}}{code}|x0{{0,4}}{code:x});"]
    return f"(?:{'|'.join(forms)})"

"""Secrets taken out of addresses and text before anything keeps or shows them.

Every detail and every address from outside passes here on its way in (rule 6.7). A secret is found by the
name that stands with it, by its look, or because it is one of ours (`known_secrets`). When in doubt more is
taken out rather than less. Redacting twice changes nothing.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any
from urllib.parse import unquote

from ops_core.domain.known_secrets import PLACEHOLDER, hide

__all__ = ["PLACEHOLDER", "holds_secret", "redact", "redact_all", "redact_said", "redact_url"]

#: A secret only when this is the whole name: `page_token` and `sort_key` are not.
_WHOLE_NAMES = frozenset(
    {
        *("key", "token", "sig", "signature", "auth", "client_id", "clientid", "ik-s", "hmac", "jwt"),
        *("app_code", "credential", "credentials"),
        *("x-amz-credential", "x-goog-credential"),
        *("authorization", "proxy-authorization", "cookie", "set-cookie"),
    }
)
#: A secret at the end of any name, as in GOOGLE_PLACES_API_KEY and X-Goog-Api-Key.
_NAME_ENDINGS = re.compile(
    r"(?:api[_-]?key|(?:access|refresh|session|auth|bearer|security)[_-]?token|access[_-]?key(?:[_-]?id)?"
    r"|client[_-]?secret|(?:^|[_-])(?:(?:subscription|consumer|secret|private|signing)[_-]?key"
    r"|(?:id|private)[_-]?token|(?:app|consumer)?[_-]?secret|signature|password|passwd|passphrase|pwd))$"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_ESCAPE = "%(?:25)*"  # a percent sign, encoded any number of times
_LONGEST_NAME = 160  # characters, encoded

_EQUALS = re.compile(rf"=|{_ESCAPE}3d", re.IGNORECASE)
_NAME_CHARACTERS = string.ascii_letters + string.digits + "_-"
# An encoded ampersand ends a value only where the equals sign was encoded too; else it is part of the secret.
_VALUE_IN_URL = re.compile(r"[^&#]+")
_VALUE_IN_TEXT = re.compile(r"""[^&#\s"'<>`]+""")
_ENCODED_VALUE = re.compile(r"""(?:(?!%26|%23)[^&#\s"'<>`])+""")

_QUOTED_NAME = re.compile(r"""(\\{0,9})(["'])([\w%-]{1,80})\1\2\s*(?::|=>|=)\s*""")
_QUOTED_VALUE = re.compile(
    r"""(?P<open>\\{1,9}["']).*?(?:(?P=open)|\Z)|"(?:\\.|[^"\\])*(?:"|\\?\Z)|'(?:\\.|[^'\\])*(?:'|\\?\Z)|[^\s,}\]"']+""",
    re.DOTALL,
)
_HEADER = re.compile(
    r"""((?<![a-z0-9_-])(?:(?:proxy-)?authorization|(?:set-)?cookie)\s*[:=]\s*)[^\s"'<>][^\r\n"'<>]*"""
    r"""|((?<![a-z0-9_-])(?:x-goog-api-key|x-api-key|x-amz-security-token|x-auth-token)\s*:\s*)[^\s"'<>]+""",
    re.IGNORECASE,
)
_PICTURE_TYPE = r"(?:jpe?g|png|webp|gif)"
# plain words and numbers, which no key is: 20130512_123045_photo.jpg
_PICTURE_NAME = (
    r"(?i:(?:(?:[0-9]+(?:[a-z]+[0-9]*)?|[a-z]+[0-9]*)?[_.~-])*+(?<=\.)"
    + _PICTURE_TYPE
    + r"(?![a-z0-9+/=_.~-]))"
)
_PLAIN_WORDS = r"(?:[a-z]{1,20}+|[0-9]{1,8}+)(?:[_.~-]++(?:[a-z]{1,20}+|[0-9]{1,8}+))*+(?![a-z0-9+/=_~-])"
# a bearer may be made of stone: "Standard Bearer Monument"
_WORD = r"(?-i:[A-Z]?[a-z]{1,19}|[A-Z]{1,20})(?![a-z0-9+/=_~-]|\.[a-z0-9])"
_BEARER = re.compile(
    rf"(\bbearer(?:\s+|%20|\+)(?!{_PICTURE_NAME}|{_WORD})|\bclient-id(?:\s+|%20|\+))[a-z0-9._~+/=-]{{8,}}",
    re.IGNORECASE,
)
# "basic" is also a word: what follows it must look like base64
_BASIC = re.compile(
    rf"(\b[Bb](?:asic|ASIC)(?:\s+|%20|\+))(?!{_PICTURE_NAME})(?=[A-Za-z+/_-]{{0,200}}(?:[0-9]|[a-z][A-Z]|=))"
    r"[A-Za-z0-9+/_-]{8,}={0,2}"
)
# in a sentence: "the key abc123... is", "access token: abc123..."; but Key West-Florida-2009 is a place
_IN_WORDS = re.compile(
    rf"""((?<![a-z0-9_-])(?!(?:key|token|signature)s?\s{{1,3}}(?=\S{{16}}){_PLAIN_WORDS})"""
    r"""(?:(?:api|access|auth|client|private|secret|security|service|session)[ _-]?)?"""
    r"""(?:key|token|secret|password|signature|credential)s?(?:\s+(?:is|was|value|named)){0,2}"""
    r"""(?:\s{0,3}:\s{0,3}|\s{1,3})["'`(\[<“]?)(?=[a-z+/_.~-]{0,200}[0-9])"""
    rf"""(?!{_PICTURE_NAME})[a-z0-9+/=_.~-]{{16,}}""",
    re.IGNORECASE,
)
# without a scheme only with a password: `//@52.2,21.0` is a place on a map
_USER = re.compile(
    r"""(\b[a-z][a-z0-9+.-]{0,30}://)[^/?#\s"'<>]*@|(//)[^/?#\s"'<>:@]{1,200}:[^/?#\s"'<>]*@""", re.IGNORECASE
)
_ENCODED_USER = re.compile(
    rf"({_ESCAPE}3a(?:{_ESCAPE}2f){{2}})(?:(?!{_ESCAPE}(?:2f|3f|23|40))[^\s/?#&\"'<>])+({_ESCAPE}40)",
    re.IGNORECASE,
)
_LOOKS_SECRET = re.compile(
    r"AIza[0-9A-Za-z_-]{10,}|\bAQ\.[0-9A-Za-z_-]{20,}|\bya29\.[0-9A-Za-z_-]{20,}"  # Google
    r"|\bfsq3[0-9A-Za-z+/=]{16,}"  # Foursquare
    r"|\bprivate_[0-9A-Za-z+/=]{16,}"  # ImageKit
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{12,}"  # AWS
    r"|\b[pst]k\.eyJ[0-9A-Za-z._-]{10,}"  # Mapbox
    r"|\beyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}(?:\.[0-9A-Za-z_-]*)?"  # a signed token
)
# Foursquare's of 2025 have no beginning of their own
_SERVICE_KEY = re.compile(r"\b(?=[A-Z]{0,47}[0-9])[A-Z0-9]{48}\b")
# and look like the names of its older photos; what is found where those are, as they are, is a photo
_FOLDER_OF_PHOTOS = re.compile(
    r"""(?<![^\s"'<>()])(?:https:)?//(?:[a-z0-9-]+\.)*4sqi\.net(?:/[\w.~-]+)*/\Z""", re.IGNORECASE
)
_LONGEST_FOLDER = 200  # characters
_END_OF_PHOTO = re.compile(rf"\.{_PICTURE_TYPE}(?![\w/%.-])", re.IGNORECASE)
_DIGITS = tuple(string.digits)
# What no plain word is: long, with capitals and digits inside, or a long number in base 16.
_OPAQUE = re.compile(
    r"(?<![0-9A-Za-z_+/-])"
    r"(?:(?=[a-z0-9_+/-]{0,400}[A-Z])(?=[A-Z0-9_+/-]{0,400}[a-z])(?=[A-Za-z_+/-]{0,400}[0-9])"
    r"[0-9A-Za-z_+/-]{20,}|[0-9a-f]{32,}|[A-Z0-9]{24,})={0,2}(?![0-9A-Za-z_+/-])"
)


def redact(text: str) -> str:
    """Free text without secrets: keys in addresses, headers and key-value pairs become REDACTED."""
    return _redact(text, _IN_TEXT)


def redact_url(url: str) -> str:
    """An address without secrets: the values of secret parameters and user names become REDACTED."""
    return _redact(url, _IN_URL)


def redact_said(text: str) -> str:
    """What somebody says went wrong, without secrets; nor does it keep words that could be a key.

    Who refuses a key may quote it without saying that it is one.
    """
    return _OPAQUE.sub(PLACEHOLDER, redact(text))


def redact_all(value: Any) -> Any:
    """A value as JSON knows them with all its texts redacted, and whatever stands under a secret's name."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {
            name: PLACEHOLDER if isinstance(held, str) and _is_secret(str(name)) else redact_all(held)
            for name, held in value.items()
        }
    return [redact_all(held) for held in value] if isinstance(value, list | tuple) else value


def holds_secret(text: str) -> bool:
    """Whether redacting would take something out of a name or an address, which is of no use then."""
    return redact_url(text) != text


def _redact(text: str, steps: _Steps) -> str:
    text = hide(text)
    small = text.lower()
    for signs, step in steps:
        if any(sign in small for sign in signs):
            text = step(text)
    return text


@lru_cache(maxsize=2048)
def _is_secret(name: str) -> bool:
    return any(
        form in _WHOLE_NAMES or _NAME_ENDINGS.search(form) is not None
        for form in (name.lower(), _HUMP.sub("_", name).lower())
    )


def _decoded(text: str) -> str:
    for _ in range(4):  # an address may be encoded inside another, inside another
        if "%" not in text:
            break
        text = unquote(text, errors="replace")
    return text


def _parameters(text: str, plain_value: re.Pattern[str]) -> str:
    """`name=value`, also inside an encoded address, the name encoded or not."""
    parts, done = [], 0
    for equals in _EQUALS.finditer(text):
        if equals.start() < done:
            continue
        before = _decoded(text[max(done, equals.start() - _LONGEST_NAME) : equals.start()]).removesuffix("]")
        name = before[len(before.rstrip(_NAME_CHARACTERS)) :]
        if not _is_secret(name):
            continue
        pattern = plain_value if equals[0] == "=" else _ENCODED_VALUE
        if value := pattern.match(text, equals.end()):
            parts += [text[done : equals.end()], PLACEHOLDER]
            done = value.end()
    return "".join([*parts, text[done:]])


def _quoted_pairs(text: str) -> str:
    """`"name": "value"` as in JSON, in JSON inside JSON, and as Python prints it."""
    parts, done = [], 0
    for name in _QUOTED_NAME.finditer(text):
        if name.start() < done or not _is_secret(_decoded(name[3])):
            continue
        if value := _QUOTED_VALUE.match(text, name.end()):
            quote = value["open"] or (value[0][0] if value[0][0] in "\"'" else name[2])
            parts += [text[done : name.end()], quote, PLACEHOLDER, quote]
            done = value.end()
    return "".join([*parts, text[done:]])


def _users(text: str) -> str:
    return _USER.sub(lambda match: f"{match[1] or match[2]}{PLACEHOLDER}@", text)


def _headers(text: str) -> str:
    return _HEADER.sub(lambda match: f"{match[1] or match[2]}{PLACEHOLDER}", text)


def _service_keys(text: str) -> str:
    def instead(found: re.Match[str]) -> str:
        folder = _FOLDER_OF_PHOTOS.search(text, max(0, found.start() - _LONGEST_FOLDER), found.start())
        is_photo = folder is not None and _END_OF_PHOTO.match(text, found.end())
        return found[0] if is_photo else PLACEHOLDER

    return _SERVICE_KEY.sub(instead, text)


#: What to do, in this order, with a text that has one of some signs in it; most texts have none.
_Steps = tuple[tuple[tuple[str, ...], Callable[[str], str]], ...]


def _steps(value: re.Pattern[str]) -> _Steps:
    named = partial(_parameters, plain_value=value)
    after_word = rf"\1{PLACEHOLDER}"
    return (
        (("@",), _users),
        (("%",), partial(_ENCODED_USER.sub, rf"\1{PLACEHOLDER}\2")),
        (('"', "'"), _quoted_pairs),
        (("authorization", "cookie", "x-"), _headers),
        (("=", "%"), named),
        (("bearer", "client-id"), partial(_BEARER.sub, after_word)),
        (("basic",), partial(_BASIC.sub, after_word)),
        (
            ("key", "token", "secret", "password", "signature", "credential"),
            partial(_IN_WORDS.sub, after_word),
        ),
        (
            ("aiza", "aq.", "ya29.", "fsq3", "private_", "akia", "asia", "k.eyj", "eyj"),
            partial(_LOOKS_SECRET.sub, PLACEHOLDER),
        ),
        (_DIGITS, _service_keys),
    )


_IN_TEXT = _steps(_VALUE_IN_TEXT)
_IN_URL = _steps(_VALUE_IN_URL)

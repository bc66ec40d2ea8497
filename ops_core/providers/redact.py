"""Secrets taken out of addresses and text before anything keeps or shows them.

Every detail and every address from outside passes here on its way in (rule 6.7). When in doubt
more is taken out rather than less. Redacting twice changes nothing.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

#: What stands where a secret was.
PLACEHOLDER = "REDACTED"

#: A secret only when this is the whole name: `page_token` and `sort_key` are not.
_WHOLE_NAMES = frozenset(
    {
        *("key", "token", "sig", "signature", "auth", "client_id", "ik-s"),
        *(
            "x-amz-signature",
            "x-amz-credential",
            "x-amz-security-token",
            "x-goog-signature",
            "x-goog-credential",
        ),
        *("authorization", "proxy-authorization", "x-goog-api-key", "cookie", "set-cookie"),
    }
)
#: A secret at the end of any name, as in GOOGLE_PLACES_API_KEY.
_NAME_ENDINGS = re.compile(
    r"(?:^|[_-])(?:api[_-]?key|(?:access|refresh|id|session|auth)[_-]?token|(?:client|app)[_-]secret|secret"
    r"|(?:secret|private)[_-]key|secret[_-]access[_-]key|awsaccesskeyid|password|passwd)$"
)

_ESCAPE = "%(?:25)*"  # a percent sign, encoded any number of times
_LONGEST_NAME = 160  # characters, encoded

_EQUALS = re.compile(rf"=|{_ESCAPE}3d", re.IGNORECASE)
_LAST_NAME = re.compile(r"([a-z0-9_-]+)\]?$")
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
    r"""|((?<![a-z0-9_-])(?:x-goog-api-key|x-api-key)\s*:\s*)[^\s"'<>]+""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(\b(?:bearer|client-id)(?:\s+|%20|\+))[a-z0-9._~+/=-]{8,}", re.IGNORECASE)
_USER = re.compile(r"""(\b[a-z][a-z0-9+.-]{0,30}://)[^/?#\s"'<>]*@""", re.IGNORECASE)
_ENCODED_USER = re.compile(
    rf"({_ESCAPE}3a(?:{_ESCAPE}2f){{2}})(?:(?!{_ESCAPE}(?:2f|3f|23|40))[^\s/?#&\"'<>])+({_ESCAPE}40)",
    re.IGNORECASE,
)
_LOOKS_SECRET = re.compile(
    r"AIza[0-9A-Za-z_-]{10,}"
    r"|\bfsq3[0-9A-Za-z+/=]{16,}"
    r"|\bprivate_[0-9A-Za-z+/=]{16,}"
    r"|\bAKIA[0-9A-Z]{12,}"
    r"|\b[ps]k\.eyJ[0-9A-Za-z._-]{10,}"
)


def redact(text: str) -> str:
    """Free text without secrets: keys in addresses, headers and key-value pairs become REDACTED."""
    return _redact(text, _VALUE_IN_TEXT)


def redact_url(url: str) -> str:
    """An address without secrets: the values of secret parameters and user names become REDACTED."""
    return _redact(url, _VALUE_IN_URL)


def _redact(text: str, value: re.Pattern[str]) -> str:
    text = _USER.sub(rf"\1{PLACEHOLDER}@", text)
    text = _ENCODED_USER.sub(rf"\1{PLACEHOLDER}\2", text)
    text = _quoted_pairs(text)
    text = _HEADER.sub(lambda match: f"{match[1] or match[2]}{PLACEHOLDER}", text)
    text = _parameters(text, value)
    text = _BEARER.sub(rf"\1{PLACEHOLDER}", text)
    return _LOOKS_SECRET.sub(PLACEHOLDER, text)


def _is_secret(name: str) -> bool:
    return name in _WHOLE_NAMES or _NAME_ENDINGS.search(name) is not None


def _decoded(text: str) -> str:
    for _ in range(4):  # an address may be encoded inside another, inside another
        text = unquote(text, errors="replace")
    return text.lower()


def _parameters(text: str, plain_value: re.Pattern[str]) -> str:
    """`name=value`, also inside an encoded address, the name encoded or not."""
    parts, done = [], 0
    for equals in _EQUALS.finditer(text):
        if equals.start() < done:
            continue
        name = _LAST_NAME.search(_decoded(text[max(done, equals.start() - _LONGEST_NAME) : equals.start()]))
        if name is None or not _is_secret(name[1]):
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

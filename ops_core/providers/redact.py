"""Secrets taken out of addresses and text before anything keeps or shows them.

Every detail and every address from outside passes here on its way in (rule 6.7). When in doubt
more is taken out rather than less. Redacting twice changes nothing.
"""

from __future__ import annotations

import re

#: What stands where a secret was.
PLACEHOLDER = "REDACTED"

# A secret only when this is the whole name: `page_token` and `sort_key` are not.
_WHOLE_NAMES = (
    "key",
    "token",
    "sig",
    "signature",
    "auth",
    "client_id",
    "ik-s",
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "x-goog-signature",
    "x-goog-credential",
)
# A secret at the end of any name, as in GOOGLE_PLACES_API_KEY.
_NAME_ENDINGS = (
    "apikey",
    "api_key",
    "api-key",
    "access_token",
    "access-token",
    "accesstoken",
    "refresh_token",
    "id_token",
    "session_token",
    "client_secret",
    "secret",
    "secret_key",
    "private_key",
    "secret_access_key",
    "awsaccesskeyid",
    "password",
    "passwd",
)
_ESCAPE = "%(?:25)*"  # a percent sign, encoded any number of times
_SEPARATORS = ("26", "3f", "23", "3b", "20", "22", "27", "2c", "7b", "5b", "28", "0a", "0d")


def _encodable(name: str) -> str:
    """A pattern for `name` with any of its characters percent-encoded."""
    patterns = []
    for char in name:
        codes = "|".join(sorted({f"{ord(char.lower()):02x}", f"{ord(char.upper()):02x}"}))
        patterns.append(f"(?:{re.escape(char)}|{_ESCAPE}(?:{codes}))")
    return "".join(patterns)


def _boundary() -> str:
    behind = [f"(?<=%{'25' * depth}{code})" for code in _SEPARATORS for depth in range(3)]
    return f"(?:(?<![a-z0-9_-])|{'|'.join(behind)})"


_NAME = "(?:{}|(?:[a-z0-9_%-]*(?:[_-]|{}(?:5f|2d)))?(?:{}))".format(
    "|".join(_encodable(name) for name in sorted(_WHOLE_NAMES, key=len, reverse=True)),
    _ESCAPE,
    "|".join(_encodable(name) for name in sorted(_NAME_ENDINGS, key=len, reverse=True)),
)
_START = f"{_boundary()}{_NAME}"


def _parameters(stop: str) -> re.Pattern[str]:
    """`name=value`, also inside an encoded address; `stop` holds the characters that end a value.

    How the equals sign is encoded tells how an ampersand would be: an encoded ampersand ends a
    value only when the equals sign was encoded too, else it belongs to the secret.
    """
    plain = f"=[^{stop}]+"
    encoded = f"{_ESCAPE}3d(?:(?!%26|%23)[^{stop}])+"
    after_name = rf"(?:\]|{_ESCAPE}5d)?"
    return re.compile(f"(?P<name>{_START}{after_name})(?:{plain}|(?P<equals>{encoded}))", re.IGNORECASE)


_IN_URL = _parameters(stop="&#")
_IN_TEXT = _parameters(stop="&#\\s\"'<>`")

_QUOTED_NAME = rf"(?:{_NAME}|(?:proxy-)?authorization|x-goog-api-key|(?:set-)?cookie)"
_QUOTED_PAIR = re.compile(
    rf"""(?P<head>(?P<slash>\\{0, 9})(?P<quote>["']){_QUOTED_NAME}(?P=slash)(?P=quote)\s*(?::|=>|=)\s*)"""
    r"""(?:(?P<open>\\{1,9}["']).*?(?P=open)|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\s,}\]"']+)""",
    re.IGNORECASE | re.DOTALL,
)
_HEADER = re.compile(
    r"""((?<![a-z0-9_-])(?:(?:proxy-)?authorization|(?:set-)?cookie)\s*[:=]\s*)[^\s"'<>][^\r\n"'<>]*"""
    r"""|((?<![a-z0-9_-])(?:x-goog-api-key|x-api-key)\s*:\s*)[^\s"'<>]+""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(\b(?:bearer|client-id)(?:\s+|%20|\+))[a-z0-9._~+/=-]{8,}", re.IGNORECASE)
_USER = re.compile(r"""(\b[a-z][a-z0-9+.-]*://)[^/?#\s"'<>]*@""", re.IGNORECASE)
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
    return _redact(text, _IN_TEXT)


def redact_url(url: str) -> str:
    """An address without secrets: the values of secret parameters and user names become REDACTED."""
    return _redact(url, _IN_URL)


def _redact(text: str, parameters: re.Pattern[str]) -> str:
    text = _USER.sub(rf"\1{PLACEHOLDER}@", text)
    text = _ENCODED_USER.sub(rf"\1{PLACEHOLDER}\2", text)
    text = _QUOTED_PAIR.sub(_pair, text)
    text = _HEADER.sub(lambda match: f"{match[1] or match[2]}{PLACEHOLDER}", text)
    text = parameters.sub(_parameter, text)
    text = _BEARER.sub(rf"\1{PLACEHOLDER}", text)
    return _LOOKS_SECRET.sub(PLACEHOLDER, text)


def _parameter(match: re.Match[str]) -> str:
    encoded = match["equals"]
    equals = encoded[: encoded.lower().index("3d") + 2] if encoded else "="
    return f"{match['name']}{equals}{PLACEHOLDER}"


def _pair(match: re.Match[str]) -> str:
    quote = match["open"] or '"'
    return f"{match['head']}{quote}{PLACEHOLDER}{quote}"

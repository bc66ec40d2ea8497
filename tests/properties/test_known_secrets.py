"""A secret of ours never comes out of a text, however whoever repeats it writes it."""

from __future__ import annotations

import base64
import html
import json
import string
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.known_secrets import PLACEHOLDER, SHORTEST, Known

# no placeholder can be made of these, so that none is mistaken for a secret
_LETTERS = "".join(sorted(set(string.ascii_letters) - set("REDACTEDredacted"))) + string.digits
secrets = st.text(_LETTERS + "-_.~+/=&%:;", min_size=SHORTEST, max_size=60)
around = st.text(_LETTERS + ' .,:"<>{}', max_size=30)


def knowing(*values: str) -> Known:
    known = Known()
    known.remember(values)
    return known


def percent(text: str) -> str:
    """Every character encoded."""
    return "".join(f"%{byte:02x}" for byte in text.encode())


@st.composite
def spelled(draw: st.DrawFn, secret: str) -> str:
    """The secret as somebody may repeat it."""
    way = draw(
        st.sampled_from(
            [
                *(lambda text: text, str.upper, str.lower, str.swapcase),
                *(
                    lambda text: quote(text, safe=""),
                    quote_plus,
                    percent,
                    lambda text: percent(percent(text)),
                ),
                *(lambda text: quote(quote(text, safe=""), safe=""), lambda text: json.dumps(text)[1:-1]),
                lambda text: text.replace("/", "\\/"),
                lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
                lambda text: "".join(f"&#{ord(char)};" for char in text),
                lambda text: "".join(f"&#x{ord(char):X};" for char in text),
            ]
        )
    )
    return way(secret)


@given(st.data(), secrets, around, around)
def test_a_secret_does_not_come_out_however_it_is_written(
    data: st.DataObject, secret: str, before: str, after: str
) -> None:
    said = knowing(secret).hide(f"{before}{data.draw(spelled(secret))}{after}")
    assert secret.lower() not in said.lower()
    for _ in range(3):
        said = html.unescape(unquote(said))
        assert secret.lower() not in said.lower()


@given(secrets, st.text(_LETTERS, max_size=10), st.sampled_from(["", ":", ":do_not_set"]))
def test_a_secret_in_base64_leaves_at_most_its_ends(secret: str, before: str, after: str) -> None:
    for coded in (
        base64.b64encode(f"{before}{secret}{after}".encode()).decode(),
        base64.urlsafe_b64encode(f"{before}{secret}{after}".encode()).decode(),
    ):
        said = knowing(secret).hide(f"sent {coded} along")
        head, tail = said.removeprefix("sent ").split(PLACEHOLDER)
        assert tail == " along"
        assert len(head) // 4 * 3 <= len(before) + 2


@given(st.lists(secrets, max_size=4), st.text(max_size=80))
def test_hiding_twice_changes_nothing(values: list[str], text: str) -> None:
    known = knowing(*values)
    once = known.hide(f"{text}{''.join(values)}{text}")
    assert known.hide(once) == once


@given(secrets, secrets, st.text(max_size=80))
def test_the_longer_of_two_secrets_leaves_nothing_of_itself(one: str, other: str, text: str) -> None:
    longer = one + other
    assert longer not in knowing(one, longer, other).hide(f"{text}{longer}{text}")


@given(st.text(max_size=SHORTEST - 1), around)
def test_what_is_too_short_to_be_a_secret_is_left_alone(value: str, text: str) -> None:
    assert knowing(value).hide(text + value) == text + value


def test_who_knows_nothing_hides_nothing() -> None:
    assert Known().hide("key=abc %41") == "key=abc %41"


def test_a_key_pasted_with_spaces_is_known_as_it_is_sent_too() -> None:
    known = knowing(" abc def 123 456 \n")
    assert known.hide("abc def 123 456, abcdef123456") == f"{PLACEHOLDER}, {PLACEHOLDER}"


@pytest.mark.parametrize("piece", ["%25", "\\", "&#", "abcdefg", "%61", "YWJjZGVm", "\\u006"])
def test_long_hostile_text_is_hidden_in_a_moment(piece: str) -> None:
    knowing("abcdefgh", "abcdefg%25").hide(piece * 20_000 + "abcdefgh")

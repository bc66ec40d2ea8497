"""Words from outside stay words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.ui.markdown import link, plain


@given(st.text())
def test_no_mark_of_markdown_survives_without_its_backslash(text):
    unescaped = re.sub(r"\\.", "", plain(text))
    assert not set(unescaped) & set("\\`*_{}[]()<>#!|~$:\n")


@given(st.text(alphabet=st.characters(categories=["L", "N"])))
def test_ordinary_words_are_left_alone(text):
    assert plain(text) == text


@pytest.mark.parametrize("address", ["https://e.org/a", "HTTP://e.org", "www.e.org", "WWW.e.org/a"])
def test_an_address_among_the_words_does_not_become_a_link(address):
    shown = re.sub(r"\\(.)", r"\1", plain(f"see {address} now"))
    assert not re.search(r"https?://|www\.", shown, re.IGNORECASE)
    assert shown.replace("\u2060", "") == f"see {address} now"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//host/x", "", None, "JavaScript:alert(1)"]
)
def test_only_web_addresses_become_links(url):
    assert link("Ann", url) == "Ann"


def test_an_address_cannot_break_out_of_its_link():
    assert link("[x](y)", 'https://e.org/a) ![b](c "d"') == (
        r"[\[x\]\(y\)](https://e.org/a%29%20!%5Bb%5D%28c%20%22d%22)"
    )

"""Cards that stand where a photo would: whatever is said, it is a whole drawing with that text in it."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from ops_core.analytics.palette import DARK, LIGHT
from ops_core.ui import stand_ins
from ops_core.ui.stand_ins import drawing

_SVG = "{http://www.w3.org/2000/svg}"
#: Anything a provider may send, halves of surrogate pairs included.
anything = st.text(st.characters(), max_size=400) | st.text(
    st.sampled_from(list("<>&\"'/]!-[ scriptonlad=\x00\x0b\x1b\ud800\u202e\ufffe]]>")), max_size=400
)


@given(anything, anything)
def test_whatever_is_said_the_drawing_is_whole_and_has_nothing_else_in_it(headline: str, sentence: str):
    file = drawing(headline, sentence)
    root = ElementTree.fromstring(file.encode())
    kinds = [element.tag.removeprefix(_SVG) for element in root.iter()]
    texts = [element for element in root.iter() if element.tag == f"{_SVG}text"]
    assert kinds == ["svg", "title", "style", "rect", "path", *["text"] * len(texts)]
    for element in texts:
        assert element.attrib.keys() <= {"class", "x", "y"}
        assert 0 < float(element.attrib["y"]) < 148
        assert 0 < len(element.text or "") <= 25
    assert (root.find(f"{_SVG}style").text or "") == (
        ElementTree.fromstring(drawing("a", "b")).find(f"{_SVG}style").text
    )


@given(st.text(st.sampled_from("ab <&é木"), max_size=60))
def test_short_words_are_all_there(sentence: str):
    root = ElementTree.fromstring(drawing("Gone at its provider", sentence))
    head, *lines = [element.text or "" for element in root.iter(f"{_SVG}text")]
    assert head == "Gone at its provider"
    assert "".join(lines).replace(" ", "") == "".join(sentence.split())


def test_what_is_too_long_is_cut_and_says_so():
    said = [
        element.text for element in ElementTree.fromstring(drawing("a", "word " * 100)).iter(f"{_SVG}text")
    ]
    assert len(said) == 5
    assert (said[-1] or "").endswith("…")


def test_the_drawing_and_the_style_of_a_page_have_the_colours_of_the_palette():
    file = drawing("a", "b")
    for theme in (LIGHT, DARK):
        gray = theme.shades["gray"]
        css = stand_ins.style(theme)
        for colour in (gray.text, gray.fill):
            assert colour in file
            assert colour in css
    assert file.index(LIGHT.shades["gray"].text) < file.index("prefers-color-scheme:dark")
    assert file.index(DARK.shades["gray"].text) > file.index("prefers-color-scheme:dark")

"""Names in any script: what only decorates a letter plays no part, what is a letter does."""

from __future__ import annotations

import pytest

from ops_core.domain.name_similarity import folded, similarity


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Café Żaczek", "CAFE ZACZEK"),
        ("Ronnie Scott’s", "Ronnie Scotts"),
        ("Ki\u00adno Pod Baranami", "Kino pod Baranami"),
        ("کتاب\u200cخانه ملی", "کتابخانه ملی"),  # Persian, with and without a joiner
        ("क\u094d\u200dष", "क\u094dष"),
        ("מוּזֵיאוֹן", "מוזיאון"),  # Hebrew, with and without points
        ("مُتحف", "متحف"),
        ("ﾊﾟﾌﾞ", "パブ"),
        ("Bar 1\ufe0f\u20e3", "bar 1"),
    ],
)
def test_how_a_name_is_written_plays_no_part(one: str, other: str) -> None:
    assert similarity(one, other) == 1
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("राम मंदिर", "रीमा मंदिर"),  # the vowels are marks
        ("गीता", "गता"),
        ("ผา", "ผี"),
        ("パブ", "バフ"),
    ],
)
def test_names_that_differ_in_their_vowels_or_voicing_are_not_the_same(one: str, other: str) -> None:
    assert similarity(one, other) < 1


def test_a_sign_that_parts_words_parts_them() -> None:
    assert folded("Bar\u200bNowy") == folded("Bar-Nowy") == "bar nowy"

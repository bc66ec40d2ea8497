"""How alike two names of venues are, as a number from 0 to 1 that is the same in both directions.

Names are compared word by word, without regard to case, accents and punctuation. Words that many venues
share (the, museum, bar) weigh little, so that "Kino Pod Baranami" is "Pod Baranami"; but a cinema and a
theatre of one name are two venues.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Indel

from ops_core.domain.places import plain_letters

#: Weight of a word that many venues share, beside 1 for all others: low enough that a name with such a word
#: is still like the name without it, and not nothing, or "The Bar" would be like "The Museum".
GENERIC_WEIGHT = 0.4
#: Weight of an article or another small word: "The Olympia" is nearer to "Olympia" than "Café Olympia" is.
SMALL_WEIGHT = 0.1
#: Two words are spellings of one from this likeness on: "Zaczek" and "Zaczka" are, "East" and "West" are not.
SAME_WORD = 0.8
#: What is left of the likeness when the names say that they are of different kinds, or one of a part.
CONTRADICTION = 0.7
#: Words of a name that are compared; what follows is description.
MOST_WORDS = 16

#: Words that say what kind of place it is. Those of one line are one kind: what one source calls a bar,
#: another calls a café.
_KINDS = (
    "museum muzeum musee museo museu gallery galeria galerie galleria kunsthalle pinakothek",
    "theatre theater teatr teatro opera oper operahouse divadlo schauspielhaus playhouse",
    "cinema kino kina cine movies multiplex",
    "bar pub cafe kawiarnia restaurant restauracja ristorante restaurante bistro brasserie club klub tavern "
    "taverna trattoria izakaya jazzclub winebar coffee lounge",
    "hotel hostel motel",
    "arena stadium stadion stadio estadio",
    "library biblioteka bibliothek bibliotheque biblioteca",
    "church kosciol kirche eglise chiesa iglesia cathedral katedra bazylika basilica",
    "zoo aquarium oceanarium",
)


def _words_of(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_KIND_OF = {word: number for number, line in enumerate(_KINDS) for word in line.split()}

#: Words of what belongs to a venue and is not the venue.
_PARTS = _words_of(
    "parking shop store sklep souvenirs giftshop garage atm bankomat toilets wc station stop przystanek",
    "metro entrance wejscie tickets ticket kasa kasy boxoffice office",
)

#: Articles and small words of the languages of our cities.
_SMALL = _words_of(
    "the a an of and in at on by for to le la les l de du des d et au aux el los las y del il lo gli e di da",
    "o os as do dos das em der die das den dem am im zum zur und von w we z ze na u ks sw ul",
    "co ltd sp sa inc sl gmbh",
)

#: Other words that many names have.
_COMMON = _words_of("live music jazz house hall center centre centrum zentrum")

#: Apostrophes; invisible signs inside words; accents, and the points of Hebrew and Arabic, which are
#: written or not.
_DROPPED = re.compile(
    "['\u2019\u02bc\u00ad\u200c-\u200f\u2060\ufeff"
    "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670]"
)


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    weight: float


def similarity(one: str, other: str, *, light: Collection[str] = ()) -> float:
    """How alike two names are, 0 to 1; 1 for names that differ in case, accents and punctuation only.

    `light` are further words, folded, that say little: those of the city that both are looked for in.
    """
    # in one order, so that ties between words fall the same way whichever name comes first
    first, second = sorted((folded(one), folded(other)))
    if first == second:
        return 1.0 if first or _bare(one) == _bare(other) else 0.0
    if first.replace(" ", "") == second.replace(" ", ""):
        return 1.0  # "Blue Note" and "Bluenote"
    words, others = _weighted(first, light), _weighted(second, light)
    whole = sum(word.weight for word in (*words, *others))
    if not words or not others:
        return 0.0
    likeness = _shared(words, others) / whole
    return min(1.0, likeness * (CONTRADICTION if _contradict(words, others) else 1.0))


def folded(text: str) -> str:
    """`text` in lower case, without accents and punctuation, single spaces between words.

    Only what decorates a letter is taken off it: the vowels of Hindi and Thai are marks as well.
    """
    plain = plain_letters(unicodedata.normalize("NFKC", text).casefold())
    marked = unicodedata.normalize("NFKD", plain)
    # an apostrophe joins ("Ronnie Scott's"), and so does what only shapes letters; every other mark divides
    joined = _DROPPED.sub("", marked)
    kept = (char if unicodedata.category(char)[0] in "LMN" else " " for char in joined)
    return " ".join("".join(kept).casefold().split())


def _bare(text: str) -> str:
    """For names without a single letter or digit, such as "!!!"."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _weighted(name: str, light: Collection[str]) -> list[_Word]:
    return [_Word(word, _weight(word, light)) for word in name.split()[:MOST_WORDS]]


def _weight(word: str, light: Collection[str]) -> float:
    if word in _SMALL:
        return SMALL_WEIGHT
    # names of cities are declined in many languages: "w Krakowie"
    is_common = word in _COMMON or word in _KIND_OF or word in _PARTS
    return GENERIC_WEIGHT if is_common or any(_likeness(word, each) for each in light) else 1.0


def _shared(words: Sequence[_Word], others: Sequence[_Word]) -> float:
    """The weight that words have which stand in both names, each word taken once, the most alike first."""
    pairs = sorted(
        (
            (-like, one, two)
            for one, word in enumerate(words)
            for two, other in enumerate(others)
            if (like := _likeness(word.text, other.text))
        ),
    )
    taken: set[int] = set()
    given: set[int] = set()
    total = 0.0
    for minus_like, one, two in pairs:
        if one not in taken and two not in given:
            taken.add(one)
            given.add(two)
            total -= minus_like * (words[one].weight + others[two].weight)
    return total


def _likeness(word: str, other: str) -> float:
    if word == other:
        return 1.0
    kind = _KIND_OF.get(word)
    if kind is not None and kind == _KIND_OF.get(other):
        return 1.0
    if any(char.isdigit() for char in word + other):
        return 0.0  # Hall 1 is not Hall 2
    return Indel.normalized_similarity(word, other, score_cutoff=SAME_WORD)


def _contradict(words: Sequence[_Word], others: Sequence[_Word]) -> bool:
    mine, theirs = _kinds(words), _kinds(others)
    if mine and theirs and not mine & theirs:
        return True
    return _is_part(words) != _is_part(others)


def _kinds(words: Iterable[_Word]) -> set[int]:
    return {_KIND_OF[word.text] for word in words if word.text in _KIND_OF}


def _is_part(words: Iterable[_Word]) -> bool:
    return any(word.text in _PARTS for word in words)

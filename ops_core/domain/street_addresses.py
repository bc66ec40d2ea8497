"""Telling a plain street address from the name of a venue."""

from __future__ import annotations

from ops_core.domain.name_similarity import folded

#: Words that say "street" in the languages of our cities, as `folded` writes them, and as the ends of
#: German ones.
_STREETS = frozenset(
    word
    for line in (
        "street st road rd avenue ave lane square sq boulevard blvd",
        "ulica ul aleja al aleje plac pl rynek ulice namesti",
        "rue place quai via viale piazza corso calle plaza paseo avenida rua praca largo",
        "straat gracht kade strasse str platz allee gasse",
    )
    for word in line.split()
)
_ENDINGS = ("strasse", "str", "platz", "allee", "gasse", "straat", "gracht", "kade", "weg")


def is_street_address(name: str, address: str | None) -> bool:
    """Whether `name` is that of a street or a house: its own address, or a street with a number."""
    words = folded(name).split()
    if not words:
        return False
    if address and folded(address).split()[: len(words)] == words:
        return True
    has_number = any(word[0].isdigit() for word in words)
    return has_number and any(word in _STREETS or word.endswith(_ENDINGS) for word in words)


def same_street(one: str, other: str) -> bool:
    """Whether two addresses have a street's name and a number in common."""
    first, second = (set(folded(text.split(",")[0]).split()) - _STREETS for text in (one, other))
    numbers = {word for word in first & second if word[0].isdigit()}
    streets = {word for word in first & second if not word[0].isdigit() and len(word) > 2}
    return bool(numbers and streets)

"""Lists in replies: one odd entry is left out; a list that is none, or all odd, is no answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import failed
from ops_core.providers.http import Api
from ops_core.providers.source import Photo

_Read = TypeVar("_Read")


def listed(value: Any, whose: str) -> list[Any]:
    """`value` if it is a list, for example "Google's list of photos"; raises Failed(bad_response)."""
    if not isinstance(value, list):
        raise failed(ErrorType.BAD_RESPONSE, f"{whose} is not in its documented form.")
    return value


def usable(read: Sequence[_Read | None], what: str, api: Api) -> list[_Read]:
    """What could be read, for example of "the photos Google listed".

    Raises Failed(bad_response) if there was something and none of it could be.
    """
    found = [each for each in read if each is not None]
    if len(found) < len(read):
        api.log.warning("left out %d of %s, which cannot be used", len(read) - len(found), what)
    if read and not found:
        raise failed(ErrorType.BAD_RESPONSE, f"None of {what} can be used.")
    return found


def each_once(photos: Iterable[Photo]) -> list[Photo]:
    """`photos` without those that were listed before under the same name."""
    named: dict[str, Photo] = {}
    for photo in photos:
        named.setdefault(photo.provider_ref, photo)
    return list(named.values())

"""Which keys there are: names that mean one object inside a store and lead nowhere else."""

from __future__ import annotations

import re

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import failed

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,199}){0,9}")


def is_key(text: str) -> bool:
    """Whether `text` can be the key of a stored object."""
    return _KEY.fullmatch(text) is not None and ".." not in text


def checked(key: str) -> str:
    """`key` as it is. Raises Failed(store_error) if it is none."""
    if not is_key(key):
        raise failed(ErrorType.STORE_ERROR, "The key is not one of a stored object.")
    return key

"""Tokens that name photos in addresses. One says which photo it is, so nothing has to be remembered."""

from __future__ import annotations

import base64
import binascii

from ops_core.sandbox.draws import number
from ops_core.sandbox.world import Photo, World


def token_of(world: World, photo: Photo) -> str:
    """The photo's token: letters, digits, hyphens and underscores."""
    mark = number(world.seed, "token", photo.provider, photo.subject, photo.index) & 0xFFFFFFFF
    words = f"{photo.index}.{mark:08x}.{photo.subject}"
    return base64.urlsafe_b64encode(words.encode()).decode().rstrip("=")


def photo_of(world: World, provider: str, token: str) -> Photo | None:
    """The provider's photo behind a token; None if there is none."""
    try:
        words = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        index, _, subject = words.split(".", 2)
        photo = world.photos(provider, subject)[int(index)]
    except (binascii.Error, ValueError, IndexError):
        return None
    return photo if token_of(world, photo) == token else None

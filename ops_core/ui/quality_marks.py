"""Badges for what there is against a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ops_core.domain.pictures import FLAGS, PictureFlag
from ops_core.domain.providers import facts_of
from ops_core.ui import badges

_COLOURS = {PictureFlag.BLANK: "red", PictureFlag.TINY: "orange", PictureFlag.PLACEHOLDER: "violet"}


def flag_badges(flags: Iterable[str]) -> list[str]:
    """The flags as Markdown, in their own order; words that nobody knows are left out."""
    given = set(flags)
    return [
        badges.badge(FLAGS[flag].label, _COLOURS[flag], FLAGS[flag].icon)
        for flag in PictureFlag
        if flag in given
    ]


def image_badges(image: Mapping[str, Any]) -> list[str]:
    """What a gallery says of an image besides its provider: that it is a stock photo, its flags, and that
    other venues have it too.

    `picture_venues`, where it is given, counts the venues with the image's picture, its own included.
    """
    marks = flag_badges(image.get("flags") or ())
    if facts_of(image.get("provider", "")).illustrative:
        marks.insert(0, badges.badge("Illustration, not the venue", "gray", "palette"))
    others = (image.get("picture_venues") or 1) - 1
    if others > 0:
        words = "1 other venue" if others == 1 else f"{others:,} other venues"
        marks.append(badges.badge(f"On {words}", "gray", "compare"))
    return marks

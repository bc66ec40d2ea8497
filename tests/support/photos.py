"""Pictures for tests, drawn in a moment: noisy enough that their files have a real size."""

from __future__ import annotations

import io
import random
from typing import Any

from PIL import Image


def photo(width: int = 320, height: int = 240, *, seed: int = 1, mode: str = "RGB") -> Image.Image:
    """A picture of coloured noise, blurred up from a small one."""
    rough = Image.frombytes("RGB", (32, 24), random.Random(seed).randbytes(32 * 24 * 3))
    return rough.resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    """The file of a picture."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def jpeg(width: int = 320, height: int = 240, *, seed: int = 1) -> bytes:
    """A JPEG file."""
    return encoded(photo(width, height, seed=seed), quality=85)

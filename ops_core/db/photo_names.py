"""The names that fetch photos, where the provider's own expire: kept, renewed, forgotten.

Only the holder of an image's claim changes its name (`db/images.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, update
from sqlalchemy.sql.dml import Update

from ops_core.db.images import ClaimedImage
from ops_core.db.schema import Image
from ops_core.domain.images import ImageState


def renew(connection: Connection, image: ClaimedImage, stated: Mapping[str, Any]) -> bool:
    """Keep what the provider states of a claimed image now; whether the claim still held.

    `stated` may hold fetch_ref, source_url, width, height, quality_score, attribution,
    attribution_url, license and license_url; what it leaves open stays as it is.
    """
    values = {name: func.coalesce(value, getattr(Image, name)) for name, value in stated.items()}
    return connection.execute(_of(image).values(values)).rowcount == 1


def forget(connection: Connection, image: ClaimedImage) -> None:
    """Drop the expired name of a claimed image, so that no call is wasted on it again."""
    connection.execute(_of(image).values(fetch_ref=None))


def _of(image: ClaimedImage) -> Update:
    return update(Image).where(
        Image.id == image.id, Image.claim == image.claim, Image.state == ImageState.UPLOADING
    )

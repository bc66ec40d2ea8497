"""How many pictures are kept: of each provider, in each store. Counts stop at `COUNT_LIMIT` + 1: "more"."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, ScalarSelect, func, select

from ops_core.db.health import COUNT_LIMIT
from ops_core.db.schema import Image, Provider
from ops_core.domain.images import ImageState

#: Every store there is, as in `images.store`.
STORES: Sequence[str] = ("disk", "s3", "imagekit")


def by_provider(connection: Connection) -> dict[str, int]:
    """Photos of each provider that are in a store."""
    counted = _bounded(Image.provider == Provider.code)
    return {row.code: row.kept for row in connection.execute(select(Provider.code, counted.label("kept")))}


def by_store(connection: Connection) -> dict[str, int]:
    """Pictures in each store."""
    row = connection.execute(select(*(_bounded(Image.store == store).label(store) for store in STORES))).one()
    return dict(row._mapping)


def _bounded(condition: ColumnElement[bool]) -> ScalarSelect[int]:
    some = select(Image.id).where(condition, Image.state == ImageState.UPLOADED).limit(COUNT_LIMIT + 1)
    return select(func.count()).select_from(some.correlate(Provider).subquery()).scalar_subquery()

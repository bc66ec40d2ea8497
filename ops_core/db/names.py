"""What people call by name: providers by their codes, cities by theirs."""

from __future__ import annotations

from datetime import datetime, tzinfo

from sqlalchemy import Connection, select

from ops_core.db.schema import City, Provider
from ops_core.domain import retry_wishes
from ops_core.domain.retries import Scope
from ops_core.domain.retry_wishes import CityName, Known, Wish


def scope_of(connection: Connection, wish: Wish, *, now: datetime, zone: tzinfo | None) -> Scope:
    """The scope that `wish` means, its names looked up. Raises `retry_wishes.Unclear`."""
    codes = list(connection.scalars(select(Provider.code).order_by(Provider.priority, Provider.code)))
    cities: list[CityName] = []
    if wish.cities:  # all of them: how a database folds letters depends on how it was set up
        rows = connection.execute(select(City.id, City.name, City.country).order_by(City.id))
        cities = [CityName(*row) for row in rows]
    return retry_wishes.scope(wish, Known(providers=codes, cities=cities), now=now, zone=zone)

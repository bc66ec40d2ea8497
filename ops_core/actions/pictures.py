"""Looking at pictures that were stored before anybody looked at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Engine

from ops_core.actions.outcomes import Refused
from ops_core.actions.steps import require, run_here
from ops_core.db import unseen
from ops_core.domain.access import Actor, Role
from ops_core.domain.late_looks import LookReport
from ops_core.settings import get_settings

_ACTION = "look_at_pictures"


def pictures_to_look_at(engine: Engine) -> Mapping[str, int]:
    """How many stored pictures nobody has looked at yet, by the store they are in; changes nothing."""
    with engine.connect() as connection:
        return unseen.by_store(connection)


def look_at_pictures(
    engine: Engine,
    *,
    actor: Actor,
    limit: int | None = None,
    on_image: Callable[[], None] = lambda: None,
) -> LookReport:
    """Look at stored pictures that nobody has looked at yet, and say what became of each.

    Every one is read from its store. Runs here, not on a worker, until it is done; stopped in the middle,
    it goes on the next time. Raises `Refused`.
    """
    scope = {"limit": limit}
    require(engine, actor, Role.ADMIN, _ACTION, scope)
    if limit is not None and limit < 1:
        raise Refused("The limit must be at least 1.")
    # imported here: what decodes pictures is much to load for pages, which call other actions
    from ops_core.work import late_looks as work

    waiting = pictures_to_look_at(engine)
    where = ", ".join(f"{count:,} pictures in {store}" for store, count in waiting.items())
    return run_here(
        engine,
        actor,
        _ACTION,
        scope,
        where or "nothing to look at",
        lambda: work.look_at_stored(engine, get_settings(), limit=limit, on_image=on_image),
    )

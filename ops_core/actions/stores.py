"""Moving stored pictures to another image store."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine

from ops_core.actions.outcomes import Refused
from ops_core.actions.steps import require, run_here
from ops_core.domain.access import Actor, Role
from ops_core.domain.store_moves import MovePlan, MoveReport, kept_in_words
from ops_core.settings import get_settings
from ops_core.work.move_plan import planned

_ACTION = "move_store"


def preview_move(
    engine: Engine, target: str, *, source: str | None = None, delete_source: bool = False
) -> MovePlan:
    """How many images would be moved to the store `target`, and how many not; changes nothing."""
    return planned(engine, get_settings(), target, source=source, delete_source=delete_source)


def move_store(
    engine: Engine,
    target: str,
    *,
    actor: Actor,
    source: str | None = None,
    limit: int | None = None,
    delete_source: bool = False,
    on_image: Callable[[], None] = lambda: None,
) -> MoveReport:
    """Move stored pictures to the store `target`, and say what became of each.

    Those of which no copies are allowed stay where they are, unless `delete_source`. Runs here, not on a
    worker, until it is done; stopped in the middle, it goes on the next time.
    Raises `Refused`, and `NotSetUp` if one of the stores cannot be used.
    """
    scope = {"to": target, "from": source, "limit": limit, "delete_source": delete_source}
    require(engine, actor, Role.ADMIN, _ACTION, scope)
    if source == target:
        raise Refused("A move needs two stores: choose another one to move from, or leave it out.")
    if limit is not None and limit < 1:
        raise Refused("The limit must be at least 1.")
    # imported here: what decodes pictures is much to load for pages, which call other actions
    from ops_core.work import move_store as work

    plan = preview_move(engine, target, source=source, delete_source=delete_source)
    return run_here(
        engine,
        actor,
        _ACTION,
        scope,
        _in_words(plan),
        lambda: work.move(
            engine,
            get_settings(),
            target,
            source=source,
            limit=limit,
            delete_source=delete_source,
            on_image=on_image,
        ),
    )


def _in_words(plan: MovePlan) -> str:
    where = ", ".join(f"{count:,} images in {store}" for store, count in plan.images.items())
    return ", ".join(filter(None, (where or "nothing to move", kept_in_words(plan.kept))))

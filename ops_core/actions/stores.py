"""Moving stored pictures to another image store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Engine

from ops_core.actions.outcomes import Refused
from ops_core.actions.steps import require
from ops_core.db import audit, stored_files
from ops_core.domain.access import Actor, Role
from ops_core.domain.store_moves import MoveReport
from ops_core.settings import get_settings


def preview_move(engine: Engine, target: str, *, source: str | None = None) -> dict[str, int]:
    """How many images would be moved to the store `target`, by the store they are in; changes nothing."""
    with engine.connect() as connection:
        return stored_files.waiting(connection, target, source)


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

    Runs here, not on a worker, until it is done; stopped in the middle, it goes on the next time.
    Raises `Refused`, and `NotSetUp` if one of the stores cannot be used.
    """
    scope = {"to": target, "from": source, "limit": limit, "delete_source": delete_source}
    require(engine, actor, Role.ADMIN, "move_store", scope)
    if source == target:
        raise Refused("A move needs two stores: choose another one to move from, or leave it out.")
    if limit is not None and limit < 1:
        raise Refused("The limit must be at least 1.")
    # imported here: what decodes pictures is much to load for pages, which call other actions
    from ops_core.work import move_store as work

    _audit(engine, actor, scope, f"begun: {_in_words(preview_move(engine, target, source=source))}")
    try:
        report = asyncio.run(
            work.move(
                engine,
                get_settings(),
                target,
                source=source,
                limit=limit,
                delete_source=delete_source,
                on_image=on_image,
            )
        )
    except KeyboardInterrupt:
        _audit(engine, actor, scope, "interrupted; run it again to go on")
        raise
    _audit(engine, actor, scope, report.in_words())
    return report


def _audit(engine: Engine, actor: Actor, scope: Mapping[str, Any], outcome: str) -> None:
    with engine.begin() as connection:
        audit.write(connection, actor=actor.name, action="move_store", scope=scope, outcome=outcome)


def _in_words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} images in {store}" for store, count in counts.items()) or "nothing to move"

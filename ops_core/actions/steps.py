"""The steps that actions share: may the actor do it, and telling the workers."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from ops_core.actions.outcomes import NotAllowed
from ops_core.db import audit, due_jobs
from ops_core.domain.access import Actor, Role
from ops_core.domain.jobs import JobKind
from ops_core.settings import NotRunning
from ops_core.work.dispatch import NotSent


def require(engine: Engine, actor: Actor, role: Role, action: str, scope: Mapping[str, Any]) -> None:
    """Raise `NotAllowed`, and keep a record of the attempt, unless `actor` has at least `role`."""
    if actor.role >= role:
        return
    with engine.begin() as connection:
        outcome = f"refused: takes the role {role.word}, has {actor.role.word}"
        audit.write(connection, actor=actor.name, action=action, scope=scope, outcome=outcome)
    raise NotAllowed(
        f"This takes the role {role.word}, and yours is {actor.role.word}. Ask an admin for the role."
    )


def tell(engine: Engine, kind: JobKind, job_ids: Sequence[int]) -> None:
    """Tell the workers of new jobs at once; if that cannot be, the dispatcher tells them soon."""
    if not job_ids:  # of a retry that begins later
        return
    with contextlib.suppress(NotSent, NotRunning):
        # imported here so that reading pages do not load Celery
        from ops_core.tasks.send import send

        send(kind, job_ids)
        with engine.begin() as connection:
            due_jobs.mark_hinted(connection, job_ids)

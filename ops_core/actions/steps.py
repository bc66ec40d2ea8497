"""The steps that actions share: may the actor do it, doing it here on record, and telling the workers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Engine

from ops_core.actions.outcomes import NotAllowed
from ops_core.db import audit, due_jobs
from ops_core.domain.access import Actor, Role
from ops_core.domain.jobs import JobKind
from ops_core.settings import NotRunning
from ops_core.work.dispatch import NotSent


class InWords(Protocol):
    """What came of a run, for the audit."""

    def in_words(self) -> str: ...


Report = TypeVar("Report", bound=InWords)


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


def run_here(
    engine: Engine,
    actor: Actor,
    action: str,
    scope: Mapping[str, Any],
    begun: str,
    work: Callable[[], Coroutine[Any, Any, Report]],
) -> Report:
    """Do `work` in this process and keep a record of its begin (`begun` says with what) and of its end."""

    def record(outcome: str) -> None:
        with engine.begin() as connection:
            audit.write(connection, actor=actor.name, action=action, scope=scope, outcome=outcome)

    record(f"begun: {begun}")
    try:
        report = asyncio.run(work())
    except KeyboardInterrupt:
        record("interrupted; run it again to go on")
        raise
    record(report.in_words())
    return report


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

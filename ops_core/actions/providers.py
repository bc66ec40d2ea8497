"""Changing what is asked of a provider: its row, whether copies of its photos are kept, and pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from ops_core.actions.outcomes import Refused
from ops_core.actions.steps import require
from ops_core.db import audit, due_jobs, provider_rows
from ops_core.db.clock import server_time
from ops_core.db.provider_rows import ProviderRow
from ops_core.domain import provider_edits
from ops_core.domain.access import Actor, Role
from ops_core.domain.provider_edits import ProviderEdit
from ops_core.domain.providers import Copies, Rehosting
from ops_core.domain.readiness import Readiness
from ops_core.settings import get_settings
from ops_core.work.readiness import readiness
from ops_core.work.reasons import clean

#: The names under which these actions, and closing its breaker, are kept in audit rows.
ACTIONS = (
    "edit_provider",
    "allow_copies",
    "forbid_copies",
    "pause_provider",
    "resume_provider",
    "close_circuit",
)
#: Outcome of an action that found everything as it was to be: the second click of a double click.
NOTHING_NEW = "was so already"


class RowChanged(Refused):
    """The row is not what the person was shown; `now` is what can be edited, as it is now."""

    def __init__(self, name: str, seen: ProviderEdit, now: ProviderEdit) -> None:
        meanwhile = ", ".join(provider_edits.changes(seen, now))
        super().__init__(
            f"{name} was changed meanwhile ({meanwhile}): nothing was saved. Look at it and save again."
        )
        self.now = now


def edit_provider(
    engine: Engine, code: str, edit: ProviderEdit, *, actor: Actor, seen: ProviderEdit
) -> tuple[str, ...]:
    """Save `edit` in place of what was `seen`; what changed, in words. Workers follow within seconds.

    Nothing changed if it was saved already. Raises `RowChanged` if it is neither what was seen nor what
    is wanted, and `Refused` for values that cannot be.
    """
    said: list[str] = []

    def change(connection: Connection, row: ProviderRow) -> str:
        wrong = provider_edits.problems(edit)
        if wrong:
            raise Refused(" ".join(wrong.values()))
        if row.edit == edit:
            return NOTHING_NEW
        if row.edit != seen:
            raise RowChanged(row.name, seen, row.edit)
        provider_rows.edit(connection, code, edit)
        if provider_edits.is_looser(row.edit, edit):
            due_jobs.bring_forward(connection, code)
        said.extend(provider_edits.changes(row.edit, edit))
        return ", ".join(said)

    _act(engine, code, actor, Role.ADMIN, "edit_provider", change)
    return tuple(said)


def allow_copies(
    engine: Engine, code: str, *, actor: Actor, reason: str = "", confirmed: bool = False
) -> bool:
    """Keep copies of the provider's photos from now on; whether that is new.

    Where its terms do not allow copies, this takes a `reason`, and that the actor has `confirmed` the
    right to keep them. Raises `Refused`.
    """
    reason = clean(reason)

    def change(connection: Connection, row: ProviderRow) -> str:
        if row.rehosting is Rehosting.STORE:
            return NOTHING_NEW
        refusal = provider_edits.why_not_copied(row.name, row.copies, reason=reason, confirmed=confirmed)
        if refusal:
            raise Refused(refusal)
        provider_rows.set_rehosting(connection, code, Rehosting.STORE, reason or None)
        terms = {
            Copies.ALLOWED: "as its terms allow",
            Copies.FORBIDDEN: "though its terms forbid it; the right to do so is confirmed",
            Copies.UNCLEAR: "though its terms do not say that it may be; the right to do so is confirmed",
        }[row.copies]
        return f"photos are copied from now on, {terms}" + (f"; reason: {reason}" if reason else "")

    return _act(engine, code, actor, Role.ADMIN, "allow_copies", change)


def forbid_copies(engine: Engine, code: str, *, actor: Actor, reason: str = "") -> bool:
    """Copy none of the provider's photos any more; whether that is new. Copies that are kept stay.

    New photos are shown from the provider. Raises `Refused`.
    """
    reason = clean(reason)

    def change(connection: Connection, row: ProviderRow) -> str:
        if row.rehosting is Rehosting.REFERENCE_ONLY:
            return NOTHING_NEW
        provider_rows.set_rehosting(connection, code, Rehosting.REFERENCE_ONLY, None)
        said = "photos are only referenced from now on; copies that are kept stay"
        return said + (f"; reason: {reason}" if reason else "")

    return _act(engine, code, actor, Role.ADMIN, "forbid_copies", change)


def pause_provider(
    engine: Engine,
    code: str,
    *,
    actor: Actor,
    reason: str,
    minutes: float | None = None,
    until: datetime | None = None,
) -> datetime:
    """Ask nothing of the provider for `minutes`, or `until` then; the moment it goes on.

    Ends are moved to the next full minute. Raises `Refused` without a reason, or for an end that is over
    or too far away.
    """
    reason = clean(reason)
    found: list[datetime] = []

    def change(connection: Connection, row: ProviderRow) -> str:
        now = server_time(connection)
        end = _end(now, minutes, until)
        refusal = provider_edits.why_no_pause(reason, end, now)
        if refusal:
            raise Refused(refusal)
        found.append(end)
        if (row.paused_until, row.paused_reason) == (end, reason):
            return NOTHING_NEW
        provider_rows.pause(connection, code, end, reason)
        return f"paused until {end:%Y-%m-%d %H:%M} UTC; reason: {reason}"

    _act(engine, code, actor, Role.OPERATOR, "pause_provider", change)
    return found[0]


def resume_provider(engine: Engine, code: str, *, actor: Actor) -> bool:
    """Ask a paused provider again, and let work begin that waits for it; whether it was paused.

    Raises `Refused` if there is no such provider.
    """

    def change(connection: Connection, row: ProviderRow) -> str:
        if row.paused_until is None:
            return NOTHING_NEW
        was_paused = row.paused_until > server_time(connection)
        provider_rows.resume(connection, code)
        if not was_paused:
            return NOTHING_NEW
        due_jobs.bring_forward(connection, code)
        return f"asked again; it was paused until {row.paused_until:%Y-%m-%d %H:%M} UTC"

    return _act(engine, code, actor, Role.OPERATOR, "resume_provider", change)


def ready(codes: Iterable[str]) -> dict[str, Readiness]:
    """Whether these providers can be asked with the settings of this process, by code."""
    settings = get_settings()
    return {code: readiness(code, settings) for code in codes}


def _end(now: datetime, minutes: float | None, until: datetime | None) -> datetime:
    if (minutes is None) == (until is None):
        raise Refused("Say for how many minutes to pause, or until when.")
    if until is None:
        assert minutes is not None
        try:
            until = now + timedelta(minutes=minutes)
        except (OverflowError, ValueError):
            return now  # no time at all: refused as one that is over
    if until.tzinfo is None:
        raise Refused("Give the end of the pause with its time zone.")
    return provider_edits.whole_minute(until.astimezone(now.tzinfo)) if until > now else until


def _act(
    engine: Engine,
    code: str,
    actor: Actor,
    role: Role,
    action: str,
    change: Callable[[Connection, ProviderRow], str],
) -> bool:
    """Have `change` change the row, which nobody else does meanwhile; whether it did, as it says."""
    scope = {"provider": code}
    require(engine, actor, role, action, scope)
    try:
        with engine.begin() as connection:
            row = provider_rows.hold(connection, code)
            if row is None:
                raise Refused(f"There is no provider “{code}”.")
            outcome = change(connection, row)
            audit.write(connection, actor=actor.name, action=action, scope=scope, outcome=outcome)
            return outcome != NOTHING_NEW
    except Refused as refused:
        with engine.begin() as connection:
            audit.write(
                connection, actor=actor.name, action=action, scope=scope, outcome=f"refused: {refused}"
            )
        raise

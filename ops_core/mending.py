"""Errors that whoever runs a command can mend, as sentences that say how."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ops_core.db.engine import is_unavailable, lacks_schema
from ops_core.domain.retry_wishes import Unclear
from ops_core.settings import NotRunning, Settings, get_settings
from ops_core.settings_help import env_name

#: Errors whose message already says what to do, by the module that raises them.
_SENTENCES = (
    ("ops_core.embedded.processes", "CannotStart"),
    ("ops_core.ui.server", "CannotServe"),
    ("ops_core.importers.lines", "CannotRead"),
    ("ops_core.actions.outcomes", "Refused"),
    ("ops_core.storage.registry", "NotSetUp"),
)


@dataclass(frozen=True, slots=True)
class Mending:
    """What to print, and how the command ends."""

    lines: list[str]
    exit_code: int = 1


def sentences(error: Exception) -> Mending | None:
    """What to tell the person; None if the error is a fault of the program."""
    if isinstance(error, ValidationError) and error.title == Settings.__name__:
        return Mending([_about_setting(entry) for entry in error.errors()], exit_code=2)
    if isinstance(error, Unclear):
        return Mending([str(error)], exit_code=2)
    if isinstance(error, NotRunning) or _is_sentence(error):
        return Mending([str(error)])
    if isinstance(error, SQLAlchemyError):
        return _about_database(error)
    return None


def masked(url: str) -> str:
    """An address without its password."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return url.partition("://")[0] + "://..."
    secret = parsed.password or any(name.lower().endswith("password") for name in parsed.query)
    return parsed.set(query={}).render_as_string(hide_password=True) if secret else url


def _about_setting(entry: object) -> str:
    assert isinstance(entry, dict)
    name = str(entry["loc"][0]) if entry["loc"] else ""
    if name in Settings.model_fields:
        name = env_name(name)
    said = str(entry["msg"]).removeprefix("Value error, ")
    where = f"{name}: {said[:1].lower()}" if name else said[:1].upper()  # one setting, or how several fit
    return f"{where}{said[1:]}. Correct it in the environment or in .env."


def _is_sentence(error: Exception) -> bool:
    return any((kind.__module__, kind.__name__) in _SENTENCES for kind in type(error).__mro__)


def _about_database(error: SQLAlchemyError) -> Mending | None:
    if lacks_schema(error):
        return Mending(["The database has no tables of this version: run `venue-ops migrate` first."])
    if is_unavailable(error):
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        address = masked(get_settings().require_database_url())
        return Mending(
            [f"The database at {address} cannot be reached: {reason}. Start it, or correct DATABASE_URL."]
        )
    return None

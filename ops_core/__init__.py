"""Venue Image Operations: see what happened to every venue image, and put it right with a click.

The map, from the ground up; each layer uses only those above it in this list.

    settings        every setting, with a help line
    logs            log lines and tracebacks without secrets
    domain/         values and pure rules: errors, images, jobs, retries, providers, redaction, pictures, ...
    db/             the tables and every SQL question: schema, migrations, then one module a noun
    providers/      outside photo sources, one module each, behind one protocol; safe fetching
    storage/        image stores behind one protocol: disk, S3, ImageKit
    work/           the verbs: enrich, geocode, upload, verify, retry, cleanup, move_store, dispatch, ...
    tasks/          the Celery app and tasks of a few lines that call work/
    actions/        what a person can do, one function each: buttons, command line and notebooks call these
    analytics/      questions as pandas frames, charts, exports, and the one palette
    ui/             the console's server and the parts its pages are arranged from
    embedded/       PostgreSQL and Valkey for this machine, and the supervisor behind `venue-ops up`
    sandbox/        a local world of providers that draw photos and fail on purpose
    importers/      venues from CSV and JSON lines
    notebook        retries in a person's words, for Python notebooks: `preview_retry`, `submit_retry`
    commands/       the larger commands of the command line: retries, searches, providers, pictures, the store
    cli             the `venue-ops` command

The row in PostgreSQL is the truth; a Celery message only says that there is something to look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ops_core.notebook import Retry, RetryPreview, preview_retry, submit_retry

__all__ = ["Retry", "RetryPreview", "preview_retry", "submit_retry"]


def __getattr__(name: str) -> object:
    # looked up when first asked for: `import ops_core` itself loads nothing
    if name in __all__:
        from ops_core import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

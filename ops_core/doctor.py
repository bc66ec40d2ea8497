"""`venue-ops doctor`: is every piece there, and how is it mended if not."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import health, heartbeats, migrate, unseen
from ops_core.db.engine import make_engine
from ops_core.domain.failures import Failed
from ops_core.mending import masked
from ops_core.providers.registry import SOURCES
from ops_core.settings import NotRunning, Settings
from ops_core.storage.probe import probe
from ops_core.storage.registry import open_store, store_problem
from ops_core.ui.address import redirect_uri

#: Less than this and the store will soon be full, MB.
LITTLE_SPACE_MB = 1000
#: What the metadata of a sign-in provider must name for the console to use it.
_SIGN_IN_NEEDS = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")


class Mark(StrEnum):
    """How a piece is."""

    GOOD = "✓"
    ODD = "!"  #: Works, but people should know.
    WRONG = "✗"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one piece."""

    mark: Mark
    what: str
    text: str  #: With how to mend it, unless it is good.


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at every piece, in the order in which they depend on each other."""
    settings = settings.model_copy(update={"sandbox_url": settings.running_sandbox()})
    yield from _database(settings)
    yield from _broker(settings)
    yield _store(settings)
    yield from _providers(settings)
    yield from _sign_in(settings)


def _database(settings: Settings) -> Iterator[Finding]:
    try:
        url = settings.require_database_url()
    except NotRunning as error:
        yield Finding(Mark.WRONG, "database", str(error))
        return
    engine = make_engine(url, pool_size=1)
    try:
        with engine.connect() as connection:
            health.ping(connection)
            version = ".".join(map(str, connection.dialect.server_version_info or ()))
        yield Finding(Mark.GOOD, "database", f"PostgreSQL {version} at {masked(url)}")
        schema = _schema(url)
        yield schema
        if schema.mark is Mark.GOOD:
            yield _dispatcher(engine)
            yield from _unseen(engine)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        yield Finding(
            Mark.WRONG,
            "database",
            f"{masked(url)} cannot be reached ({reason}): start it, or correct DATABASE_URL.",
        )
    finally:
        engine.dispose()


def _schema(url: str) -> Finding:
    found, needed = migrate.current(url), migrate.head()
    if found == needed:
        return Finding(Mark.GOOD, "schema", f"at {found}, as this version needs")
    return Finding(
        Mark.WRONG, "schema", f"at {found or 'nothing'}, needed is {needed}: run `venue-ops migrate`."
    )


def _dispatcher(engine: Engine) -> Finding:
    found = heartbeats.alive(engine, "dispatcher")
    if found:
        return Finding(Mark.GOOD, "dispatcher", ", ".join(found))
    return Finding(
        Mark.WRONG,
        "dispatcher",
        "none has been heard of for half a minute, so nothing is scheduled: start `venue-ops dispatcher`.",
    )


def _unseen(engine: Engine) -> Iterator[Finding]:
    with engine.connect() as connection:
        count = unseen.count(connection)
    if count:
        many = f"{health.COUNT_LIMIT:,}+" if count > health.COUNT_LIMIT else f"{count:,}"
        text = f"{many} stored before pictures were looked at: run `venue-ops pictures look`."
        yield Finding(Mark.ODD, "pictures", text)


def _broker(settings: Settings) -> Iterator[Finding]:
    try:
        url = settings.require_broker_url()
    except NotRunning as error:
        yield Finding(Mark.WRONG, "broker", str(error))
        return
    from ops_core.tasks.inspection import BrokerAway, workers

    try:
        found = workers()
    except BrokerAway as error:
        yield Finding(
            Mark.WRONG,
            "broker",
            f"{masked(url)} cannot be reached ({error}): start it, or correct BROKER_URL.",
        )
        return
    yield Finding(Mark.GOOD, "broker", masked(url))
    if found:
        yield Finding(Mark.GOOD, "workers", ", ".join(found))
    else:
        yield Finding(Mark.WRONG, "workers", "none answers, so no image moves: start `venue-ops worker`.")


def _store(settings: Settings) -> Finding:
    if settings.store == "disk":
        return _disk(settings)
    problem = store_problem(settings)
    if problem:
        return Finding(Mark.WRONG, "store", problem)
    where = settings.s3_bucket if settings.store == "s3" else settings.imagekit_url_endpoint
    try:
        amiss = asyncio.run(_tried(settings))
    except Failed as error:
        return Finding(Mark.WRONG, "store", f"{settings.store}: {error.failure.detail}")
    if amiss:
        return Finding(
            Mark.ODD,
            "store",
            f"{settings.store} works for us, but browsers see no picture: {amiss}. "
            "Correct VENUE_OPS_S3_PUBLIC_URL or VENUE_OPS_IMAGEKIT_URL_ENDPOINT.",
        )
    return Finding(Mark.GOOD, "store", f"{settings.store}, {where}: a picture was put, read and removed")


async def _tried(settings: Settings) -> str | None:
    store = open_store(settings)
    try:
        return await probe(store)
    finally:
        await store.close()


def _disk(settings: Settings) -> Finding:
    folder = settings.store_path
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free // 1_000_000
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return Finding(
            Mark.WRONG,
            "store",
            f"cannot write in {folder} ({error.strerror}): correct that, or set VENUE_OPS_STORE_DIR.",
        )
    if free < LITTLE_SPACE_MB:
        return Finding(Mark.ODD, "store", f"only {free} MB are free in {folder}: make room.")
    return Finding(Mark.GOOD, "store", f"{folder}, {free // 1000} GB free")


def _providers(settings: Settings) -> Iterator[Finding]:
    where = f"the sandbox at {settings.sandbox_url}" if settings.sandbox_url else "the real service"
    missing = {code: source.not_ready(settings) for code, source in SOURCES.items()}
    for code, reason in missing.items():
        if reason is None:
            yield Finding(Mark.GOOD, "provider", f"{code} can be asked, at {where}")
        else:
            yield Finding(Mark.ODD, "provider", f"{code} is not asked. {reason}")
    if all(missing.values()):
        yield Finding(Mark.WRONG, "providers", "none can be asked, so no image can come: set up one of them.")


def _sign_in(settings: Settings) -> Iterator[Finding]:
    if settings.oidc_metadata_url is None or settings.public_url is None:
        yield Finding(Mark.GOOD, "sign-in", "nobody signs in, so the console serves this machine only")
        return
    reason = _why_no_metadata(settings.oidc_metadata_url)
    if reason:
        text = f"{settings.oidc_metadata_url} {reason}: correct VENUE_OPS_OIDC_METADATA_URL."
        yield Finding(Mark.WRONG, "sign-in", text)
    else:
        known = f"must know {redirect_uri(settings.public_url)} as a redirect URI"
        yield Finding(Mark.GOOD, "sign-in", f"at {settings.oidc_metadata_url}, which {known}")
    if settings.public_url.startswith("http:"):
        text = f"{settings.public_url} is not https, so cookies can be read on their way: use https."
        yield Finding(Mark.ODD, "sign-in", text)


def _why_no_metadata(url: str) -> str | None:
    """What is wrong with the metadata of the sign-in provider; None if nothing is."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            return f"answers {answer.status}"
        found = json.loads(answer.read(1_000_000))
    except (OSError, http.client.HTTPException) as error:
        return f"cannot be reached ({error})"
    except ValueError:
        return "does not answer with JSON"
    finally:
        connection.close()
    missing = [name for name in _SIGN_IN_NEEDS if not isinstance(found, dict) or name not in found]
    return f"does not name {', '.join(missing)}" if missing else None

"""The filtered operations as a file: two buttons, and the address that streams what they ask for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import anyio
import streamlit as st
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ops_core.analytics.exports import Rows, csv_file, json_file
from ops_core.db import audit
from ops_core.db.engine import get_engine, is_unavailable
from ops_core.db.exports import COLUMNS, operations, snapshot
from ops_core.domain.access import Actor, Role
from ops_core.domain.filters import Filters
from ops_core.settings import NotRunning
from ops_core.ui.address import BASE, media_is_served
from ops_core.ui.address_filters import Choice, choice_from, instant_of, instant_word, last_word, params_of
from ops_core.ui.sign_in import actor_of

Writer = Callable[[Sequence[str], Iterable[Rows]], Iterator[bytes]]

#: The kinds of files: what each is to a browser, and who writes it.
KINDS: dict[str, tuple[str, Writer]] = {
    "csv": ("text/csv; charset=utf-8", csv_file),
    "json": ("application/json", json_file),
}
#: Files written at a time; each holds a connection for as long as its reader takes.
AT_ONCE = 2

_NO_STORE = {"Cache-Control": "no-store"}
_places = threading.BoundedSemaphore(AT_ONCE)


def buttons(choice: Choice, *, as_of: datetime, zone: ZoneInfo, person: Actor) -> None:
    """Offer the operations of `choice` as files, as they stood at `as_of` for a viewer in `zone`."""
    with st.container(horizontal=True, gap="small", width="content", key="exports"):
        for kind in KINDS:
            _button(kind, choice, as_of, zone, person)


def address(kind: str, choice: Choice, *, as_of: datetime, zone: ZoneInfo) -> str:
    """Where the console answers with that file."""
    params = params_of(choice)
    params |= {"as_of": [instant_word(as_of)], "zone": [zone.key]}
    return f"{BASE}/export/operations.{kind}?{urlencode(params, doseq=True)}"


async def operations_file(request: Request) -> Response:
    """All operations that match the address, as a file that is written while it is sent.

    A part of the address that is not understood is left out, as the page does: the file then holds what
    the page shows at that address. `as_of` and `zone` are read with it; without them it is now, in UTC.
    """
    kind = request.path_params["kind"]
    if kind not in KINDS:
        raise HTTPException(404)
    params: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        params.setdefault(name, []).append(value)
    actor = actor_of(request)
    if actor is None:
        raise HTTPException(403, "Sign in to the console, then ask for this file again.", _NO_STORE)
    choice, as_of = choice_from(params), _as_of(params)
    filters = choice.filters(as_of, _zone(params))
    scope = _scope(kind, choice, filters)
    media_type, _ = KINDS[kind]
    headers = _NO_STORE | {
        "Content-Disposition": f'attachment; filename="{_file_name(kind, as_of)}"',
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    try:
        if actor.role < Role.VIEWER:
            await run_in_threadpool(_note, actor.name, scope, f"refused: needs the role {Role.VIEWER.word}")
            raise HTTPException(
                403, f"This needs the role {Role.VIEWER.word}: ask an admin for it.", _NO_STORE
            )
        if request.method == "HEAD":
            return Response(headers=headers, media_type=media_type)
        return await _begin(_written(kind, filters, actor.name, scope), headers, media_type)
    except (SQLAlchemyError, NotRunning) as error:
        if isinstance(error, SQLAlchemyError) and not is_unavailable(error):
            raise
        raise HTTPException(
            503, "The database cannot be reached; try again in a minute.", _NO_STORE
        ) from error


def _button(kind: str, choice: Choice, as_of: datetime, zone: ZoneInfo, person: Actor) -> None:
    label, icon = kind.upper(), ":material/download:"
    words = f"Download all operations that match as {label}: every page, not only this one."
    if media_is_served():
        # a tab of its own: a refusal must not take the place of the page
        st.link_button(label, address(kind, choice, as_of=as_of, zone=zone), icon=icon, help=words)
        return
    # nobody answers at our own addresses: the whole file is made in memory
    filters = choice.filters(as_of, zone)
    make = partial(_whole, kind, filters, person.name, _scope(kind, choice, filters))
    st.download_button(
        label,
        make,
        _file_name(kind, as_of),
        KINDS[kind][0],
        key=f"export_{kind}",
        on_click="ignore",
        icon=icon,
        help=words,
    )


class _Download(StreamingResponse):
    """A file under way; whatever becomes of it, its reading ends and its place is free again."""

    def __init__(
        self, first: bytes, rest: Generator[bytes, None, None], headers: Mapping[str, str], media_type: str
    ) -> None:
        super().__init__(chain([first], rest), headers=headers, media_type=media_type)
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(self._end)

    def _end(self) -> None:
        try:
            self._rest.close()
        finally:
            _places.release()


async def _begin(
    pieces: Generator[bytes, None, None], headers: Mapping[str, str], media_type: str
) -> _Download:
    """Wait for the first piece, so that what goes wrong before it can still be said."""
    if not _places.acquire(blocking=False):
        words = f"{AT_ONCE} files are being written already; try again in a minute."
        raise HTTPException(503, words, _NO_STORE | {"Retry-After": "60"})
    try:
        return _Download(await run_in_threadpool(next, pieces), pieces, headers, media_type)
    except BaseException:
        _places.release()
        raise


def _written(
    kind: str, filters: Filters, actor: str, scope: Mapping[str, object]
) -> Generator[bytes, None, None]:
    """The file piece by piece; once it ends, or is given up, that is in the audit."""
    rows, whole = 0, False

    def counted(pieces: Iterable[Sequence[Sequence[object]]]) -> Iterator[Rows]:
        nonlocal rows
        for piece in pieces:
            rows += len(piece)
            yield piece

    try:
        with snapshot(get_engine()) as connection, closing(operations(connection, filters)) as found:
            _, write = KINDS[kind]
            yield from write(COLUMNS, counted(found))
        whole = True
    finally:
        outcome = f"{rows} operations written" if whole else f"broken off after {rows} operations"
        _note(actor, scope, outcome)


def _whole(kind: str, filters: Filters, actor: str, scope: Mapping[str, object]) -> bytes:
    return b"".join(_written(kind, filters, actor, scope))


def _note(actor: str, scope: Mapping[str, object], outcome: str) -> None:
    with get_engine().begin() as connection:
        audit.write(connection, actor=actor, action="export_operations", scope=scope, outcome=outcome)


def _scope(kind: str, choice: Choice, filters: Filters) -> dict[str, object]:
    since, until = (time.isoformat() if time else None for time in (filters.since, filters.until))
    return {"file": kind, "filters": params_of(choice), "since": since, "until": until}


def _file_name(kind: str, as_of: datetime) -> str:
    return f"operations-{as_of.astimezone(UTC):%Y%m%d-%H%M%S}.{kind}"


def _as_of(params: Mapping[str, Sequence[str]]) -> datetime:
    """The instant the page's data are from; now where the address has none that makes sense."""
    return instant_of(last_word(params, "as_of")) or datetime.now(UTC)


def _zone(params: Mapping[str, Sequence[str]]) -> ZoneInfo:
    try:
        return ZoneInfo(last_word(params, "zone"))
    except (KeyError, ValueError, OSError):  # no zone, no name of one, a folder or too long a name
        return ZoneInfo("UTC")

"""The console's own addresses beside its pages: health, stored images, compressed assets."""

from __future__ import annotations

import gzip
import logging
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ops_core.db.engine import get_engine
from ops_core.db.health import ping
from ops_core.domain.access import Role
from ops_core.domain.failures import Failed
from ops_core.settings import NotRunning, Settings, get_settings
from ops_core.storage.keys import is_key
from ops_core.storage.registry import behind_console
from ops_core.storage.store import Missing
from ops_core.ui import provider_photos
from ops_core.ui.address import BASE
from ops_core.ui.exports import operations_file
from ops_core.ui.security import ASSETS
from ops_core.ui.sign_in import actor_of

log = logging.getLogger(__name__)

#: What the store may hold, and what a browser is told it is; nothing else is served.
IMAGE_TYPES = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
}
_ASSET_TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
#: Keys and hashed asset names never change what they stand for.
_FOR_EVER = "max-age=31536000, immutable"
_IMAGE_HEADERS = {
    "Cache-Control": f"private, {_FOR_EVER}",
    "Content-Disposition": "inline",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}


async def alive(request: Request) -> Response:
    """200 while the process answers."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """200 while pages can be served; 503 with the part that is away."""
    try:
        await run_in_threadpool(_ping)
    except (SQLAlchemyError, NotRunning):
        return JSONResponse({"status": "unavailable", "database": "not reachable"}, status_code=503)
    return JSONResponse({"status": "ok", "database": "ok"})


async def stored_image(request: Request) -> Response:
    """A picture of the store, as an image and nothing else, for those who may look.

    Of the disk, or of a bucket that browsers cannot reach: 502 while that does not answer.
    """
    actor = actor_of(request)
    if actor is None or actor.role < Role.VIEWER:
        raise HTTPException(403, "Sign in to see this.", {"Cache-Control": "no-store"})
    settings = get_settings()
    key = f"venues/{request.path_params['key']}"
    content_type = IMAGE_TYPES.get(key.rpartition(".")[2])
    path = await run_in_threadpool(_file, settings.store_path, key)
    if content_type is None:
        raise HTTPException(404)
    if path is not None:
        return FileResponse(path, media_type=content_type, headers=_IMAGE_HEADERS)
    data = await _fetched(settings, key)
    return Response(data, media_type=content_type, headers=_IMAGE_HEADERS)


async def asset(request: Request) -> Response:
    """A script or style sheet of the browser side, compressed once and kept."""
    name = request.path_params["name"]
    content_type = _ASSET_TYPES.get(name.rpartition(".")[2])
    path = await run_in_threadpool(_file, ASSETS / "static", name)
    if path is None:
        raise HTTPException(404)
    headers = {"Cache-Control": f"public, {_FOR_EVER}", "Vary": "Accept-Encoding"}
    if content_type is None or "gzip" not in request.headers.get("accept-encoding", ""):
        return FileResponse(path, headers=headers)
    body = await run_in_threadpool(_compressed, path)
    return Response(body, media_type=content_type, headers=headers | {"Content-Encoding": "gzip"})


async def _home(request: Request) -> Response:
    return RedirectResponse(f"{BASE}/")


async def _hidden(request: Request) -> Response:
    raise HTTPException(404)


def own_routes() -> list[BaseRoute]:
    """All of them; they come before Streamlit's, so what is listed here wins."""
    return [
        Route("/", _home),
        Route(f"{BASE}/healthz", alive),
        Route(f"{BASE}/healthz/ready", ready),
        # Streamlit keeps its own files at media/<name>; every key of the store begins with venues/
        Route(f"{BASE}/media/venues/{{key:path}}", stored_image),
        Route(f"{provider_photos.PATH}/{{image_id:int}}", provider_photos.provider_photo),
        Route(f"{BASE}/export/operations.{{kind}}", operations_file),
        Route(f"{BASE}/static/{{name:path}}", asset),
        Route(f"{BASE}/_stcore/metrics", _hidden),
        Route(f"{BASE}/_stcore/agent/{{rest:path}}", _hidden),
    ]


def _ping() -> None:
    with get_engine().connect() as connection:
        ping(connection)


def _file(folder: Path, key: str) -> Path | None:
    """The regular file `key` inside `folder`; None if there is none, or it leads out of the folder."""
    root = folder.resolve()
    try:
        path = (root / key).resolve(strict=True)
        if path.is_relative_to(root) and S_ISREG(path.stat().st_mode):
            return path
    except (OSError, ValueError, RuntimeError):  # absent, NUL or too long, a loop of links
        return None
    return None


async def _fetched(settings: Settings, key: str) -> bytes:
    """The object `key` of the store behind the console; an HTTPException if there is none."""
    store = behind_console(settings)
    if store is None or not is_key(key):
        raise HTTPException(404)
    try:
        return await store.get(key)
    except Missing:
        raise HTTPException(404) from None
    except Failed as error:
        log.warning("a stored picture cannot be shown: %s", error.failure.detail)
        raise HTTPException(
            502,
            "The image store does not give this picture now. Try again soon.",
            {"Cache-Control": "no-store"},
        ) from None


@lru_cache(maxsize=512)
def _compressed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), compresslevel=6)

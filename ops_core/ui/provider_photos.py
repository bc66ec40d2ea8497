"""The address of photos that are shown from their provider: `BASE`/provider-photo/<image id>."""

from __future__ import annotations

import math
import textwrap
from functools import cache
from html import escape

from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ops_core import actions
from ops_core.db.engine import get_engine
from ops_core.domain.access import Actor, Role
from ops_core.settings import NotRunning
from ops_core.ui.address import BASE
from ops_core.ui.sign_in import actor_of

PATH = f"{BASE}/provider-photo"

#: Seconds for which a browser may use an address again without asking us.
_BROWSER_KEEPS = 240
#: Characters in a line of the picture that stands in, and lines.
_LINE, _LINES = 26, 6


def photo_path(image_id: int) -> str:
    """Where browsers ask for the photo of a reference."""
    return f"{PATH}/{image_id}"


async def provider_photo(request: Request) -> Response:
    """Sends the browser on to the provider's own address, for those who may look.

    What keeps the photo from being shown is said in a picture, where the photo would have stood.
    """
    actor = actor_of(request)
    if actor is None or actor.role < Role.VIEWER:
        raise HTTPException(403, "Sign in to see this.", {"Cache-Control": "no-store"})
    # it may cost money: no other site may make a browser ask
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "Only the console's own pages show this.", {"Cache-Control": "no-store"})
    try:
        found = await to_thread.run_sync(_address, request.path_params["image_id"], actor, limiter=_limiter())
    except actions.NotShown as error:
        wait = None if error.again_in is None else math.ceil(error.again_in)
        return _said(str(error), 503 if wait else 502, wait)
    except (SQLAlchemyError, NotRunning):
        return _said("The database is away.", 503, None)
    if found is None:
        return _said("There is no such photo any more.", 404, None)
    headers = {"Cache-Control": f"private, max-age={_BROWSER_KEEPS}", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(found, 302, headers)


@cache
def _limiter() -> CapacityLimiter:
    """How many ask at once: a provider that hangs must not keep everything else from being answered."""
    return CapacityLimiter(8)


def _address(image_id: int, actor: Actor) -> str | None:
    return actions.photo_address(get_engine(), image_id, actor=actor)


def _said(text: str, status: int, wait: int | None) -> Response:
    lines = textwrap.wrap(text, _LINE)[:_LINES]
    spans = "".join(
        f'<tspan x="100" dy="{0 if number == 0 else 17}">{escape(line)}</tspan>'
        for number, line in enumerate(lines)
    )
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="150" viewBox="0 0 200 150">'
        '<rect width="200" height="150" fill="#8b97a6" fill-opacity="0.18"/>'
        f'<text x="100" y="{80 - 8 * (len(lines) - 1)}" font-family="sans-serif" font-size="12" '
        f'fill="#6b7686" text-anchor="middle">{spans}</text></svg>'
    )
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if wait:
        headers["Retry-After"] = str(wait)
    return Response(picture, status, headers, "image/svg+xml")

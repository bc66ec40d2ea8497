"""The address of photos that are shown from their provider: `BASE`/provider-photo/<image id>."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ops_core import actions
from ops_core.db.engine import get_engine
from ops_core.domain.access import Actor, Role
from ops_core.domain.errors import Classification, ErrorType, info
from ops_core.domain.retry_wishes import expected_time
from ops_core.settings import NotRunning
from ops_core.ui import stand_ins
from ops_core.ui.address import BASE
from ops_core.ui.sign_in import actor_of

PATH = f"{BASE}/provider-photo"

#: Seconds for which a browser may use an address again without asking us.
_BROWSER_KEEPS = 240


@dataclass(frozen=True, slots=True)
class _Why:
    """What is said where a photo would have stood, and the status of the answer."""

    headline: str
    status: int
    sentence: str = ""  #: Where the words of the failure would tell people less.


_GONE = _Why("Gone at its provider", 404)
_USED_UP = _Why("Limit is used up", 503)
_AWAY = _Why("Provider is away", 502, "It does not answer well. Look again soon.")
_OTHER = _Why("Not shown now", 502)
_WHY: dict[ErrorType, _Why] = {
    ErrorType.NOT_FOUND: _GONE,
    ErrorType.STALE_REFERENCE: _GONE,
    ErrorType.NOT_CONFIGURED: _Why("Not asked now", 503),
    ErrorType.RATE_LIMITED: _USED_UP,
    ErrorType.QUOTA_EXCEEDED: _USED_UP,
    ErrorType.AUTH_ERROR: _Why("Key is refused", 502, "An admin can correct it in the settings."),
    ErrorType.FORBIDDEN: _Why("Provider refuses", 502),
    ErrorType.NETWORK_TIMEOUT: _AWAY,
    ErrorType.NETWORK_ERROR: _AWAY,
    ErrorType.GATEWAY_TIMEOUT: _AWAY,
    ErrorType.BAD_GATEWAY: _AWAY,
    ErrorType.SERVICE_UNAVAILABLE: _AWAY,
    ErrorType.SERVER_ERROR: _AWAY,
}


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
        return _not_shown(error)
    except (SQLAlchemyError, NotRunning):
        return _said("Database is away", "Look again once it is back.", 503)
    if found is None:
        return _said("No such photo", "It is not shown from its provider any more.", 404)
    headers = {"Cache-Control": f"private, max-age={_BROWSER_KEEPS}", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(found, 302, headers)


@cache
def _limiter() -> CapacityLimiter:
    """How many ask at once: a provider that hangs must not keep everything else from being answered."""
    return CapacityLimiter(8)


def _address(image_id: int, actor: Actor) -> str | None:
    return actions.photo_address(get_engine(), image_id, actor=actor)


def _not_shown(error: actions.NotShown) -> Response:
    why, row = _WHY.get(error.error_type, _OTHER), info(error.error_type)
    if error.again_in and row.classification is not Classification.PERMANENT:
        # whoever says when is not away for good
        return _said(why.headline, f"Look again in {expected_time(error.again_in)}.", 503, error.again_in)
    return _said(why.headline, why.sentence or str(error) or row.advice, why.status)


def _said(headline: str, sentence: str, status: int, wait: float | None = None) -> Response:
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": stand_ins.POLICY,
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    if wait:
        headers["Retry-After"] = str(math.ceil(wait))
    return Response(stand_ins.drawing(headline, sentence), status, headers, "image/svg+xml")

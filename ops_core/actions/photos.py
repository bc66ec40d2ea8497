"""Looking at photos that are shown from their provider."""

from __future__ import annotations

from sqlalchemy import Engine

from ops_core.actions.outcomes import NotAllowed, Refused
from ops_core.db import references
from ops_core.domain.access import Actor, Role
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed
from ops_core.settings import get_settings
from ops_core.work import showing
from ops_core.work.rate_limits import PutOff


class NotShown(Refused):
    """The photo cannot be shown now; `again_in` are the seconds after which it may be, if that is known."""

    def __init__(self, message: str, error_type: ErrorType, again_in: float | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.again_in = again_in


def photo_address(engine: Engine, image_id: int, *, actor: Actor) -> str | None:
    """Where a browser may load a reference from now; None if there is no such reference.

    It may ask the provider, which is counted and paid like any call. Raises `NotShown` and `NotAllowed`.
    Looking leaves no audit row: it changes nothing.
    """
    if actor.role < Role.VIEWER:
        raise NotAllowed("Sign in to see this.")
    with engine.connect() as connection:
        shown = references.reference(connection, image_id)
    if shown is None:
        return None
    try:
        return showing.address(engine, get_settings(), shown)
    except PutOff as error:
        message = "The provider's limit is used up; look again later."
        raise NotShown(message, ErrorType.RATE_LIMITED, error.seconds) from None
    except Failed as error:
        failure = error.failure
        raise NotShown(failure.detail, failure.error_type, failure.retry_after) from None

"""The ids by which providers know a venue, as they are put into addresses."""

from __future__ import annotations

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import failed
from ops_core.domain.places import PROVIDER_ID_SHAPES, Venue


def id_of(venue: Venue, key: str, called: str) -> str:
    """The venue's id under `key`; raises Failed(not_found) if it is malformed.

    `called` names the id for people: "HERE id".
    """
    given = venue.provider_ids[key]
    if not PROVIDER_ID_SHAPES[key].fullmatch(given):
        raise failed(ErrorType.NOT_FOUND, f"The venue's {called} is malformed; correct it.")
    return given

"""Which retry requests people stopped, as a worker asks while it works for them."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, text


def halted(connection: Connection, request_ids: Collection[int]) -> set[int]:
    """Those of `request_ids` that are paused or cancelled: no further image of theirs may begin."""
    return set(
        connection.scalars(
            text("SELECT id FROM retry_requests WHERE id = ANY(:ids) AND state IN ('paused', 'cancelled')"),
            {"ids": list(request_ids)},
        )
    )

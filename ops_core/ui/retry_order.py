"""The click that orders a retry: the core checks, writes and tells; nothing is drawn between."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from ops_core import actions
from ops_core.db.engine import get_engine, is_unavailable
from ops_core.domain.access import Actor
from ops_core.ui import (
    cached,
    cached_detail,
    notices,
    retries_cached,
    retry_asked,
    retry_modes,
    retry_sentences,
    sign_in,
)
from ops_core.ui.address import BASE
from ops_core.ui.markdown import plain
from ops_core.ui.retry_asked import Asked
from ops_core.ui.viewer import zone_name


def order(shown: Asked) -> None:
    """For callbacks: order what stands in the fields at the click, of the images that were `shown`."""
    # who is here now, not who was when the dialog was drawn
    actor = sign_in.here()
    if actor is None:
        retry_asked.give_up()
        return
    choice = retry_modes.chosen(shown.off_peak, now=datetime.now(UTC), zone=zone_name())
    if choice.options is None:
        retry_asked.keep(replace(shown, note=plain(choice.problem)))
        return
    if choice.options.override and not retry_modes.reason():
        retry_asked.keep(replace(shown, note="Give a reason for trying final failures again."))
        return
    try:
        said = _carry_out(replace(shown, options=choice.options), actor)
    except actions.Changed as changed:
        retry_asked.keep(
            replace(
                shown.showing(changed.preview, choice.options),
                note="Things changed while you were reading: nothing was started. These are the numbers now.",
            )
        )
    except actions.Refused as refused:
        retry_asked.keep(replace(shown, preview=None, note=plain(str(refused))))
    except SQLAlchemyError as error:
        if not is_unavailable(error):
            raise
        retry_asked.keep(
            replace(
                shown,
                note="The database cannot be reached. Try again in a minute: however often you click, "
                "it is ordered only once.",
            )
        )
    else:
        if said:
            notices.keep(said)
        retry_asked.give_up()
    finally:
        cached.read_again()
        cached_detail.forget()
        retries_cached.forget()


def _carry_out(asked: Asked, actor: Actor) -> str:
    """Order it; what to tell, which is nothing for the second click of a double click."""
    if asked.is_scan:
        queued = actions.retry_all_failed(get_engine(), actor=actor, token=asked.token)
        said = "Batch retry queued: scanning all venues" if queued.is_new else "A scan runs already"
        return f"{said} · [See it]({BASE}/operations?job={queued.job_id})"
    assert asked.preview is not None
    done = actions.submit_retry(
        get_engine(),
        asked.scope,
        actor=actor,
        token=asked.token,
        options=asked.options,
        expected=asked.preview.plan,
        reason=retry_modes.reason(),
    )
    if not done.is_new:
        return ""
    at = asked.options.at
    begins = "" if at is None else f", to begin {retry_sentences.instant(at, zone_name())}"
    return f"Retry queued for {plain(asked.words)}{begins} · [See it]({BASE}/retries?retry={done.request_id})"

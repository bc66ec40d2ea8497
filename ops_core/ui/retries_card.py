"""One retry in the list: what it covers, where it stands, how far it is, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from ops_core.analytics.retry_frames import ended_share, sample_of, standing
from ops_core.db.retries import Request
from ops_core.domain.retry_plan import counted
from ops_core.ui import badges, retries_controls, retries_place
from ops_core.ui.fine_print import fine_print
from ops_core.ui.markdown import plain
from ops_core.ui.retries_cached import Seen
from ops_core.ui.retries_pace import pace
from ops_core.ui.retries_words import (
    done_words,
    mode_words,
    sample_words,
    scope_words,
    standing_badge,
)
from ops_core.ui.words_of_time import duration, moment


def card(
    request: Request,
    seen: Seen,
    *,
    names: Mapping[str, str],
    zone: str,
    may_retry: bool,
    opened: bool,
) -> None:
    """The retry's line of the list; `seen` is the moment at which it was read."""
    where = standing(request, seen.now)
    head, buttons = st.columns([5, 4], vertical_alignment="top")
    with head:
        words = plain(scope_words(request.scope, seen.names, names, zone))
        st.markdown(f"**{words}** {standing_badge(request, seen.now, zone)}")
        fine_print(" · ".join(_facts(request, zone)), *_remarks(request))
    with (
        buttons,
        st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small"),
    ):
        retries_controls.controls(request, where, may_retry=may_retry)
        st.button(
            "Close" if opened else "Details",
            key=f"retry_{request.id}_details",
            icon=f":material/{'expand_less' if opened else 'expand_more'}:",
            type="tertiary",
            help=f"{'Close' if opened else 'Open'} the details of retry {request.id}",
            on_click=retries_place.toggle,
            args=(request.id,),
        )
    retries_controls.note(request.id)
    st.progress(ended_share(request), text=_progress(request, seen, names, zone))
    if request.started_at is not None or request.finished_at is not None:
        st.markdown(_counts(request))


def missing(request_id: int) -> None:
    """In place of a retry that there is not."""
    st.info(
        f"There is no retry {request_id}. It may have been removed, or its number was mistyped.",
        icon=":material/search_off:",
    )
    st.button(
        "Close",
        key=f"retry_{request_id}_details",
        icon=":material/close:",
        type="tertiary",
        on_click=retries_place.toggle,
        args=(request_id,),
    )


def _facts(request: Request, zone: str) -> list[str]:
    return [
        f"Retry {request.id}",
        f"asked for by {plain(request.actor)}",
        moment(request.created_at, zone),
        plain(mode_words(request.options, zone)),
    ]


def _remarks(request: Request) -> list[str]:
    """Why it stands where it stands, and how its sample does."""
    remarks = []
    if request.state_reason:
        why = request.state_reason[:1].upper() + request.state_reason[1:]
        remarks.append(f":material/info: {plain(why)}{'' if why.endswith('.') else '.'}")
    sample = sample_of(request)
    if sample and not (request.state_reason and sample.ended == sample.images):
        remarks.append(f":material/labs: {plain(sample_words(sample))}")
    return remarks


def _progress(request: Request, seen: Seen, names: Mapping[str, str], zone: str) -> str:
    facts = [f"**{done_words(request)}**"]
    if request.finished_at is not None:
        begin = request.started_at or request.created_at
        facts.append(f"took {duration(request.finished_at - begin)}")
        facts.append(f"ended {moment(request.finished_at, zone)}")
        return " · ".join(facts)
    return " · ".join([*facts, *map(plain, pace(request, seen, names))])


def _counts(request: Request) -> str:
    """What has become of its images so far, and what that cost."""
    shown = [
        ("uploaded", request.uploaded, "green", "check_circle"),
        ("failed", request.failed, "red", "error"),
        ("skipped", request.skipped, "gray", "skip_next"),
        ("let go", request.let_go, "gray", "block"),
    ]
    parts = [
        badges.badge(f"{count:,} {word}", colour if count else "gray", icon)
        for word, count, colour, icon in shown
        if count or word in ("uploaded", "failed")
    ]
    calls = counted(request.calls, "call")
    parts.append(f":small[:gray[\\${request.cost_usd:,.3f} for {calls}]]")
    return " ".join(parts)

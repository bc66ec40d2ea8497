"""The providers on the Admin page: a card each, with what it allows and what can be changed."""

from __future__ import annotations

import streamlit as st

from ops_core import actions
from ops_core.db.provider_rows import ProviderRow
from ops_core.domain import provider_edits
from ops_core.domain.providers import Rehosting
from ops_core.settings import get_settings
from ops_core.ui import (
    badges,
    notices,
    providers_asked,
    providers_copies,
    providers_edit,
    providers_pause,
    providers_read,
    providers_words,
    retries_providers,
)
from ops_core.ui.fine_print import fine_print
from ops_core.ui.markdown import plain
from ops_core.ui.providers_read import Seen


def header() -> None:
    """Title and purpose."""
    notices.show()
    heading, corner = st.columns([3, 1], vertical_alignment="top")
    heading.title("Admin", anchor=False)
    heading.caption(
        "The providers: what each allows, costs and may be asked for, and whether its photos are copied. "
        "Workers follow a change within seconds."
    )
    with corner, st.container(horizontal=True, horizontal_alignment="right"):
        st.button("Refresh", icon=":material/refresh:", key="refresh", on_click=_refresh)


def providers(*, zone: str) -> None:
    """A card for each, first priority first."""
    seen = providers_read.seen()
    kept = providers_read.copies_kept()
    with st.grid("auto", min_column_width=340, gap="small"):
        for row in seen.rows:
            with st.container(border=True, gap="xsmall", height="stretch", key=f"provider_{row.code}"):
                _card(row, seen, kept.get(row.code, 0), zone)


def _card(row: ProviderRow, seen: Seen, kept: int, zone: str) -> None:
    settings, ready, standing = get_settings(), seen.ready[row.code], seen.standing[row.code]
    marks = retries_providers.marks(standing)
    st.markdown(
        " ".join(
            [
                badges.provider_badge(row.code, {row.code: row.name}),
                *providers_words.standing(row, ready, marks, retries_providers.USUAL),
            ]
        )
    )
    why = [
        *retries_providers.waits(standing, seen.now, zone),
        *providers_words.missing(row, ready),
        *providers_words.interface(row.code, settings),
    ]
    if why:
        fine_print(*why)
    if not standing.circuit.is_closed:
        retries_providers.breaker(standing, seen.now, zone, may_retry=True)
    _facts(row)
    departures = providers_words.departures(row, settings)
    if departures:
        fine_print(departures)
    _copies(row, kept, is_drawn=row.code in settings.drawn)
    st.space("stretch")
    _buttons(row, is_paused=standing.paused_until is not None)
    note = providers_asked.note(row.code)
    if note:
        st.warning(plain(note), icon=":material/info:")


def _facts(row: ProviderRow) -> None:
    lines = (
        ("Asked for", f"{plain(provider_edits.asked_for(row.edit))}, priority {row.edit.priority}"),
        ("Limits", providers_words.limits(row.edit)),
        ("Prices", providers_words.prices(row.code, row.edit)),
    )
    st.markdown("  \n".join(f":gray[{name}] {words}" for name, words in lines))


def _copies(row: ProviderRow, kept: int, *, is_drawn: bool) -> None:
    count = f" {providers_words.count(kept)} kept" if kept else " none kept"
    st.markdown(f":gray[Photos] {providers_words.policy(row, is_drawn)}{count}")
    lines = [providers_words.terms(row)]
    if row.rehosting is Rehosting.STORE and row.rehosting_reason:
        lines.insert(0, f"Copied because: {plain(row.rehosting_reason)}")
    if is_drawn:
        real = "" if row.rehosting is Rehosting.STORE else " Real ones are only referenced."
        lines.insert(0, f"In the sandbox its photos are copied: they are drawn, nobody's.{real}")
    fine_print(*lines)


def _buttons(row: ProviderRow, *, is_paused: bool) -> None:
    with st.container(horizontal=True, gap="xsmall"):
        st.button(
            "Edit",
            key=f"provider_{row.code}_edit",
            icon=":material/edit:",
            on_click=providers_edit.ask,
            args=(row,),
        )
        if is_paused:
            st.button(
                "Resume",
                key=f"provider_{row.code}_resume",
                icon=":material/play_arrow:",
                help="It is asked again at once, and what waits for it begins.",
                on_click=_resume,
                args=(row.code,),
            )
        else:
            st.button(
                "Pause",
                key=f"provider_{row.code}_pause",
                icon=":material/pause:",
                help="For some minutes, hours or days.",
                on_click=providers_pause.ask,
                args=(row,),
            )
        copies = row.rehosting is Rehosting.STORE
        st.button(
            "Reference only" if copies else "Keep copies",
            key=f"provider_{row.code}_copies",
            icon=":material/link:" if copies else ":material/content_copy:",
            help="You see first what that means.",
            on_click=providers_copies.ask,
            args=(row,),
        )


def _refresh() -> None:
    providers_asked.forget_note()
    providers_read.forget_counts()


def _resume(code: str) -> None:
    said = providers_asked.attempt(lambda engine, actor: actions.resume_provider(engine, code, actor=actor))
    providers_asked.set_note(code, said)

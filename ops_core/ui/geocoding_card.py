"""One search for one venue at one provider: what was found, and what a person can decide about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ops_core import actions
from ops_core.analytics.match_frames import STATES, score_colour
from ops_core.db.match_lists import Listed
from ops_core.domain.matches import Candidate, MatchState, Refusal, details_kept_until, metres
from ops_core.domain.place_links import map_of, page_of, site_of
from ops_core.domain.provider_edits import price
from ops_core.domain.providers import why_details_go
from ops_core.ui import badges, geocoding_cached, notices, retries_controls
from ops_core.ui.fine_print import fine_print
from ops_core.ui.markdown import link, plain
from ops_core.ui.words_of_time import moment

#: Session key: why the last decision was not carried out, by the match it was about.
_NOTES = "geo_notes"
_ICONS = {
    MatchState.MATCHED: "check_circle",
    MatchState.REVIEW: "person_search",
    MatchState.NONE: "search_off",
    MatchState.CONFIRMED: "verified",
    MatchState.REJECTED: "block",
}


def card(row: Listed, key: str, *, names: Mapping[str, str], zone: str, may_decide: bool) -> None:
    """The search and its candidates; widgets are told apart by `key`."""
    name = names.get(row.match.provider, row.match.provider)
    _head(row, names, zone)
    note(row)
    if not row.match.candidates:
        fine_print("No candidates: type the id below if you know it.")
        _again(row, key, name, may_decide=may_decide)
    elif row.match.details_dropped_at is not None:
        _dropped(row, key, name, may_decide=may_decide)
    for place, candidate in enumerate(row.match.candidates):
        with st.container(border=True, gap="xxsmall", key=f"{key}_candidate_{place}"):
            _candidate(row, candidate, f"{key}_{place}", name, may_decide=may_decide)
    _decide(row, key, name, may_decide=may_decide)


def note(row: Listed) -> None:
    """Why the last decision about this match was not carried out, if it was not."""
    said = st.session_state.get(_NOTES, {}).get((row.match.venue_id, row.match.provider))
    if said:
        st.warning(plain(said), icon=":material/info:")


def forget_notes() -> None:
    """For callbacks: a person has moved on."""
    st.session_state.pop(_NOTES, None)


def state_badge(state: MatchState) -> str:
    """What became of a search, as Markdown."""
    word, colour = STATES[state]
    return badges.badge(word, colour, _ICONS[state])


def _head(row: Listed, names: Mapping[str, str], zone: str) -> None:
    match = row.match
    st.markdown(
        f"**{plain(row.venue)}** {badges.provider_badge(match.provider, names)} {state_badge(match.state)}"
    )
    facts = [plain(part) for part in (row.address, row.city) if part]
    facts.append(f"venue {match.venue_id}")
    facts.append(f"searched {moment(match.searched_at, zone)}")
    if match.decided_by and match.decided_at:
        facts.append(f"decided by {plain(match.decided_by)}, {moment(match.decided_at, zone)}")
    if spot := map_of(row.latitude, row.longitude):
        facts.append(link("venue on a map", spot))
    until = details_kept_until(match.provider, match.searched_at)
    if until and match.state is MatchState.REVIEW and match.candidates and not match.details_dropped_at:
        facts.append(f"details are kept until {moment(until, zone)}")
    fine_print(" · ".join(facts))
    if match.reason:
        st.markdown(plain(match.reason))
    if row.venue_has and row.venue_has != match.place_id:
        st.markdown(f":small[The venue has the id] `{plain_code(row.venue_has)}` :small[now, from a list.]")


def _dropped(row: Listed, key: str, provider: str, *, may_decide: bool) -> None:
    """That names and addresses are gone, and how to see them again."""
    match = row.match
    has_pages = any(page_of(match.provider, each.place_id) for each in match.candidates)
    ways = [f"open a place at {plain(site_of(match.provider, provider))}"] if has_pages else []
    if row.venue_has is None:
        ways.append("search again")
    see = f" To see them, {' or '.join(ways)}." if ways else ""
    why = plain(why_details_go(match.provider, provider))
    st.info(
        f"**Details are no longer kept: {why}.** Names, addresses and coordinates of these places were "
        f"dropped; ids, scores and distances stay.{see}",
        icon=":material/auto_delete:",
    )
    _again(row, key, provider, may_decide=may_decide)


def _again(row: Listed, key: str, provider: str, *, may_decide: bool) -> None:
    """A button that searches once more, unless there is nothing to search for."""
    match = row.match
    if row.venue_has is not None:
        return  # an id that is there is not searched for
    usd = geocoding_cached.search_prices().get(match.provider)
    cost = f" About {plain(price(usd))}, at one call." if usd else ""
    gives_way = " What was decided gives way to what is found." if match.state.by_person else ""
    st.button(
        f"Search again at {provider}",
        key=f"{key}_again",
        icon=":material/travel_explore:",
        disabled=not may_decide,
        help=f"Only for this venue, and only there.{cost}{gives_way}{retries_controls.who(may_decide)}",
        on_click=search_again,
        args=(row, provider),
    )


def _candidate(row: Listed, candidate: Candidate, key: str, provider: str, *, may_decide: bool) -> None:
    match = row.match
    is_taken = match.state.has_id and candidate.place_id == match.place_id
    told, act = st.columns([5, 2], vertical_alignment="center")
    with told:
        marks = badges.badge(f"Score {candidate.score:.2f}", score_colour(candidate), "target")
        if is_taken:
            marks += " " + badges.badge("The venue's id", "green", "check")
        if candidate.refused is not None:
            marks += " " + badges.badge(_refused_words(candidate), "gray", "block")
        called = plain(candidate.name) if candidate.name else f"`{plain_code(candidate.place_id)}`"
        st.markdown(f"**{called}** {marks}")
        far = "distance unknown" if candidate.distance_m is None else metres(candidate.distance_m)
        facts = [f"**{far}**", f"name **{candidate.name_score:.0%}** alike"]
        if candidate.address:
            facts.append(plain(candidate.address))
        fine_print(" · ".join(facts), " · ".join(_links(match.provider, provider, candidate)))
    with act, st.container(horizontal=True, horizontal_alignment="right"):
        if is_taken:
            return
        final = candidate.refused is not None and candidate.refused.is_final
        st.button(
            "This is it",
            key=f"{key}_this",
            icon=":material/check:",
            type="primary" if match.state is MatchState.REVIEW and candidate.refused is None else "secondary",
            disabled=final or not may_decide,
            help=_why_not(candidate, may_decide)
            or f"Gives the venue this id of {provider}; its photos follow.",
            on_click=decide,
            args=(row, candidate.place_id),
        )


def _links(code: str, provider: str, candidate: Candidate) -> list[str]:
    links = [f"`{plain_code(candidate.place_id)}`"] if candidate.name else []
    if page := page_of(code, candidate.place_id, candidate.name):
        links.append(link(f"open at {site_of(code, provider)}", page))
    if spot := map_of(candidate.latitude, candidate.longitude):
        links.append(link("on a map", spot))
    return links


def _refused_words(candidate: Candidate) -> str:
    if candidate.refused is Refusal.TAKEN and candidate.taken_by is not None:
        return f"venue {candidate.taken_by} has this id"
    return candidate.refused.words if candidate.refused else ""


def _why_not(candidate: Candidate, may_decide: bool) -> str:
    if not may_decide:
        return retries_controls.who(may_decide).strip()
    if candidate.refused is not None and candidate.refused.is_final:
        return f"Cannot be chosen: {_refused_words(candidate)}."
    return ""


def _decide(row: Listed, key: str, provider: str, *, may_decide: bool) -> None:
    """What concerns no single candidate: none of them, or another id."""
    match = row.match
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"{key}_decide"):
        if match.state is not MatchState.REJECTED:
            _none(row, key, provider, may_decide=may_decide)
        box = st.popover(
            "Another id",
            key=f"{key}_other",
            icon=":material/edit:",
            disabled=not may_decide,
            help="Type the id yourself." + retries_controls.who(may_decide),
            on_change="rerun",
        )
        if box.open:
            with box:
                typed = f"{key}_typed"
                st.text_input(f"Id of the venue at {provider}", key=typed, max_chars=400)
                st.button(
                    "Use this id",
                    key=f"{key}_use",
                    icon=":material/check:",
                    type="primary",
                    on_click=_decide_typed,
                    args=(row, typed),
                )


def _none(row: Listed, key: str, provider: str, *, may_decide: bool) -> None:
    takes_away = row.match.state.has_id and row.venue_has == row.match.place_id
    help_text = f"No place found at {provider} is this venue; it is not searched for there again."
    if not takes_away:
        st.button(
            "None of these" if row.match.candidates else "It is not there",
            key=f"{key}_none",
            icon=":material/block:",
            disabled=not may_decide,
            help=help_text + retries_controls.who(may_decide),
            on_click=decide,
            args=(row, None),
        )
        return
    box = st.popover(
        "Not this place",
        key=f"{key}_none",
        icon=":material/block:",
        disabled=not may_decide,
        help="Asks once more." + retries_controls.who(may_decide),
        on_change="rerun",
    )
    if box.open:
        with box:
            st.markdown(
                f"The id is taken away from the venue, which is not searched for at {plain(provider)} again. "
                "Photos that came with it stay as they are."
            )
            st.button(
                "Take the id away",
                key=f"{key}_none_now",
                icon=":material/block:",
                type="primary",
                on_click=decide,
                args=(row, None),
            )


def decide(row: Listed, place_id: str | None) -> None:
    """For callbacks: carry out a decision about what was drawn, as who is here now."""
    match = row.match
    forget_notes()
    done: list[actions.Decided] = []

    def act(engine: Any, actor: Any) -> None:
        seen = actions.Seen(state=match.state, venue_has=row.venue_has)
        done.append(
            actions.choose_match(engine, match.venue_id, match.provider, place_id, actor=actor, seen=seen)
        )

    said = retries_controls.attempt(act)
    geocoding_cached.forget()
    if said:
        st.session_state[_NOTES] = {(match.venue_id, match.provider): said}
    for each in done:
        notices.keep(plain(each.words))


def search_again(row: Listed, provider: str) -> None:
    """For callbacks: search for the venue at `provider` once more, as who is here now."""
    match = row.match
    forget_notes()
    done: list[actions.SearchesQueued] = []

    def act(engine: Any, actor: Any) -> None:
        done.append(
            actions.find_venue_ids(
                engine, [match.venue_id], actor=actor, force=match.state.by_person, only=[match.provider]
            )
        )

    said = retries_controls.attempt(act)
    geocoding_cached.forget()
    if said:
        st.session_state[_NOTES] = {(match.venue_id, match.provider): said}
    for queued in done:
        where = f"{plain(row.venue)} at {plain(provider)}"
        notices.keep(
            f"A search for {where} is queued."
            if queued.job_ids
            else f"{plain(row.venue)} is being searched for already."
        )


def _decide_typed(row: Listed, key: str) -> None:
    typed = str(st.session_state.get(key) or "").strip()
    if typed:
        decide(row, typed)
    else:
        st.session_state[_NOTES] = {(row.match.venue_id, row.match.provider): "Type the id first."}


def plain_code(text: str) -> str:
    """`text` between backticks: without any of its own."""
    return text.replace("`", "'")

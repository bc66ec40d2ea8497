"""Cards with figures, and the strip that says what is under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import streamlit as st

from ops_core.db.figures import PeriodFigures, Sums
from ops_core.db.health import ALIVE_SECONDS, COUNT_LIMIT, OpenFailures
from ops_core.ui import badges, cached, geocoding_cached, retries_cached, retries_providers
from ops_core.ui.fine_print import fine_print
from ops_core.ui.frame import database

#: Pixels of a card with a course: little enough that the table begins on the first screen.
CARD_HEIGHT = 194

#: Seconds between two looks of the strip at what is under way.
STRIP_SECONDS = 5


def figure_cards(figures: PeriodFigures) -> None:
    """The four figures of the operations that match, with their course and the period before."""
    with st.grid(4, min_column_width=165, gap="small"):
        _figure(
            figures,
            lambda sums: sums.jobs,
            "Operations",
            "Finished jobs that match the filters.",
            better=None,
        )
        _figure(
            figures,
            lambda sums: sums.uploaded,
            "Images uploaded",
            "Photos that these operations brought into the store.",
            colour="green",
            better="normal",
        )
        _figure(
            figures,
            lambda sums: sums.failed_now,
            "Images failed",
            "Photos that are failed now and whose latest try was by one of these operations. The number "
            "falls when a retry brings them in.",
            colour="red",
            better="inverse",
        )
        _figure(
            figures,
            lambda sums: sums.retryable_now,
            "Retryable failures",
            "Of the failed images, those that automatic retries may still touch: their error is transient "
            "(rate limits, timeouts, network errors, HTTP 502 to 504), and fewer than three retries "
            "were made.",
            colour="orange",
            better="inverse",
        )


def _figure(
    figures: PeriodFigures,
    of: Callable[[Sums], int],
    label: str,
    help_text: str,
    *,
    colour: str | None = None,
    better: Literal["normal", "inverse"] | None,
) -> None:
    """One card: the sum that `of` takes, its course, and its change against the period before."""
    count, series = of(figures.this), [of(part) for part in figures.series]
    before = None if figures.before is None else of(figures.before)
    text = f"{count:,}"
    st.metric(
        label,
        f":{colour}[{text}]" if colour and count else text,
        help=f"{help_text} Filters choose whole operations: all their images count, whichever provider or "
        "error they have. The change is against the period of the same length just before.",
        border=True,
        height=CARD_HEIGHT,
        delta=None if before is None else _change(count, before),
        delta_color="off" if better is None or not before or count == before else better,
        delta_arrow="auto" if before and count != before else "off",
        chart_data=series if len(series) > 1 else None,
        chart_type="area",
    )


def _change(count: int, before: int) -> str:
    """ "+12 (8 %)"; a minus sign is what turns Streamlit's arrow."""
    if not before:
        return "none before"
    if count == before:
        return f"same as before ({before:,})"
    return f"{count - before:+,} ({(count - before) / before:+.0%}) vs {before:,} before"


def failure_cards(failures: OpenFailures) -> None:
    """Failed images by what can be done about them."""
    with st.grid(4, min_column_width=160):
        _card(
            "Need a decision",
            failures.ambiguous,
            "Failed images whose error could be temporary or final: a person has to look.",
            "violet",
        )
        _card(
            "Retries used up",
            failures.given_up,
            "Images that failed with a transient error and again on each of three automatic retries.",
            "red",
        )
        _card(
            "Cannot succeed",
            failures.permanent,
            "Failed images with a permanent error, such as not found: trying again does not help.",
            "gray",
        )
        _card(
            "Retryable",
            failures.transient,
            "Failed images with a transient error that have automatic retries left.",
            "orange",
        )


@st.fragment(run_every=f"{STRIP_SECONDS}s")
def underway_strip() -> None:
    """Jobs waiting and running, and whether anybody works on them; looks again by itself."""
    with database():
        now = cached.underway()
        parts = [
            f":blue-badge[:material/autorenew: {amount(now.jobs.running)} running]",
            f":gray-badge[:material/schedule: {amount(now.jobs.waiting)} waiting]",
            _process_badge(now, "worker"),
            _process_badge(now, "dispatcher"),
        ]
        st.markdown(" ".join(parts))
        if not now.alive("worker"):
            _nobody_works(now)


@st.fragment(run_every=f"{STRIP_SECONDS}s")
def running_now() -> None:
    """The head of the open retries, and whether there are any; looks again by itself."""
    with database(), st.container(horizontal=True, vertical_alignment="bottom"):
        st.subheader("Running now", anchor=False, width="content")
        if not retries_cached.all_open().requests:
            st.caption("No retry is open.", width="content")
        st.space("stretch")
        st.page_link("pages/retries.py", label="All retries", icon=":material/arrow_forward:")


@st.fragment(run_every=f"{STRIP_SECONDS}s")
def overview(zone: str) -> None:
    """What needs a person, and how the parts are; looks again by itself."""
    with database():
        now, failures = cached.underway(), cached.open_failures()
        st.subheader("Failed images")
        if not failures.need_a_person:
            st.success("No failed image waits for a person.", icon=":material/check_circle:")
        failure_cards(failures)
        _searches_and_providers(zone)
        st.subheader("The system")
        if not now.alive("worker"):
            _nobody_works(now)
        system_cards(now)


def _searches_and_providers(zone: str) -> None:
    """Searches that wait for a choice, and providers that are not asked now; nothing if there is neither."""
    searches, providers = geocoding_cached.to_choose(), retries_cached.providers_not_asked()
    if not searches and not providers.providers:
        return
    st.subheader("Searches and providers")
    if searches:
        wait = "search waits" if searches == 1 else "searches wait"
        st.page_link(
            "pages/geocoding.py",
            label=f"{amount(searches)} {wait} for somebody to choose the right place",
            icon=":material/travel_explore:",
        )
    for provider in providers.providers:
        with st.container(gap="xxsmall"):
            badge = badges.provider_badge(provider.code, cached.provider_names())
            st.markdown(" ".join([badge, *retries_providers.marks(provider)]))
            fine_print(*retries_providers.waits(provider, providers.now, zone))


def system_cards(now: cached.Underway) -> None:
    """Work in hand, and the health of the parts from their heartbeats."""
    with st.grid(4, min_column_width=160):
        _card("Running jobs", now.jobs.running, "Jobs in a worker's hands.", "blue")
        _card("Waiting jobs", now.jobs.waiting, "Jobs that wait for a worker, or for another try.")
        for kind in ("worker", "dispatcher"):
            alive = now.alive(kind)
            ages = now.heard.get(kind)
            st.metric(
                f"{kind.capitalize()}s alive",
                f":green[{alive}]" if alive else ":red[0]",
                help=f"Processes heard of within {ALIVE_SECONDS} seconds.",
                border=True,
                height="stretch",
                delta=f"heard {ago(ages[0])}" if ages else "never heard of",
                delta_color="off",
                delta_arrow="off",
            )


def amount(count: int) -> str:
    """A bounded count as people read it: "1,250", or "10,000+" where counting stopped."""
    return f"{COUNT_LIMIT:,}+" if count > COUNT_LIMIT else f"{count:,}"


def ago(seconds: float) -> str:
    """How long ago, in the largest unit that fits."""
    if seconds < 60:
        return f"{max(0, round(seconds))} s ago"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.0f} h ago"


def _card(label: str, count: int, help_text: str, colour: str | None = None) -> None:
    text = amount(count)
    st.metric(
        label,
        f":{colour}[{text}]" if colour and count else text,
        help=help_text,
        border=True,
        height="stretch",
    )


def _process_badge(now: cached.Underway, kind: str) -> str:
    alive = now.alive(kind)
    if alive:
        plural = "s" if alive > 1 else ""
        return (
            f":green-badge[:material/check_circle: {alive} {kind}{plural}, heard {ago(now.heard[kind][0])}]"
        )
    return f":red-badge[:material/error: no {kind}]"


def _nobody_works(now: cached.Underway) -> None:
    ages = now.heard.get("worker")
    last = f"The last one was heard of {ago(ages[0])}. " if ages else ""
    st.warning(
        f"{last}Waiting jobs stay where they are until one starts: `venue-ops up` starts everything, "
        "`venue-ops worker` one worker.",
        title="No worker is running",
        icon=":material/engineering:",
    )

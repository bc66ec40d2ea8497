"""The filter bar: quick views, dates, and one widget for each part of the choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import streamlit as st

from ops_core.analytics.frames import error_label, kind_label, outcome_label
from ops_core.db.facets import Facets
from ops_core.domain.errors import ErrorType
from ops_core.domain.filters import SHORTEST_TEXT, Period, View, tidy, too_short
from ops_core.domain.jobs import JobKind, JobOutcome
from ops_core.ui import place, tables
from ops_core.ui.address_filters import Choice
from ops_core.ui.markdown import plain
from ops_core.ui.viewer import zone_name

VIEWS = {
    View.ALL: ":material/list: All",
    View.CITIES: ":material/location_city: City backfills",
    View.VENUES: ":material/storefront: Individual venues",
    View.PARTIAL: ":material/rule: Partial failures",
    View.FAILED: ":material/error: Failed only",
}
PERIODS = {
    Period.TODAY: "Today",
    Period.WEEK: "7 days",
    Period.MONTH: "30 days",
    Period.EVER: "All time",
    Period.CUSTOM: "Custom",
}

if TYPE_CHECKING:
    from ops_core.ui.charts import Pick

#: Keys of the widgets. `_VIEW` is drawn always, so that it tells whether the page was left.
_VIEW, _PERIOD, _DAYS = "f_view", "f_period", "f_days"
_PROVIDER, _ERROR, _STATUS, _KIND, _CITY, _VENUE, _TEXT = (
    "f_provider",
    "f_error",
    "f_status",
    "f_kind",
    "f_city",
    "f_venue",
    "f_text",
)
#: Pixels of a filter: wide enough to read what was chosen.
_NARROWEST = 215
_NO_DATES: dict[str, Any] = {"first": None, "last": None, "since": None, "until": None}


def arrive() -> None:
    """Take up what the address says, if it says something new, and keep it saying what is shown."""
    arrived = place.arrive(_VIEW)
    if arrived:
        tables.untick()
    if arrived or _VIEW not in st.session_state:
        _fill(place.here().choice)
    place.tell(arrived=arrived)


def set_choice(choice: Choice) -> None:
    """For callbacks: take up `choice`, and show it in the widgets."""
    tables.untick()
    place.choose(choice)
    _fill(choice)


def clear() -> None:
    """For callbacks: no filter, and the usual dates."""
    set_choice(Choice())


def all_time() -> None:
    """For callbacks: the same filters without dates."""
    set_choice(replace(place.here().choice, period=Period.EVER, **_NO_DATES))


def narrow(pick: Pick) -> None:
    """For callbacks: the same filters, narrowed to what stands behind a point of a chart."""
    choice = place.here().choice
    set_choice(
        replace(
            choice,
            period=Period.CUSTOM if pick.since and pick.until else choice.period,
            first=None if pick.since else choice.first,
            last=None if pick.since else choice.last,
            since=pick.since or choice.since,
            until=pick.until or choice.until,
            error_types=(pick.error_type,) if pick.error_type else choice.error_types,
            providers=(pick.provider,) if pick.provider else choice.providers,
        )
    )


def views(now: datetime, zone: ZoneInfo) -> None:
    """The quick views and the dates."""
    left, right = st.columns([1, 1], vertical_alignment="bottom")
    with left:
        st.tabs(list(VIEWS.values()), key=_VIEW, on_change=_changed)
    with right, st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="bottom"):
        if place.here().choice != Choice():
            st.button(
                "Clear all",
                key="clear_filters",
                icon=":material/filter_alt_off:",
                type="tertiary",
                on_click=clear,
            )
        if place.here().choice.period is Period.CUSTOM:
            st.date_input(
                "From and to",
                key=_DAYS,
                max_value=_latest(now, zone),
                on_change=_days_changed,
                label_visibility="collapsed",
                width=220,
            )
        st.segmented_control(
            "When operations finished",
            list(PERIODS),
            format_func=lambda period: PERIODS[period],
            key=_PERIOD,
            required=True,
            on_change=_changed,
            label_visibility="collapsed",
        )


def bar(facets: Facets, names: Mapping[str, str]) -> None:
    """All other filters; the choices are those that exist in the chosen dates, with their operations."""
    choice = place.here().choice
    with st.grid("auto", min_column_width=_NARROWEST, gap="small"):
        _pick("Provider", _PROVIDER, facets.providers, choice.providers, lambda code: names.get(code, code))
        _pick("Error type", _ERROR, facets.error_types, choice.error_types, _error_words)
        _pick("Status", _STATUS, facets.outcomes, choice.outcomes, outcome_label)
        _pick("Kind", _KIND, facets.kinds, choice.kinds, kind_label)
        cities = {city.id: city for city in facets.cities}
        _pick(
            "City",
            _CITY,
            {city_id: city.jobs for city_id, city in cities.items()},
            choice.cities,
            lambda city_id: cities[city_id].name if city_id in cities else f"City {city_id}",
        )
        st.text_input("Venue", key=_VENUE, placeholder="Name or id", type="search", on_change=_changed)
        st.text_input(
            "Search",
            key=_TEXT,
            placeholder="Summary or id",
            type="search",
            on_change=_changed,
        )
    if choice.since and choice.until:
        begin, end = (bound.astimezone(ZoneInfo(zone_name())) for bound in (choice.since, choice.until))
        st.caption(
            f":material/schedule: Finished between **{begin:%d %b %H:%M:%S}** and **{end:%d %b %H:%M:%S}**, "
            "as picked in a chart."
        )
    for label, words in (("Venue", choice.venue), ("Search", choice.text)):
        if too_short(words):
            st.caption(
                f":material/info: {label} “{plain(words)}” is too short to filter by: "
                f"type at least {SHORTEST_TEXT} letters, or a number for an id."
            )


def _pick(
    label: str, key: str, counts: Mapping[Any, int], chosen: Iterable[Any], words: Callable[[Any], str]
) -> None:
    """Several of the values that exist; what was chosen stays on offer when it exists no more."""
    options = list(counts) + [value for value in chosen if value not in counts]
    st.multiselect(
        label,
        options,
        format_func=lambda value: f"{words(value)} ({counts.get(value, 0):,})",
        key=key,
        placeholder="Any",
        on_change=_changed,
    )


def _fill(choice: Choice) -> None:
    state = st.session_state
    state[_VIEW] = VIEWS[choice.view]
    state[_PERIOD] = choice.period
    state[_PROVIDER] = list(choice.providers)
    state[_ERROR] = list(choice.error_types)
    state[_STATUS] = list(choice.outcomes)
    state[_KIND] = list(choice.kinds)
    state[_CITY] = list(choice.cities)
    state[_VENUE], state[_TEXT] = choice.venue, choice.text
    if choice.period is Period.CUSTOM:
        zone = ZoneInfo(zone_name())
        days = (
            [bound.astimezone(zone).date() for bound in (choice.since, choice.until)]
            if choice.since and choice.until
            else [day for day in (choice.first, choice.last) if day]
        )
        state[_DAYS] = tuple(days)


def _days_changed() -> None:
    _changed(days_changed=True)


def _changed(days_changed: bool = False) -> None:
    """Take the choice from the widgets; instants that a chart gave stay until the days are changed."""
    state = st.session_state
    period = Period(state[_PERIOD] or Period.WEEK)
    first, last = _days(period)
    choice = Choice(
        view=next(view for view, label in VIEWS.items() if label == state[_VIEW]),
        providers=tuple(state[_PROVIDER]),
        error_types=tuple(map(ErrorType, state[_ERROR])),
        outcomes=tuple(map(JobOutcome, state[_STATUS])),
        kinds=tuple(map(JobKind, state[_KIND])),
        cities=tuple(state[_CITY]),
        venue=tidy(state[_VENUE] or ""),
        text=tidy(state[_TEXT] or ""),
        period=period,
        first=first,
        last=last,
    )
    before = place.here().choice
    if period is Period.CUSTOM and first is None:
        today = datetime.now(ZoneInfo(zone_name())).date()
        choice = replace(choice, first=today, last=today)
        state[_DAYS] = (today, today)
    elif period is Period.CUSTOM and before.since and not days_changed:
        choice = replace(choice, first=None, last=None, since=before.since, until=before.until)
    tables.untick()
    place.choose(choice)


def _days(period: Period) -> tuple[date | None, date | None]:
    if period is not Period.CUSTOM or _DAYS not in st.session_state:
        return None, None
    days = cast("tuple[date, ...]", st.session_state[_DAYS])
    return (days[0], days[-1]) if days else (None, None)


def _latest(now: datetime, zone: ZoneInfo) -> date:
    return max([now.astimezone(zone).date(), *st.session_state.get(_DAYS, ())])


def _error_words(error_type: str) -> str:
    return error_label(error_type) or error_type

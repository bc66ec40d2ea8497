"""When and how a retry is to go: the choices in the dialog before it, folded away until wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

import streamlit as st

from ops_core.domain.off_peak import OffPeak
from ops_core.domain.retry_options import Options, When
from ops_core.domain.retry_plan import counted
from ops_core.ui import off_peak_strip, retry_sentences


class Speed(StrEnum):
    """What bounds how fast images begin, beside the providers' limits."""

    LIMITS = "Full speed"
    PER_HOUR = "Images an hour"
    PER_DAY = "Dollars a day"


#: Keys of the fields; what is chosen is read from them at the click as well.
WHEN, DAY, CLOCK, SPEED = "retry_when", "retry_day", "retry_clock", "retry_speed"
PER_HOUR, PER_DAY, SAMPLED, SAMPLE, SHARE = (
    "retry_per_hour",
    "retry_per_day",
    "retry_sampled",
    "retry_sample",
    "retry_share",
)
OVERRIDE, REASON = "retry_override", "retry_reason"
_KEYS = (WHEN, DAY, CLOCK, SPEED, PER_HOUR, PER_DAY, SAMPLED, SAMPLE, SHARE, OVERRIDE, REASON)

_WHEN = {When.NOW: "Now", When.AT: "At a time", When.OFF_PEAK: "Off-peak"}
#: What the fields begin with.
_FIRST = {
    WHEN: When.NOW,
    SPEED: Speed.LIMITS,
    PER_HOUR: 100,
    PER_DAY: 5.0,
    SAMPLED: False,
    SAMPLE: 20,
    SHARE: 80,
    OVERRIDE: False,
    REASON: "",
}
#: Characters of a reason; enough for two sentences.
REASON_LENGTH = 300


class NotYet(ValueError):
    """What is chosen cannot be ordered as it stands; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the fields say: options, or what has to change first."""

    options: Options | None
    problem: str = ""


def forget() -> None:
    """Begin with the usual choices: nobody finds those of the dialog before."""
    for key in _KEYS:
        st.session_state.pop(key, None)


def chosen(off_peak: OffPeak | None, *, now: datetime, zone: str) -> Choice:
    """What the fields say at this moment, for a viewer in `zone`."""
    state = st.session_state
    # a segment can be clicked off
    when, speed = state.get(WHEN) or When.NOW, state.get(SPEED) or Speed.LIMITS
    try:
        return Choice(
            Options(
                when=when,
                at=_begin(when, off_peak, now, zone),
                per_hour=_number(PER_HOUR, "images an hour") if speed == Speed.PER_HOUR else None,
                usd_per_day=_dollars() if speed == Speed.PER_DAY else None,
                sample=_number(SAMPLE, "images for the sample") if state.get(SAMPLED) else 0,
                sample_share=state.get(SHARE, _FIRST[SHARE]) / 100 if state.get(SAMPLED) else 0.8,
                override=bool(state.get(OVERRIDE)),
            )
        )
    except ValueError as wrong:
        return Choice(None, str(wrong))


def reason() -> str:
    """Why final failures are tried too; empty if they are not, or nothing was said."""
    state = st.session_state
    return (state.get(REASON) or "").strip() if state.get(OVERRIDE) else ""


def instant(day: date, clock: time, zone: str) -> datetime:
    """The instant at which clocks in `zone` show that. Raises `NotYet` where they skip it."""
    local = datetime.combine(day, clock, ZoneInfo(zone))
    if local.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise NotYet(
            f"There is no {clock:%H:%M} on {day.day} {day:%b %Y} in {zone}: clocks are put forward over it. "
            "Choose another time."
        )
    return local.astimezone(UTC)


def draw(images: int, find_off_peak: Callable[[], OffPeak], *, now: datetime, zone: str) -> None:
    """The fields; `find_off_peak` is asked once off-peak is wanted."""
    _begin_with_the_usual()
    _when(find_off_peak, now, zone)
    st.segmented_control(
        "How fast",
        list(Speed),
        key=SPEED,
        required=True,
        help="Full speed is as fast as the providers' limits allow; no choice goes beyond them.",
    )
    if st.session_state[SPEED] == Speed.PER_HOUR:
        st.number_input("At most so many images an hour", 1, 1_000_000, step=10, key=PER_HOUR)
    elif st.session_state[SPEED] == Speed.PER_DAY:
        st.number_input(
            "At most so many US dollars a day",
            0.01,
            1_000_000.0,
            step=1.0,
            format="%.2f",
            key=PER_DAY,
        )
    st.toggle(
        "Try a sample first",
        key=SAMPLED,
        help="Some of the images, drawn from all providers and errors, are tried before the others.",
    )
    if st.session_state[SAMPLED]:
        first, go_on = st.columns(2)
        first.number_input("Images in the sample", 1, 10_000, step=5, key=SAMPLE)
        go_on.number_input("Go on if so many % come in", 0, 100, step=5, key=SHARE)
        note = "Then it goes on by itself, or stops and shows why."
        if (st.session_state[SAMPLE] or 0) >= images:
            note = "All images fit into this sample: there is nothing to go on with."
        st.caption(note)


def draw_override(final: int, more: int) -> None:
    """Trying the `final` images that the rules leave out; `more` of them are tried once that is chosen."""
    _begin_with_the_usual()
    st.markdown(
        f"Left alone by the rules: **{counted(final, 'image')}**. Another try usually fails again, and its "
        "calls are charged all the same. The order is recorded with your name and reason."
    )
    st.checkbox("Try them all the same", key=OVERRIDE)
    if st.session_state[OVERRIDE]:
        st.warning(f"{counted(more, 'image')} more than the rules allow.", icon=":material/warning:")
        st.text_input(
            "Reason",
            key=REASON,
            max_chars=REASON_LENGTH,
            placeholder="Why it should work this time",
        )


def _when(find_off_peak: Callable[[], OffPeak], now: datetime, zone: str) -> None:
    st.segmented_control("When", list(_WHEN), format_func=_WHEN.__getitem__, key=WHEN, required=True)
    if st.session_state[WHEN] == When.AT:
        soon = now.astimezone(ZoneInfo(zone)).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        st.session_state.setdefault(DAY, soon.date())
        st.session_state.setdefault(CLOCK, soon.time())
        day, clock = st.columns(2)
        day.date_input("Day", key=DAY, format="YYYY-MM-DD")
        clock.time_input(f"Time ({zone})", key=CLOCK, step=900)
    elif st.session_state[WHEN] == When.OFF_PEAK:
        off_peak_strip.draw(find_off_peak(), zone=zone)


def _begin_with_the_usual() -> None:
    for key, value in _FIRST.items():
        st.session_state.setdefault(key, value)


def _begin(when: When, off_peak: OffPeak | None, now: datetime, zone: str) -> datetime | None:
    if when == When.NOW:
        return None
    if when == When.OFF_PEAK:
        if off_peak is None:
            raise NotYet("The off-peak hour is being looked for.")
        return off_peak.start
    day, clock = st.session_state.get(DAY), st.session_state.get(CLOCK)
    if day is None or clock is None:
        raise NotYet("Choose a day and a time.")
    at = instant(day, clock, zone)
    if at <= now:
        raise NotYet(
            f"{retry_sentences.instant(at, zone)} is over: it is {now.astimezone(ZoneInfo(zone)):%H:%M} now. "
            "Choose a later time, or Now."
        )
    return at


def _number(key: str, what: str) -> int:
    value = st.session_state.get(key, _FIRST[key])
    if value is None:
        raise NotYet(f"Give a number of {what}.")
    return int(value)


def _dollars() -> Decimal:
    value = st.session_state.get(PER_DAY, _FIRST[PER_DAY])
    if value is None:
        raise NotYet("Give an amount of dollars a day.")
    return round(Decimal(str(value)), 2)

"""Whatever stands in the address, filters come of it; and what they say can be said there again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs, urlencode
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.errors import ErrorType
from ops_core.domain.filters import LARGEST_ID, LONGEST_TEXT, Filters, Period, View, tidy, too_short
from ops_core.domain.jobs import JobKind, JobOutcome
from ops_core.ui.address_filters import Choice, choice_from, params_of

NAMES = ("view", "provider", "error", "status", "kind", "city", "venue", "q", "period", "from", "to")
WORDS = [*View, *Period, *ErrorType, *JobOutcome, *JobKind, "1", "#2", "here", "2026-11-22", "9999-12-31", ""]

zones = st.sampled_from(["UTC", "Europe/Warsaw", "Pacific/Kiritimati", "Pacific/Niue", "America/St_Johns"])
instants = st.integers(172_800, 32_503_507_200).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
moments = st.datetimes(timezones=st.sampled_from([None, UTC])).map(datetime.isoformat)
words = st.one_of(
    st.text(max_size=250), st.sampled_from(WORDS), st.integers().map(str), st.dates().map(str), moments
)
addresses = st.one_of(
    st.dictionaries(st.sampled_from([*NAMES, "job", "x"]), st.lists(words, max_size=4)),
    st.fixed_dictionaries(
        {
            "period": st.just(["custom"]),
            "from": st.lists(moments, max_size=1),
            "to": st.lists(moments, max_size=1),
        }
    ),
)
searches = st.text(max_size=40).map(tidy)
days = st.dates(date(1970, 1, 2), date(2999, 12, 31))


def several(values):
    return st.lists(values, max_size=4, unique=True).map(tuple)


@st.composite
def choices(draw: st.DrawFn) -> Choice:
    period = draw(st.sampled_from(Period))
    first = last = since = until = None
    if period is Period.CUSTOM and draw(st.booleans()):
        first, last = draw(days), draw(days)
    elif period is Period.CUSTOM:
        since, until = sorted(draw(st.lists(instants, min_size=2, max_size=2, unique=True)))
    return Choice(
        view=draw(st.sampled_from(View)),
        providers=draw(several(searches.filter(bool))),
        error_types=draw(several(st.sampled_from(ErrorType))),
        outcomes=draw(several(st.sampled_from(JobOutcome))),
        kinds=draw(several(st.sampled_from(JobKind))),
        cities=draw(several(st.integers(1, LARGEST_ID))),
        venue=draw(searches),
        text=draw(searches),
        period=period,
        first=first,
        last=last,
        since=since,
        until=until,
    )


@given(addresses, instants, zones)
def test_whatever_stands_in_the_address_becomes_filters_that_a_database_takes(params, now, zone):
    found = choice_from(params).filters(now, ZoneInfo(zone))
    for part in (found.providers, found.error_types, found.outcomes, found.kinds, found.cities):
        assert len(part) <= 100
    for word in (*found.providers, found.venue, found.text):
        assert len(word) <= LONGEST_TEXT
        assert "\x00" not in word
    assert all(0 <= city <= LARGEST_ID for city in found.cities)
    assert not too_short(found.venue)
    assert not too_short(found.text)
    assert found.until is not None
    assert found.since is None or found.since <= found.until <= now


@given(st.text(), instants, zones)
def test_any_line_of_text_is_an_address(line: str, now, zone):
    try:
        params = parse_qs(line, keep_blank_values=True)
    except ValueError:
        return
    assert isinstance(choice_from(params).filters(now, ZoneInfo(zone)), Filters)


@given(choices())
def test_a_choice_is_read_back_as_it_was_written(choice: Choice):
    assert choice_from(params_of(choice)) == choice
    carried = parse_qs(urlencode(params_of(choice), doseq=True), keep_blank_values=True)
    assert choice_from(carried) == choice


@given(addresses)
def test_what_was_read_is_written_and_read_the_same(params):
    choice = choice_from(params)
    assert choice_from(params_of(choice)) == choice


def test_nothing_in_the_address_is_the_usual_choice_and_the_other_way_round():
    assert params_of(Choice()) == {}
    assert choice_from({}) == Choice()
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert choice_from({}).filters(now, ZoneInfo("UTC")) == Filters(since=now - timedelta(days=7), until=now)


@pytest.mark.parametrize(
    ("params", "left_out"),
    [
        ({"city": ["Paris", "-1", "1e3", str(LARGEST_ID + 1)]}, "cities"),
        ({"error": ["nonsense", ""]}, "error_types"),
        ({"status": ["SUCCESS"]}, "outcomes"),
        ({"kind": ["everything"]}, "kinds"),
        ({"view": ["mine"]}, "view"),
        ({"period": ["custom"], "from": ["0001-01-01"], "to": ["next week"]}, "period"),
        ({"period": ["year"]}, "period"),
    ],
)
def test_a_part_of_which_nothing_is_understood_is_as_if_it_were_not_there(params, left_out):
    assert getattr(choice_from(params), left_out) == getattr(Choice(), left_out)
    assert choice_from(params) == Choice()


def test_of_a_part_that_is_said_twice_the_last_counts_and_of_a_choice_of_many_every_one():
    choice = choice_from({"q": ["first", "second"], "city": ["2", "1", "2"], "period": ["today", "30d"]})
    assert choice == Choice(text="second", cities=(2, 1), period=Period.MONTH)

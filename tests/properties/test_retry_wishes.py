"""Words of people become a scope and a time, or a sentence; never a traceback, never another meaning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.errors import ErrorType
from ops_core.domain.filters import LARGEST_ID
from ops_core.domain.retries import Failures, Scope
from ops_core.domain.retry_options import When
from ops_core.domain.retry_wishes import (
    CityName,
    Known,
    Unclear,
    Wish,
    begin,
    error_type,
    expected_time,
    instant,
    options,
    scope,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EARLY, LATE = datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2040-01-01")
ZONES = [UTC, ZoneInfo("Europe/Warsaw"), ZoneInfo("America/St_Johns"), ZoneInfo("Pacific/Apia")]
KNOWN = Known(
    providers=("google_places", "foursquare"),
    cities=(CityName(1, "Kraków", "Poland"), CityName(2, "Paris", "France"), CityName(3, "Paris", "USA")),
)

zones = st.sampled_from(ZONES)
local_times = st.datetimes(min_value=EARLY, max_value=LATE)
moments = local_times.map(lambda at: at.replace(tzinfo=UTC))
ids = st.integers(1, LARGEST_ID)
many = st.lists(ids, max_size=4)


@given(count=st.integers(0, 3000), unit=st.sampled_from("mhdwMHDW"), now=moments, zone=zones)
def test_how_long_ago_is_counted_back_from_now(count: int, unit: str, now: datetime, zone: ZoneInfo) -> None:
    seconds = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}[unit.lower()]
    found = instant(f"{count}{unit}", now=now, zone=zone)
    assert (now - found).total_seconds() == count * seconds
    assert found.tzinfo is UTC


@given(at=moments, zone=zones)
def test_a_time_with_its_own_zone_means_the_same_wherever_it_is_read(at: datetime, zone: ZoneInfo) -> None:
    elsewhere = at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert instant(elsewhere.isoformat(), now=NOW, zone=zone) == at
    assert instant(elsewhere, now=NOW, zone=zone) == at


@given(at=local_times, zone=zones)
def test_a_time_without_a_zone_is_that_of_the_persons_clock(at: datetime, zone: ZoneInfo) -> None:
    found = instant(at.isoformat(), now=NOW, zone=zone)
    assert found == at.replace(tzinfo=zone).astimezone(UTC)
    assert instant(at.date().isoformat(), now=NOW, zone=zone) == instant(at.date(), now=NOW, zone=zone)


@given(now=moments, zone=zones, hour=st.integers(0, 23), minute=st.integers(0, 59))
def test_a_time_of_day_is_the_next_one_of_the_persons_clock(
    now: datetime, zone: ZoneInfo, hour: int, minute: int
) -> None:
    found = begin(f"{hour:02d}:{minute:02d}", now=now, zone=zone)
    assert found > now
    # a day of 25 hours, and a night that skips this very time, are the longest waits
    assert found - now <= timedelta(hours=26)
    local = found.astimezone(zone)
    skipped = local.replace(tzinfo=None) != local.replace(hour=hour, minute=minute, tzinfo=None)
    assert not skipped or local.utcoffset() != (found - timedelta(hours=2)).astimezone(zone).utcoffset()


@given(words=st.text(max_size=20), zone=zones)
def test_any_words_are_a_time_or_a_sentence(words: str, zone: ZoneInfo) -> None:
    for read in (instant, begin):
        try:
            found = read(words, now=NOW, zone=zone)
        except Unclear:
            continue
        assert found.tzinfo is UTC


@given(
    venues=many,
    images=many,
    jobs=many,
    request=st.none() | ids,
    everything=st.booleans(),
    providers=st.lists(st.sampled_from(KNOWN.providers), max_size=2),
    kinds=st.lists(st.sampled_from(ErrorType), max_size=2),
    since=st.none() | st.sampled_from(["7d", "24h", "2026-11-01"]),
)
def test_a_wish_is_one_scope_that_says_all_of_it_or_is_refused(
    venues, images, jobs, request, everything, providers, kinds, since
) -> None:
    wish = Wish(
        venues=venues,
        images=images,
        jobs=jobs,
        request=request,
        everything=everything,
        providers=providers,
        error_types=[kind.value for kind in kinds],
        since=since,
    )
    narrowed = bool(providers or kinds or since)
    kinds_named = [bool(images), bool(jobs), request is not None, everything, bool(venues or narrowed)]
    try:
        found = scope(wish, KNOWN, now=NOW, zone=UTC)
    except Unclear:
        assert sum(kinds_named) != 1
        return
    assert sum(kinds_named) == 1
    if narrowed:
        expected = Scope(
            failures=Failures(
                providers=tuple(providers),
                error_types=tuple(kinds),
                venues=tuple(venues),
                since=None if since is None else instant(since, now=NOW, zone=UTC),
            )
        )
    else:
        expected = Scope(
            venues=tuple(venues),
            images=tuple(images),
            jobs=tuple(jobs),
            request=request,
            everything=everything,
        )
    assert found == expected


@given(kind=st.sampled_from(ErrorType), joined=st.sampled_from(["_", "-", " "]), loud=st.booleans())
def test_an_error_type_is_known_however_it_is_written(kind: ErrorType, joined: str, loud: bool) -> None:
    word = kind.value.replace("_", joined)
    assert error_type(word.upper() if loud else word) is kind


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(), "Say what to retry"),
        (Wish(everything=True, providers=["foursquare"]), "names everything and venues or what failed"),
        (Wish(images=[1], jobs=[2]), "names images and operations: leave one out"),
        (
            Wish(providers=["forsquare"]),
            r'"forsquare"\. Did you mean foursquare\? Known: google_places, foursquare\.',
        ),
        (Wish(error_types=["limited"]), 'no error type "limited".*Known: rate_limited, network_timeout'),
        (Wish(cities=["Lwów"]), 'no city "Lwów"'),
        (Wish(cities=["paris"]), r"2 cities called \"paris\": Paris, France \(#2\); Paris, USA \(#3\)"),
        (Wish(venues=[0]), "0 is no id: the ids of venues"),
        (Wish(jobs=[LARGEST_ID + 1]), "the ids of operations"),
        (Wish(since="yesterday"), '"yesterday" is no time'),
        (Wish(since=""), '"" is no time'),
        (Wish(since="2027-01-01"), "still to come"),
        (Wish(since="1d", until="2d"), "begin of the time must be before its end"),
        (Wish(since="999999w"), '"999999w" is no time'),
    ],
)
def test_what_makes_no_scope_is_said_in_one_sentence(wish: Wish, said: str) -> None:
    with pytest.raises(Unclear, match=said):
        scope(wish, KNOWN, now=NOW, zone=UTC)


@pytest.mark.parametrize("word", ["1", "#1", "Kraków", "kraków", " KRAKÓW , poland "])
def test_a_city_goes_by_its_id_or_its_name(word: str) -> None:
    assert scope(Wish(cities=[word]), KNOWN, now=NOW, zone=UTC) == Scope(failures=Failures(cities=(1,)))


def test_a_city_that_two_countries_have_goes_by_its_country_too() -> None:
    assert scope(Wish(cities=["Paris, USA"]), KNOWN, now=NOW, zone=UTC).failures == Failures(cities=(3,))


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"at": "2026-11-01T02:00"}, "is over: leave the time out"),
        ({"at": "25:00"}, '"25:00" is no time'),
        ({"usd_per_day": "much"}, '"much" is no amount'),
        ({"usd_per_day": "inf"}, '"inf" is no amount'),
        ({"usd_per_day": "0"}, r"from \$0.01"),
        ({"per_hour": 0}, "from 1 to 1,000,000"),
        ({"sample_share": 0.5}, "belongs to a sample"),
        ({"sample": 5, "sample_share": 80}, "from 0 to 100 %"),
        ({"sample": -1}, "a sample of 1 to 10,000"),
    ],
)
def test_what_makes_no_options_is_said_in_one_sentence(given_: dict, said: str) -> None:
    with pytest.raises(Unclear, match=said):
        options(now=NOW, zone=UTC, **given_)


def test_options_say_what_was_asked_for() -> None:
    found = options(now=NOW, zone=ZoneInfo("Europe/Warsaw"), at="02:00", usd_per_day="$2.50", sample=10)
    assert (found.when, found.at) == (When.AT, datetime(2026, 11, 24, 1, 0, tzinfo=UTC))
    assert (str(found.usd_per_day), found.sample, found.sample_share) == ("2.50", 10, 0.8)


def test_a_time_of_day_in_the_night_that_skips_it_is_not_lost() -> None:
    warsaw = ZoneInfo("Europe/Warsaw")  # from 02:00 to 03:00 on 2027-03-28
    now = datetime(2027, 3, 27, 20, 0, tzinfo=UTC)
    assert begin("02:30", now=now, zone=warsaw) == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)


@given(seconds=st.floats(0, 1e8))
def test_an_expected_time_is_never_finer_than_it_is_known(seconds: float) -> None:
    words = expected_time(seconds)
    assert words == "a few seconds" or words.startswith("about ")

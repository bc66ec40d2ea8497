"""The filters of the Operations page: each alone and combined against the same question asked in SQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from ops_core.domain.errors import ErrorType as E
from ops_core.domain.jobs import JobKind, JobState, JobStatus
from tests.support.app import open_app, texts
from tests.support.factories import make_city, make_enrichment, make_job, make_provider, make_venue
from tests.support.showcase import fill

pytestmark = pytest.mark.postgres

PAGE = "pages/operations.py"
WEEK = "finished_at >= now() - interval '7 days'"


@pytest.fixture
def world(database):
    """Jobs of every kind and outcome, some of them old; the one venue called Żyrandol is in Gdańsk."""
    now = datetime.now(UTC)
    with database.begin() as connection:
        fill(connection, None)
        make_provider(connection)
        gdansk = make_city(connection, name="Gdańsk")
        venue = make_venue(connection, gdansk, name="Żyrandol 100% _club_")
        make_enrichment(connection, venue, uploaded=2, failures=[E.RATE_LIMITED], provider="foursquare")
        make_enrichment(
            connection,
            venue,
            uploaded=0,
            failures=[E.NOT_FOUND, E.RATE_LIMITED],
            provider="foursquare",
            kind=JobKind.RETRY,
        )
        make_job(
            connection,
            kind=JobKind.BACKFILL,
            city_id=gdansk.id,
            meta={"summary": "Queued 3 venues for enrichment"},
        )
        for days in (2, 10, 40):
            make_enrichment(
                connection, venue, uploaded=1, failures=[E.FORBIDDEN], finished_at=now - timedelta(days=days)
            )
        make_job(
            connection,
            venue,
            state=JobState.DISCARDED,
            status=JobStatus.ERROR,
            errors=[{"attempt": 1, "error": "the engine stalled"}],
        )
    return database


def shown(app):
    assert not app.exception
    assert not app.error
    return [] if not app.dataframe else app.dataframe[0].value["id"].tolist()


def asked(database, where):
    question = (
        f"SELECT id FROM jobs WHERE finished_at IS NOT NULL AND {where} ORDER BY finished_at DESC, id DESC"
    )
    with database.connect() as connection:
        return list(connection.scalars(text(question)))


def of_venue(words):
    return f"venue_id IN (SELECT id FROM venues WHERE strpos(lower(name), lower('{words}')) > 0)"


BY_PROVIDER = "id IN (SELECT job_id FROM job_providers WHERE provider = '{}')"
BY_ERROR = (
    "(id IN (SELECT job_id FROM attempts WHERE outcome <> 'uploaded' AND error_type = '{0}') "
    "OR id IN (SELECT job_id FROM job_providers WHERE error_type = '{0}'))"
)
ONE_BY_ONE = [
    ({}, WEEK),
    ({"provider": "foursquare"}, f"{WEEK} AND {BY_PROVIDER.format('foursquare')}"),
    ({"error": "rate_limited"}, f"{WEEK} AND {BY_ERROR.format('rate_limited')}"),
    ({"error": "auth_error"}, f"{WEEK} AND {BY_ERROR.format('auth_error')}"),
    ({"status": "partial"}, f"{WEEK} AND state = 'completed' AND status = 'partial'"),
    ({"status": "discarded"}, f"{WEEK} AND state = 'discarded'"),
    ({"status": "cancelled"}, f"{WEEK} AND state = 'cancelled'"),
    ({"kind": "retry"}, f"{WEEK} AND kind = 'retry'"),
    ({"venue": "ŻYRAN"}, f"{WEEK} AND {of_venue('żyran')}"),
    ({"venue": "100% _club"}, f"{WEEK} AND {of_venue('100% _club')}"),
    ({"venue": "3"}, f"{WEEK} AND venue_id = 3"),
    ({"q": "stalled"}, f"{WEEK} AND errors::text LIKE '%stalled%'"),
    ({"q": "7"}, f"{WEEK} AND (id = 7 OR venue_id = 7 OR meta->>'summary' LIKE '%7%')"),
    ({"period": "30d"}, "finished_at >= now() - interval '30 days'"),
    ({"period": "all"}, "true"),
    ({"period": "today"}, "finished_at >= date_trunc('day', now(), 'Europe/Warsaw')"),
    ({"view": "cities"}, f"{WEEK} AND kind = 'backfill'"),
    ({"view": "venues"}, f"{WEEK} AND kind IN ('enrichment', 'retry')"),
    ({"view": "partial"}, f"{WEEK} AND state = 'completed' AND status = 'partial'"),
    (
        {"view": "failed"},
        f"{WEEK} AND (state = 'discarded' OR state = 'completed' AND status IN ('failed', 'error'))",
    ),
    (
        {"provider": "foursquare", "error": "rate_limited", "kind": "enrichment", "period": "all"},
        f"{BY_PROVIDER.format('foursquare')} AND {BY_ERROR.format('rate_limited')} AND kind = 'enrichment'",
    ),
    (
        {"view": "venues", "status": "partial", "venue": "Żyrandol", "period": "30d"},
        f"finished_at >= now() - interval '30 days' AND status = 'partial' AND {of_venue('żyrandol')}",
    ),
]


@pytest.mark.parametrize(("query", "where"), ONE_BY_ONE, ids=[str(query) for query, _ in ONE_BY_ONE])
def test_a_link_shows_what_the_same_question_in_sql_finds(world, query, where):
    app = open_app(PAGE, **query)
    found = asked(world, where)
    assert shown(app) == found
    if found:
        figures = {metric.label: metric.value for metric in app.metric}
        assert figures["Operations"] == str(len(found))
        with world.connect() as connection:
            uploaded = connection.scalar(
                text("SELECT sum(images_uploaded) FROM jobs WHERE id = ANY(:ids)"), {"ids": found}
            )
        assert figures["Images uploaded"] in (f":green[{uploaded}]", str(uploaded))


def test_a_link_fills_the_widgets_and_stays_in_the_address(world):
    query = {"provider": "foursquare", "error": "rate_limited", "venue": "Żyr", "view": "venues"}
    app = open_app(PAGE, **query)
    assert app.multiselect(key="f_provider").value == ["foursquare"]
    assert app.multiselect(key="f_error").value == ["rate_limited"]
    assert app.text_input(key="f_venue").value == "Żyr"
    assert dict(app.query_params) == query


WIDGETS = {"provider": "foursquare", "error": "not_found", "status": "failed", "kind": "retry"}


@pytest.mark.parametrize("name", WIDGETS)
def test_choosing_in_a_widget_is_the_same_as_its_link(world, name):
    app = open_app(PAGE)
    app.multiselect(key=f"f_{name}").set_value([WIDGETS[name]]).run()
    assert shown(app) == shown(open_app(PAGE, **{name: WIDGETS[name]}))
    assert shown(app) != asked(world, WEEK)
    app = open_app(PAGE)
    app.multiselect(key=f"f_{name}").set_value([WIDGETS[name]]).run()
    assert dict(app.query_params) == {name: WIDGETS[name]}


def test_city_period_and_texts_work_from_their_widgets_together(world):
    with world.connect() as connection:
        city = connection.scalar(text("SELECT id FROM cities WHERE name = 'Gdańsk'"))
    app = open_app(PAGE)
    app.multiselect(key="f_city").set_value([city])
    app.segmented_control(key="f_period").set_value("30d")
    app.text_input(key="f_venue").set_value("żyrandol")
    app.text_input(key="f_text").set_value("found").run()
    found = asked(
        world,
        f"city_id = {city} AND finished_at >= now() - interval '30 days' AND meta->>'summary' LIKE 'Found%'",
    )
    assert len(found) > 2
    assert shown(app) == found


def test_two_values_of_one_filter_are_alternatives(world):
    app = open_app(PAGE)
    app.multiselect(key="f_status").set_value(["failed", "discarded"]).run()
    assert shown(app) == asked(
        world, f"{WEEK} AND (state = 'discarded' OR state = 'completed' AND status = 'failed')"
    )


def test_a_custom_range_is_whole_days_of_the_viewer(world):
    day = "(now() AT TIME ZONE 'Europe/Warsaw')::date - 2"
    with world.connect() as connection:
        two_days_ago = connection.scalar(text(f"SELECT {day}"))
    app = open_app(PAGE, period="custom", **{"from": str(two_days_ago), "to": str(two_days_ago)})
    found = asked(world, f"(finished_at AT TIME ZONE 'Europe/Warsaw')::date = {day}")
    assert len(found) == 1
    assert shown(app) == found


def test_only_choices_that_exist_are_offered_with_their_operations(world):
    app = open_app(PAGE)
    offered = {
        option.rpartition(" (")[0]: option.rpartition(" (")[2][:-1] for option in _options(app, "f_error")
    }
    for label, count in offered.items():
        error = next(kind for kind in E if label.endswith(_label(kind)))
        assert int(count) == len(asked(world, f"{WEEK} AND {BY_ERROR.format(error.value)}"))
    assert "Blocked address" not in str(offered)
    assert any(option.startswith("Foursquare (2") for option in _options(app, "f_provider"))
    assert not any(option.startswith("HERE") for option in _options(app, "f_provider"))
    assert [option.split(" (")[0] for option in _options(app, "f_city")] == sorted(
        option.split(" (")[0] for option in _options(app, "f_city")
    )


def test_what_was_chosen_stays_on_offer_when_it_exists_no_more(world):
    app = open_app(PAGE, provider="foursquare", period="today", error="blocked_address")
    assert "No operation matches" in texts(app)
    assert any("Blocked address (0)" in option for option in _options(app, "f_error"))


def test_no_match_is_a_calm_screen_that_leads_back(world):
    app = open_app(PAGE, venue="nowhere at all")
    assert "No operation matches" in texts(app)
    assert not app.metric
    app.button(key="clear_all").click().run()
    assert shown(app) == asked(world, WEEK)
    assert not app.query_params


def test_nothing_in_these_dates_offers_all_time(world):
    with world.begin() as connection:
        connection.execute(text("UPDATE jobs SET finished_at = finished_at - interval '90 days'"))
        connection.execute(text("UPDATE job_rollups SET hour = hour - interval '90 days'"))
    app = open_app(PAGE)
    assert "No operation matches" in texts(app)
    app.button(key="all_time").click().run()
    assert shown(app) == asked(world, "true")[:50]


def test_clear_all_appears_with_the_first_filter_and_clears_the_address(world):
    app = open_app(PAGE)
    assert "clear_filters" not in [button.key for button in app.button]
    app.text_input(key="f_text").set_value("stalled").run()
    assert dict(app.query_params) == {"q": "stalled"}
    app.button(key="clear_filters").click().run()
    assert app.text_input(key="f_text").value == ""
    assert not app.query_params
    assert shown(app) == asked(world, WEEK)


def test_words_too_short_to_search_say_so_and_filter_nothing(world):
    app = open_app(PAGE, q="ab")
    assert "at least 3 letters" in texts(app)
    assert shown(app) == asked(world, WEEK)


HOSTILE = [
    {"provider": "'; DROP TABLE jobs; --"},
    {"error": "nonsense", "status": "%00", "kind": "\x00"},
    {"city": "9" * 40, "job": "1 OR 1=1"},
    {"city": "-1"},
    {"city": str(2**63 - 1), "venue": str(2**63 - 1), "q": str(2**63 - 1)},
    {"venue": "\\", "q": "%%%"},
    {"venue": "x" * 5000, "q": "<script>alert(1)</script>"},
    {"period": "custom"},
    {"period": "custom", "from": "0001-01-01", "to": "9999-12-31"},
    {"period": "custom", "from": "2026-13-45", "to": "today"},
    {"period": "custom", "from": "2026-11-22T00:00+99:00", "to": "2026-11-23T00:00Z"},
    {"before": "1-1", "after": "99999999999999999999-1"},
    {"before": f"{10**18}-{10**18}"},
    {"after": "0-0"},
    {"view": "<b>", "period": "𝟕d"},
    {"job": "٣"},
]


@pytest.mark.parametrize("query", HOSTILE, ids=[str(number) for number in range(len(HOSTILE))])
def test_a_hostile_address_raises_nothing_and_leaks_nothing(world, query):
    app = open_app(PAGE, **query)
    assert not app.exception
    assert not app.error
    said = texts(app)
    assert "Traceback" not in said
    assert "SELECT" not in said
    assert "psycopg" not in said
    with world.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM jobs"))


def _options(app, key):
    return app.multiselect(key=key).options


def _label(kind):
    from ops_core.domain.errors import info

    return info(kind).label

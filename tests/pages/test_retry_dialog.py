"""The dialog before a retry: its numbers, when and how, the override, and what stands in its way."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, text, update

from ops_core import actions
from ops_core.db import retries, schema
from ops_core.domain.access import LOCAL
from ops_core.domain.errors import ErrorType as E
from ops_core.domain.images import ImageState
from ops_core.domain.retries import Scope
from ops_core.domain.retry_options import Options, When
from tests.support.app import open_app, texts
from tests.support.factories import make_enrichment, make_image, make_venue

pytestmark = pytest.mark.postgres

PAGE = "pages/operations.py"
WARSAW = ZoneInfo("Europe/Warsaw")


@pytest.fixture
def job(database):
    """An enrichment that left three retryable, one permanent and one ambiguous failure."""
    with database.begin() as connection:
        return make_enrichment(
            connection,
            make_venue(connection, name="Klub Żaczek"),
            uploaded=1,
            failures=[E.RATE_LIMITED, E.RATE_LIMITED, E.NETWORK_TIMEOUT, E.NOT_FOUND, E.CORRUPT_IMAGE],
        )


def opened(job, key=None):
    app = open_app(PAGE, job=str(job.id))
    app.button(key=key or f"job_{job.id}_retry").click().run()
    assert not app.exception
    return app


def field(app, key):
    return next((one for one in all_fields(app) if one.key == key), None)


def all_fields(app):
    return [
        *app.number_input,
        *app.text_input,
        *app.checkbox,
        *app.toggle,
        *app.date_input,
        *app.time_input,
        *app.get("button_group"),
    ]


def choose(app, key, value):
    """What a click on a segment does."""
    app.session_state[key] = value
    app.run()
    assert not app.exception
    return app


def confirm(app):
    app.button(key="retry_confirm").click().run()
    assert not app.exception
    return app


def only_request(database):
    with database.connect() as connection:
        (number,) = connection.execute(text("SELECT id FROM retry_requests")).scalars()
        return retries.request(connection, number)


def count(database, table):
    with database.connect() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


def add_history(database, error_type, tries, uploaded):
    with database.begin() as connection:
        values = {
            "day": datetime.now(UTC).date() - timedelta(days=2),
            "provider": "google_places",
            "error_type": error_type,
            "tries": tries,
            "uploaded": uploaded,
        }
        connection.execute(insert(schema.RetryRollup).values(values))


def test_what_to_expect_comes_from_like_retries_and_says_where_there_are_none(database, job):
    add_history(database, E.RATE_LIMITED, tries=200, uploaded=150)
    app = opened(job)
    said = texts(app)
    assert "of 2 images** should come in" in said
    assert "from 200 retries in the last 30 days. 1 image more: no history yet." in said
    kinds = app.dataframe[-1].value
    assert dict(zip(kinds["error"].str[0], kinds["share"], strict=True)) == {
        "⏱️ Rate limited": "75 %",
        "🌐 Network timeout": "no history yet",
    }
    assert kinds["tries"].tolist() == [200, 0]


def test_each_provider_has_its_calls_cost_time_and_share_of_the_day(database, job):
    with database.begin() as connection:
        provider = update(schema.Provider).where(schema.Provider.code == "google_places")
        connection.execute(provider.values(per_second=None, per_minute=None, per_hour=1))
    app = opened(job)
    (row,) = app.dataframe[-2].value.to_dict("records")
    assert (row["provider"], row["images"], row["calls"]) == (["Google Places"], 3, 3)
    assert row["cost"] == pytest.approx(0.021)
    # 3 of 24 calls that an hourly limit of one allows in a day; the factories' tries cost none
    assert row["today"].startswith(("12 % (used", "13 % (used"))
    assert "Google Places' 1 an hour decides" in texts(app)


def test_a_paused_provider_is_a_reason_of_its_own(database, job):
    with database.begin() as connection:
        connection.execute(update(schema.Provider).values(active=False))
    app = opened(job)
    assert "**3** wait: their provider is paused or switched off" in texts(app)
    assert app.button(key="retry_confirm").disabled


def test_the_usual_retry_is_one_click_and_begins_now(database, job):
    confirm(opened(job))
    assert only_request(database).options == Options()


def test_at_a_time_is_on_the_viewers_clock_and_says_so(database, job):
    app = choose(opened(job), "retry_when", When.AT)
    tomorrow = datetime.now(WARSAW).date() + timedelta(days=1)
    app.date_input(key="retry_day").set_value(tomorrow).run()
    app.time_input(key="retry_clock").set_value(time(2, 15)).run()
    assert app.time_input(key="retry_clock").label == "Time (Europe/Warsaw)"
    assert f"Begins **{tomorrow:%a} {tomorrow.day} {tomorrow:%b %Y}, 02:15 (Europe/Warsaw)**." in texts(app)
    assert app.button(key="retry_confirm").label == "Schedule 3 images"
    confirm(app)
    request = only_request(database)
    due = datetime.combine(tomorrow, time(2, 15), WARSAW)
    assert request.options == Options(when=When.AT, at=due.astimezone(UTC))
    assert request.not_before == due
    assert "02:15" in app.toast[0].value


def test_a_time_that_is_over_is_said_and_cannot_be_ordered(database, job):
    app = choose(opened(job), "retry_when", When.AT)
    assert not app.button(key="retry_confirm").disabled
    app.date_input(key="retry_day").set_value(datetime.now(WARSAW).date() - timedelta(days=1)).run()
    assert "is over: it is" in texts(app).replace("\\", "")
    assert app.button(key="retry_confirm").disabled
    app.date_input(key="retry_day").set_value(datetime.now(WARSAW).date() + timedelta(days=1)).run()
    assert not app.button(key="retry_confirm").disabled


def test_off_peak_shows_the_hours_the_choice_and_why(database, job):
    app = choose(opened(job), "retry_when", When.OFF_PEAK)
    (chart,) = app.get("plotly_chart")
    assert chart.proto.id.endswith("retry_off_peak")
    chosen = app.session_state["retry_asked"].off_peak
    local = chosen.start.astimezone(WARSAW)
    assert f"Begins **{local:%a} {local.day} {local:%b %Y, %H:%M} (Europe/Warsaw)**." in texts(app)
    app.toggle(key="retry_off_peak_numbers").set_value(True).run()
    hours = app.dataframe[-1].value
    assert hours["hour"].tolist() == [f"{hour:02d}:00" for hour in range(24)]
    assert hours[hours["chosen"]]["hour"].tolist() == [f"{local:%H:%M}"]
    confirm(app)
    assert only_request(database).options == Options(when=When.OFF_PEAK, at=chosen.start)


def test_a_drip_lengthens_the_forecast_and_is_ordered(database, job):
    app = choose(opened(job), "retry_speed", "Images an hour")
    app.number_input(key="retry_per_hour").set_value(1).run()
    said = texts(app)
    assert "your limit of 1 image an hour decides" in said
    assert "**At most 1 image an hour.**" in said
    confirm(app)
    assert only_request(database).options == Options(per_hour=1)


def test_dollars_a_day_are_kept_to_the_cent(database, job):
    app = choose(opened(job), "retry_speed", "Dollars a day")
    app.number_input(key="retry_per_day").set_value(0.29).run()
    confirm(app)
    assert only_request(database).options == Options(usd_per_day=Decimal("0.29"))


def test_a_sample_first_says_what_happens_then(database, job):
    app = opened(job)
    app.toggle(key="retry_sampled").set_value(True).run()
    assert "All images fit into this sample" in texts(app)
    app.number_input(key="retry_sample").set_value(2).run()
    app.number_input(key="retry_share").set_value(50).run()
    said = texts(app)
    assert "Then it goes on by itself, or stops and shows why." in said
    assert "**2 images first**; it goes on by itself if 50 % of them or more come in." in said
    confirm(app)
    assert only_request(database).options == Options(sample=2, sample_share=0.5)
    assert count(database, "retry_items WHERE sample") == 2


def test_final_failures_are_tried_only_with_a_reason_and_their_number_is_shown(database, job):
    app = opened(job)
    assert "Left alone by the rules: **2 images**." in texts(app)
    app.checkbox(key="retry_override").set_value(True).run()
    said = texts(app)
    assert "2 images more than the rules allow." in said
    assert "**5 images** in **1 venue** will be tried again" in said
    confirm(app)
    assert "Give a reason for trying final failures again." in texts(app)
    assert count(database, "retry_requests") == 0
    app.text_input(key="retry_reason").set_value("the photos were put back").run()
    assert app.button(key="retry_confirm").label == "Retry 5 images"
    confirm(app)
    request = only_request(database)
    assert (request.options, request.reason, request.images) == (
        Options(override=True),
        "the photos were put back",
        5,
    )
    with database.connect() as connection:
        (outcome,) = connection.execute(text("SELECT outcome FROM audit")).scalars()
    assert "the photos were put back" in outcome


def test_an_override_taken_back_shows_the_numbers_of_the_rules_again(database, job):
    app = opened(job)
    app.checkbox(key="retry_override").set_value(True).run()
    app.checkbox(key="retry_override").set_value(False).run()
    assert app.button(key="retry_confirm").label == "Retry 3 images"
    confirm(app)
    request = only_request(database)
    assert (request.options, request.reason, request.images) == (Options(), None, 3)


def test_where_all_is_final_the_override_is_the_way(database):
    with database.begin() as connection:
        venue = make_venue(connection)
        job = make_enrichment(connection, venue, uploaded=0, failures=[E.RATE_LIMITED])
        connection.execute(update(schema.Image).values(state=ImageState.PERMANENTLY_FAILED, retry_count=3))
    app = open_app(PAGE)
    app.button(key="retry_matching").click().run()
    assert "**1** has used up its 3 automatic retries" in texts(app)
    assert app.button(key="retry_confirm").disabled
    app.checkbox(key="retry_override").set_value(True).run()
    app.text_input(key="retry_reason").set_value("the provider was down for a day").run()
    confirm(app)
    assert only_request(database).images == 1
    assert job.id


def test_choices_are_gone_with_the_dialog(database, job):
    app = choose(opened(job), "retry_speed", "Images an hour")
    app.button(key="retry_cancel").click().run()
    app.button(key=f"job_{job.id}_retry").click().run()
    assert field(app, "retry_per_hour") is None
    confirm(app)
    assert only_request(database).options == Options()


def test_images_that_are_being_retried_lead_to_the_open_retry(database, job):
    app = opened(job)
    done = actions.submit_retry(database, Scope(venues=(job.venue_id,)), actor=LOCAL, token="other")
    confirm(app)
    said = texts(app)
    assert "Things changed while you were reading" in said
    assert "**3** are being retried already" in said
    assert app.button(key="retry_confirm").disabled
    assert count(database, "retry_requests") == 1
    app.button(key="retry_see_open").click().run()
    assert not app.exception
    assert app.title[0].value == "Retries"
    assert app.query_params["retry"] in (str(done.request_id), [str(done.request_id)])
    assert "retry_asked" not in app.session_state


def test_retry_all_with_an_option_is_a_request_and_plain_it_is_the_scan(database, job):
    app = open_app(PAGE)
    app.button(key="retry_all").click().run()
    assert app.button(key="retry_confirm").label == "Scan and retry all"
    choose(app, "retry_speed", "Images an hour")
    assert app.button(key="retry_confirm").label == "Retry 3 images"
    confirm(app)
    assert only_request(database).scope == Scope(everything=True)
    assert count(database, "jobs WHERE kind = 'cleanup'") == 0


def test_a_request_to_rerun_names_it(database, job):
    app = open_app(PAGE)
    done = actions.submit_retry(database, Scope(venues=(job.venue_id,)), actor=LOCAL, token="first")
    from ops_core.ui.retry_asked import Asked

    app.session_state["retry_asked"] = Asked(
        Scope(request=done.request_id), f"what failed in retry #{done.request_id}", "second"
    )
    app.run()
    assert not app.exception
    assert app.button(key="retry_confirm").disabled


def test_home_says_what_is_running_and_that_nothing_is(database, job):
    assert "No retry is open." in texts(open_app())
    done = actions.submit_retry(database, Scope(venues=(job.venue_id,)), actor=LOCAL, token="first")
    for app in (open_app(), open_app(PAGE)):
        assert not app.exception
        assert "No retry is open." not in texts(app)
        links = [one.proto.query_string for one in app.get("page_link")]
        assert f"retry={done.request_id}" in links


def test_images_of_others_are_not_in_the_way(database, job):
    with database.begin() as connection:
        make_image(connection, state=ImageState.FAILED, error_type=E.RATE_LIMITED)
    confirm(opened(job))
    assert only_request(database).images == 3

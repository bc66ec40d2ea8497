"""The Retries page: what it says of each retry, what can be done about it, and its address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import streamlit as st
from sqlalchemy import insert, text

from ops_core.db import circuits, schema
from ops_core.domain.access import Actor, Role
from ops_core.domain.circuits import FAILURES_TO_OPEN, after_failure
from ops_core.domain.errors import ErrorType as E
from ops_core.domain.forecast import Forecast
from ops_core.domain.retries import ItemState as S
from ops_core.domain.retries import RequestState, Scope
from ops_core.domain.retry_options import Options, When
from ops_core.ui import frame, retries_cached, sign_in
from tests.support.app import open_app, texts
from tests.support.factories import make_enrichment, make_venue
from tests.support.retry_factories import item_images, make_request, make_retry

pytestmark = pytest.mark.postgres

PAGE = "pages/retries.py"
ENDS = [*[S.UPLOADED] * 5, E.RATE_LIMITED, E.RATE_LIMITED, E.NOT_FOUND, (S.SKIPPED, "recovered")]


def button(app, key):
    return next((one for one in app.button if one.key == key), None)


def progress(app):
    return [element.proto.text for element in app.get("progress")]


def opened(app, key):
    """What a click on the head of a section, or on a popover, does."""
    app.session_state[key] = True
    retries_cached.forget()
    app.run()
    assert not app.exception
    return app


def click(app, key):
    app.button(key=key).click().run()
    assert not app.exception
    return app


def state_of(database, request_id):
    with database.connect() as connection:
        return connection.execute(
            text("SELECT state FROM retry_requests WHERE id = :id"), {"id": request_id}
        ).scalar_one()


@pytest.fixture
def running(database):
    """A retry of one venue: 5 uploaded, 2 failed, 3 open."""
    with database.begin() as connection:
        venue = make_venue(connection, name="Klub *Żaczek*")
        return make_retry(
            connection,
            [*[S.UPLOADED] * 5, E.RATE_LIMITED, E.NOT_FOUND, S.RUNNING, S.QUEUED, S.QUEUED],
            venue=venue,
            actor="ann@example.org",
            cost_usd=Decimal("0.049"),
            calls=7,
        )


@pytest.fixture
def done(database):
    with database.begin() as connection:
        begun = datetime.now(UTC) - timedelta(hours=1)
        return make_retry(
            connection,
            ENDS,
            started_at=begun,
            finished_at=begun + timedelta(seconds=95),
            ended_at=begun + timedelta(seconds=50),
            reason="After the *outage*",
            forecast=Forecast(seconds=120, uploaded=6, uploaded_low=4, uploaded_high=8).to_json(),
        )


@pytest.fixture
def viewer(monkeypatch):
    """Somebody who may look and not touch."""
    somebody = Actor("viewer@example.org", Role.VIEWER)
    monkeypatch.setattr(frame, "visitor", lambda: somebody)
    monkeypatch.setattr(sign_in, "here", lambda: somebody)


def test_a_retry_says_what_it_covers_who_asked_how_far_it_is_and_what_it_cost(running):
    app = open_app(PAGE)
    assert not app.exception
    said = texts(app)
    assert r"Klub \*Żaczek\* \(venue \#" in said
    assert ":blue-badge[:material/autorenew: Running]" in said
    assert "asked for by ann" in said
    assert ":green-badge[:material/check_circle: 5 uploaded]" in said
    assert ":red-badge[:material/error: 2 failed]" in said
    assert "\\$0.049 for 7 calls" in said
    (line,) = progress(app)
    assert "7 of 10 images" in line
    assert "images a minute" in line


def test_a_retry_whose_providers_are_not_asked_says_what_it_waits_for_and_no_time(running, database):
    with database.begin() as connection:
        codes = connection.scalars(text("SELECT code FROM providers")).all()
        for code in codes:
            circuits.change(connection, code, tripped)
    (line,) = progress(open_app(PAGE))
    assert "7 of 10 images" in line
    assert "waits for " in line
    assert "left" not in line
    assert "a minute" not in line


def tripped(circuit, now):
    for _ in range(FAILURES_TO_OPEN):
        circuit = after_failure(circuit, E.SERVICE_UNAVAILABLE, now)
    return circuit


def test_a_scheduled_retry_tells_its_begin_on_the_viewers_clock(database):
    at = (datetime.now(UTC) + timedelta(days=2)).replace(hour=1, minute=0)
    with database.begin() as connection:
        make_request(
            connection,
            state=RequestState.PENDING,
            options=Options(when=When.AT, at=at, per_hour=100),
            forecast=Forecast(seconds=600).to_json(),
        )
    app = open_app(PAGE)
    # Warsaw is an hour ahead of UTC in winter and two in summer
    assert f"Scheduled for {at.day} {at:%b}, 0" in texts(app)
    assert "at most 100 an hour" in texts(app)
    assert "will take about 10 min" in progress(app)[0]


def test_a_sample_tells_how_it_does_and_when_it_goes_on(database):
    with database.begin() as connection:
        make_request(connection, images=100, uploaded=3, failed=1, options=Options(sample=10))
    assert "Sample: 4 of 10 done, 3 uploaded; goes on by itself at 80 %" in texts(open_app(PAGE)).replace(
        "\\", ""
    )


def test_a_sample_that_did_badly_says_so_and_offers_to_go_on_anyway(database):
    with database.begin() as connection:
        request = make_request(
            connection,
            images=100,
            failed=10,
            options=Options(sample=10),
            state=RequestState.PAUSED,
            state_reason="the sample came to 0 of 10 uploaded (0 %), below 80 %",
        )
    app = open_app(PAGE)
    assert "Stopped after its sample" in texts(app)
    assert "The sample came to 0 of 10 uploaded" in texts(app).replace("\\", "")
    assert button(app, f"retry_{request.id}_play_arrow").label == "Go on anyway"
    click(app, f"retry_{request.id}_play_arrow")
    assert state_of(database, request.id) == "running"


def test_the_tabs_list_what_is_open_what_is_done_and_all(running, done):
    app = open_app(PAGE)
    assert f"Retry {running.id} ·" in texts(app)
    assert f"Retry {done.id} ·" not in texts(app)
    app = open_app(PAGE, show="done")
    assert f"Retry {running.id} ·" not in texts(app)
    assert f"Retry {done.id} ·" in texts(app)
    assert ":green-badge[:material/check_circle: Completed]" in texts(app)
    assert "took 1 min 35 s" in progress(app)[0]
    app = open_app(PAGE, show="all")
    assert f"Retry {running.id} ·" in texts(app)
    assert f"Retry {done.id} ·" in texts(app)
    assert app.query_params["show"] == "all"


def test_pages_go_by_key_and_stand_in_the_address(database):
    with database.begin() as connection:
        ids = [make_request(connection).id for _ in range(27)]
    app = open_app(PAGE)
    assert len(progress(app)) == 25
    assert button(app, "retries_newer").disabled
    click(app, "retries_older")
    assert len(progress(app)) == 2
    assert app.query_params["before"] == str(ids[2])
    assert button(app, "retries_older").disabled
    click(app, "retries_newer")
    assert len(progress(app)) == 25
    click(app, "retries_older")
    click(app, "retries_newest")
    assert "before" not in app.query_params
    assert "after" not in app.query_params


def test_a_link_opens_its_retry_wherever_it_is_in_the_list(running, done):
    app = open_app(PAGE, retry=str(done.id))
    said = texts(app)
    assert said.index(f"Retry {done.id} ·") < said.index(f"Retry {running.id} ·")
    assert "**Forecast and result**" in said
    click(app, f"retry_{done.id}_details")
    assert f"Retry {done.id} ·" not in texts(app)
    assert "retry" not in app.query_params


def test_several_retries_can_be_open_and_the_address_says_which(running, done):
    app = open_app(PAGE, show="all")
    click(app, f"retry_{running.id}_details")
    click(app, f"retry_{done.id}_details")
    assert app.query_params["retry"] == [str(running.id), str(done.id)]
    assert texts(app).count("**Forecast and result**") == 2


def test_a_retry_that_is_not_there_is_said_calmly(database):
    app = open_app(PAGE, retry="4711")
    assert not app.exception
    assert "There is no retry 4711" in texts(app)
    click(app, "retry_4711_details")
    assert "4711" not in texts(app)


def test_details_compare_the_forecast_with_the_result(done):
    app = open_app(PAGE, retry=str(done.id))
    table = app.table[0].value
    assert table["Expected"].tolist()[:2] == ["about 2 min", "about 6 (4 to 8)"]
    assert table["Result"].tolist()[0] == "1 min 35 s"
    assert table["Result"].tolist()[1] == "5 :green-badge[:material/check: as expected]"


def test_details_without_history_say_so(running):
    table = open_app(PAGE, retry=str(running.id)).table[0].value
    assert table["Expected"].tolist()[:2] == ["not known", "no history yet"]
    assert "Result so far" in table.columns


def test_details_tell_what_failed_what_was_skipped_and_why_it_was_ordered(done):
    said = texts(open_app(PAGE, retry=str(done.id)))
    assert ":yellow-badge[2 × ⏱️ Rate limited] :orange-badge[:material/replay: Retryable]" in said
    assert "1 × " in said
    assert "1 × Already stored" in said
    assert "**5** uploaded · 3 failed · 1 skipped" in said
    assert r"After the \*outage\*" in said


def test_details_tell_what_recovered_since(database, done):
    with database.begin() as connection:
        connection.execute(
            text("UPDATE images SET state = 'uploaded', error_type = NULL, storage_key = 'k' WHERE id = :id"),
            {"id": item_images(connection, done)[5]},
        )
    assert ":green-badge[:material/check_circle: 1 recovered since]" in texts(
        open_app(PAGE, retry=str(done.id))
    )


def test_images_are_listed_with_outcome_and_reason_and_filtered_by_outcome(done):
    app = open_app(PAGE, retry=str(done.id))
    rows = app.dataframe[0].value
    assert len(rows) == len(ENDS)
    assert rows["was"].tolist()[0] == ["⏱️ Rate limited"]
    assert [cell[0] for cell in rows["outcome"]] == [*["Uploaded"] * 5, *["Failed"] * 3, "Skipped"]
    assert rows["reason"].tolist()[-1] == ["Already stored"]
    assert rows["now"].tolist()[0] == ["In the store"]
    opened(app, f"retry_{done.id}_images")
    app.session_state[f"retry_{done.id}_items_filter"] = "Failed"
    app.run()
    assert len(app.dataframe[0].value) == 3
    app.session_state[f"retry_{done.id}_items_filter"] = "Let go"
    app.run()
    assert "No image is in “Let go” here." in texts(app)


def test_many_images_are_paged_and_lead_to_their_job(database):
    with database.begin() as connection:
        request = make_retry(connection, [S.UPLOADED] * 60, job_id=77)
    app = open_app(PAGE, retry=str(request.id))
    first = app.dataframe[0].value["image"].tolist()
    assert len(first) == 50
    assert app.dataframe[0].value["job"].tolist()[0].endswith("/operations?job=77#77")
    click(app, f"retry_{request.id}_items_next")
    assert len(app.dataframe[0].value) == 10
    assert button(app, f"retry_{request.id}_items_next").disabled
    click(app, f"retry_{request.id}_items_previous")
    assert app.dataframe[0].value["image"].tolist() == first


def test_the_course_is_drawn_when_it_is_opened_and_not_before(done):
    app = open_app(PAGE, retry=str(done.id))
    assert not app.get("plotly_chart")
    opened(app, f"retry_{done.id}_course")
    assert len(app.get("plotly_chart")) == 1
    app.toggle(key=f"retry_{done.id}_course_data").set_value(True).run()
    data = app.dataframe[-1].value
    assert data["uploaded"].tolist()[-1] == 5
    assert data["failed"].tolist()[-1] == 3


def test_a_retry_names_what_it_runs_again_and_what_ran_it_again(database, done):
    with database.begin() as connection:
        again = make_request(connection, Scope(request=done.id), rerun_of=done.id)
    app = open_app(PAGE, retry=str(done.id))
    click(app, f"retry_{done.id}_to_{again.id}")
    assert app.query_params["retry"] == [str(done.id), str(again.id)]
    assert button(app, f"retry_{again.id}_to_{done.id}").label.endswith(f"retry {done.id}")


def test_pausing_and_resuming_are_one_click_each(database, running):
    app = click(open_app(PAGE), f"retry_{running.id}_pause")
    assert state_of(database, running.id) == "paused"
    assert ":orange-badge[:material/pause_circle: Paused]" in texts(app)
    assert "Paused by local" in texts(app)
    assert button(app, f"retry_{running.id}_pause") is None
    click(app, f"retry_{running.id}_play_arrow")
    assert state_of(database, running.id) == "running"
    assert button(app, f"retry_{running.id}_play_arrow") is None


def test_cancelling_asks_once_more_and_says_what_happens(database, running):
    app = open_app(PAGE)
    assert button(app, f"retry_{running.id}_cancel_now") is None
    opened(app, f"retry_{running.id}_cancel")
    assert "What is running finishes. Up to **3 images** without a result are let go" in texts(app)
    click(app, f"retry_{running.id}_cancel_now")
    assert state_of(database, running.id) == "cancelled"


def test_an_action_that_comes_too_late_says_why_in_a_sentence(database, running):
    app = open_app(PAGE)
    with database.begin() as connection:
        connection.execute(
            text("UPDATE retry_requests SET state = 'completed', finished_at = now() WHERE id = :id"),
            {"id": running.id},
        )
    click(app, f"retry_{running.id}_pause")
    (warning,) = app.warning
    assert "is completed: there is nothing to pause" in warning.value.replace("\\", "")
    click(app, "refresh")
    assert not app.warning


def test_a_database_that_goes_away_under_a_click_is_no_traceback(database, running, monkeypatch):
    from sqlalchemy.exc import OperationalError

    from ops_core import actions

    def gone(*_, **__):
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(actions, "pause_retry", gone)
    app = click(open_app(PAGE), f"retry_{running.id}_pause")
    assert "Nothing was changed" in app.warning[0].value


def test_who_may_not_steer_sees_the_buttons_disabled_with_the_reason(database, running, done, viewer):
    app = open_app(PAGE, show="all")
    for name in (f"retry_{running.id}_pause", f"retry_{running.id}_cancel", f"retry_{done.id}_rerun"):
        one = button(app, name)
        assert one.disabled
        assert "role operator" in one.help


def test_what_is_done_can_only_be_run_again(done):
    app = open_app(PAGE, show="done")
    keys = {one.key for one in app.button}
    assert not keys & {f"retry_{done.id}_{verb}" for verb in ("pause", "play_arrow", "cancel")}
    assert button(app, f"retry_{done.id}_rerun").label == "Re-run 3 failed"


def test_running_again_opens_the_dialog_for_what_still_fails(database, done):
    app = open_app(PAGE, show="done")
    click(app, f"retry_{done.id}_rerun")
    assert button(app, "retry_confirm") is not None


def test_nothing_to_run_again_without_failures(database):
    with database.begin() as connection:
        request = make_retry(connection, [S.UPLOADED])
    app = open_app(PAGE, show="done")
    assert button(app, f"retry_{request.id}_rerun") is None


def test_the_link_of_a_retry_can_be_copied(running):
    app = opened(open_app(PAGE), f"retry_{running.id}_link")
    assert app.code[0].value.endswith(f"/admin/venue-images/retries?retry={running.id}")


def test_without_any_retry_the_page_says_how_to_start_one(database):
    app = open_app(PAGE)
    assert "No retries yet" in texts(app)
    assert "venue-ops retry" in texts(app)
    assert any(link.proto.page == "operations" for link in app.get("page_link"))


def test_with_nothing_open_the_page_says_where_the_others_are(done):
    said = texts(open_app(PAGE))
    assert "Nothing is open" in said
    assert "No retries yet" not in said


def test_new_retries_are_announced_and_do_not_move_the_list(database, running):
    app = open_app(PAGE)
    page = retries_cached.listed(retries_cached.Which.OPEN, None, None)
    assert button(app, "retries_new") is None
    with database.begin() as connection:
        newer = make_request(connection)
    # a part of the page that looks again still holds the list it was given
    assert page.ids == (running.id,)
    retries_cached.newer.clear()
    assert retries_cached.newer(retries_cached.Which.OPEN, running.id) == 1
    click(app, "refresh")
    assert f"Retry {newer.id} ·" in texts(app)


@pytest.mark.parametrize("is_open", [True, False])
def test_the_page_looks_again_by_itself_only_while_something_is_open(database, monkeypatch, is_open):
    with database.begin() as connection:
        make_request(connection, state=RequestState.RUNNING if is_open else RequestState.COMPLETED)
    rhythms = {}
    original = st.fragment

    def noted(*args, **kwargs):
        rhythms[kwargs.get("key")] = kwargs.get("run_every")
        return original(*args, **kwargs)

    monkeypatch.setattr(st, "fragment", noted)
    app = open_app(PAGE, show="all")
    assert not app.exception
    assert rhythms["retries_list"] == ("2s" if is_open else None)
    assert rhythms["retries_providers"] == ("5s" if is_open else None)


@pytest.fixture
def broken(database, running):
    """Google Places, whose breaker is open."""
    now = datetime.now(UTC)
    with database.begin() as connection:
        connection.execute(
            insert(schema.Circuit.__table__).values(
                provider="google_places",
                state="open",
                failures=10,
                opened=1,
                error_type=E.RATE_LIMITED,
                opened_at=now,
                retry_at=now + timedelta(minutes=1),
            )
        )


def test_an_open_breaker_says_why_it_opened_and_can_be_closed(database, broken):
    app = open_app(PAGE)
    said = texts(app)
    assert "**Providers now**" in said
    assert ":red-badge[:material/power_off: Breaker open]" in said
    assert "after 10 failures in a row, the last: :yellow-badge[⏱️ Rate limited]" in said
    click(app, "provider_google_places_close")
    said = texts(app)
    assert "Asked as usual" in said
    assert "held closed by a person until" in said
    with database.connect() as connection:
        assert connection.execute(text("SELECT state FROM circuits")).scalar_one() == "closed"


def test_a_viewer_cannot_close_a_breaker(broken, viewer):
    assert button(open_app(PAGE), "provider_google_places_close").disabled


def test_a_provider_tells_its_limits_its_pause_and_its_silence(database, running):
    with database.begin() as connection:
        connection.execute(
            text(
                "UPDATE providers SET per_second = 5, per_minute = NULL, per_hour = 9000, paused_until = "
                "now() + interval '1 hour', paused_reason = 'new *contract*' WHERE code = 'google_places'"
            )
        )
        connection.execute(
            text(
                "INSERT INTO rate_limits (provider, tat_second, tat_minute, tat_hour, granted_at, "
                "blocked_until) SELECT 'google_places', now(), now(), now(), now(), now() + interval '1 min'"
            )
        )
    said = texts(open_app(PAGE))
    assert "Limit: 5 a second, 9,000 an hour" in said
    assert r"new \*contract\*" in said
    assert ":yellow-badge[:material/volume_off: Asked for silence]" in said


def test_providers_without_work_are_not_shown(done):
    assert "Providers now" not in texts(open_app(PAGE))


def test_the_strip_on_other_pages_names_the_open_retries_and_links_to_them(database, running, done):
    app = open_app()
    assert r"Klub \*Żaczek\* \(venue" in texts(app)
    assert len(progress(app)) == 1
    links = [link.proto.query_string for link in app.get("page_link")]
    assert f"retry={running.id}" in links


def test_the_strip_is_not_there_when_nothing_is_open(database, done):
    with database.begin() as connection:
        make_enrichment(connection)
    assert progress(open_app()) == []

"""The Operations page: figures, table, paging, what is new, opened jobs, empty screens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ops_core.domain.errors import ErrorType as E
from ops_core.domain.jobs import JobKind, JobState, JobStatus
from tests.support.app import open_app, texts
from tests.support.factories import make_enrichment, make_heartbeat, make_job, make_venue
from tests.support.showcase import fill

pytestmark = pytest.mark.postgres

PAGE = "pages/operations.py"
TICKED, TABLE = "operations_ticked", "operations_table"


def figures(app):
    return {metric.label: metric.value for metric in app.metric}


def rows(app):
    return app.dataframe[0].value


def test_the_four_cards_count_what_matches_and_compare_with_the_period_before(database):
    now = datetime.now(UTC)
    with database.begin() as connection:
        make_enrichment(connection, uploaded=3, failures=[E.RATE_LIMITED, E.FORBIDDEN])
        make_enrichment(connection, uploaded=4)
        make_enrichment(connection, uploaded=1, failures=[E.NOT_FOUND], finished_at=now - timedelta(days=9))
        make_enrichment(connection, uploaded=9, finished_at=now - timedelta(days=15))
        make_job(connection, state=JobState.EXECUTING)
    app = open_app(PAGE)
    assert figures(app) == {
        "Operations": "2",
        "Images uploaded": ":green[7]",
        "Images failed": ":red[2]",
        "Retryable failures": ":orange[1]",
    }
    changes = {metric.label: metric.delta for metric in app.metric}
    assert changes == {
        "Operations": "+1 (+100%) vs 1 before",
        "Images uploaded": "+6 (+600%) vs 1 before",
        "Images failed": "+1 (+100%) vs 1 before",
        "Retryable failures": "none before",
    }
    assert all(metric.proto.help for metric in app.metric)
    assert [sum(metric.proto.chart_data) for metric in app.metric] == [2, 7, 2, 1]


def test_all_time_has_nothing_to_compare_with(database):
    with database.begin() as connection:
        make_enrichment(connection, uploaded=3)
    app = open_app(PAGE, period="all")
    assert figures(app)["Images uploaded"] == ":green[3]"
    assert all(metric.delta == "" for metric in app.metric)


def test_a_row_tells_venue_status_results_and_first_failure(database):
    with database.begin() as connection:
        venue = make_venue(connection, name="Klub Żaczek")
        job = make_enrichment(
            connection, venue, uploaded=9, failures=[E.NOT_FOUND, E.RATE_LIMITED, E.RATE_LIMITED]
        )
    row = rows(open_app(PAGE)).iloc[0]
    address = f"/admin/venue-images/operations?venue={venue.id}&period=all"
    assert row["venue"].startswith(f"{address}#{venue.id} %C2%B7 Klub %C5%BBaczek")
    assert row["id"] == job.id
    assert list(row["status"]) == ["Partial"]
    assert list(row["standing"]) == ["Retryable"]
    assert row["results"] == "12 discovered, 9 uploaded, 3 failed"
    assert row["first_error"] == "❓ Not found"
    assert list(row["providers"]) == ["Google Places"]
    assert row["cost"] == pytest.approx(0.084)
    assert row["seconds"] == pytest.approx(3)
    assert "Retry" in row["retry"]


def test_discarded_and_cancelled_jobs_are_there_too(database):
    with database.begin() as connection:
        make_job(connection, state=JobState.DISCARDED, status=JobStatus.ERROR)
        make_job(connection, state=JobState.CANCELLED)
    found = rows(open_app(PAGE))
    assert {status[0] for status in found["status"]} == {"Discarded", "Cancelled"}
    assert found["retry"].isna().all()


def test_retry_shows_only_where_something_is_retryable(database):
    with database.begin() as connection:
        transient = make_enrichment(connection, uploaded=1, failures=[E.NETWORK_TIMEOUT])
        make_enrichment(connection, uploaded=1, failures=[E.NOT_FOUND, E.CORRUPT_IMAGE])
        make_enrichment(connection, uploaded=1)
    found = rows(open_app(PAGE))
    assert found[found["retry"].notna()]["id"].tolist() == [transient.id]


@pytest.fixture
def many(database):
    """117 jobs, some of which ended at the very same instant; their ids, newest first."""
    now = datetime.now(UTC)
    with database.begin() as connection:
        venue = make_venue(connection)
        made = [
            make_job(connection, venue, images_uploaded=1, finished_at=now - timedelta(minutes=number // 3))
            for number in range(117)
        ]
    return [job.id for job in sorted(made, key=lambda job: (job.finished_at, job.id), reverse=True)]


def test_pages_of_fifty_go_through_all_of_them_and_back(many):
    app = open_app(PAGE)
    assert "117 operations" in texts(app)
    assert figures(app)["Operations"] == "117"
    assert rows(app)["id"].tolist() == many[:50]
    assert app.button(key="newer").disabled
    app.button(key="older").click().run()
    assert rows(app)["id"].tolist() == many[50:100]
    second = dict(app.query_params)
    app.button(key="older").click().run()
    assert rows(app)["id"].tolist() == many[100:]
    assert app.button(key="older").disabled
    app.button(key="newer").click().run()
    assert rows(app)["id"].tolist() == many[50:100]
    app.button(key="newest").click().run()
    assert rows(app)["id"].tolist() == many[:50]
    assert not app.query_params
    assert rows(open_app(PAGE, **second))["id"].tolist() == many[50:100]


def test_a_new_filter_begins_at_its_first_page(many):
    app = open_app(PAGE)
    app.button(key="older").click().run()
    app.multiselect(key="f_status").set_value(["success"]).run()
    assert rows(app)["id"].tolist() == many[:50]
    assert dict(app.query_params) == {"status": "success"}


def test_what_ends_later_is_announced_and_shown_on_request_only(database):
    with database.begin() as connection:
        first = make_enrichment(connection, uploaded=1)
    app = open_app(PAGE)
    with database.begin() as connection:
        second = make_enrichment(connection, uploaded=1, finished_at=datetime.now(UTC) + timedelta(seconds=1))
    _forget()
    app.run()
    assert rows(app)["id"].tolist() == [first.id]
    assert figures(app)["Operations"] == "1"
    new = app.button(key="show_new")
    assert new.label == "+1 new"
    _wait_for_the_servers_clock(database, second.finished_at)
    new.click().run()
    assert rows(app)["id"].tolist() == [second.id, first.id]
    assert "show_new" not in [button.key for button in app.button]


def test_details_of_several_jobs_are_open_at_once_and_in_the_address(database):
    with database.begin() as connection:
        jobs = [make_enrichment(connection, uploaded=1) for _ in range(3)]
    app = open_app(PAGE, job=str(jobs[0].id))
    assert f"Job {jobs[0].id} ·" in texts(app)
    app.session_state["place_open"] = (jobs[0].id, jobs[2].id)
    app.run()
    said = texts(app)
    assert f"Job {jobs[0].id} ·" in said
    assert f"Job {jobs[2].id} ·" in said
    assert f"Job {jobs[1].id} ·" not in said
    assert app.query_params["job"] == [str(jobs[0].id), str(jobs[2].id)]
    app.button(key="close_all").click().run()
    assert f"Job {jobs[0].id} ·" not in texts(app)
    assert not app.query_params


def test_an_opened_job_stays_open_through_filters_refresh_and_pages(many):
    app = open_app(PAGE, job=str(many[60]))
    for step in ("refresh", "older", "newest"):
        app.button(key=step).click().run()
        assert f"Job {many[60]} ·" in texts(app)
    app.multiselect(key="f_status").set_value(["success"]).run()
    assert f"Job {many[60]} ·" in texts(app)


def test_ticks_are_kept_by_id_when_rows_move(database):
    now = datetime.now(UTC)
    with database.begin() as connection:
        jobs = [make_enrichment(connection, finished_at=now - timedelta(hours=number)) for number in range(3)]
    app = open_app(PAGE)
    app.session_state[TICKED] = {jobs[1].id}
    app.run()
    assert app.session_state[TABLE]["selection"]["rows"] == [1]
    with database.begin() as connection:
        make_enrichment(connection, finished_at=now)
    app.button(key="refresh").click().run()
    assert len(rows(app)) == 4
    assert app.session_state[TABLE]["selection"]["rows"] == [2]
    assert app.session_state[TICKED] == {jobs[1].id}


def test_another_page_and_back_keeps_the_view(database):
    with database.begin() as connection:
        make_enrichment(connection, uploaded=1)
    app = open_app(PAGE, status="success", period="30d")
    app.switch_page("streamlit_app.py").run()
    app.query_params.clear()
    app.switch_page(PAGE).run()
    assert dict(app.query_params) == {"status": "success", "period": "30d"}
    assert app.multiselect(key="f_status").value == ["success"]


def test_before_the_first_job_the_page_says_how_to_begin(database):
    app = open_app(PAGE)
    assert "No operations yet" in texts(app)
    assert "venue-ops venues load" in texts(app)
    assert not app.metric


def test_without_a_worker_the_page_says_what_to_do(database):
    with database.begin() as connection:
        make_heartbeat(connection, "worker", seen_at=datetime.now(UTC) - timedelta(minutes=5))
        make_job(connection, state=JobState.AVAILABLE)
    said = texts(open_app(PAGE))
    assert "No worker is running" in said
    assert "5 min ago" in said
    assert "venue-ops worker" in said
    assert "1 waiting" in said


def test_with_a_worker_the_strip_says_what_is_under_way(database):
    with database.begin() as connection:
        make_heartbeat(connection, "worker")
        make_heartbeat(connection, "worker")
        make_job(connection, state=JobState.EXECUTING)
    said = texts(open_app(PAGE))
    assert "No worker is running" not in said
    assert "1 running" in said
    assert "2 workers" in said
    assert "no dispatcher" in said


def test_the_time_of_the_data_is_on_the_viewers_clock(database):
    said = texts(open_app(PAGE))
    assert "Data from" in said
    assert "(Europe/Warsaw)" in said


def test_words_from_outside_are_shown_and_not_obeyed(database):
    evil = "**x** [y](javascript:alert(1)) <img src=x> :red[z] $a$"
    with database.begin() as connection:
        venue = make_venue(connection, name=evil)
        job = make_job(
            connection,
            venue,
            status=JobStatus.ERROR,
            errors=[{"attempt": 1, "error": evil}],
            meta={"summary": evil},
        )
    app = open_app(PAGE, job=str(job.id))
    assert not app.exception
    drawn = [element.value for element in (*app.markdown, *app.warning) if "javascript" in str(element.value)]
    assert drawn
    assert all(r"\[y\]\(javascript\:alert\(1\)\)" in text and r"\<img" in text for text in drawn)
    link = rows(app)["venue"].iloc[0]
    assert link.startswith("/admin/venue-images/operations?venue=")
    assert "<" not in link


def test_the_words_of_an_operation_fit_its_kind(database):
    with database.begin() as connection:
        make_enrichment(connection, uploaded=1, failures=[E.NOT_FOUND], kind=JobKind.RETRY)
    row = rows(open_app(PAGE)).iloc[0]
    assert row["results"] == "2 retried, 1 uploaded, 1 failed"
    assert row["kind"] == "Retry"


def test_the_page_stands_with_jobs_of_every_outcome(database, tmp_path):
    with database.begin() as connection:
        jobs = fill(connection, tmp_path / "data" / "store")
    app = open_app(PAGE)
    assert rows(app)["id"].tolist() == [job.id for job in jobs]
    assert not app.exception


def _forget():
    from ops_core.ui import cached

    cached.newer.clear()


def _wait_for_the_servers_clock(database, moment):
    from ops_core.db.operations import server_time
    from tests.support.waiting import wait_until

    def passed():
        with database.connect() as connection:
            return server_time(connection) > moment

    wait_until(passed, seconds=10)


def test_a_click_counts_although_the_browser_still_shows_the_address_before(database):
    with database.begin() as connection:
        make_enrichment(connection, uploaded=1, failures=[E.NOT_FOUND])
        make_enrichment(connection, uploaded=1)
    app = open_app(PAGE)
    app.multiselect(key="f_status").set_value(["partial"]).run()
    app.query_params.clear()  # the second click was quicker than the first one's address
    app.multiselect(key="f_provider").set_value(["google_places"]).run()
    assert dict(app.query_params) == {"provider": "google_places", "status": "partial"}
    assert len(rows(app)) == 1


def test_another_view_forgets_what_was_ticked(database):
    with database.begin() as connection:
        job = make_enrichment(connection, uploaded=1, failures=[E.NOT_FOUND])
    app = open_app(PAGE)
    app.session_state[TICKED] = {job.id}
    app.run()
    app.multiselect(key="f_status").set_value(["partial"]).run()
    assert app.session_state[TICKED] == set()
    app.session_state[TICKED] = {job.id}
    app.button(key="clear_filters").click().run()
    assert app.session_state[TICKED] == set()


def test_ticked_operations_open_together_without_a_pointer(database):
    with database.begin() as connection:
        jobs = [make_enrichment(connection, uploaded=1) for _ in range(3)]
    app = open_app(PAGE)
    app.session_state[TICKED] = {jobs[0].id, jobs[2].id}
    app.run()
    app.button(key="open_ticked").click().run()
    assert app.query_params["job"] == [str(jobs[0].id), str(jobs[2].id)]
    assert f"Job {jobs[2].id} ·" in texts(app)

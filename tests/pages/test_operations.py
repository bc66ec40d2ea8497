"""The Operations page: figures, table, what is under way, and one job opened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ops_core.domain.errors import ErrorType as E
from ops_core.domain.jobs import JobState, JobStatus
from tests.support.app import open_app, texts
from tests.support.factories import (
    make_enrichment,
    make_heartbeat,
    make_job,
    make_venue,
)
from tests.support.showcase import draw_stored, fill

pytestmark = pytest.mark.postgres

PAGE = "pages/operations.py"
PICKED, TABLE = "operations_picked", "operations_table"


def figures(app):
    return {metric.label: metric.value for metric in app.metric}


def pick(app, job):
    """What a click on the job's row leaves behind (the click itself is tested in a browser)."""
    app.session_state[PICKED] = job.id
    return app.run()


def test_the_four_figures_are_those_of_the_jobs_shown(database):
    with database.begin() as connection:
        make_enrichment(connection, uploaded=3, failures=[E.RATE_LIMITED, E.FORBIDDEN])
        make_enrichment(connection, uploaded=4)
        make_job(connection, state=JobState.EXECUTING)
    app = open_app(PAGE)
    assert figures(app) == {
        "Operations": "2",
        "Images uploaded": ":green[7]",
        "Images failed": ":red[2]",
        "Retryable failures": ":orange[1]",
    }
    assert all(metric.proto.help for metric in app.metric)


def test_only_the_last_fifty_finished_jobs_are_shown_and_counted(database):
    with database.begin() as connection:
        venue = make_venue(connection)
        now = datetime.now(UTC)
        for number in range(53):
            make_job(connection, venue, images_uploaded=1, finished_at=now - timedelta(minutes=number))
    app = open_app(PAGE)
    assert len(app.dataframe[0].value) == 50
    assert figures(app)["Operations"] == "50"
    assert figures(app)["Images uploaded"] == ":green[50]"


def test_a_row_tells_venue_status_results_and_first_failure(database):
    with database.begin() as connection:
        venue = make_venue(connection, name="Klub Żaczek")
        job = make_enrichment(
            connection, venue, uploaded=9, failures=[E.NOT_FOUND, E.RATE_LIMITED, E.RATE_LIMITED]
        )
    row = open_app(PAGE).dataframe[0].value.iloc[0]
    assert row["venue"] == "Klub Żaczek"
    assert row["venue_id"] == venue.id
    assert row["id"] == job.id
    assert list(row["status"]) == ["Partial"]
    assert row["results"] == "12 discovered, 9 uploaded, 3 failed"
    assert row["first_error"] == "❓ Not found"
    assert list(row["providers"]) == ["Google Places"]
    assert row["cost"] == pytest.approx(0.084)
    assert row["seconds"] == pytest.approx(3)


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
    assert "(Europe/Warsaw)" in said


def test_picking_a_row_opens_that_job(database, tmp_path):
    with database.begin() as connection:
        jobs = fill(connection, tmp_path / "data" / "store")
    app = open_app(PAGE)
    assert "Tick a row" in texts(app)
    job = next(job for job in jobs if job.images_failed == 3)
    pick(app, job)
    assert not app.exception
    assert f"Job {job.id} ·" in texts(app)
    assert "Rate limited" in texts(app)
    assert len(app.dataframe) == 3  # the jobs, its providers, its failed images
    assert len(app.dataframe[2].value) == 3
    assert len(app.image) == 8
    assert app.session_state[TABLE]["selection"]["rows"] == [jobs.index(job)]


def test_the_picked_job_stays_picked_when_new_ones_arrive_above_it(database):
    with database.begin() as connection:
        jobs = [
            make_enrichment(connection, finished_at=datetime.now(UTC) - timedelta(hours=number))
            for number in range(3)
        ]
    app = pick(open_app(PAGE), jobs[1])
    assert f"Job {jobs[1].id} ·" in texts(app)
    with database.begin() as connection:
        make_enrichment(connection, finished_at=datetime.now(UTC))
    next(button for button in app.button if button.label == "Refresh").click().run()
    assert len(app.dataframe[0].value) == 4
    assert f"Job {jobs[1].id} ·" in texts(app)
    assert app.session_state[TABLE]["selection"]["rows"] == [2]


def test_an_address_opens_its_job(database):
    with database.begin() as connection:
        job = make_enrichment(connection, uploaded=1)
        make_enrichment(connection, uploaded=1)
    assert f"Job {job.id} ·" in texts(open_app(PAGE, job=str(job.id)))


@pytest.mark.parametrize("word", ["999999", "x", "-1", "٣", "1' OR 1=1", "9" * 40])
def test_an_address_of_no_job_is_no_accident(database, word):
    with database.begin() as connection:
        make_enrichment(connection, uploaded=1)
    app = open_app(PAGE, job=word)
    assert not app.exception
    assert not app.error
    assert ("There is no job 999999" if word == "999999" else "Tick a row") in texts(app)


def test_words_from_outside_are_shown_and_not_obeyed(database, tmp_path):
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
    assert len(drawn) == 3  # headline, summary, error of the run
    assert all(r"\[y\]\(javascript\:alert\(1\)\)" in text and r"\<img" in text for text in drawn)


def test_thumbnails_carry_their_attribution(database, tmp_path):
    with database.begin() as connection:
        job = make_enrichment(connection, uploaded=2)
        draw_stored(connection, tmp_path / "data" / "store")
    app = open_app(PAGE, job=str(job.id))
    credits = [caption.value for caption in app.caption if "Photographer" in caption.value]
    assert len(credits) == len(app.image) == 2
    assert all("Google Places" in credit for credit in credits)


def test_a_photo_that_the_store_lost_is_a_sentence_not_a_crash(database):
    with database.begin() as connection:
        job = make_enrichment(connection, uploaded=1)
    app = open_app(PAGE, job=str(job.id))
    assert not app.exception
    assert "not in this store" in texts(app)

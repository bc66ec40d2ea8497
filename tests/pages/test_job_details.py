"""An opened job: its head, its figures, and sections that load when they are opened and not before."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import streamlit as st
from sqlalchemy import event, insert, update
from streamlit.testing.v1 import AppTest

from ops_core.analytics import job_frames
from ops_core.db import schema
from ops_core.db.engine import get_engine
from ops_core.domain.errors import ERRORS
from ops_core.domain.errors import ErrorType as E
from ops_core.domain.images import ImageState
from ops_core.domain.jobs import JobKind, JobState, JobStatus, ProviderStatus
from ops_core.ui import raw_data
from tests.support.app import texts
from tests.support.factories import (
    make_enrichment,
    make_image,
    make_job,
    make_job_provider,
    make_provider,
    make_venue,
)
from tests.support.showcase import draw_stored

pytestmark = pytest.mark.postgres

EVIL = "**x** [y](javascript:alert(1)) <img src=x> :red[z] $a$"
SCRIPT = """
import streamlit as st
from ops_core.ui import details

def note(word, job_id):
    st.session_state.setdefault("heard", []).append((word, job_id))

for job_id in st.session_state["jobs"]:
    details.job_panel(
        job_id,
        names={"google_places": "Google Places", "foursquare": "Foursquare"},
        zone="Europe/Warsaw",
        on_close=lambda job_id: note("close", job_id),
        on_retry=(lambda job_id: note("retry", job_id)) if st.session_state.get("may_retry", True) else None,
        on_retry_images=(
            (lambda ids: note("images", ids)) if st.session_state.get("may_retry", True) else None
        ),
        retryable=st.session_state.get("retryable", False),
        queued_request=st.session_state.get("queued"),
    )
"""


@pytest.fixture
def panels(tmp_path):
    """Draws the panels of the jobs given, as a page does."""
    (tmp_path / "pages").mkdir()
    for page in ("operations", "retries"):
        (tmp_path / "pages" / f"{page}.py").touch()
    script = tmp_path / "streamlit_app.py"
    script.write_text(SCRIPT)

    def draw(*jobs, **state):
        st.cache_data.clear()  # another test's database must not answer
        app = AppTest.from_file(script, default_timeout=30)
        app.session_state["jobs"] = [getattr(job, "id", job) for job in jobs]
        for name, value in state.items():
            app.session_state[name] = value
        app.run()
        assert not app.exception
        return app

    return draw


@contextmanager
def questions():
    """The SQL that is sent within the block."""
    sent: list[str] = []

    def listen(_connection, _cursor, statement, *_):
        sent.append(statement)

    event.listen(get_engine(), "before_cursor_execute", listen)
    try:
        yield sent
    finally:
        event.remove(get_engine(), "before_cursor_execute", listen)


def cards(app):
    return {metric.label: metric.value for metric in app.metric}


def notes(app):
    return {metric.label: metric.delta for metric in app.metric if metric.delta}


def sections(app):
    return [expander.label for expander in app.expander]


def button(app, key):
    return next((one for one in app.button if one.key == key), None)


def opened(app, job, name, is_open=True):
    """What a click on a section's head does."""
    app.session_state[f"job_{job.id}_{name}"] = is_open
    app.run()
    assert not app.exception
    return app


def table(app, number=0):
    return app.dataframe[number].value


def bring_in(connection, error_type):
    """Have the first image that failed with `error_type` in the store by now."""
    number = (
        connection.execute(schema.Image.__table__.select().where(schema.Image.error_type == error_type))
        .first()
        .id
    )
    stored = {
        "state": ImageState.UPLOADED,
        "error_type": None,
        "failed_job": None,
        "storage_key": f"venues/{number}.jpg",
    }
    connection.execute(update(schema.Image).where(schema.Image.id == number).values(stored))


def test_the_head_says_which_job_it_is_and_how_it_ended(database, panels):
    ended = datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC)
    with database.begin() as connection:
        venue = make_venue(connection, name="Klub Żaczek")
        job = make_enrichment(connection, venue, uploaded=2, failures=[E.NOT_FOUND], finished_at=ended)
    said = texts(panels(job))
    assert "#### Klub Żaczek :yellow-badge[:material/rule: Partial]" in said
    assert f"Job {job.id} · Enrichment · venue {venue.id} · City" in said
    assert "asked for by tests · started 20 Nov 2026, 13:00:02 · finished 13:00:05 · took 3.0 s" in said
    assert "cost \\$0.021" in said


def test_the_figures_tell_then_and_now(database, panels):
    with database.begin() as connection:
        job = make_enrichment(
            connection,
            uploaded=9,
            failures=[E.RATE_LIMITED, E.NOT_FOUND, E.BAD_GATEWAY],
            attempt=2,
            lost_claims=1,
        )
        bring_in(connection, E.BAD_GATEWAY)
    app = panels(job)
    assert cards(app) == {
        "Discovered": "12",
        "Uploaded": ":green[9]",
        "Failed": ":red[3]",
        "Still failed now": ":red[2]",
        "Already stored": "0",
        "Took": "3.0 s",
        "Cost": "\\$0.084",
        "Attempts": "2 of 3",
    }
    assert notes(app) == {
        "Failed": "1 recovered",
        "Still failed now": "1 retryable now",
        "Cost": "\\$0.0093 each",
        "Attempts": "1 worker lost",
    }
    assert all(metric.proto.help for metric in app.metric)
    said = texts(app)
    assert "**12 discovered, 9 uploaded, 3 failed, 1 recovered since**" in said
    assert "Images uploaded per provider:] :orange-badge[Google Places] 9" in said


def test_photos_that_are_shown_from_their_provider_are_told_of_in_all_and_by_provider(database, panels):
    with database.begin() as connection:
        venue = make_venue(connection)
        job = make_job(connection, venue)
        for provider in ("here", "unsplash"):
            make_job_provider(connection, job, provider, images_fetched=2)
        images = [
            make_image(connection, venue, provider=provider, state=ImageState.REFERENCED)
            for provider in ("here", "unsplash", "here")
        ]
        meta = {"image_ids": [image.id for image in images], "images_referenced": 3, "images_existing": 4}
        values = {"meta": meta, "images_discovered": 7, "images_existing": 4}
        connection.execute(update(schema.Job).where(schema.Job.id == job.id).values(values))
    said = texts(panels(job))
    assert "**7 discovered, 0 uploaded, 0 failed, 4 already stored, 3 shown from their provider**" in said
    assert "**2** listed · **2** shown from there\n" in f"{said}\n"
    assert "**2** listed · **1** shown from there\n" in f"{said}\n"


def test_failures_that_moved_on_are_told_of(database, panels):
    with database.begin() as connection:
        venue = make_venue(connection)
        job = make_enrichment(connection, venue, uploaded=0, failures=[E.RATE_LIMITED, E.BAD_GATEWAY])
        later = make_job(connection, venue)
        by_error = update(schema.Image).where(schema.Image.error_type == E.RATE_LIMITED)
        connection.execute(by_error.values(failed_job=later.id))
        waiting = {"state": ImageState.DISCOVERED, "error_type": None, "failed_job": None}
        connection.execute(
            update(schema.Image).where(schema.Image.error_type == E.BAD_GATEWAY).values(waiting)
        )
    app = panels(job)
    assert "1 failed again in a later job, 1 waiting or being uploaded now" in texts(app)
    assert notes(app)["Still failed now"] == "0 retryable now"


def test_each_provider_has_a_card_with_its_result_and_reason(database, panels):
    with database.begin() as connection:
        job = make_enrichment(connection, uploaded=2, failures=[E.NOT_FOUND])
        make_provider(connection)
        make_job_provider(
            connection,
            job,
            "foursquare",
            status=ProviderStatus.FAILED,
            error_type=E.AUTH_ERROR,
            status_code=401,
            reason=EVIL,
        )
    said = texts(panels(job))
    assert ":orange-badge[Google Places] :green-badge[:material/check_circle: Success]" in said
    assert "**3** listed · **2** uploaded · :red[**1 failed**]" in said
    assert "4 calls · \\$0.021 · 0.4 s" in said
    assert "Foursquare" in said
    assert ":red-badge[:material/error: Failed]" in said
    assert ":red-badge[🔐 Auth error] HTTP 401" in said
    assert r"\[y\]\(javascript\:alert\(1\)\)" in said


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_provider_of_a_colour_that_streamlit_lacks_is_drawn_in_both_themes(database, panels, theme):
    with database.begin() as connection:
        make_provider(connection)
        job = make_enrichment(connection, uploaded=1, provider="foursquare")
    app = panels(job)
    app.context = {"theme": theme}
    app.run()
    drawn = next(text.value for text in app.markdown if "foreground" in text.value)
    assert ("#ff9fd0" if theme == "dark" else "#97216b") in drawn


def test_the_breakdown_says_how_many_failed_and_what_may_be_retried(database, panels):
    with database.begin() as connection:
        job = make_enrichment(
            connection, uploaded=1, failures=[E.RATE_LIMITED, E.RATE_LIMITED, E.NOT_FOUND, E.CORRUPT_IMAGE]
        )
        bring_in(connection, E.RATE_LIMITED)
    said = texts(panels(job)).splitlines()
    (limited,) = [line for line in said if "2 × ⏱️ Rate limited" in line]
    assert ":orange-badge[:material/replay: Retryable]" in limited
    assert "1 recovered since" in limited
    (gone,) = [line for line in said if "1 × ❓ Not found" in line]
    (corrupt,) = [line for line in said if "1 × 🩹 Corrupt image" in line]
    assert "Retryable" not in gone + corrupt
    for word, error_type in (
        ("Transient", E.RATE_LIMITED),
        ("Permanent", E.NOT_FOUND),
        ("Ambiguous", E.CORRUPT_IMAGE),
    ):
        advice = ERRORS[error_type].advice.split(";")[0]
        assert any(line.startswith(f":small[{word}") and advice in line for line in said)


def test_failed_images_show_what_they_were_then_and_are_now(database, panels):
    with database.begin() as connection:
        job = make_enrichment(connection, uploaded=0, failures=[E.RATE_LIMITED, E.BAD_GATEWAY])
        url = "https://photos.example.org/p.jpg?key=[cut out]"
        limited = update(schema.Image).where(schema.Image.error_type == E.RATE_LIMITED)
        connection.execute(limited.values(source_url=url, retry_count=2))
        bring_in(connection, E.BAD_GATEWAY)
    rows = table(panels(job))
    assert [list(cell) for cell in rows["provider"]] == [["Google Places"]] * 2
    assert [list(cell) for cell in rows["error"]] == [["⏱️ Rate limited"], ["🔀 Bad gateway"]]
    assert [list(cell) for cell in rows["now"]] == [["Failed"], ["Uploaded since"]]
    assert rows["retries"].tolist() == ["2 of 3", "0 of 3"]
    # what is stored had its secrets cut out when it came in; the screen shows exactly that
    assert rows["url"].iloc[0] == url


def test_a_long_list_of_failed_images_says_how_much_of_it_is_shown(database, panels):
    with database.begin() as connection:
        job = make_enrichment(connection, uploaded=0, failures=[E.RATE_LIMITED] * 203)
    app = panels(job)
    assert "The first 200 of 203 images" in texts(app)
    assert len(table(app)) == 200


def tick(app, job, *rows):
    """What clicks on the boxes of these rows do."""
    app.session_state[f"job_{job.id}_failed_images_ticked"] = {
        int(table(app)["image"].iloc[row]) for row in rows
    }
    app.run()
    assert not app.exception
    return app


def test_chosen_images_are_handed_over_by_id(database, panels):
    with database.begin() as connection:
        job = make_enrichment(connection, uploaded=0, failures=[E.RATE_LIMITED, E.NOT_FOUND, E.BAD_GATEWAY])
    app = panels(job)
    retry = f"job_{job.id}_retry_images"
    assert button(app, retry) is None
    assert "Tick images to retry only those." in texts(app)
    ids = table(app)["image"].tolist()
    tick(app, job, 0, 2)
    assert button(app, retry).label == "Retry 2 chosen images"
    tick(app, job, 1)
    assert button(app, retry).label == "Retry this image"
    button(app, retry).click().run()
    assert app.session_state["heard"] == [("images", (ids[1],))]


def test_ticks_follow_their_images_when_rows_move(database, panels, monkeypatch):
    with database.begin() as connection:
        job = make_enrichment(connection, uploaded=0, failures=[E.RATE_LIMITED, E.NOT_FOUND, E.BAD_GATEWAY])
    app = panels(job)
    ids = table(app)["image"].tolist()
    tick(app, job, 0)
    read = job_frames.failed_images
    monkeypatch.setattr(job_frames, "failed_images", lambda *args: read(*args).iloc[::-1])
    st.cache_data.clear()
    app.run()
    assert table(app)["image"].tolist() == ids[::-1]
    assert app.session_state[f"job_{job.id}_failed_images"]["selection"]["rows"] == [2]
    button(app, f"job_{job.id}_retry_images").click().run()
    assert app.session_state["heard"] == [("images", (ids[0],))]


def test_who_may_not_retry_cannot_choose(database, panels):
    with database.begin() as connection:
        job = make_enrichment(connection, uploaded=0, failures=[E.RATE_LIMITED])
    app = panels(job, may_retry=False)
    assert len(table(app)) == 1
    assert "Tick images" not in texts(app)
    assert app.dataframe[0].proto.selection_mode == []


def test_photos_carry_measures_and_attribution_and_more_come_in_steps(database, panels, tmp_path):
    with database.begin() as connection:
        job = make_enrichment(connection, uploaded=40)
        connection.execute(
            update(schema.Image).values(
                license="CC BY-SA 4.0", license_url="https://creativecommons.org/licenses/by-sa/4.0/"
            )
        )
        draw_stored(connection, tmp_path / "data" / "store")
    app = panels(job)
    assert len(app.image) == 8
    captions = [text.value for text in app.markdown if "Photographer" in text.value]
    assert len(captions) == 8
    assert all("1600 × 1067 · 0.60 quality · 250 kB" in text for text in captions)
    assert all("](https://creativecommons.org/licenses/by-sa/4.0/)" in text for text in captions)
    more = f"job_{job.id}_photos_more"
    assert button(app, more).label == "and 32 more"
    button(app, more).click().run()
    assert (len(app.image), button(app, more).label) == (32, "and 8 more")
    button(app, more).click().run()
    assert (len(app.image), button(app, more)) == (40, None)


def test_a_photo_whose_file_is_gone_says_so(database, panels, tmp_path):
    with database.begin() as connection:
        job = make_enrichment(connection, uploaded=2)
        draw_stored(connection, tmp_path / "data" / "store")
    next((tmp_path / "data" / "store").rglob("thumbs/*")).unlink()
    app = panels(job)
    assert len(app.image) == 1
    assert "not in this store any more" in texts(app)


def test_a_closed_section_asks_nothing_and_an_opened_one_does(database, panels):
    with database.begin() as connection:
        job = make_enrichment(connection, uploaded=2, failures=[E.RATE_LIMITED])
    closed = {f"job_{job.id}_failed": False, f"job_{job.id}_photos": False}
    marks = {
        "failed": "images.source_url",
        "photos": "images.thumbnail_url",
        "timeline": "attempts.started_at",
        "raw": "jobs.args",
    }
    with questions() as sent:
        app = panels(job, **closed)
    assert len(sent) == len({*sent}) == 3  # the job, what became of its images, its providers
    assert not [mark for mark in marks.values() if any(mark in question for question in sent)]
    for name, mark in marks.items():
        with questions() as sent:
            opened(app, job, name)
        assert any(mark in question for question in sent)


def test_what_people_come_for_is_open_at_once_and_the_rest_is_not(database, panels):
    with database.begin() as connection:
        both = make_enrichment(connection, uploaded=2, failures=[E.RATE_LIMITED])
        neither = make_job(connection)
    app = panels(both)
    assert sections(app) == ["Failed images (1)", "Photos (2)", "Timeline", "Raw data"]
    assert [
        app.session_state[f"job_{both.id}_{name}"] for name in ("failed", "photos", "timeline", "raw")
    ] == [
        True,
        True,
        False,
        False,
    ]
    assert sections(panels(neither)) == ["Timeline", "Raw data"]


def test_the_timeline_tells_runs_and_tries_in_order(database, panels):
    with database.begin() as connection:
        at = datetime.now(UTC) - timedelta(seconds=64)
        broke = {"attempt": 1, "at": at.isoformat(), "error": "the worker stopped before it finished"}
        job = make_enrichment(connection, uploaded=1, failures=[E.BAD_GATEWAY], attempt=2, errors=[broke])
    app = opened(panels(job, **{f"job_{job.id}_failed": False}), job, "timeline")
    rows = table(app)
    assert rows["what"].iloc[[0, 1, 2, -1]].tolist() == ["Queued", "Run 1 broke", "Run 2 began", "Ended"]
    assert rows["at"].is_monotonic_increasing
    results = [list(cell) for cell in rows["result"]]
    assert ["Broke"] in results
    assert ["Uploaded"] in results
    assert results[-1] == ["Partial"]
    assert "the worker stopped before it finished" in rows["detail"].tolist()
    assert "Oldest first: the job's runs" in texts(app)


def test_raw_data_can_be_read_copied_and_kept(database, panels):
    with database.begin() as connection:
        job = make_enrichment(connection, uploaded=1)
    app = opened(panels(job), job, "raw")
    shown = json.loads(app.json[0].value)
    assert shown["args"] == {"venue_id": job.venue_id}
    assert shown["meta"]["images_uploaded"] == 1
    assert json.loads(app.code[0].value)["id"] == job.id
    assert [one.proto.label for one in app.get("download_button")] == ["Download JSON"]


def test_the_download_is_the_whole_job_as_json():
    row = {"id": 5, "kind": JobKind.BATCH, "meta": {"name": "Żaczek"}, "args": [], "errors": []}
    assert json.loads(raw_data.as_json(row)) == row
    assert "Żaczek" in raw_data.as_json(row)


def test_raw_data_too_long_for_a_browser_is_for_downloading_only(database, panels):
    with database.begin() as connection:
        job = make_job(connection, kind=JobKind.BATCH, args={"venue_ids": list(range(40_000))})
    app = opened(panels(job), job, "raw")
    assert not app.json
    assert not app.code
    assert "too many to show here" in texts(app)


@pytest.mark.parametrize("meta", [[1, {"a": 2}], "words", 7, None], ids=str)
def test_a_meta_that_is_no_object_does_not_break_the_panel(database, panels, meta):
    with database.begin() as connection:
        job = make_job(connection, meta=meta, errors=["words", 5, None])
    app = panels(job)
    opened(app, job, "timeline")
    opened(app, job, "raw")
    assert json.loads(app.json[0].value)["meta"] == meta


def test_an_unknown_job_is_a_calm_sentence_that_can_be_closed(database, panels):
    app = panels(999_999)
    assert "There is no job 999999." in texts(app)
    assert not app.error
    button(app, "job_999999_close").click().run()
    assert app.session_state["heard"] == [("close", 999_999)]


def test_buttons_tell_the_page_which_job_is_meant(database, panels):
    with database.begin() as connection:
        jobs = [make_enrichment(connection, uploaded=0, failures=[E.RATE_LIMITED]) for _ in range(2)]
    app = panels(*jobs, retryable=True)
    button(app, f"job_{jobs[1].id}_retry").click().run()
    button(app, f"job_{jobs[0].id}_close").click().run()
    assert app.session_state["heard"] == [("retry", jobs[1].id), ("close", jobs[0].id)]
    assert button(app, f"job_{jobs[0].id}_close").proto.help == f"Close job {jobs[0].id}"


@pytest.mark.parametrize(
    ("state", "drawn"),
    [
        ({"retryable": True}, True),
        ({"retryable": False}, False),
        ({"retryable": True, "may_retry": False}, False),
        ({"retryable": True, "queued": 4}, False),
    ],
    ids=["retryable", "nothing to retry", "may not", "queued already"],
)
def test_retry_shows_only_where_it_makes_sense(database, panels, state, drawn):
    with database.begin() as connection:
        job = make_job(connection)
    app = panels(job, **state)
    assert (button(app, f"job_{job.id}_retry") is not None) is drawn
    links = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    assert links == ({"Retry 4 queued": "retry=4"} if "queued" in state else {})


def test_a_scan_shows_its_numbers_and_the_jobs_it_started(database, panels):
    with database.begin() as connection:
        scan = make_job(
            connection,
            kind=JobKind.STALE,
            meta={"summary": "Queued 12 venues for enrichment", "total_venues": 14, "execution_time_ms": 9},
        )
        for _ in range(21):
            child = make_job(connection, parent_id=scan.id)
        make_job(connection, parent_id=scan.id, state=JobState.AVAILABLE)
    app = panels(scan)
    assert "#### Scan for venues that are due" in texts(app)
    assert "Queued 12 venues for enrichment" in texts(app)
    assert list(cards(app)) == ["Total venues", "Took", "Cost", "Attempts"]
    assert cards(app)["Total venues"] == "14"
    assert "**Started 22 jobs** :green-badge[:material/check_circle: Success] 21" in texts(app)
    links = [link.proto for link in app.get("page_link")]
    assert len(links) == 20
    assert links[0].label.startswith(f"Job {child.id - 20}")
    assert links[0].query_string == f"job={child.id - 20}"
    assert "The first 20." in texts(app)


def test_a_link_to_a_started_job_keeps_the_rest_of_the_address(database, panels):
    with database.begin() as connection:
        scan = make_job(connection, kind=JobKind.BATCH)
        child = make_job(connection, parent_id=scan.id)
    app = panels(scan)
    app.query_params["city"] = ["3", "4"]
    app.query_params["job"] = str(scan.id)
    app.run()
    (link,) = app.get("page_link")
    assert link.proto.query_string == f"city=3&city=4&job={scan.id}&job={child.id}"


def test_a_retry_says_who_asked_for_it_and_how_its_images_stand(database, panels):
    with database.begin() as connection:
        request_id = connection.execute(
            insert(schema.RetryRequest)
            .values(token="t", actor="anna", reason=EVIL)
            .returning(schema.RetryRequest.id)
        ).scalar_one()
        cleanup = make_job(connection, kind=JobKind.CLEANUP, meta={"venues_scanned": 120})
        job = make_enrichment(
            connection, uploaded=1, kind=JobKind.RETRY, request_id=request_id, parent_id=cleanup.id
        )
        connection.execute(
            insert(schema.RetryItem).values(
                request_id=request_id,
                image_id=make_image(connection).id,
                provider="google_places",
                state="uploaded",
            )
        )
    app = panels(job)
    said = texts(app)
    assert f"**Retry request {request_id}** :gray-badge[Pending]" in said
    assert "Asked for by anna" in said
    assert r"\[y\]\(javascript\:alert\(1\)\)" in said
    assert ":small[1 image] :green-badge[Uploaded] 1" in said
    assert [link.proto.label for link in app.get("page_link")] == [f"Started by job {cleanup.id}"]
    assert cards(panels(cleanup))["Venues scanned"] == "120"


@pytest.mark.parametrize("kind", JobKind)
def test_every_kind_of_job_in_every_state_has_a_panel(database, panels, kind):
    with database.begin() as connection:
        jobs = [
            make_job(
                connection,
                make_venue(connection) if kind is JobKind.ENRICHMENT else None,
                kind=kind,
                state=state,
            )
            for state in JobState
        ]
    opened_too = {f"job_{job.id}_{name}": True for job in jobs for name in ("timeline", "raw")}
    app = panels(*jobs, **opened_too)
    said = texts(app)
    assert all(f"Job {job.id} ·" in said for job in jobs)
    assert len(app.dataframe) == len(app.json) == len(jobs)


def test_words_from_outside_are_shown_and_not_obeyed(database, panels):
    with database.begin() as connection:
        venue = make_venue(connection, name=EVIL)
        job = make_job(
            connection,
            venue,
            status=JobStatus.ERROR,
            actor=EVIL,
            meta={"summary": EVIL, EVIL: 5},
            errors=[{"attempt": 1, "error": EVIL}],
        )
        scan = make_job(connection, kind=JobKind.CLEANUP, meta={EVIL: 5})
        make_job(connection, venue, parent_id=scan.id)
    app = panels(job, scan)
    drawn = [text.value for text in app.markdown if "javascript" in str(text.value)]
    drawn += [metric.label for metric in app.metric if "javascript" in metric.label]
    drawn += [link.proto.label for link in app.get("page_link")]
    assert len(drawn) == 5  # headline, who asked, summary, number, link
    assert all(r"\]\(javascript\:alert\(1\)\)" in text and r"\<img" in text for text in drawn)

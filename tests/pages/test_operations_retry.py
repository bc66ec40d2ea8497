"""Retrying from the Operations page: what the dialog says, what the click writes, and who may."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from ops_core.domain.access import Actor, Role
from ops_core.domain.errors import ErrorType as E
from ops_core.ui import sign_in
from tests.support.app import open_app, texts
from tests.support.factories import make_enrichment, make_venue

pytestmark = pytest.mark.postgres

PAGE = "pages/operations.py"


@pytest.fixture
def job(database):
    """An enrichment that left two retryable, one permanent and one ambiguous failure."""
    with database.begin() as connection:
        venue = make_venue(connection, name="Klub Żaczek")
        return make_enrichment(
            connection,
            venue,
            uploaded=1,
            failures=[E.RATE_LIMITED, E.NETWORK_TIMEOUT, E.NOT_FOUND, E.CORRUPT_IMAGE],
        )


def rows(database, question):
    with database.connect() as connection:
        return connection.execute(text(question)).all()


def requests(database):
    return rows(database, "SELECT id, actor, state FROM retry_requests ORDER BY id")


def ask(app, job):
    """Open the dialog from the job's panel; the table's buttons are tried in a browser."""
    app.button(key=f"job_{job.id}_retry").click().run()
    assert not app.exception
    return app


def test_the_dialog_says_what_will_happen_and_nothing_happens_before_the_click(database, job):
    app = ask(open_app(PAGE, job=str(job.id)), job)
    said = texts(app)
    assert "**2 images** in **1 venue** will be tried again" in said
    assert "**2 provider calls**, **\\$0.014** in all" in said
    assert "No history yet" in said
    assert "Takes **a few seconds**" in said
    assert "Left out, 2 images" in said
    assert "**1** cannot succeed" in said
    assert "**1** needs a decision" in said
    assert app.button(key="retry_confirm").label == "Retry 2 images"
    assert requests(database) == []
    app.button(key="retry_cancel").click().run()
    assert "retry_confirm" not in [button.key for button in app.button]
    assert requests(database) == []


def test_a_click_makes_one_request_marks_the_row_and_says_so(database, job):
    app = ask(open_app(PAGE, job=str(job.id)), job)
    app.button(key="retry_confirm").click().run()
    assert not app.exception
    (request,) = requests(database)
    assert request.actor == "local"
    assert [row.state for row in rows(database, "SELECT state FROM retry_items")] == ["queued", "queued"]
    (toast,) = app.toast
    assert f"Retry queued for venue \\#{job.venue_id}" in toast.value
    assert f"/admin/venue-images/retries?retry={request.id})" in toast.value
    row = app.dataframe[0].value.iloc[0]
    assert list(row["standing"]) == ["Queued"]
    assert row["retry"] is None
    assert f"job_{job.id}_retry" not in [button.key for button in app.button]
    (written,) = rows(database, "SELECT actor, action, outcome FROM audit")
    assert (written.actor, written.action) == ("local", "submit_retry")


def test_a_second_click_on_the_same_dialog_finds_the_first_request(database, job):
    app = ask(open_app(PAGE, job=str(job.id)), job)
    asked = app.session_state["retry_asked"]
    app.button(key="retry_confirm").click().run()
    app.session_state["retry_asked"] = asked
    app.run()
    app.button(key="retry_confirm").click().run()
    assert len(requests(database)) == 1
    assert rows(database, "SELECT count(*) FROM retry_items")[0][0] == 2


def test_a_world_that_changed_meanwhile_shows_the_new_numbers_first(database, job):
    app = ask(open_app(PAGE, job=str(job.id)), job)
    with database.begin() as connection:
        connection.execute(
            text("UPDATE images SET error_type = 'forbidden' WHERE error_type = 'rate_limited'")
        )
    app.button(key="retry_confirm").click().run()
    assert requests(database) == []
    assert "Things changed while you were reading" in texts(app)
    assert app.button(key="retry_confirm").label == "Retry 1 image"
    app.button(key="retry_confirm").click().run()
    assert len(requests(database)) == 1


def test_nothing_left_to_retry_says_so_and_offers_no_click(database, job):
    app = ask(open_app(PAGE, job=str(job.id)), job)
    with database.begin() as connection:
        connection.execute(text("UPDATE images SET error_type = 'forbidden' WHERE error_type IS NOT NULL"))
    app.button(key="retry_confirm").click().run()
    assert requests(database) == []
    assert "None of these images can be retried now" in texts(app)
    assert app.button(key="retry_confirm").disabled


def test_retry_all_failed_queues_one_scan(database, job):
    app = open_app(PAGE)
    app.button(key="retry_all").click().run()
    assert "**2 images** in **1 venue**" in texts(app)
    app.button(key="retry_confirm").click().run()
    assert "Batch retry queued: scanning all venues" in app.toast[0].value
    app.button(key="retry_all").click().run()
    app.button(key="retry_confirm").click().run()
    assert "A scan runs already" in app.toast[0].value
    assert len(rows(database, "SELECT id FROM jobs WHERE kind = 'cleanup'")) == 1


def test_ticked_rows_are_retried_and_no_others(database, job):
    with database.begin() as connection:
        other = make_enrichment(connection, uploaded=0, failures=[E.BAD_GATEWAY])
        make_enrichment(connection, uploaded=0, failures=[E.BAD_GATEWAY])
    app = open_app(PAGE)
    app.session_state["operations_ticked"] = {job.id, other.id}
    app.run()
    assert app.button(key="retry_ticked").label == "Retry 2 ticked"
    app.button(key="retry_ticked").click().run()
    assert "**3 images** in **2 venues**" in texts(app)
    app.button(key="retry_confirm").click().run()
    venues = rows(database, "SELECT venue_id FROM jobs WHERE kind = 'retry' ORDER BY venue_id")
    assert [row.venue_id for row in venues] == sorted([job.venue_id, other.venue_id])
    app.button(key="untick").click().run()
    assert "retry_ticked" not in [button.key for button in app.button]


def test_all_that_match_are_those_of_the_filter_on_every_page(database, job):
    with database.begin() as connection:
        venue = make_venue(connection, name="Rijksmuseum")
        for _ in range(53):
            make_enrichment(connection, venue, uploaded=0, failures=[E.BAD_GATEWAY])
    app = open_app(PAGE, venue="rijks")
    assert app.button(key="retry_matching").label == "Retry all 53 matching"
    app.button(key="retry_matching").click().run()
    assert "**53 images** in **1 venue**" in texts(app)
    app.button(key="retry_confirm").click().run()
    assert len(rows(database, "SELECT image_id FROM retry_items")) == 53
    assert rows(database, "SELECT DISTINCT venue_id FROM jobs WHERE kind = 'retry'")[0][0] == venue.id


@pytest.fixture
def viewer(monkeypatch):
    monkeypatch.setattr(sign_in, "here", lambda: Actor("vera@example.org", Role.VIEWER))


def test_a_viewer_sees_everything_and_no_way_to_retry(database, job, viewer):
    app = open_app(PAGE, job=str(job.id))
    assert not app.exception
    assert len(app.dataframe[0].value) == 1
    assert "retry" not in app.dataframe[0].value
    keys = {button.key for button in app.button}
    assert not keys & {"retry_all", "retry_matching", "retry_ticked", f"job_{job.id}_retry"}


def test_a_viewers_forged_retry_is_refused_in_the_core_and_audited(database, job, monkeypatch):
    app = ask(open_app(PAGE, job=str(job.id)), job)
    monkeypatch.setattr(sign_in, "here", lambda: Actor("vera@example.org", Role.VIEWER))
    app.run()
    app.button(key="retry_confirm").click().run()
    assert not app.exception
    assert requests(database) == []
    (written,) = rows(database, "SELECT actor, action, outcome FROM audit")
    assert written.actor == "vera@example.org"
    assert written.outcome.startswith("refused")
    assert "operator" in texts(app)


def test_an_operator_may_retry(database, job, monkeypatch):
    monkeypatch.setattr(sign_in, "here", lambda: Actor("otto@example.org", Role.OPERATOR))
    app = ask(open_app(PAGE, job=str(job.id)), job)
    app.button(key="retry_confirm").click().run()
    (request,) = requests(database)
    assert request.actor == "otto@example.org"


def test_a_database_that_goes_away_at_the_click_says_so_and_keeps_the_order(database, job, monkeypatch):
    from sqlalchemy.exc import OperationalError

    from ops_core import actions

    app = ask(open_app(PAGE, job=str(job.id)), job)
    away = OperationalError("SELECT", {}, ConnectionError("gone"), connection_invalidated=True)

    def fail(*_, **__):
        raise away

    with monkeypatch.context() as patch:
        patch.setattr(actions, "submit_retry", fail)
        app.button(key="retry_confirm").click().run()
    assert not app.exception
    assert "The database cannot be reached" in texts(app)
    app.button(key="retry_confirm").click().run()
    assert len(requests(database)) == 1

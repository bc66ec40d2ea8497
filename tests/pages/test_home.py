"""Home: what needs a person now."""

from __future__ import annotations

import pytest
import streamlit as st
from sqlalchemy import text

from ops_core.domain.errors import ErrorType as E
from ops_core.domain.images import ImageState
from ops_core.domain.jobs import JobState
from tests.support.app import open_app, texts
from tests.support.factories import make_city, make_heartbeat, make_image, make_job, make_match, make_venue

pytestmark = pytest.mark.postgres


def test_failures_are_counted_by_what_can_be_done_about_them(database):
    with database.begin() as connection:
        for error_type in (E.RATE_LIMITED, E.RATE_LIMITED, E.FORBIDDEN, E.CORRUPT_IMAGE):
            make_image(connection, state=ImageState.FAILED, error_type=error_type)
        make_image(connection, state=ImageState.PERMANENTLY_FAILED, error_type=E.NETWORK_ERROR)
        make_job(connection, state=JobState.EXECUTING)
        make_heartbeat(connection, "worker")
    app = open_app()
    assert {metric.label: metric.value for metric in app.metric} == {
        "Need a decision": ":violet[1]",
        "Retries used up": ":red[1]",
        "Cannot succeed": ":gray[1]",
        "Retryable": ":orange[2]",
        "Running jobs": ":blue[1]",
        "Waiting jobs": "0",
        "Workers alive": ":green[1]",
        "Dispatchers alive": ":red[0]",
    }
    assert not app.success
    assert not app.warning


def test_nothing_to_do_is_said_in_words(database):
    with database.begin() as connection:
        make_image(connection, state=ImageState.FAILED, error_type=E.RATE_LIMITED)
    app = open_app()
    assert "No failed image waits for a person." in texts(app)
    assert "No worker is running" in texts(app)


def test_searches_to_choose_from_and_providers_that_are_not_asked_are_told_of(database):
    app = open_app()
    assert "Searches and providers" not in texts(app)
    with database.begin() as connection:
        venue = make_venue(connection, city_id=make_city(connection).id)
        make_match(connection, venue)
        connection.execute(
            text("""
                UPDATE providers SET paused_until = now() + interval '1 hour', paused_reason = 'they move'
                WHERE code = 'here'
            """)
        )
        connection.execute(
            text("""
                INSERT INTO circuits (provider, state, failures, error_type, opened_at, retry_at)
                VALUES ('mapbox', 'open', 10, 'auth_error', now(), now() + interval '1 minute')
            """)
        )
    st.cache_data.clear()
    app = open_app()
    said = texts(app)
    links = [link.proto.label for link in app.get("page_link")]
    assert "1 search waits for somebody to choose the right place" in links
    assert "HERE" in said
    assert "they move" in said
    assert "Breaker open" in said
    assert "Foursquare" not in said

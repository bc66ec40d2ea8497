"""Home: what needs a person now."""

from __future__ import annotations

import pytest

from ops_core.domain.errors import ErrorType as E
from ops_core.domain.images import ImageState
from ops_core.domain.jobs import JobState
from tests.support.app import open_app, texts
from tests.support.factories import make_heartbeat, make_image, make_job

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

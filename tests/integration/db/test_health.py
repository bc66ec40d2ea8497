"""How the system is, against a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ops_core.db import health
from ops_core.domain.errors import ErrorType as E
from ops_core.domain.images import ImageState
from ops_core.domain.jobs import JobState
from tests.support.factories import make_heartbeat, make_image, make_job

pytestmark = pytest.mark.postgres


@pytest.fixture
def connection(database):
    with database.connect() as open_connection:
        yield open_connection


def test_open_jobs_are_waiting_or_running(connection):
    for state in JobState:
        make_job(connection, state=state)
    assert health.open_jobs(connection) == health.OpenJobs(waiting=2, running=1)


def test_each_open_failure_counts_once_by_what_can_be_done(connection):
    for error_type in (E.RATE_LIMITED, E.NETWORK_ERROR, E.FORBIDDEN, E.CORRUPT_IMAGE):
        make_image(connection, state=ImageState.FAILED, error_type=error_type)
    make_image(connection, state=ImageState.PERMANENTLY_FAILED, error_type=E.NETWORK_ERROR)
    make_image(connection)
    counted = health.open_failures(connection)
    assert counted == health.OpenFailures(transient=2, ambiguous=1, permanent=1, given_up=1)
    assert counted.need_a_person


def test_failures_that_are_retried_by_themselves_need_nobody(connection):
    make_image(connection, state=ImageState.FAILED, error_type=E.RATE_LIMITED)
    assert not health.open_failures(connection).need_a_person


def test_counting_stops_at_its_limit(connection, monkeypatch):
    monkeypatch.setattr(health, "COUNT_LIMIT", 2)
    for _ in range(4):
        make_job(connection, state=JobState.AVAILABLE)
        make_image(connection, state=ImageState.FAILED, error_type=E.NOT_FOUND)
    assert health.open_jobs(connection).waiting == 3
    assert health.open_failures(connection).permanent == 3


def test_heartbeats_tell_their_age_and_old_ones_are_left_out(connection):
    now = datetime.now(UTC)
    make_heartbeat(connection, "worker", seen_at=now - timedelta(seconds=90))
    make_heartbeat(connection, "worker", seen_at=now - timedelta(seconds=5))
    make_heartbeat(connection, "dispatcher", seen_at=now - timedelta(days=2))
    found = health.heartbeats(connection)
    assert [row["kind"] for row in found] == ["worker", "worker"]
    assert [float(row["age"]) for row in found] == pytest.approx([5, 90], abs=10)

"""One job's frames, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.analytics import job_frames
from ops_core.analytics.columns import frame
from ops_core.db.job_detail import TRIES_SEEN
from ops_core.domain.errors import ErrorType as E
from ops_core.domain.images import AttemptOutcome, ImageState

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def counts(*rows):
    return frame([dict.fromkeys(job_frames.FATES, 0) | row for row in rows], job_frames.FATES)


def job(**columns):
    return {
        "inserted_at": NOW,
        "attempted_at": NOW + timedelta(seconds=2),
        "finished_at": NOW + timedelta(seconds=9),
        "attempt": 1,
        "actor": "anna",
        "outcome": "success",
        **columns,
    }


def tried(second, **columns):
    return {
        "started_at": NOW + timedelta(seconds=second),
        "finished_at": NOW + timedelta(seconds=second + 0.5),
        "image_id": 7,
        "number": 1,
        "provider": "google_places",
        "outcome": AttemptOutcome.UPLOADED,
        "error_type": None,
        "status_code": 200,
        "detail": None,
        "bytes": 250_000,
        "cost_usd": Decimal("0.007"),
        **columns,
    }


@pytest.mark.parametrize(
    ("made", "declared"),
    [
        (job_frames.failures(counts()), job_frames.FAILURES),
        (counts(), job_frames.FATES),
        (job_frames.timeline(job(), [], []), job_frames.TIMELINE),
        (job_frames.timeline(job(), [], [tried(3)]), job_frames.TIMELINE),
    ],
    ids=["no failures", "no fates", "no tries", "one try"],
)
def test_frames_have_their_declared_columns_and_types(made, declared):
    assert {name: str(kind) for name, kind in made.dtypes.items()} == declared


def test_every_state_of_an_image_has_a_word():
    assert set(job_frames.NOW) == set(ImageState)


def test_a_job_without_tries_left_nothing():
    fate = job_frames.fate(counts())
    assert (fate.uploaded, fate.failed, fate.recovered, fate.failed_now, fate.underway) == (0, 0, 0, 0, 0)
    assert fate.complete


_amount = st.integers(0, 50)


@given(st.lists(st.tuples(st.sampled_from([None, *E]), _amount, _amount, _amount, _amount), max_size=8))
def test_what_failed_is_recovered_or_failed_or_under_way(lines):
    rows = [
        {
            "provider": "here",
            "error_type": kind,
            "images": stored + failed_now + underway,
            "stored": stored,
            "failed_now": failed_now,
            "later": min(later, failed_now),
        }
        for kind, stored, failed_now, underway, later in lines
    ]
    fate = job_frames.fate(counts(*rows))
    assert fate.failed == fate.recovered + fate.failed_now + fate.underway
    assert fate.underway == sum(line[3] for line in lines if line[0])
    assert fate.uploaded == sum(row["images"] for row in rows if not row["error_type"])
    assert job_frames.failures(counts(*rows))["images"].sum() == fate.failed


def test_failures_add_up_over_providers_and_come_most_first():
    rows = [
        {"provider": "a", "error_type": E.NOT_FOUND, "images": 2, "tries": 9},
        {"provider": "a", "error_type": None, "images": 5, "stored": 5, "tries": 9},
        {
            "provider": "b",
            "error_type": E.BAD_GATEWAY,
            "images": 3,
            "stored": 1,
            "retryable_now": 2,
            "tries": 9,
        },
        {"provider": "b", "error_type": E.NOT_FOUND, "images": 2, "tries": 9},
    ]
    found = job_frames.failures(counts(*rows)).to_dict("records")
    assert found == [
        {"error_type": "not_found", "images": 4, "recovered": 0, "retryable_now": 0},
        {"error_type": "bad_gateway", "images": 3, "recovered": 1, "retryable_now": 2},
    ]


def test_a_job_with_more_tries_than_are_read_says_so():
    row = {"provider": "a", "error_type": None, "images": 1}
    assert job_frames.fate(counts(row | {"tries": TRIES_SEEN - 1})).complete
    assert not job_frames.fate(counts(row | {"tries": TRIES_SEEN})).complete


def test_a_timeline_tells_the_job_in_order_of_time():
    errors = [{"attempt": 1, "at": (NOW + timedelta(seconds=1)).isoformat(), "error": "the worker stopped"}]
    lost = tried(4, outcome=AttemptOutcome.LOST, error_type=E.WORKER_LOST, status_code=None, bytes=None)
    events = job_frames.timeline(job(attempt=2), errors, [tried(6, number=2), lost])
    assert events["what"].tolist() == [
        "Queued",
        "Run 1 broke",
        "Run 2 began",
        "Image 7, try 1",
        "Image 7, try 2",
        "Ended",
    ]
    assert events["at"].is_monotonic_increasing
    results = [None if pd.isna(word) else word for word in events["result"]]
    assert results == [None, "broke", None, "lost", "uploaded", "success"]
    last_try = events.iloc[4]
    assert (last_try["seconds"], last_try["kilobytes"], last_try["cost_usd"]) == (0.5, 250.0, 0.007)


def test_a_job_that_waits_has_only_been_queued():
    events = job_frames.timeline(job(attempted_at=None, finished_at=None, attempt=0, outcome=None), [], [])
    assert events["what"].tolist() == ["Queued"]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda part: (
        st.lists(part, max_size=3)
        | st.dictionaries(st.sampled_from(["attempt", "at", "error", "x"]), part, max_size=4)
    ),
    max_leaves=8,
)


@given(_json)
def test_whatever_stands_in_errors_the_timeline_is_drawn(errors):
    events = job_frames.timeline(job(), errors, [tried(3)])
    assert len(events) == 4 + (len(errors) if isinstance(errors, list) else 0)
    assert {"Queued", "Run 1 began", "Image 7, try 1", "Ended"} <= set(events["what"])


@pytest.mark.parametrize(
    "word", ["", "yesterday", "9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00", 5, None]
)
def test_a_broken_run_without_a_readable_time_comes_first(word):
    events = job_frames.timeline(job(), [{"attempt": 1, "at": word, "error": "boom"}], [])
    assert events["what"].tolist()[0] == "Run 1 broke"
    assert pd.isna(events["at"].iloc[0])
    assert events["detail"].iloc[0] == "boom"

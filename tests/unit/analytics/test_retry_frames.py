"""How far a retry is, what is left of it, its course, and its forecast beside its result."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.analytics import retry_frames
from ops_core.analytics.retry_frames import SampleSoFar, Standing
from ops_core.db.retries import Request
from ops_core.domain.forecast import Forecast
from ops_core.domain.retries import ItemState, RequestState, Scope
from ops_core.domain.retry_options import Options
from tests.support.retry_factories import plan_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def a_request(**fields) -> Request:
    values = {
        "id": 1,
        "actor": "ann",
        "scope": Scope(everything=True),
        "options": Options(),
        "reason": None,
        "state": RequestState.RUNNING,
        "state_reason": None,
        "plan": plan_of(100),
        "forecast": None,
        "rerun_of": None,
        "not_before": NOW,
        "created_at": NOW,
        "started_at": NOW,
        "finished_at": None,
        "sample_decided": False,
        "images": 100,
        "uploaded": 0,
        "failed": 0,
        "skipped": 0,
        "let_go": 0,
        "calls": 0,
        "cost_usd": Decimal(0),
    }
    return Request(**values | fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"state": RequestState.PENDING, "not_before": NOW + timedelta(hours=1)}, Standing.SCHEDULED),
        ({"state": RequestState.PENDING}, Standing.WAITING),
        ({"state": RequestState.RUNNING}, Standing.RUNNING),
        ({"state": RequestState.PAUSED}, Standing.PAUSED),
        ({"state": RequestState.PAUSED, "options": Options(sample=10), "uploaded": 9}, Standing.PAUSED),
        ({"state": RequestState.PAUSED, "options": Options(sample=10), "failed": 10}, Standing.STOPPED),
        (
            {
                "state": RequestState.PAUSED,
                "options": Options(sample=10),
                "failed": 10,
                "sample_decided": True,
            },
            Standing.PAUSED,
        ),
        ({"state": RequestState.CANCELLED}, Standing.CANCELLING),
        ({"state": RequestState.CANCELLED, "finished_at": NOW}, Standing.CANCELLED),
        ({"state": RequestState.COMPLETED, "finished_at": NOW}, Standing.COMPLETED),
    ],
)
def test_a_request_stands_where_its_state_times_and_sample_say(fields, expected):
    assert retry_frames.standing(a_request(**fields), NOW) is expected


def test_a_sample_is_told_of_until_it_is_decided():
    options = Options(sample=10, sample_share=0.7)
    begun = a_request(options=options, uploaded=3, failed=1)
    assert retry_frames.sample_of(begun) == SampleSoFar(images=10, ended=4, uploaded=3, share=0.7)
    assert retry_frames.sample_of(a_request(options=options, uploaded=30, sample_decided=True)) is None
    assert retry_frames.sample_of(a_request(uploaded=3)) is None
    cancelled = a_request(options=options, state=RequestState.CANCELLED)
    assert retry_frames.sample_of(cancelled) is None


def test_a_sample_of_more_than_there_are_is_all_of_them():
    sample = retry_frames.sample_of(a_request(options=Options(sample=500), images=20, uploaded=5))
    assert sample is not None
    assert (sample.images, sample.ended) == (20, 5)


def test_the_time_left_is_by_the_forecast_first_and_by_the_rate_then():
    forecast = Forecast(seconds=200)
    assert retry_frames.seconds_left(a_request(forecast=forecast), None) == 200
    # four images say little about the rate
    assert retry_frames.seconds_left(a_request(forecast=forecast, uploaded=4), 1) == pytest.approx(192)
    assert retry_frames.seconds_left(a_request(forecast=forecast, uploaded=40), 60) == pytest.approx(60)


def test_nobody_can_say_how_long_a_retry_takes_that_does_not_move():
    assert retry_frames.seconds_left(a_request(forecast=Forecast(seconds=9), uploaded=40), 0) is None
    assert retry_frames.seconds_left(a_request(), None) is None
    paused = a_request(state=RequestState.PAUSED, uploaded=40)
    assert retry_frames.seconds_left(paused, 60) is None


def test_an_ended_share_counts_every_kind_of_end():
    request = a_request(uploaded=40, failed=5, skipped=3, let_go=2)
    assert retry_frames.ended_share(request) == pytest.approx(0.5)
    assert retry_frames.ended_share(a_request(images=0)) == 1


TALLY = [
    {"provider": "a", "state": "uploaded", "reason": None, "images": 5},
    {"provider": "a", "state": "failed", "reason": "not_found", "images": 2},
    {"provider": "b", "state": "failed", "reason": "rate_limited", "images": 4},
    {"provider": "b", "state": "failed", "reason": "not_found", "images": 1},
    {"provider": "b", "state": "skipped", "reason": "recovered", "images": 3},
    {"provider": "b", "state": "queued", "reason": None, "images": 6},
    {"provider": "b", "state": "running", "reason": None, "images": 1},
    {"provider": "b", "state": "released", "reason": None, "images": 8},
]


def test_each_provider_is_told_what_became_of_its_images():
    assert retry_frames.ends(TALLY).to_dict("records") == [
        {"provider": "a", "open": 0, "uploaded": 5, "failed": 2, "skipped": 0, "let_go": 0},
        {"provider": "b", "open": 7, "uploaded": 0, "failed": 5, "skipped": 3, "let_go": 8},
    ]


def test_what_remains_is_by_error_type_most_first_with_what_recovered_since():
    since = [
        {"reason": "rate_limited", "state": "uploaded", "images": 3},
        {"reason": "rate_limited", "state": "uploading", "images": 1},
        {"reason": "not_found", "state": "failed", "images": 3},
    ]
    assert retry_frames.remaining(TALLY, since).to_dict("records") == [
        {"error_type": "rate_limited", "images": 4, "recovered": 3, "trying": 1},
        {"error_type": "not_found", "images": 3, "recovered": 0, "trying": 0},
    ]
    assert retry_frames.remaining(TALLY, None)["recovered"].isna().all()


@pytest.mark.parametrize("make", [retry_frames.ends, retry_frames.skipped, retry_frames.items])
def test_frames_of_nothing_have_their_columns(make):
    found = make([])
    assert len(found) == 0
    assert len(found.columns) > 1


rows = st.lists(
    st.tuples(
        st.integers(0, 50),
        st.sampled_from([state for state in ItemState if state not in ("queued", "running")]),
        st.integers(1, 1000),
    ),
    unique_by=lambda row: row[:2],
)


@given(rows, st.integers(0, 60), st.sampled_from([1, 5, 60]))
def test_a_course_only_rises_in_order_of_time_and_ends_with_everything(counted, length, step):
    end = NOW + timedelta(seconds=length * step)
    found = retry_frames.course(
        (
            {"since": NOW + timedelta(seconds=step * number), "state": state, "images": images}
            for number, state, images in sorted(counted)
        ),
        begin=NOW,
        end=end,
        step=step,
    )
    assert found["until"].is_monotonic_increasing
    assert found["until"].is_unique
    assert found["until"].iloc[0].to_pydatetime() == NOW
    for state, name in retry_frames._ENDS.items():
        assert found[name].is_monotonic_increasing
        assert found[name].iloc[-1] == sum(images for _, each, images in counted if each is state)


@given(st.floats(0, 3e9))
def test_a_course_has_few_points_however_long_it_is(seconds):
    step = retry_frames.course_step(timedelta(seconds=seconds))
    assert step >= 1
    assert seconds / step <= 150 or step == 7 * 86_400


def test_a_forecast_stands_beside_the_result():
    forecast = Forecast(seconds=90, uploaded=60, uploaded_low=50, uploaded_high=70, unknown=10)
    request = a_request(
        forecast=forecast,
        uploaded=55,
        calls=99,
        cost_usd=Decimal("1.5"),
        finished_at=NOW + timedelta(minutes=2),
    )
    found = retry_frames.compared(request, NOW + timedelta(days=1))
    assert (found.seconds.expected, found.seconds.result) == (90, 120)
    assert (found.uploaded.expected, found.uploaded.result, found.unknown) == (60, 55, 10)
    assert (found.calls.expected, found.calls.result) == (100, 99)
    assert found.cost_usd.result == 1.5


@pytest.mark.parametrize(
    ("uploaded", "verdict"), [(49, "fewer"), (50, "within"), (80, "within"), (95, "more")]
)
def test_a_result_is_measured_by_the_interval_with_the_unknown_images_on_top(uploaded, verdict):
    forecast = Forecast(seconds=90, uploaded=60, uploaded_low=50, uploaded_high=70, unknown=10)
    found = retry_frames.compared(a_request(forecast=forecast, uploaded=uploaded), NOW)
    assert found.uploaded.verdict == verdict


def test_without_history_nothing_is_expected_and_nothing_is_judged():
    found = retry_frames.compared(a_request(forecast=Forecast(seconds=9, unknown=100), uploaded=5), NOW)
    assert found.uploaded.expected is None
    assert found.uploaded.verdict is None
    assert retry_frames.compared(a_request(), NOW).seconds.expected is None

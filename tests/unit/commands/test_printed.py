"""How the retry commands put retries into words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ops_core.commands.printed import counts_in_words, request_lines, state_in_words
from ops_core.commands.watching import EXIT_PAUSED, EXIT_SOME_FAILED, ended_in_words, exit_code
from ops_core.db.retries import Request
from ops_core.domain.forecast import Forecast
from ops_core.domain.retries import RequestState, Scope
from ops_core.domain.retry_options import Options
from ops_core.domain.retry_plan import ProviderShare, RetryPlan
from ops_core.domain.retry_texts import columns, expectation, money

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RETRY = Request(
    id=7,
    actor="anna",
    scope=Scope(venues=(12,)),
    options=Options(),
    reason=None,
    state=RequestState.RUNNING,
    state_reason=None,
    plan=RetryPlan(
        images=1200,
        venues=1,
        by_provider=(
            ProviderShare(provider="google_places", images=1200, calls=1200, cost_usd=Decimal("8.4")),
        ),
        skipped={},
    ),
    forecast=Forecast(seconds=600, uploaded=1000, uploaded_low=950, uploaded_high=1040),
    rerun_of=None,
    not_before=NOON,
    created_at=NOON,
    started_at=NOON,
    finished_at=None,
    sample_decided=False,
    images=1200,
    uploaded=1000,
    failed=3,
    skipped=0,
    let_go=0,
    calls=1003,
    cost_usd=Decimal("7.021"),
)
LATER = NOON + timedelta(hours=14)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "running"),
        ({"state": RequestState.PENDING}, "pending"),
        ({"state": RequestState.PENDING, "not_before": LATER}, "begins 2026-11-24 02:00 UTC"),
        ({"state": RequestState.PAUSED, "state_reason": "paused by anna"}, "paused by anna"),
        ({"state": RequestState.PAUSED, "state_reason": "the sample failed"}, "paused: the sample failed"),
        (
            {"state": RequestState.CANCELLED, "state_reason": "cancelled by anna"},
            "cancelled by anna, what had begun is ending",
        ),
        (
            {"state": RequestState.CANCELLED, "state_reason": "cancelled by anna", "finished_at": LATER},
            "cancelled by anna 2026-11-24 02:00 UTC",
        ),
        # what workers had begun was all that was left
        (
            {"state": RequestState.COMPLETED, "state_reason": "paused by anna", "finished_at": LATER},
            "completed 2026-11-24 02:00 UTC",
        ),
    ],
)
def test_a_state_is_said_in_few_words(changes: dict, words: str) -> None:
    assert state_in_words(replace(RETRY, **changes)) == words


def test_counts_leave_out_what_there_is_none_of() -> None:
    assert counts_in_words(RETRY) == "1,200, 1,000 uploaded, 3 failed, 197 open"
    ended = replace(RETRY, skipped=190, let_go=7)
    assert counts_in_words(ended) == "1,200, 1,000 uploaded, 3 failed, 190 skipped, 7 let go"


def test_what_came_of_it_stands_beside_what_was_expected() -> None:
    lines = request_lines(replace(RETRY, finished_at=NOON + timedelta(minutes=12), reason="again"))
    assert lines[2:] == [
        "Reason: again",
        "Images: 1,200, 1,000 uploaded, 3 failed, 197 open",
        "Calls: 1,003 of 1,200 expected; cost: $7.021 of $8.400 expected",
        "Expected uploads: 1,000 (950 to 1,040), from 0 retries in the last 30 days.",
        "Took about 12 min; expected about 10 min.",
    ]


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"state": RequestState.PAUSED, "state_reason": "paused by anna"}, EXIT_PAUSED, "retries resume 7"),
        ({"state": RequestState.COMPLETED, "finished_at": LATER}, EXIT_SOME_FAILED, "retries rerun 7"),
        ({"state": RequestState.COMPLETED, "finished_at": LATER, "failed": 0}, 0, "completed"),
        (
            {"state": RequestState.CANCELLED, "finished_at": LATER, "failed": 0, "let_go": 1},
            EXIT_SOME_FAILED,
            "1 let go",
        ),
    ],
)
def test_a_watched_retry_ends_with_a_code_and_what_to_do_next(changes: dict, code: int, said: str) -> None:
    request = replace(RETRY, **changes)
    assert exit_code(request) == code
    assert said in ended_in_words(request)


def test_columns_of_numbers_stand_to_the_right() -> None:
    assert columns([("provider", "images"), ("a", "1,200"), ("bcd", "7")]) == [
        "  provider  images",
        "  a          1,200",
        "  bcd            7",
    ]


def test_nothing_known_is_said() -> None:
    assert "no history yet" in expectation(Forecast(seconds=1.0, unknown=3))


@pytest.mark.parametrize(
    ("usd", "words"), [("0", "$0"), ("0.007", "$0.007"), ("9.9", "$9.900"), ("1234.5", "$1,234.50")]
)
def test_money_is_as_fine_as_a_single_call(usd: str, words: str) -> None:
    assert money(Decimal(usd)) == words

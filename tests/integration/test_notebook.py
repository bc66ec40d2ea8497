"""Retries from Python: friendly words, the same plan and audit as the console, and a handle to steer with."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

import ops_core
from ops_core import actions
from ops_core.domain.access import LOCAL
from ops_core.domain.errors import ErrorType
from ops_core.domain.retries import Failures, RequestState, Scope
from ops_core.notebook import Changed, Refused, Retry, Unclear
from tests.support.factories import make_image, make_venue

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[2]


@pytest.fixture
def venue(database: Engine) -> Any:
    """A venue where two photos timed out and one is gone."""
    with database.begin() as connection:
        venue = make_venue(connection)
        for error in (ErrorType.NETWORK_TIMEOUT, ErrorType.NETWORK_TIMEOUT, ErrorType.NOT_FOUND):
            make_image(connection, venue, state="failed", error_type=error, provider="wikimedia_commons")
    return venue


def count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


def test_importing_the_package_loads_nothing_and_its_names_load_what_they_need() -> None:
    code = (
        "import sys, ops_core\n"
        "assert {'preview_retry', 'submit_retry', 'Retry'} <= set(dir(ops_core))\n"
        "heavy = {'sqlalchemy', 'pandas', 'celery', 'streamlit', 'pydantic'}\n"
        "print(*heavy & set(sys.modules))\n"
        "ops_core.preview_retry\n"
        "print('ops_core.notebook' in sys.modules, *{'pandas', 'celery', 'streamlit'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("\nTrue\n", 0), done.stderr
    with pytest.raises(AttributeError, match="no attribute 'retry_everything'"):
        _ = ops_core.retry_everything  # type: ignore[attr-defined]


def test_a_preview_says_what_would_be_done_and_changes_nothing(database: Engine, venue: Any) -> None:
    preview = ops_core.preview_retry(venue=venue.id)
    assert preview.scope == Scope(venues=(venue.id,))
    assert preview.plan == actions.preview_retry(database, preview.scope).plan
    assert (preview.plan.images, sum(preview.plan.skipped.values())) == (2, 1)
    assert "2 images of 1 venue" in repr(preview)
    assert "Left out: 1 permanent." in repr(preview)
    assert preview._repr_html_().startswith("<pre>To be tried again (venue #")
    assert count(database, "retry_requests") == count(database, "audit") == 0


@pytest.mark.parametrize(
    ("words", "scope"),
    [
        ({"venues": [1, 2], "venue": 3}, Scope(venues=(1, 2, 3))),
        ({"images": range(1, 4)}, Scope(images=(1, 2, 3))),
        ({"job": 4}, Scope(jobs=(4,))),
        ({"request": 5}, Scope(request=5)),
        ({"all": True}, Scope(everything=True)),
        (
            {"provider": "google_places", "error_types": ["rate_limited", ErrorType.BAD_GATEWAY], "venue": 1},
            Scope(
                failures=Failures(
                    providers=("google_places",),
                    error_types=(ErrorType.RATE_LIMITED, ErrorType.BAD_GATEWAY),
                    venues=(1,),
                )
            ),
        ),
        (
            {"since": datetime(2026, 1, 1, tzinfo=UTC)},
            Scope(failures=Failures(since=datetime(2026, 1, 1, tzinfo=UTC))),
        ),
        (
            {"since": "2026-01-01", "zone": "Europe/Warsaw"},
            Scope(failures=Failures(since=datetime(2025, 12, 31, 23, tzinfo=UTC))),
        ),
    ],
)
def test_words_are_singular_or_plural_one_or_many(database: Engine, words: Any, scope: Scope) -> None:
    assert ops_core.preview_retry(**words).scope == scope


def test_a_city_goes_by_its_id_too(database: Engine, venue: Any) -> None:
    preview = ops_core.preview_retry(city=venue.city_id, since=timedelta(days=1))
    assert preview.scope.failures is not None
    assert preview.scope.failures.cities == (venue.city_id,)
    assert preview.plan.images == 2


def test_the_frame_has_a_row_for_each_kind_even_of_nothing(database: Engine, venue: Any) -> None:
    frame = ops_core.preview_retry(all=True).frame()
    assert frame[["provider", "error_type", "images", "history"]].to_dict("records") == [
        {"provider": "wikimedia_commons", "error_type": "network_timeout", "images": 2, "history": 0}
    ]
    assert frame["expected"].isna().all()
    empty = ops_core.preview_retry(images=[10**9]).frame()
    assert empty.empty
    assert list(empty.dtypes) == list(frame.dtypes)


def test_what_was_shown_is_what_is_ordered_or_it_is_changed(database: Engine, venue: Any) -> None:
    preview = ops_core.preview_retry(venue=venue.id)
    with database.begin() as connection:
        make_image(
            connection,
            venue,
            state="failed",
            error_type=ErrorType.BAD_GATEWAY,
            provider="wikimedia_commons",
        )
    with pytest.raises(Changed) as raised:
        ops_core.submit_retry(preview)
    assert raised.value.preview.plan.images == 3
    assert count(database, "retry_requests") == 0

    retry = ops_core.submit_retry(ops_core.preview_retry(venue=venue.id), reason="tried from a notebook")
    assert retry.submitted is not None
    assert (retry.submitted.is_new, retry.status().images) == (True, 3)
    assert retry.status().reason == "tried from a notebook"
    with database.connect() as connection:
        actors = connection.execute(text("SELECT DISTINCT actor FROM audit")).scalars().all()
    assert actors == [LOCAL.name]


def test_words_can_be_ordered_at_once_and_a_token_orders_only_once(database: Engine, venue: Any) -> None:
    first = ops_core.submit_retry(venue=venue.id, per_hour=10, token="mine")
    again = ops_core.submit_retry(venue=venue.id, per_hour=10, token="mine")
    assert first.id == again.id
    assert again.submitted is not None
    assert not again.submitted.is_new
    assert first.status().options.per_hour == 10
    with pytest.raises(actions.AlreadyOpen, match=f"Retry #{first.id}"):
        ops_core.submit_retry(venue=venue.id)


def test_a_retry_is_steered_through_its_handle(database: Engine, venue: Any) -> None:
    retry = ops_core.submit_retry(venue=venue.id)
    with pytest.raises(TimeoutError, match="it goes on"):
        retry.wait(0)
    assert retry.pause().state is RequestState.PAUSED
    assert retry.wait(30).state is RequestState.PAUSED
    assert retry.resume().state is not RequestState.PAUSED
    assert retry.cancel().state is RequestState.CANCELLED
    assert Retry(retry.id).wait(30).let_go == 2
    assert repr(retry) == (
        f"Retry #{retry.id} of venue #{venue.id}, cancelled: 2 images, 0 uploaded, 0 failed, 0 open"
    )
    with pytest.raises(Refused, match="Nothing to retry"):
        retry.rerun()


def test_what_makes_no_sense_is_a_sentence(database: Engine) -> None:
    with pytest.raises(Unclear, match="not both"):
        ops_core.submit_retry(ops_core.preview_retry(all=True), venue=1)
    with pytest.raises(Unclear, match='no time zone "Mars"'):
        ops_core.preview_retry(all=True, zone="Mars")
    with pytest.raises(Unclear, match="at a time or off-peak"):
        ops_core.preview_retry(all=True, at="02:00", off_peak=True)
    with pytest.raises(Refused, match="There is no retry #7"):
        Retry(7).status()

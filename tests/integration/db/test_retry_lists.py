"""Retry requests to look at: pages by key, rates, images with what became of them, their course."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from ops_core.db import retry_lists
from ops_core.db.retry_lists import Which
from ops_core.domain.errors import ErrorType as E
from ops_core.domain.retries import Failures, RequestState, Scope
from ops_core.domain.retries import ItemState as S
from tests.support.factories import make_city, make_venue
from tests.support.plans import plans
from tests.support.retry_factories import item_images, make_request, make_retry

pytestmark = pytest.mark.postgres


@pytest.fixture
def connection(database):
    with database.begin() as connection:
        yield connection


@pytest.fixture
def many(connection):
    """Seven requests; those with even numbers are completed."""
    return [
        make_request(connection, state=RequestState.RUNNING if number % 2 else RequestState.COMPLETED).id
        for number in range(1, 8)
    ]


@pytest.mark.parametrize(
    ("which", "expected"),
    [(Which.OPEN, [7, 5, 3, 1]), (Which.DONE, [6, 4, 2]), (Which.ALL, [7, 6, 5, 4, 3, 2, 1])],
)
def test_pages_forward_and_back_show_each_request_once(connection, many, which, expected):
    assert many == list(range(1, 8))
    forward, page = [], retry_lists.page(connection, which, limit=2)
    assert not page.has_newer
    while True:
        forward += [request.id for request in page.requests]
        if not page.has_older:
            break
        page = retry_lists.page(connection, which, older_than=forward[-1], limit=2)
        assert page.has_newer
    assert forward == expected
    back = [request.id for request in page.requests]
    while page.has_newer:
        page = retry_lists.page(connection, which, newer_than=back[0], limit=2)
        assert page.has_older
        back = [request.id for request in page.requests] + back
    assert back == expected


def test_behind_the_last_page_there_is_nothing_but_something_before_it(connection, many):
    page = retry_lists.page(connection, Which.OPEN, older_than=1)
    assert page.requests == []
    assert page.has_newer
    assert not page.has_older


def test_newer_requests_are_counted_in_their_own_list(connection, many):
    assert retry_lists.newer(connection, Which.OPEN, 3) == 2
    assert retry_lists.newer(connection, Which.ALL, 3) == 4
    assert retry_lists.newer(connection, Which.DONE, 6) == 0


def test_requests_are_read_with_all_their_fields_and_the_missing_ones_are_missing(connection):
    row = make_retry(connection, [S.UPLOADED, E.NOT_FOUND, S.QUEUED], reason="why not")
    found = retry_lists.of_ids(connection, [row.id, 999])
    assert set(found) == {row.id}
    request = found[row.id]
    assert (request.images, request.uploaded, request.failed, request.open) == (3, 1, 1, 1)
    assert request.reason == "why not"


def test_scopes_of_few_venues_and_cities_are_named_and_others_are_not(connection):
    city = make_city(connection, name="Kraków")
    venues = [make_venue(connection, city, name=f"Bar {number}") for number in range(5)]
    ids = [venue.id for venue in venues]
    make_request(connection, Scope(venues=(ids[0],)))
    make_request(connection, Scope(venues=tuple(ids)))
    make_request(connection, Scope(failures=Failures(cities=(city.id,), venues=(ids[1],))))
    page = retry_lists.page(connection, Which.ALL)
    names = retry_lists.names(connection, page.requests)
    assert names.venues == {ids[0]: "Bar 0", ids[1]: "Bar 1"}
    assert names.cities == {city.id: "Kraków"}


def test_the_rate_is_that_of_the_last_minute_and_of_the_time_since_the_begin(connection):
    now = datetime.now(UTC)
    old = make_retry(
        connection,
        [S.UPLOADED] * 30,
        ended_at=now - timedelta(seconds=10),
        started_at=now - timedelta(hours=1),
    )
    fresh = make_retry(
        connection,
        [S.UPLOADED] * 30,
        ended_at=now - timedelta(seconds=1),
        started_at=now - timedelta(seconds=20),
    )
    quiet = make_retry(
        connection,
        [S.UPLOADED] * 30,
        ended_at=now - timedelta(minutes=2),
        started_at=now - timedelta(hours=1),
    )
    waiting = make_request(connection, state=RequestState.PENDING)
    rates = retry_lists.rates(connection, [old.id, fresh.id, quiet.id, waiting.id])
    assert set(rates) == {old.id, fresh.id, quiet.id}
    assert rates[old.id] == pytest.approx(30)
    assert rates[fresh.id] == pytest.approx(90, rel=0.2)
    assert rates[quiet.id] == 0


def test_a_fast_retry_s_rate_is_taken_from_its_latest_images_alone(connection, monkeypatch):
    monkeypatch.setattr(retry_lists, "RATE_IMAGES", 10)
    now = datetime.now(UTC)
    row = make_retry(
        connection,
        [S.UPLOADED] * 40,
        ended_at=now - timedelta(seconds=6),
        started_at=now - timedelta(hours=1),
    )
    # ten images in the last six seconds
    assert retry_lists.rates(connection, [row.id])[row.id] == pytest.approx(100, rel=0.1)


ENDS = [S.UPLOADED, E.NOT_FOUND, (S.SKIPPED, "recovered"), S.QUEUED, S.RUNNING, E.RATE_LIMITED, S.UPLOADED]


@pytest.mark.parametrize(
    ("states", "places"),
    [
        ((), [0, 1, 2, 3, 4, 5, 6]),
        ((S.FAILED,), [1, 5]),
        ((S.QUEUED, S.RUNNING), [3, 4]),
        ((S.RELEASED,), []),
    ],
)
def test_images_are_paged_both_ways_and_filtered_by_what_became_of_them(connection, states, places):
    row = make_retry(connection, ENDS)
    make_retry(connection, ENDS)  # others are not in it
    expected = [item_images(connection, row)[place] for place in places]
    page = retry_lists.items(connection, row.id, states, limit=2)
    assert not page.has_before
    seen = [item["image_id"] for item in page.rows]
    while page.has_after:
        page = retry_lists.items(connection, row.id, states, after=seen[-1], limit=2)
        assert page.has_before
        seen += [item["image_id"] for item in page.rows]
    assert seen == expected
    if len(expected) > 2:
        back = retry_lists.items(connection, row.id, states, before=expected[-1], limit=2)
        assert [item["image_id"] for item in back.rows] == expected[-3:-1]
        assert back.has_before is (len(expected) > 3)
        assert back.has_after


def test_an_image_tells_what_it_had_failed_with_what_became_of_it_and_what_it_is_now(connection):
    venue = make_venue(connection, name="Klub Żaczek")
    row = make_retry(connection, [E.NOT_FOUND], venue=venue, job_id=None)
    (item,) = retry_lists.items(connection, row.id).rows
    assert item["venue"] == "Klub Żaczek"
    assert (item["was_error"], item["state"], item["reason"]) == (E.RATE_LIMITED, S.FAILED, "not_found")
    assert (item["now_state"], item["now_error"]) == ("failed", "not_found")
    connection.execute(
        text("UPDATE images SET state = 'uploaded', error_type = NULL, storage_key = 'k' WHERE id = :id"),
        {"id": item["image_id"]},
    )
    (item,) = retry_lists.items(connection, row.id).rows
    assert (item["state"], item["now_state"]) == (S.FAILED, "uploaded")
    assert [dict(line) for line in retry_lists.since(connection, row.id)] == [
        {"reason": "not_found", "state": "uploaded", "images": 1}
    ]


def test_the_tally_counts_every_image_once(connection):
    row = make_retry(connection, ENDS)
    tally = retry_lists.tally(connection, row.id)
    assert {(line["state"], line["reason"]): line["images"] for line in tally} == {
        (S.UPLOADED, None): 2,
        (S.FAILED, "not_found"): 1,
        (S.FAILED, "rate_limited"): 1,
        (S.SKIPPED, "recovered"): 1,
        (S.QUEUED, None): 1,
        (S.RUNNING, None): 1,
    }


def test_the_course_counts_by_steps_from_the_begin(connection):
    begin = datetime(2026, 11, 20, 10, 0, 7, tzinfo=UTC)
    row = make_retry(connection, [S.UPLOADED, S.UPLOADED, E.NOT_FOUND, S.QUEUED], started_at=begin)
    for number, image in enumerate(item_images(connection, row)[:3]):
        connection.execute(
            text("UPDATE retry_items SET finished_at = :at WHERE image_id = :image"),
            {"at": begin + timedelta(seconds=40 * number), "image": image},
        )
    course = retry_lists.course(connection, row.id, begin=begin, step=60)
    assert [(line["since"], line["state"], line["images"]) for line in course] == [
        (begin, "uploaded", 2),
        (begin + timedelta(minutes=1), "failed", 1),
    ]


def test_reruns_are_found_oldest_first(connection):
    first = make_request(connection)
    again = [make_request(connection, Scope(request=first.id), rerun_of=first.id).id for _ in range(2)]
    make_request(connection)
    assert retry_lists.reruns(connection, first.id) == again


def test_the_stored_row_is_told_without_the_token_of_its_click(connection):
    row = make_request(connection, token="secret-of-the-click")
    stored = retry_lists.raw(connection, row.id)
    assert stored is not None
    assert stored["scope"] == {"everything": True}
    assert "secret-of-the-click" not in str(stored)
    assert retry_lists.raw(connection, 999) is None


def test_questions_of_large_lists_go_by_an_index_and_sort_nothing(connection, many):
    row = make_retry(connection, ENDS)
    # as where tables are large
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    connection.execute(text("SET LOCAL enable_bitmapscan = off"))
    with plans(connection) as found:
        for which in Which:
            retry_lists.page(connection, which)
            retry_lists.newer(connection, which, 3)
        retry_lists.page(connection, Which.DONE, older_than=5)
        retry_lists.rates(connection, [row.id])
        retry_lists.reruns(connection, row.id)
        for states in ((), (S.QUEUED, S.RUNNING), (S.UPLOADED,), (S.FAILED,), (S.RELEASED,)):
            retry_lists.items(connection, row.id, states, after=1)
    assert len(found) >= 15
    for plan in found:
        assert "Seq Scan" not in plan, plan
    assert sum("ix_retry_items_unstored" in plan for plan in found) == 2
    assert any("ix_retry_requests_open" in plan for plan in found)
    assert any("ix_retry_requests_rerun_of" in plan for plan in found)
    assert any("ix_retry_items_finished" in plan for plan in found)

"""Which photos' uses are to be reported, in which order, and what a question for them costs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from ops_core.db import discovered, uses
from ops_core.domain.images import ImageState
from tests.support.factories import make_image, make_provider, make_venue
from tests.support.plans import plans

pytestmark = pytest.mark.postgres

NOW = datetime.now(UTC)
HERE, UNSPLASH = "here", "unsplash"
IN_USE = {ImageState.UPLOADED, ImageState.REFERENCED}


@pytest.fixture
def connection(database: Engine) -> Any:
    with database.connect() as opened:
        for code in (HERE, UNSPLASH):
            make_provider(opened, code=code, name=code)
        yield opened


def listed(connection: Connection, venue: Any, ref: str, **more: Any) -> int:
    photo = {
        "provider": UNSPLASH,
        "provider_ref": ref,
        "position": 0,
        "quality_score": 0.5,
        "state": ImageState.REFERENCED,
        "report_due_at": NOW,
    }
    (image_id,) = discovered.keep(connection, venue.id, [photo | more])
    return image_id


@pytest.mark.parametrize("state", ImageState)
def test_the_use_of_a_photo_is_due_once_it_is_in_use(connection: Connection, state: ImageState) -> None:
    marked = {"provider": UNSPLASH, "state": state, "report_due_at": NOW - timedelta(hours=1)}
    if state in (ImageState.FAILED, ImageState.PERMANENTLY_FAILED):
        marked["error_type"] = "forbidden"
    make_image(connection, **marked)
    assert uses.due(connection, [HERE, UNSPLASH]) == ([UNSPLASH] if state in IN_USE else [])
    assert (uses.oldest(connection, UNSPLASH) is not None) == (state in IN_USE)


def test_a_photo_is_marked_when_it_is_new_and_never_again(connection: Connection) -> None:
    venue = make_venue(connection)
    image_id = listed(connection, venue, "a")
    use = uses.oldest(connection, UNSPLASH)
    assert use is not None
    assert (use.image_id, use.city_id, use.provider_ref) == (image_id, venue.city_id, "a")
    assert use.overdue == pytest.approx((datetime.now(UTC) - NOW).total_seconds(), abs=30)
    listed(connection, venue, "a", report_due_at=NOW - timedelta(days=1))
    assert connection.scalar(text("SELECT report_due_at FROM images")) == NOW

    uses.settle(connection, image_id)
    assert uses.due(connection, [UNSPLASH]) == []
    assert listed(connection, venue, "a") == image_id
    assert uses.due(connection, [UNSPLASH]) == []


def test_the_oldest_is_reported_first_and_what_was_put_off_comes_after_the_others(
    connection: Connection,
) -> None:
    venue = make_venue(connection)
    ids = [
        listed(connection, venue, ref, report_due_at=NOW - timedelta(minutes=ago))
        for ref, ago in (("a", 1), ("b", 3), ("c", 2))
    ]
    listed(connection, venue, "later", report_due_at=datetime.now(UTC) + timedelta(hours=1))
    listed(connection, venue, "other", provider=HERE, report_due_at=NOW - timedelta(days=1))
    order = []
    while use := uses.oldest(connection, UNSPLASH):
        order.append(use.provider_ref)
        uses.put_off(connection, use.image_id, 60.0)
    assert order == ["b", "c", "a"]
    due_at = connection.scalars(
        text("SELECT report_due_at - now() FROM images WHERE id = ANY(:ids)"), {"ids": ids}
    ).all()
    assert due_at == [timedelta(seconds=60)] * 3


def test_the_question_reads_no_photo_whose_use_is_reported_or_not_due(connection: Connection) -> None:
    venue = make_venue(connection)
    connection.execute(
        text("""
            INSERT INTO images (venue_id, provider, provider_ref, state, error_type, report_due_at)
            SELECT :venue, 'unsplash', n, state::image_state,
                   CASE WHEN state = 'failed' THEN 'forbidden'::error_type END,
                   CASE WHEN n % 2 = 0 OR state = 'failed' THEN now() - interval '1 day' END
            FROM generate_series(1, 4000) AS n,
                 LATERAL (SELECT CASE WHEN n % 2 = 0 THEN 'failed' ELSE 'referenced' END AS state) AS s
        """),
        {"venue": venue.id},
    )
    connection.execute(text("ANALYZE images"))
    with plans(connection) as found:
        assert uses.due(connection, [UNSPLASH]) == []
        assert uses.oldest(connection, UNSPLASH) is None
    for plan in found:
        assert "ix_images_report_due_at" in plan
        assert "Seq Scan on images" not in plan
    # and what can never be due is not in the index either
    assert connection.scalar(text("SELECT pg_relation_size('ix_images_report_due_at')")) == 8192

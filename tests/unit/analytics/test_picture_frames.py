"""Pictures in frames and in words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ops_core.analytics import picture_frames
from ops_core.analytics.picture_frames import headline
from ops_core.domain.pictures import PictureFlag
from ops_core.ui.quality_marks import flag_badges, image_badges

ROW = {
    "picture_id": 7, "images": 16, "venues": 14, "picture_flags": ["placeholder"], "providers": ["here"],
    "created_at": datetime(2026, 11, 28, tzinfo=UTC), "id": 99, "url": "/u", "venue": "Wawel",
    "city": "Kraków",
    "flags": ["tiny"], "venue_id": 3, "provider": "here", "width": 120, "height": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("make", "columns"),
    [
        (picture_frames.pictures, picture_frames.PICTURES),
        (picture_frames.images, picture_frames.IMAGES),
    ],
)
def test_columns_and_dtypes_are_the_same_with_and_without_rows(make, columns):
    empty, full = make([]), make([ROW])
    assert list(empty.columns) == list(full.columns) == list(columns)
    assert dict(empty.dtypes) == dict(full.dtypes)


def test_a_picture_has_its_counts_and_where_its_first_image_is():
    (row,) = picture_frames.pictures([ROW]).to_dict("records")
    assert (row["picture"], row["venues"], row["images"], row["placeholder"]) == (7, 14, 16, True)
    assert (row["image"], row["venue"], row["providers"]) == (99, "Wawel", ["here"])


@pytest.mark.parametrize(
    ("venues", "images", "words"),
    [
        (14, 16, "The same picture on 14 venues"),
        (1200, 1200, "The same picture on 1,200 venues"),
        (1, 2, "The same picture twice at one venue"),
        (1, 3, "The same picture 3 times at one venue"),
        (1, 1, "A picture on one venue"),
    ],
)
def test_what_a_picture_is_in_a_sentence(venues, images, words):
    assert headline(venues, images) == words


def test_badges_come_in_the_flags_order_and_unknown_words_are_left_out():
    marks = flag_badges(["placeholder", "who knows", "blank"])
    assert len(marks) == 2
    assert "Blank" in marks[0]
    assert "Placeholder?" in marks[1]
    assert len(flag_badges(PictureFlag)) == len(PictureFlag)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ({}, []),
        ({"flags": [], "picture_venues": None}, []),
        ({"flags": [], "picture_venues": 1}, []),
        ({"picture_venues": 2}, ["On 1 other venue"]),
        ({"picture_venues": 14}, ["On 13 other venues"]),
    ],
)
def test_an_image_says_on_how_many_other_venues_its_picture_is(image, words):
    marks = image_badges(image)
    assert len(marks) == len(words)
    for mark, word in zip(marks, words, strict=True):
        assert f"{word}]" in mark


def test_a_stock_photo_says_that_it_is_no_photo_of_the_venue():
    (mark,) = image_badges({"provider": "unsplash"})
    assert "Illustration, not the venue" in mark
    assert image_badges({"provider": "wikimedia_commons"}) == []

"""Counts and ages as people read them."""

from __future__ import annotations

import pytest

from ops_core.ui.cards import ago, amount


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0"), (1250, "1,250"), (10_000, "10,000"), (10_001, "10,000+")]
)
def test_a_count_that_stopped_says_so(count, words):
    assert amount(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(-0.2, "0 s ago"), (29.6, "30 s ago"), (90, "2 min ago"), (7300, "2 h ago")]
)
def test_ages_in_the_largest_unit_that_fits(seconds, words):
    assert ago(seconds) == words

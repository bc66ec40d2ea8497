"""The interval of a share holds the share, stays between none and all, and narrows as more is tried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.intervals import FEW, few, wilson

shares = st.integers(1, 10**7).flatmap(lambda tried: st.tuples(st.integers(0, tried), st.just(tried)))


@given(shares)
def test_a_share_lies_within_its_interval(share):
    successes, tried = share
    low, high = wilson(successes, tried)
    assert 0 <= low <= successes / tried <= high <= 1
    assert low < high


@given(shares)
def test_failures_have_the_mirrored_interval(share):
    successes, tried = share
    low, high = wilson(successes, tried)
    assert wilson(tried - successes, tried) == pytest.approx((1 - high, 1 - low), abs=1e-12)


@given(shares.filter(lambda share: share[1] < 10**6), st.integers(2, 9))
def test_the_interval_narrows_as_more_is_tried(share, times):
    successes, tried = share
    low, high = wilson(successes, tried)
    lower, higher = wilson(successes * times, tried * times)
    assert higher - lower < high - low


@given(shares)
def test_its_ends_are_where_the_share_is_just_within_chance(share):
    """The definition: at each end, the share is 1.96 standard deviations away."""
    successes, tried = share
    for end in wilson(successes, tried):
        distance = abs(successes / tried - end)
        assert distance == pytest.approx(1.959964 * (end * (1 - end) / tried) ** 0.5, rel=1e-5, abs=1e-9)


def test_known_values():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1), abs=1e-4)


def test_nothing_tried_has_no_interval():
    assert wilson(0, 0) is None


@pytest.mark.parametrize(("successes", "tried"), [(2, 1), (-1, 5), (0, -1)])
def test_what_is_no_share_is_refused(successes, tried):
    with pytest.raises(ValueError, match="no share"):
        wilson(successes, tried)


def test_few_is_fewer_than_twenty():
    assert [few(FEW - 1), few(FEW)] == [True, False]
    assert FEW == 20

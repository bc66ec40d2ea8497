"""Hashes of pictures: distance is a metric, slices find what is near; flags follow from the measures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.pictures import (
    BANDS,
    FLAGS,
    HASH_BITS,
    PLACEHOLDER_VENUES,
    SAME_BITS,
    SHARED_BANDS,
    Measures,
    PictureFlag,
    bands,
    distance,
    flags_of,
    hash_of,
    is_same,
    tells_apart,
)

hashes = st.integers(0, 2**HASH_BITS - 1).map(lambda number: f"{number:064x}")
flips = st.sets(st.integers(0, HASH_BITS - 1), max_size=40)
measured = st.builds(
    Measures,
    width=st.integers(1, 9000),
    height=st.integers(1, 9000),
    contrast=st.floats(0, 127.5),
    flat_share=st.floats(0, 1),
    colours=st.integers(1, 4096),
    perceptual_hash=hashes | st.sampled_from(["0" * 64, "8" + "0" * 63, "f" * 64]),
)


def flipped(perceptual_hash: str, bits: set[int]) -> str:
    number = int(perceptual_hash, 16)
    for bit in bits:
        number ^= 1 << bit
    return f"{number:064x}"


def shared(one: str, other: str) -> int:
    return sum(mine == theirs for mine, theirs in zip(bands(one), bands(other), strict=True))


@given(hashes, hashes, hashes)
def test_distance_is_a_metric(one: str, other: str, third: str):
    assert (distance(one, other) == 0) == (one == other)
    assert distance(one, other) == distance(other, one)
    assert distance(one, third) <= distance(one, other) + distance(other, third)


@given(hashes, flips)
def test_distance_counts_the_bits_that_differ(one: str, bits: set[int]):
    assert distance(one, flipped(one, bits)) == len(bits)
    assert is_same(one, flipped(one, bits)) == (len(bits) <= SAME_BITS)


@given(hashes, flips)
def test_each_bit_that_differs_spoils_one_slice_at_most(one: str, bits: set[int]):
    assert shared(one, flipped(one, bits)) >= BANDS - len(bits)


@given(hashes, flips)
def test_the_same_picture_always_has_enough_slices_in_common(one: str, bits: set[int]):
    other = flipped(one, bits)
    if is_same(one, other):
        assert shared(one, other) >= SHARED_BANDS >= 1


@given(hashes)
def test_the_slices_hold_all_bits_and_each_once(one: str):
    found = bands(one)
    assert len(found) == BANDS
    assert all(0 <= bits < 2**16 for bits in found)
    assert sum(bits.bit_count() for bits in found) == int(one, 16).bit_count()


@given(hashes, st.integers(0, HASH_BITS - 1))
def test_one_bit_changes_one_slice(one: str, bit: int):
    assert shared(one, flipped(one, {bit})) == BANDS - 1


@given(measured)
def test_flags_are_known_words_each_once_and_the_same_every_time(measures: Measures):
    flags = flags_of(measures)
    assert flags == flags_of(measures)
    assert list(flags) == [flag for flag in PictureFlag if flag in flags]


@given(measured)
def test_a_blank_picture_has_no_hash_and_is_no_placeholder_and_any_other_keeps_its_hash(measures: Measures):
    flags = flags_of(measures)
    if PictureFlag.BLANK in flags:
        assert hash_of(measures) is None
        assert PictureFlag.PLACEHOLDER not in flags
    else:
        assert hash_of(measures) == measures.perceptual_hash
        assert tells_apart(measures.perceptual_hash)


@given(measured, st.integers(1, 9000), st.integers(1, 9000))
def test_size_says_nothing_but_whether_a_picture_is_tiny(measures: Measures, width: int, height: int):
    other = Measures(
        width=width,
        height=height,
        contrast=measures.contrast,
        flat_share=measures.flat_share,
        colours=measures.colours,
        perceptual_hash=measures.perceptual_hash,
    )
    assert {*flags_of(other)} ^ {*flags_of(measures)} <= {PictureFlag.TINY}


def test_every_flag_has_a_label_a_meaning_and_advice():
    assert list(FLAGS) == list(PictureFlag)
    for row in FLAGS.values():
        assert row.label
        assert row.icon
        assert row.meaning.endswith(".")
        assert row.advice.endswith(".")
    assert PLACEHOLDER_VENUES > 1

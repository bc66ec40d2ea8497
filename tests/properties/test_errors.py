"""The one error table: complete, unambiguous, and classified as agreed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.errors import (
    ERRORS,
    TRANSIENT_TYPES,
    Classification,
    ErrorType,
    info,
    of_class,
    parse,
)

TRANSIENT = {
    "rate_limited",
    "network_timeout",
    "network_error",
    "gateway_timeout",
    "bad_gateway",
    "service_unavailable",
}
PERMANENT = {
    # agreed with the people who run it
    "not_found",
    "forbidden",
    "auth_error",
    "file_too_large",
    # cannot become right by trying again
    "not_an_image",
    "unsupported_format",
    "blocked_address",
    "too_many_pixels",
    "invalid_url",
}


def test_every_error_type_has_exactly_one_row():
    assert list(ERRORS) == list(ErrorType)


def test_the_three_classes_share_all_types_out():
    assert [kind for each in Classification for kind in of_class(each)] == list(ErrorType)


def test_transient_is_what_was_agreed_and_nothing_else():
    assert set(of_class(Classification.TRANSIENT)) == TRANSIENT
    assert set(TRANSIENT_TYPES) == TRANSIENT
    assert {kind for kind in ErrorType if info(kind).retryable} == TRANSIENT


def test_permanent_is_what_was_agreed_and_what_cannot_become_right():
    assert set(of_class(Classification.PERMANENT)) == PERMANENT


@given(st.text())
def test_an_unknown_word_is_ambiguous_and_never_lost(word: str):
    assert word in set(ErrorType) or parse(word) is ErrorType.UNKNOWN_ERROR
    if parse(word) is ErrorType.UNKNOWN_ERROR:
        assert info(word).classification is Classification.AMBIGUOUS


@given(st.sampled_from(ErrorType))
def test_a_known_word_is_itself(kind: ErrorType):
    assert parse(kind) is parse(kind.value) is kind
    assert info(kind.value) is ERRORS[kind]


def test_labels_are_unique():
    labels = [row.label.casefold() for row in ERRORS.values()]
    assert len(labels) == len(set(labels))


@pytest.mark.parametrize("kind", ErrorType)
def test_every_row_can_be_shown_and_acted_on(kind: ErrorType):
    row = info(kind)
    assert row.label == row.label.strip() != ""
    assert len(row.label) <= 20
    assert row.icon
    assert not row.icon.isascii()
    assert row.advice.endswith(".")
    assert 20 <= len(row.advice) <= 120


@pytest.mark.parametrize(
    ("classification", "colours"),
    [
        (Classification.TRANSIENT, {"yellow", "orange"}),
        (Classification.PERMANENT, {"red"}),
        (Classification.AMBIGUOUS, {"gray"}),
    ],
)
def test_the_colour_shows_the_class(classification: Classification, colours: set[str]):
    assert {info(kind).colour for kind in of_class(classification)} == colours


@pytest.mark.parametrize(
    ("kind", "icon"),
    [
        ("rate_limited", "⏱️"),
        ("network_timeout", "🌐"),
        ("network_error", "🌐"),
        ("not_found", "❓"),
        ("forbidden", "🚫"),
        ("auth_error", "🔐"),
    ],
)
def test_icons_that_people_know_stay(kind: str, icon: str):
    assert info(kind).icon == icon

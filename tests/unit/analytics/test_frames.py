"""Words for what jobs did, and figures that add up."""

from __future__ import annotations

import pytest

from ops_core.analytics import frames


def job(**values):
    return {
        "kind": "enrichment",
        "summary": "Found 12 images from google_places, 9 uploaded, 3 failed",
        "existing": 0,
        "left": 0,
        "referenced": 0,
        "providers_failed": 0,
        "images_discovered": 12,
        "images_uploaded": 9,
        "images_failed": 3,
        "recovered": 0,
        "retryable": 0,
        "failed_later": 0,
        "queued": None,
    } | values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (job(), "12 discovered, 9 uploaded, 3 failed"),
        (job(images_failed=0), "12 discovered, 9 uploaded"),
        (job(recovered=2), "12 discovered, 9 uploaded, 3 failed, 2 recovered since"),
        (job(images_uploaded=0, images_failed=0, existing=12), "12 discovered, 12 already stored"),
        (
            job(images_uploaded=2, images_failed=0, existing=9, left=1),
            "12 discovered, 2 uploaded, 9 already stored, 1 failed before",
        ),
        (
            job(images_uploaded=12, images_failed=0, providers_failed=1),
            "12 discovered, 12 uploaded, 1 provider could not answer",
        ),
        (
            job(images_uploaded=4, images_failed=0, referenced=8),
            "12 discovered, 4 uploaded, 8 shown from their provider",
        ),
        (
            job(images_uploaded=0, images_failed=0, referenced=12),
            "12 discovered, 12 shown from their provider",
        ),
        (job(images_discovered=0, summary="No images found"), "No images found"),
        (job(images_discovered=0, summary=None), ""),
    ],
)
def test_results_in_words(values, words):
    assert frames.results_text(values) == words


@pytest.mark.parametrize(
    ("outcome", "label"),
    [("no_images", "No images"), ("success", "Success"), ("discarded", "Discarded")],
)
def test_the_badge_of_a_finished_job(outcome, label):
    assert frames.outcome_label(outcome) == label


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (job(), "Still failed"),
        (job(retryable=1), "Retryable"),
        (job(retryable=1, queued=5), "Queued"),
        (job(recovered=3), "Recovered"),
        (job(failed_later=2, recovered=1), "Failed again"),
        (job(failed_later=2), "Still failed"),
        (job(images_failed=0), None),
        (job(images_failed=0, left=1), "Failed before"),
    ],
)
def test_what_became_of_the_failures(values, word):
    assert frames.standing(values) == word


def test_an_error_is_shown_with_icon_and_label_of_the_error_table():
    assert frames.error_label("rate_limited") == "⏱️ Rate limited"
    assert frames.error_label(None) is None

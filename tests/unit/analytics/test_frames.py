"""Words for what jobs did, and figures that add up."""

from __future__ import annotations

import pandas as pd
import pytest

from ops_core.analytics import frames


def job(**values):
    return {
        "kind": "enrichment",
        "summary": "Found 12 images from google_places, 9 uploaded, 3 failed",
        "existing": 0,
        "left": 0,
        "providers_failed": 0,
        "images_discovered": 12,
        "images_uploaded": 9,
        "images_failed": 3,
        "recovered": 0,
    } | values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (job(), "12 discovered, 9 uploaded, 3 failed"),
        (job(images_failed=0), "12 discovered, 9 uploaded"),
        (job(recovered=2), "12 discovered, 9 uploaded, 3 failed (2 recovered since)"),
        (job(images_uploaded=0, images_failed=0, existing=12), "12 discovered, 12 already stored"),
        (
            job(images_uploaded=2, images_failed=0, existing=9, left=1),
            "12 discovered, 2 uploaded, 9 already stored, 1 failed before",
        ),
        (
            job(images_uploaded=12, images_failed=0, providers_failed=1),
            "12 discovered, 12 uploaded, 1 provider could not answer",
        ),
        (job(images_discovered=0, summary="No images found"), "No images found"),
        (job(images_discovered=0, summary=None), ""),
    ],
)
def test_results_in_words(values, words):
    assert frames.results_text(values) == words


@pytest.mark.parametrize(
    ("state", "status", "label"),
    [
        ("completed", "no_images", "No images"),
        ("completed", "success", "Success"),
        ("discarded", "error", "Discarded"),
        ("cancelled", None, "Cancelled"),
    ],
)
def test_the_badge_of_a_finished_job(state, status, label):
    assert frames.outcome_label(state, status) == label


def test_an_error_is_shown_with_icon_and_label_of_the_error_table():
    assert frames.error_label("rate_limited") == "⏱️ Rate limited"
    assert frames.error_label(None) is None


def test_figures_of_no_jobs_are_zero():
    none = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in frames.JOBS.items()})
    assert frames.figures(none) == frames.Figures(
        operations=0, uploaded=0, failed=0, retryable=0, recovered=0
    )

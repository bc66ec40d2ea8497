"""A job's status and summary follow from its figures, whatever they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.jobs import (
    FINISHED_STATES,
    OPEN_STATES,
    JobFigures,
    JobState,
    JobStatus,
    ProviderStatus,
    outcome,
    summary,
)

counts = st.integers(0, 30)
providers = st.dictionaries(
    st.sampled_from(["google_places", "wikimedia_commons", "foursquare"]), st.sampled_from(ProviderStatus)
)


@st.composite
def figures(draw: st.DrawFn) -> JobFigures:
    """Figures as a job can have them: every image chosen was uploaded, failed, or was there before."""
    uploaded, failed, existing, referenced = draw(counts), draw(counts), draw(counts), draw(counts)
    return JobFigures(
        discovered=uploaded + failed + existing + referenced,
        uploaded=uploaded,
        failed=failed,
        existing=existing,
        referenced=referenced,
        providers_failed=draw(st.integers(0, 3)),
    )


@given(st.builds(JobFigures, discovered=counts, uploaded=counts, failed=counts, existing=counts))
def test_any_figures_have_a_status(any_figures: JobFigures):
    assert isinstance(outcome(any_figures), JobStatus)


@given(figures())
def test_a_provider_that_failed_is_never_reported_as_no_images_or_success(job: JobFigures):
    if job.providers_failed:
        assert outcome(job) not in (JobStatus.NO_IMAGES, JobStatus.SUCCESS)


@given(figures())
def test_the_status_in_full(job: JobFigures):
    to_show = job.uploaded + job.existing + job.referenced
    expected = {
        JobStatus.NO_IMAGES: job.discovered == 0 and not job.providers_failed,
        JobStatus.ERROR: job.discovered == 0 and bool(job.providers_failed),
        JobStatus.FAILED: job.discovered > 0 and to_show == 0,
        JobStatus.PARTIAL: to_show > 0 and bool(job.failed or job.providers_failed),
        JobStatus.SUCCESS: to_show > 0 and not job.failed and not job.providers_failed,
    }
    assert [status for status, holds in expected.items() if holds] == [outcome(job)]


@given(figures(), providers)
def test_the_summary_is_one_line_with_the_figures(job: JobFigures, asked: dict[str, ProviderStatus]):
    text = summary(job, asked)
    assert text
    assert "\n" not in text
    if job.discovered:
        assert text.startswith(f"Found {job.discovered} image")
        assert f"{job.uploaded} uploaded" in text
        assert (f"{job.failed} failed" in text) == bool(job.failed)
        assert (f"{job.existing} already stored" in text) == bool(job.existing)


@given(figures(), providers)
def test_a_failed_provider_is_named_in_the_summary(job: JobFigures, asked: dict[str, ProviderStatus]):
    text = summary(job, asked)
    for name, status in asked.items():
        if status is ProviderStatus.FAILED:
            assert name in text
            assert "No images" not in text


def test_sentences_people_read():
    nothing = JobFigures(discovered=0, uploaded=0, failed=0)
    assert summary(nothing, {}) == "No images found - no active provider knows this venue"
    found = {"google_places": ProviderStatus.SUCCESS}
    assert summary(JobFigures(discovered=1, uploaded=1, failed=0), found) == (
        "Found 1 image from google_places, 1 uploaded"
    )
    assert summary(JobFigures(discovered=5, uploaded=3, failed=2), found) == (
        "Found 5 images from google_places, 3 uploaded, 2 failed"
    )


def test_every_job_state_is_open_or_finished():
    assert {*OPEN_STATES, *FINISHED_STATES} == set(JobState)
    assert set(OPEN_STATES).isdisjoint(FINISHED_STATES)

"""Photos whose provider allows no copies: recorded, shown from there, and never downloaded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ops_core.db import discovered
from ops_core.providers.http import Body, Http
from ops_core.providers.source import Download
from ops_core.sandbox.faults import Fault
from ops_core.work import session
from tests.support.given_jobs import run_given
from tests.support.system import System

pytestmark = [pytest.mark.postgres]

GOOGLE = "google_places"
#: Seconds between looks at the providers' rows.
FRESH = 0.1


def set_policy(system: System, policy: str, code: str = GOOGLE) -> None:
    with system.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE providers SET rehosting = '{policy}' WHERE code = '{code}'")


def only(system: System, code: str = GOOGLE) -> None:
    with system.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE providers SET active = (code = '{code}')")


def enriched(system: System, venue_ids: Sequence[int]) -> Any:
    """The job that asked for the venue's photos once more."""
    (job_id,) = system.enqueue(venue_ids, force=True)
    run_given(system.engine, system.settings, [job_id])
    (job,) = system.rows("SELECT * FROM jobs WHERE id = :id", id=job_id)
    return job


def states(system: System, code: str = GOOGLE) -> dict[str, int]:
    rows = system.rows("SELECT state, count(*) AS n FROM images WHERE provider = :code GROUP BY 1", code=code)
    return {row.state: row.n for row in rows}


def test_references_are_recorded_with_their_credit_and_nothing_is_downloaded(system: System) -> None:
    set_policy(system, "reference_only")
    job = enriched(system, system.add_venues(4)[-1:])

    assert set(states(system)) == {"referenced"}
    assert set(states(system, "wikimedia_commons")) == {"uploaded"}
    assert system.sandbox.log(provider=GOOGLE, kind="image") == []
    assert system.sandbox.log(provider=GOOGLE, kind="resolve") == []
    referenced = states(system)["referenced"]
    assert (job.state, job.status) == ("completed", "success")
    assert job.meta["images_referenced"] == referenced
    assert job.images_discovered == job.images_uploaded + referenced
    assert f"{referenced} shown from their provider" in job.summary
    for image in system.rows("SELECT * FROM images WHERE state = 'referenced'"):
        assert (image.storage_key, image.thumbnail_url, image.bytes) == (None, None, None)
        assert image.attribution
        # Google's terms let nobody keep the name or the address of a photo
        assert (image.url, image.fetch_ref) == (None, None)
    system.agree()


def test_a_venue_of_references_alone_is_a_success_and_counts_as_having_images(system: System) -> None:
    set_policy(system, "reference_only")
    only(system)
    job = enriched(system, system.add_venues(4)[-1:])
    referenced = states(system)["referenced"]
    assert job.status == "success"
    found = f"Found {referenced} images from google_places"
    assert job.summary == f"{found}, {referenced} shown from their provider"
    assert system.value("SELECT sum(referenced_images) FROM venues") == referenced


def test_an_address_that_may_be_kept_is_kept(system: System) -> None:
    set_policy(system, "reference_only", "wikimedia_commons")
    only(system, "wikimedia_commons")
    enriched(system, system.add_venues(4)[-1:])
    urls = [row.url for row in system.rows("SELECT url FROM images WHERE state = 'referenced'")]
    assert urls
    assert all(url.startswith(f"{system.sandbox.url}/upload.wikimedia.org/") for url in urls)
    assert system.sandbox.log(provider="wikimedia_commons", kind="image") == []


def test_the_policy_of_the_day_decides_at_each_listing(system: System) -> None:
    only(system)
    venue_ids = system.add_venues(4)[-1:]
    set_policy(system, "reference_only")
    enriched(system, venue_ids)
    found = states(system)["referenced"]

    set_policy(system, "store")
    enriched(system, venue_ids)
    assert states(system) == {"uploaded": found}
    assert system.value("SELECT sum(referenced_images) FROM venues") == 0

    # copies that are there stay: a person decides about them
    set_policy(system, "reference_only")
    enriched(system, venue_ids)
    assert states(system) == {"uploaded": found}


def test_failures_become_references_and_no_job_counts_them_as_failed_any_more(system: System) -> None:
    only(system)
    venue_ids = system.add_venues(4)[-1:]
    system.sandbox.set_faults(rates={Fault.RATE_LIMITED: 1.0})
    first = enriched(system, venue_ids)
    assert first.images_failed_now == first.images_discovered > 0
    system.sandbox.set_faults(rates={})

    set_policy(system, "reference_only")
    enriched(system, venue_ids)

    assert states(system) == {"referenced": first.images_discovered}
    (job,) = system.rows("SELECT * FROM jobs WHERE id = :id", id=first.id)
    assert (job.images_failed, job.images_failed_now, job.images_retryable_now) == (
        first.images_failed,
        0,
        0,
    )
    assert system.value("SELECT sum(failed_now) FROM job_rollups WHERE facet = 'all'") == 0
    assert system.value("SELECT count(*) FROM images WHERE error_type IS NOT NULL") == 0


@pytest.mark.parametrize(("kept", "address"), [(False, None), (True, "https://here/1")])
def test_what_waits_to_be_tried_when_the_policy_changes_is_referenced_and_not_tried(
    system: System, kept: bool, address: str | None
) -> None:
    only(system)
    venue_id = system.add_venues(4)[-1]
    photo = {
        "provider": GOOGLE,
        "provider_ref": "r",
        "fetch_ref": "https://here/1",
        "position": 0,
        "quality_score": 0.5,
    }
    with system.engine.begin() as connection:
        (waiting,) = discovered.keep(connection, venue_id, [{**photo, "state": "discovered"}])
        assert discovered.refer(connection, [waiting], {"wikimedia_commons": True}) == 0
        assert discovered.refer(connection, [waiting], {GOOGLE: kept}) == 1
        assert discovered.refer(connection, [waiting], {GOOGLE: kept}) == 0
    assert states(system) == {"referenced": 1}
    (row,) = system.rows("SELECT url, fetch_ref FROM images")
    assert (row.url, row.fetch_ref) == (address, address)
    assert system.value("SELECT referenced_images FROM venues WHERE id = :id", id=venue_id) == 1


def test_a_word_against_copies_in_the_middle_of_a_download_leaves_no_copy(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(system)
    downloads: list[str] = []
    real = Http.download

    async def download(self: Http, what: Download) -> Body:
        body = await real(self, what)
        if not downloads:
            set_policy(system, "reference_only")
        downloads.append(what.url)
        await asyncio.sleep(3 * FRESH)  # until the session has heard of it
        return body

    monkeypatch.setattr(Http, "download", download)
    monkeypatch.setattr(session, "FRESH_FACTS", FRESH)
    job = enriched(system, system.add_venues(4)[-1:])

    assert downloads
    assert system.stored_files() == []
    assert set(states(system)) <= {"failed", "referenced", "discovered"}
    errors = system.rows("SELECT DISTINCT error_type FROM images WHERE state = 'failed'")
    assert [row.error_type for row in errors] == ["not_configured"]
    assert job.cost_usd > 0

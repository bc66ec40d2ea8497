"""Enrichment over a real database, store and sandbox; the queue's part is in its own tests."""

from __future__ import annotations

import io
import json
from collections import Counter
from decimal import Decimal

import pytest
from PIL import Image

from ops_core.sandbox.faults import Fault
from tests.support.given_jobs import run_given
from tests.support.system import System

pytestmark = [pytest.mark.postgres]

#: The keys the mission's page lists for `meta`.
MISSION_KEYS = {
    "status",
    "images_discovered",
    "images_uploaded",
    "images_failed",
    "failure_breakdown",
    "failed_images",
    "providers",
    "total_cost_usd",
    "summary",
    "imagekit_urls",
    "completed_at",
}


def test_thirty_venues_are_enriched_and_store_database_and_sandbox_agree(system: System) -> None:
    job_ids = system.enqueue(system.add_venues(30))

    ran = sum(run_given(system.engine, system.settings, job_ids[i : i + 8]) for i in range(0, 30, 8))

    assert ran == 30
    states = system.agree()
    assert set(states) == {"uploaded"}
    assert states["uploaded"] > 100
    assert len(system.stored_files()) == states["uploaded"]
    photos = [line for line in system.sandbox.log(kind="image") if line["outcome"] == "ok"]
    assert len(photos) == states["uploaded"]
    assert max(Counter(line["key"] for line in photos).values()) == 1
    for path in system.stored_files()[:20]:
        Image.open(io.BytesIO(path.read_bytes())).load()
        thumbnail = path.parent / "thumbs" / f"{path.stem}.jpg"
        with Image.open(thumbnail) as small:
            assert small.size == (200, 150)


def test_a_job_carries_every_key_of_its_report_and_the_same_figures_as_columns(system: System) -> None:
    (job_id,) = system.enqueue(system.add_venues(3)[-1:])
    run_given(system.engine, system.settings, [job_id])

    (job,) = system.rows("SELECT * FROM jobs WHERE id = :id", id=job_id)
    meta = job.meta
    assert set(meta) >= MISSION_KEYS
    assert (meta["images_discovered"], meta["images_uploaded"], meta["images_failed"]) == (
        job.images_discovered,
        job.images_uploaded,
        job.images_failed,
    )
    assert meta["status"] == job.status
    assert meta["venue_context"]["venue_name"] == "Venue 2"
    assert meta["execution_time_ms"] > 0
    assert len(meta["imagekit_urls"]) == job.images_uploaded
    lines = system.rows("SELECT * FROM job_providers WHERE job_id = :id", id=job_id)
    assert sum(line.images_uploaded for line in lines) == job.images_uploaded
    assert {line.provider for line in lines} == {"google_places", "wikimedia_commons"}


def test_costs_are_what_the_provider_charges_per_call(system: System) -> None:
    job_ids = system.enqueue(system.add_venues(6))
    run_given(system.engine, system.settings, job_ids)

    media_calls = len(system.sandbox.log(provider="google_places", kind="resolve"))
    assert media_calls > 0
    spent = system.value("SELECT sum(cost_usd) FROM jobs")
    assert spent == Decimal("0.007") * media_calls
    assert spent == system.value("SELECT sum(cost_usd) FROM attempts")
    assert spent == system.value("SELECT sum(cost_usd) FROM job_providers")
    assert spent == system.value("SELECT sum(cost_usd) FROM rollups")


def test_every_provider_is_asked_as_it_wants_and_paid_as_its_row_says(system: System) -> None:
    ids = {
        "google_places": "ChIJsandbox_every_provider_1",
        "wikidata": "Q90000123",
        "foursquare": "5f95a0c1e4b0c0a1b2c3d4e2",
        "here": "here:pds:place:616u2yvh-every0",
        "mapbox": "dXJuOm1ieHBvaTpldmVyeQ0",
        "unsplash": "jazz club",
    }
    (venue_id,) = system.add_venues(1)
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE venues SET provider_ids = %s", (json.dumps(ids),))
        # prices that tell every kind of call apart
        connection.exec_driver_sql("UPDATE providers SET listing_usd = 0.01, photo_usd = 0.0003")
        connection.exec_driver_sql(
            "UPDATE providers SET rehosting = 'reference_only' WHERE code = 'unsplash'"
        )
    settings = system.settings.model_copy(
        update={"max_images_per_provider": 3, "max_images_per_venue": 100, "unsplash_access_key": "k"}
    )
    (job_id,) = system.enqueue([venue_id])
    run_given(system.engine, settings, [job_id])

    lines = {line.provider: line for line in system.rows("SELECT * FROM job_providers")}
    assert lines.keys() == {code for code in ids if code != "wikidata"} | {"wikimedia_commons"}
    assert {line.status for line in lines.values()} == {"success"}
    total = Decimal(0)
    for code, line in lines.items():
        listings = len(system.sandbox.log(provider=code, kind="listing"))
        # Google's photos are resolved by a paid call, and Unsplash wants to be told of each that is used
        others = [
            entry
            for entry in system.sandbox.log(provider=code)
            if entry["kind"] not in ("listing", "image") and code != "wikimedia_commons"
        ]
        if code == "wikimedia_commons":
            listings = line.calls  # several small calls list one venue
        assert line.calls == listings + len(others)
        assert line.cost_usd == Decimal("0.01") * listings + Decimal("0.0003") * len(others)
        total += line.cost_usd
    (job,) = system.rows("SELECT * FROM jobs WHERE id = :id", id=job_id)
    assert job.cost_usd == total
    stored = {row.provider for row in system.rows("SELECT provider FROM images WHERE state = 'uploaded'")}
    assert stored == lines.keys() - {"unsplash"}
    system.agree()


def test_a_provider_that_is_to_list_no_photos_is_not_asked_for_any(system: System) -> None:
    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE providers SET capabilities = '[\"search\"]' WHERE code = 'google_places'"
        )
    (job_id,) = system.enqueue(system.add_venues(3)[-1:])
    run_given(system.engine, system.settings, [job_id])

    lines = system.rows("SELECT provider FROM job_providers WHERE job_id = :id", id=job_id)
    assert {line.provider for line in lines} == {"wikimedia_commons"}
    assert system.sandbox.log(provider="google_places") == []


def test_a_rejected_key_is_an_error_and_never_no_images(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue_ids = system.add_venues(1)
    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE venues SET provider_ids = provider_ids - 'wikidata', latitude = NULL, longitude = NULL"
        )
    system.sandbox.set_faults(listing_rates={Fault.AUTH_ERROR: 1.0})
    (job_id,) = system.enqueue(venue_ids)

    run_given(system.engine, system.settings, [job_id])

    (job,) = system.rows("SELECT state, status, attempt, meta FROM jobs WHERE id = :id", id=job_id)
    assert (job.state, job.status, job.attempt) == ("discarded", "error", 1)
    assert job.meta["providers"]["google_places"]["error_type"] == "auth_error"
    assert "google_places encountered errors" in job.meta["summary"]
    assert system.value("SELECT last_checked_at FROM venues") is None


def test_a_provider_that_is_down_for_a_moment_is_asked_again_by_the_same_job(system: System) -> None:
    system.sandbox.set_faults(outages={"google_places": 503, "wikimedia_commons": 503})
    (job_id,) = system.enqueue(system.add_venues(1))
    run_given(system.engine, system.settings, [job_id])

    (job,) = system.rows("SELECT state, errors FROM jobs WHERE id = :id", id=job_id)
    assert job.state == "retryable"
    assert "could not list photos" in job.errors[0]["error"]

    system.sandbox.set_faults(outages={})
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET scheduled_at = now()")
        connection.exec_driver_sql("UPDATE rate_limits SET blocked_until = NULL")
    run_given(system.engine, system.settings, [job_id])
    (job,) = system.rows("SELECT state, status, attempt FROM jobs WHERE id = :id", id=job_id)
    assert job.state == "completed"
    assert job.attempt == 2


def ask_whatever_happens(system: System) -> None:
    """Failures in a row open no circuit."""
    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO circuits (provider, overridden_until) "
            "SELECT code, now() + interval '1 hour' FROM providers"
        )


def let_all_be_tried_now(system: System) -> None:
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET scheduled_at = now()")
        connection.exec_driver_sql("UPDATE rate_limits SET blocked_until = NULL")


def test_a_provider_that_answered_is_not_asked_again_while_its_neighbour_is_down(system: System) -> None:
    system.sandbox.set_faults(outages={"wikimedia_commons": 503})
    (job_id,) = system.enqueue(system.add_venues(1))
    run_given(system.engine, system.settings, [job_id])
    assert system.value("SELECT state FROM jobs") == "retryable"
    # what the other listed is there already
    first = system.rows("SELECT DISTINCT provider, state FROM images")
    assert [tuple(row) for row in first] == [("google_places", "uploaded")]

    system.sandbox.set_faults(outages={})
    let_all_be_tried_now(system)
    run_given(system.engine, system.settings, [job_id])

    assert len(system.sandbox.log(provider="google_places", kind="listing")) == 1
    (job,) = system.rows("SELECT status, attempt, meta FROM jobs")
    assert (job.status, job.attempt) == ("success", 2)
    assert "waiting" not in job.meta
    found = {row.provider for row in system.rows("SELECT provider FROM images")}
    assert found == {"google_places", "wikimedia_commons"}


def test_a_provider_that_stays_down_leaves_a_partial_job(system: System) -> None:
    system.sandbox.set_faults(outages={"wikimedia_commons": 503})
    (job_id,) = system.enqueue(system.add_venues(1))
    for _ in range(3):
        run_given(system.engine, system.settings, [job_id])
        let_all_be_tried_now(system)
    (job,) = system.rows("SELECT state, status, attempt, meta, errors FROM jobs")
    assert (job.state, job.status, job.attempt) == ("completed", "partial", 3)
    assert job.meta["providers"]["wikimedia_commons"]["error_type"] == "service_unavailable"
    assert len(job.errors) == 2
    assert set(system.agree()) == {"uploaded"}


def test_a_used_up_limit_puts_the_job_off_without_losing_an_answer(system: System) -> None:
    venue_ids = system.add_venues(1)
    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO rate_limits "
            "VALUES ('wikimedia_commons', now(), now(), now(), now(), now() + interval '1 hour')"
        )
    (job_id,) = system.enqueue(venue_ids)
    run_given(system.engine, system.settings, [job_id])

    (job,) = system.rows("SELECT state, attempt, scheduled_at - now() AS ahead, meta FROM jobs")
    assert (job.state, job.attempt) == ("available", 0)
    assert 3000 < job.ahead.total_seconds() <= 3601
    assert job.meta["answered"] == ["google_places"]
    assert {row.state for row in system.rows("SELECT state FROM images")} == {"uploaded"}

    let_all_be_tried_now(system)
    run_given(system.engine, system.settings, [job_id])
    assert system.value("SELECT status FROM jobs") == "success"
    assert len(system.sandbox.log(provider="google_places", kind="listing")) == 1


def test_a_venue_checked_recently_is_skipped_unless_forced(system: System) -> None:
    venue_ids = system.add_venues(2)
    run_given(system.engine, system.settings, system.enqueue(venue_ids))
    asked = len(system.sandbox.log(kind="listing"))

    fresh = system.enqueue(venue_ids)
    run_given(system.engine, system.settings, fresh)
    assert {row.status for row in system.rows("SELECT status FROM jobs WHERE id = ANY(:ids)", ids=fresh)} == {
        "skipped"
    }
    assert len(system.sandbox.log(kind="listing")) == asked

    forced = system.enqueue(venue_ids, force=True)
    run_given(system.engine, system.settings, forced)
    assert len(system.sandbox.log(kind="listing")) > asked
    for row in system.rows("SELECT * FROM jobs WHERE id = ANY(:ids)", ids=forced):
        assert row.images_uploaded == 0
        assert row.meta["images_existing"] == row.images_discovered
    system.agree()


def test_two_runs_of_the_same_job_at_once_are_one(system: System) -> None:
    job_ids = system.enqueue(system.add_venues(2))
    assert run_given(system.engine, system.settings, job_ids) == 2
    assert run_given(system.engine, system.settings, job_ids) == 0
    system.agree()


def test_an_open_enrichment_is_not_queued_a_second_time(system: System) -> None:
    venue_ids = system.add_venues(3)
    assert len(system.enqueue(venue_ids)) == 3
    assert system.enqueue(venue_ids) == []


FAULTS = {
    Fault.RATE_LIMITED: "rate_limited",
    Fault.SERVER_ERROR: "server_error",
    Fault.BAD_GATEWAY: "bad_gateway",
    Fault.SERVICE_UNAVAILABLE: "service_unavailable",
    Fault.GATEWAY_TIMEOUT: "gateway_timeout",
    Fault.TIMEOUT: "network_timeout",
    Fault.RESET: "network_error",
    Fault.FORBIDDEN: "forbidden",
    Fault.NOT_FOUND: "not_found",
    Fault.AUTH_ERROR: "auth_error",
    Fault.HTML: "not_an_image",
    Fault.TRUNCATED: "network_error",
    Fault.CUT_JPEG: "corrupt_image",
    Fault.OVERSIZE: "file_too_large",
    Fault.WRONG_TYPE: "unsupported_format",
    Fault.SVG: "unsupported_format",
    Fault.EMPTY: "empty_body",
    Fault.STALE_REFERENCE: "stale_reference",
}


def test_every_fault_of_the_sandbox_is_expected_here() -> None:
    assert set(FAULTS) == set(Fault)


def test_every_fault_ends_in_its_error_type(system: System) -> None:
    ask_whatever_happens(system)
    # one listing tells which photos there are; then each fault is forced on one photo of its own
    venue_ids = system.add_venues(30)
    system.sandbox.set_faults(rates={})
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE providers SET active = false WHERE code = 'wikimedia_commons'")
    probe = system.enqueue(venue_ids)
    system.sandbox.set_faults(rates={Fault.SERVER_ERROR: 1.0})
    for i in range(0, 30, 10):
        run_given(system.engine, system.settings, probe[i : i + 10])
    refs = [row.provider_ref for row in system.rows("SELECT provider_ref FROM images ORDER BY id")]
    assert len(refs) >= len(FAULTS)
    script = {
        f"{'resolve' if fault is Fault.STALE_REFERENCE else 'image'}:google_places:{ref}": [fault]
        for ref, fault in zip(refs, FAULTS, strict=False)
    }
    system.sandbox.set_faults(rates={}, script=script)
    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE images SET state = 'discovered', error_type = NULL, not_before = NULL"
        )

    again = system.enqueue(venue_ids, force=True)
    for i in range(0, 30, 10):
        run_given(system.engine, system.settings, again[i : i + 10])

    found = {row.provider_ref: row for row in system.rows("SELECT * FROM images")}
    seen = {fault: found[ref].error_type for ref, fault in zip(refs, FAULTS, strict=False)}
    assert seen == FAULTS
    assert all(row.state == "uploaded" for ref, row in found.items() if ref not in refs[: len(FAULTS)])
    breakdown = Counter[str]()
    for row in system.rows("SELECT meta FROM jobs WHERE id = ANY(:ids)", ids=again):
        breakdown.update(row.meta["failure_breakdown"])
        for image in row.meta["failed_images"]:
            assert set(image) >= {"provider_url", "provider", "error_type", "status_code", "timestamp"}
    assert breakdown == Counter(FAULTS.values())


def test_no_key_is_written_anywhere(system: System) -> None:
    ask_whatever_happens(system)
    system.sandbox.set_faults(rates={Fault.SERVER_ERROR: 0.3, Fault.AUTH_ERROR: 0.2, Fault.HTML: 0.2})
    run_given(system.engine, system.settings, system.enqueue(system.add_venues(6)))
    for table in ("images", "attempts", "jobs", "job_providers"):
        dump = json.dumps([str(row) for row in system.rows(f"SELECT * FROM {table}")])
        assert "sandbox-google-key" not in dump, table


def test_transient_failures_are_tried_three_times_more_and_then_set_aside(system: System) -> None:
    ask_whatever_happens(system)
    venue_ids = system.add_venues(2)
    system.sandbox.set_faults(rates={Fault.BAD_GATEWAY: 1.0}, recover_tries=1000)
    for _ in range(6):
        run_given(system.engine, system.settings, system.enqueue(venue_ids, force=True))
        with system.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE images SET not_before = NULL")

    rows = system.rows("SELECT state, retry_count, tries FROM images")
    assert rows
    assert {(row.state, row.retry_count, row.tries) for row in rows} == {("permanently_failed", 3, 4)}
    last = system.rows("SELECT status, images_failed, meta FROM jobs ORDER BY id DESC LIMIT 2")
    assert {(row.status, row.images_failed) for row in last} == {("failed", 0)}
    assert all("failed before" in row.meta["summary"] for row in last)


def test_an_error_that_lasts_ends_the_job_and_says_what_it_did(system: System) -> None:
    (job_id,) = system.enqueue(system.add_venues(1))
    with system.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE attempts ADD CHECK (bytes < 0) NOT VALID")
    for attempt in (1, 2, 3):
        run_given(system.engine, system.settings, [job_id])
        let_all_be_tried_now(system)
        (job,) = system.rows("SELECT state, attempt, errors FROM jobs")
        assert (job.attempt, len(job.errors)) == (attempt, attempt)

    (job,) = system.rows("SELECT state, status, images_discovered, images_uploaded, meta, errors FROM jobs")
    assert (job.state, job.status) == ("discarded", "error")
    assert set(job.meta) >= MISSION_KEYS
    assert job.images_discovered > 0
    assert "IntegrityError" in job.meta["summary"]
    assert system.uploading() == 0


def test_a_job_that_was_lost_too_often_reports_what_it_did_and_ends(system: System) -> None:
    (job_id,) = system.enqueue(system.add_venues(1))
    system.sandbox.set_faults(outages={"wikimedia_commons": 503})
    run_given(system.engine, system.settings, [job_id])
    uploaded = system.value("SELECT count(*) FROM images WHERE state = 'uploaded'")
    let_all_be_tried_now(system)
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET lost_claims = 10")
    run_given(system.engine, system.settings, [job_id])

    (job,) = system.rows("SELECT state, status, images_uploaded, cost_usd, meta FROM jobs")
    assert (job.state, job.status) == ("discarded", "error")
    assert job.images_uploaded == uploaded > 0
    assert job.cost_usd > 0
    assert "workers stopped on it 10 times" in job.meta["summary"]
    system.agree()


def test_a_pause_in_the_middle_puts_its_images_off_and_fails_none(system: System) -> None:
    venue_ids = system.add_venues(1)
    system.sandbox.set_faults(outages={"wikimedia_commons": 503})
    (job_id,) = system.enqueue(venue_ids)
    run_given(system.engine, system.settings, [job_id])
    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE images SET state = 'discovered', storage_key = NULL WHERE state = 'uploaded'"
        )
        connection.exec_driver_sql("DELETE FROM attempts")
    for path in system.stored_files():
        path.unlink()
    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE providers SET paused_until = now() + interval '10 minutes', paused_reason = 'quota' "
            "WHERE code = 'google_places'"
        )
    system.sandbox.set_faults(outages={})
    let_all_be_tried_now(system)
    run_given(system.engine, system.settings, [job_id])

    (job,) = system.rows("SELECT state, scheduled_at - now() AS ahead FROM jobs")
    assert job.state == "available"
    assert 500 < job.ahead.total_seconds() <= 601
    assert system.value("SELECT count(*) FROM images WHERE state = 'failed'") == 0


def test_a_paused_provider_is_skipped_and_the_venue_stays_due(system: System) -> None:
    (job_id,) = system.enqueue(system.add_venues(1))
    with system.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE providers SET paused_until = now() + interval '1 hour', paused_reason = 'quota' "
            "WHERE code = 'google_places'"
        )
    run_given(system.engine, system.settings, [job_id])
    (job,) = system.rows("SELECT status, meta FROM jobs")
    assert job.status == "success"
    assert job.meta["providers"]["google_places"]["status"] == "skipped"
    assert system.value("SELECT last_checked_at FROM venues") is None
    assert system.value("SELECT last_asked_at FROM venues") is not None

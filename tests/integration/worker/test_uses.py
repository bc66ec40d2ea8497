"""Uses of photos are reported to the provider that wants to know: each once, and nothing waits for it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from ops_core.db import leader
from ops_core.db.places import upsert_venues
from ops_core.domain.places import Venue
from ops_core.providers.unsplash import Unsplash
from ops_core.sandbox.faults import Fault
from ops_core.work import uses
from tests.support.given_jobs import run_given
from tests.support.system import Running, System
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres]

CODE = "unsplash"
#: What keeps the pipeline short: each venue has so many photos.
PHOTOS = 3


@pytest.fixture
def unsplash(system: System) -> System:
    """A system that asks Unsplash alone, and keeps references."""
    system.env |= {"VENUE_OPS_REPORT_INTERVAL": "0.5", "VENUE_OPS_MAX_IMAGES_PER_PROVIDER": str(PHOTOS)}
    system.settings = system.settings.model_copy(update={"max_images_per_provider": PHOTOS})
    change(system, f"UPDATE providers SET active = (code = '{CODE}'), rehosting = 'reference_only'")
    return system


def change(system: System, statement: str) -> None:
    with system.engine.begin() as connection:
        connection.exec_driver_sql(statement)


def copy_photos(system: System) -> None:
    change(
        system, f"UPDATE providers SET rehosting = 'store', rehosting_reason = 'a test' WHERE code = '{CODE}'"
    )


def enqueue(system: System, count: int, first: int = 1) -> list[int]:
    """Enrichments of venues whose search words find enough, up to the eighth."""
    venues = [
        Venue(
            name=f"Club {number}",
            address=f"Street {number}",
            city="Kraków",
            country="Poland",
            provider_ids={CODE: f"jazz club {number}"},
        )
        for number in range(first, first + count)
    ]
    with system.engine.begin() as connection:
        venue_ids = [item.venue_id for item in upsert_venues(connection, venues)]
    return system.enqueue(venue_ids, force=True)


def enriched(system: System, count: int = 1) -> list[str]:
    """Enrich new venues in this process; what their photos are called."""
    run_given(system.engine, system.settings, enqueue(system, count))
    refs = [row.provider_ref for row in system.rows("SELECT provider_ref FROM images ORDER BY id")]
    assert len(refs) == PHOTOS * count
    return refs


def told(system: System) -> Counter[str]:
    """How often each photo was reported, as the provider saw it."""
    return Counter(entry["ref"] for entry in system.sandbox.log(provider=CODE, kind="other"))


def marked(system: System) -> int:
    """Photos whose use is still to be reported, now or later."""
    return system.value("SELECT count(*) FROM images WHERE report_due_at IS NOT NULL")


def report(system: System) -> None:
    uses.report(system.engine, system.settings)


def all_refs(system: System) -> Counter[str]:
    return Counter(row.provider_ref for row in system.rows("SELECT provider_ref FROM images"))


def test_a_job_waits_for_no_report(unsplash: System) -> None:
    # its listing takes the only permit of more than a minute
    change(unsplash, "UPDATE providers SET per_hour = 50")
    refs = enriched(unsplash)
    (job,) = unsplash.rows("SELECT * FROM jobs")
    assert (job.state, job.status, job.attempt) == ("completed", "success", 1)
    report(unsplash)
    assert told(unsplash) == Counter()
    assert marked(unsplash) == len(refs)
    (line,) = unsplash.rows("SELECT * FROM job_providers")
    assert (line.status, line.calls) == ("success", 1)


def test_a_report_that_is_late_waits_for_a_permit_as_a_listing_does(unsplash: System) -> None:
    change(unsplash, "UPDATE providers SET per_minute = 12")  # one call in five seconds
    refs = enriched(unsplash)
    # as if its listing had been a moment ago, however slow the machine is
    change(unsplash, "UPDATE rate_limits SET tat_minute = clock_timestamp() + interval '5 seconds'")
    report(unsplash)
    assert told(unsplash) == Counter()
    change(unsplash, "UPDATE images SET report_due_at = now() - interval '2 hours'")
    report(unsplash)
    assert set(told(unsplash)) < set(refs)
    assert marked(unsplash) == len(refs) - sum(told(unsplash).values()) < len(refs)


@pytest.mark.parametrize("copied", [False, True])
def test_each_use_is_reported_once_however_often_the_venue_is_listed(unsplash: System, copied: bool) -> None:
    if copied:
        copy_photos(unsplash)
    refs = enriched(unsplash)
    report(unsplash)
    assert told(unsplash) == Counter(refs)
    enriched_again = enqueue(unsplash, 1)
    run_given(unsplash.engine, unsplash.settings, enriched_again)
    report(unsplash)
    assert told(unsplash) == Counter(refs)
    states = {row.state for row in unsplash.rows("SELECT state FROM images")}
    assert states == {"uploaded" if copied else "referenced"}


def test_a_copy_is_reported_once_it_is_in_the_store(unsplash: System) -> None:
    copy_photos(unsplash)
    unsplash.sandbox.set_faults(rates={Fault.FORBIDDEN: 1.0})
    enriched(unsplash)
    report(unsplash)
    assert told(unsplash) == Counter()
    unsplash.sandbox.set_faults(rates={})
    # a person's retry, as far as it matters here
    change(
        unsplash,
        "UPDATE images SET state = 'discovered', error_type = NULL, status_code = NULL, detail = NULL",
    )
    change(unsplash, "DELETE FROM attempts")
    run_given(unsplash.engine, unsplash.settings, enqueue(unsplash, 1))
    assert {row.state for row in unsplash.rows("SELECT state FROM images")} == {"uploaded"}
    report(unsplash)
    assert told(unsplash) == all_refs(unsplash)


def test_copies_that_wait_when_copying_is_forbidden_become_references_and_are_reported(
    unsplash: System,
) -> None:
    copy_photos(unsplash)
    unsplash.sandbox.set_faults(rates={Fault.RATE_LIMITED: 1.0})
    enriched(unsplash)
    change(unsplash, f"UPDATE providers SET rehosting = 'reference_only' WHERE code = '{CODE}'")
    unsplash.sandbox.set_faults(rates={})
    change(unsplash, "UPDATE rate_limits SET blocked_until = NULL")
    run_given(unsplash.engine, unsplash.settings, enqueue(unsplash, 1))
    report(unsplash)
    assert {row.state for row in unsplash.rows("SELECT state FROM images")} == {"referenced"}
    assert told(unsplash) == all_refs(unsplash)


@pytest.mark.parametrize(
    ("why_not", "mended"),
    [
        ("active = false", "active = true"),
        (
            "paused_until = now() + interval '1 hour', paused_reason = 'a test'",
            "paused_until = NULL, paused_reason = NULL",
        ),
        ("capabilities = '[]'", "capabilities = '[\"photos\"]'"),
    ],
)
def test_a_provider_that_may_not_be_asked_is_told_later(unsplash: System, why_not: str, mended: str) -> None:
    refs = enriched(unsplash)
    change(unsplash, f"UPDATE providers SET {why_not} WHERE code = '{CODE}'")
    report(unsplash)
    assert (told(unsplash), marked(unsplash)) == (Counter(), len(refs))
    change(unsplash, f"UPDATE providers SET {mended} WHERE code = '{CODE}'")
    report(unsplash)
    assert (told(unsplash), marked(unsplash)) == (Counter(refs), 0)


def test_without_a_key_nobody_is_told(unsplash: System, monkeypatch: pytest.MonkeyPatch) -> None:
    refs = enriched(unsplash)
    monkeypatch.setattr(Unsplash, "not_ready", lambda self, settings: "Set a key.")
    report(unsplash)
    assert (told(unsplash), marked(unsplash)) == (Counter(), len(refs))


def test_a_breaker_that_is_open_is_respected_and_its_probe_may_be_a_report(unsplash: System) -> None:
    refs = enriched(unsplash)
    change(
        unsplash,
        "INSERT INTO circuits (provider, state, failures, opened, opened_at, retry_at) VALUES "
        f"('{CODE}', 'open', 10, 1, now(), now() + interval '1 hour') ON CONFLICT (provider) DO UPDATE SET "
        "state = 'open', failures = 10, opened = 1, opened_at = now(), retry_at = now() + interval '1 hour'",
    )
    report(unsplash)
    assert (told(unsplash), marked(unsplash)) == (Counter(), len(refs))
    change(unsplash, "UPDATE circuits SET retry_at = now()")
    report(unsplash)
    assert told(unsplash) == Counter(refs)
    assert unsplash.value("SELECT state FROM circuits") == "closed"


@pytest.mark.parametrize(
    ("status", "settled"), [(401, False), (403, False), (429, False), (500, False), (503, False), (404, True)]
)
def test_only_an_answer_about_the_photo_settles_a_report_and_others_come_first(
    unsplash: System, status: int, settled: bool
) -> None:
    refs = enriched(unsplash)
    unsplash.sandbox.set_faults(outages={CODE: status}, retry_after=0)
    report(unsplash)
    # what would end like it is not sent
    assert told(unsplash) == Counter(refs if settled else refs[:1])
    assert marked(unsplash) == (0 if settled else PHOTOS)
    if not settled:
        wait = unsplash.value("SELECT max(report_due_at) - now() FROM images")
        assert timedelta(seconds=uses.AGAIN - 30) < wait <= timedelta(seconds=uses.AGAIN)
    unsplash.sandbox.set_faults(outages={})
    change(unsplash, "UPDATE rate_limits SET blocked_until = NULL")
    change(unsplash, "UPDATE images SET report_due_at = now() WHERE report_due_at > now()")
    report(unsplash)
    assert set(told(unsplash)) == set(refs)
    assert marked(unsplash) == 0


def test_a_provider_that_asks_for_silence_gets_it_from_everybody(unsplash: System) -> None:
    enriched(unsplash)
    unsplash.sandbox.set_faults(outages={CODE: 429}, retry_after=300)
    report(unsplash)
    unsplash.sandbox.set_faults(outages={})
    report(unsplash)
    assert sum(told(unsplash).values()) == 1
    silence = unsplash.value("SELECT blocked_until - now() FROM rate_limits")
    assert timedelta(seconds=250) < silence <= timedelta(seconds=300)


def test_a_photo_whose_address_is_not_known_keeps_no_other_from_being_reported(unsplash: System) -> None:
    lost, *others = enriched(unsplash)
    change(unsplash, f"UPDATE images SET fetch_ref = NULL WHERE provider_ref = '{lost}'")
    report(unsplash)
    assert told(unsplash) == Counter(others)
    # the next listing brings it
    run_given(unsplash.engine, unsplash.settings, enqueue(unsplash, 1))
    change(unsplash, "UPDATE images SET report_due_at = now() WHERE report_due_at > now()")
    report(unsplash)
    assert told(unsplash) == Counter([lost, *others])


def test_reports_are_counted_and_paid_and_are_no_tries(unsplash: System) -> None:
    change(unsplash, "UPDATE providers SET photo_usd = 0.5")
    enriched(unsplash)
    report(unsplash)
    (sums,) = unsplash.rows(
        "SELECT sum(calls) AS calls, sum(cost_usd) AS cost, sum(tries) AS tries FROM rollups"
    )
    assert (sums.calls, sums.cost, sums.tries) == (PHOTOS, PHOTOS * 0.5, 0)
    assert unsplash.value("SELECT cost_usd FROM jobs") == 0


def test_while_one_process_reports_no_other_does(unsplash: System) -> None:
    enriched(unsplash)
    with leader.leadership(unsplash.engine, leader.REPORTING_USES) as is_leader:
        assert is_leader()
        report(unsplash)
        assert told(unsplash) == Counter()
    report(unsplash)
    assert len(told(unsplash)) == PHOTOS


@pytest.mark.worker
@pytest.mark.parametrize("copied", [False, True])
def test_workers_report_each_use_once_however_often_they_are_asked(unsplash: System, copied: bool) -> None:
    from ops_core.tasks.send import ask_for_reports  # the Celery app is made for the broker of this session

    if copied:
        copy_photos(unsplash)
    unsplash.sandbox.set_faults(delay=0.1)
    for _ in range(2):
        unsplash.start_worker()
    unsplash.start_dispatcher()
    enqueue(unsplash, 6)
    for _ in range(5):
        ask_for_reports()
    unsplash.wait_for_jobs()
    for _ in range(5):
        ask_for_reports()
    wait_until(lambda: marked(unsplash), lambda left: left == 0)
    assert told(unsplash) == all_refs(unsplash)
    assert len(told(unsplash)) == 6 * PHOTOS
    unsplash.agree()


@pytest.mark.worker
def test_a_limit_that_lets_one_call_through_at_a_time_loses_no_report_and_starves_no_listing(
    unsplash: System,
) -> None:
    change(unsplash, "UPDATE providers SET per_minute = 30")
    unsplash.start_worker()
    unsplash.start_dispatcher()
    enqueue(unsplash, 2)
    unsplash.wait_for_jobs(30)
    assert marked(unsplash) > 2
    # in the middle of the reports
    enqueue(unsplash, 1, first=7)
    unsplash.wait_for_jobs(30)
    assert marked(unsplash) > 1
    wait_until(lambda: marked(unsplash), lambda left: left == 0, seconds=60)
    assert told(unsplash) == all_refs(unsplash)


@pytest.mark.worker
def test_workers_killed_in_the_middle_of_reports_lose_none(unsplash: System) -> None:
    refs = enriched(unsplash, 4)
    unsplash.sandbox.set_faults(delay=0.4)
    unsplash.start_dispatcher()
    kills = 3
    for kill in range(1, kills + 1):
        worker: Running = unsplash.start_worker()
        seen = sum(told(unsplash).values())
        wait_until(lambda seen=seen: sum(told(unsplash).values()), lambda n, seen=seen: n > seen + 1)
        worker.kill()
        assert 0 < marked(unsplash) <= PHOTOS * 4 - kill
    unsplash.start_worker()
    wait_until(lambda: marked(unsplash), lambda left: left == 0)
    assert set(told(unsplash)) == set(refs)
    # what was on its way is reported once more, and that is all
    assert len(refs) <= sum(told(unsplash).values()) <= len(refs) + kills

"""An operator's afternoon: sees failures, looks into them, retries one venue, then all, takes a file."""

from __future__ import annotations

import csv
import json
import re

import pytest
from playwright.sync_api import Page, expect

from ops_core.sandbox.faults import Fault
from tests.support.browser import Tab
from tests.support.console import running_console
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.postgres, pytest.mark.worker]

#: Where the table of operations draws what, pixels from its top left corner: it is a canvas.
HEADER, ROW, TICK, OPEN, RETRY = 36, 40, 16, 82, 632


@pytest.fixture
def console(system: System):
    """A console over a system whose photos failed now and then at their first try."""
    system.sandbox.set_faults(rates={Fault.BAD_GATEWAY: 0.3, Fault.RESET: 0.1}, recover_tries=1)
    system.enqueue(system.add_venues(6))
    worker = system.start_worker()
    system.start_dispatcher()
    system.wait_for_jobs()
    worker.stop()
    system.sandbox.set_faults(rates={})
    url = system.engine.url.render_as_string(hide_password=False)
    with running_console(url, system.folder) as running:
        yield running


def card(page: Page, label: str) -> int:
    found = page.get_by_test_id("stMetric").filter(has_text=label).first
    return int(found.get_by_test_id("stMetricValue").inner_text().replace(",", ""))


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=re.compile(rf"^{label}|{label}$")).first.click()
    page.get_by_role("option", name=re.compile(option)).click()
    page.keyboard.press("Escape")


def click_cell(page: Page, row: int, x: int) -> None:
    page.wait_for_timeout(700)  # the canvas draws a moment after its data are there
    page.get_by_test_id("stDataFrame").first.click(position={"x": x, "y": HEADER + row * ROW + ROW // 2})


def shown_ids(system: System, where: str) -> list[int]:
    question = (
        f"SELECT id FROM jobs WHERE finished_at IS NOT NULL AND {where} ORDER BY finished_at DESC, id DESC"
    )
    return [row.id for row in system.rows(question)]


def test_from_a_failure_to_its_photo_in_the_store(system: System, console, browser):
    failed = system.value("SELECT count(*) FROM images WHERE state = 'failed'")
    assert failed > 3
    with Tab(browser, height=1600) as tab:
        page = tab.page
        page.goto(console.url("/operations"))
        expect(page.get_by_test_id("stMetric").first).to_be_visible(timeout=30_000)
        assert card(page, "Operations") == 6
        assert card(page, "Images failed") == failed

        choose(page, "Provider", "Wikimedia Commons")
        choose(page, "Error type", "Bad gateway")
        found = shown_ids(
            system,
            "id IN (SELECT job_id FROM job_providers WHERE provider = 'wikimedia_commons') AND id IN "
            "(SELECT job_id FROM attempts WHERE error_type = 'bad_gateway')",
        )
        assert len(found) >= 2
        expect(page.get_by_text(f"{len(found)} operations", exact=True)).to_be_visible()
        expect(page).to_have_url(re.compile(r"\?provider=wikimedia_commons&error=bad_gateway$"))

        for row in (0, 1):
            click_cell(page, row, OPEN)
            expect(page.get_by_text(re.compile(rf"^Job {found[row]} ·"))).to_be_visible(timeout=15_000)
        expect(page).to_have_url(re.compile(rf"&job={found[0]}&job={found[1]}$"))
        expect(page.get_by_text(re.compile(r"^Failed images \(\d+\)$"))).to_have_count(2)
        photos = page.get_by_test_id("stImage").locator("img")
        stored = system.rows(
            "SELECT least(images_uploaded, 8) AS n FROM jobs WHERE id = ANY(:ids)", ids=found[:2]
        )
        expect(photos).to_have_count(sum(row.n for row in stored))
        wait_until(
            lambda: photos.evaluate_all("images => images.map(image => image.naturalWidth)"),
            lambda widths: min(widths) > 100,
            seconds=15,
        )
        view = page.url

        (venue,) = system.rows("SELECT venue_id FROM jobs WHERE id = :id", id=found[0])
        of_venue = system.value(
            "SELECT count(*) FROM images WHERE state = 'failed' AND venue_id = :id", id=venue.venue_id
        )
        click_cell(page, 0, RETRY)
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(f"Retry venue #{venue.venue_id}")
        noun = "image" if of_venue == 1 else "images"
        expect(dialog).to_contain_text(f"{of_venue} {noun} in 1 venue will be tried again")
        dialog.get_by_role("button", name=f"Retry {of_venue} {noun}").dblclick()
        expect(page.get_by_test_id("stToast")).to_contain_text(f"Retry queued for venue #{venue.venue_id}")
        expect(dialog).to_have_count(0)
        expect(page.get_by_role("link", name=re.compile(r"Retry \d+ queued"))).to_be_visible()
        assert system.value("SELECT count(*) FROM retry_requests") == 1
        assert system.value("SELECT count(*) FROM retry_items WHERE state = 'queued'") == of_venue

        system.start_worker()
        system.wait_for_jobs()
        page.locator(".st-key-clear_filters button").click()
        page.get_by_role("button", name="Refresh").click()
        expect(page.get_by_text("7 operations", exact=True)).to_be_visible()
        assert card(page, "Images failed") == failed - of_venue

        page.get_by_role("button", name="Retry all failed").click()
        left = failed - of_venue
        expect(dialog).to_contain_text(f"{left} image")
        dialog.get_by_role("button", name="Scan and retry all").click()
        expect(page.get_by_test_id("stToast").last).to_contain_text("Batch retry queued: scanning all venues")
        wait_until(
            lambda: system.value("SELECT count(*) FROM images WHERE state <> 'uploaded'") == 0, seconds=60
        )
        system.wait_for_jobs()
        page.get_by_role("button", name="Refresh").click()
        expect(
            page.get_by_test_id("stMetric").filter(has_text="Images failed").get_by_test_id("stMetricValue")
        ).to_have_text("0")
        assert tab.complaints == []

    with Tab(browser, height=1600) as fresh:
        page = fresh.page
        page.goto(view)
        for job_id in found[:2]:
            expect(page.get_by_text(re.compile(rf"^Job {job_id} ·"))).to_be_visible(timeout=30_000)
        same = shown_ids(
            system,
            "id IN (SELECT job_id FROM job_providers WHERE provider = 'wikimedia_commons') AND id IN "
            "(SELECT job_id FROM attempts WHERE error_type = 'bad_gateway')",
        )
        expect(page.get_by_text(f"{len(same)} operations", exact=True)).to_be_visible()
        for kind in ("CSV", "JSON"):
            with page.expect_download() as download:
                page.get_by_test_id("stLinkButton").filter(has_text=kind).first.click()
            path = download.value.path()
            if kind == "CSV":
                with path.open(encoding="utf-8-sig", newline="") as file:
                    ids = [int(row["id"]) for row in csv.DictReader(file)]
            else:
                ids = [row["id"] for row in json.loads(path.read_text())]
            assert ids == same
    assert set(system.agree()) == {"uploaded"}


def counted(system: System) -> dict[str, int]:
    """What the table of requests says of the one there is."""
    (row,) = system.rows("SELECT images, uploaded, failed, skipped, let_go FROM retry_requests")
    return dict(row._mapping)


def expect_numbers(page: Page, system: System) -> dict[str, int]:
    """Wait until the page shows what the tables say; what that is."""
    numbers = counted(system)
    ended = numbers["uploaded"] + numbers["failed"] + numbers["skipped"] + numbers["let_go"]
    expect(page.get_by_text(f"{ended} of {numbers['images']} images").first).to_be_visible(timeout=15_000)
    expect(page.get_by_text(f"{numbers['uploaded']} uploaded").first).to_be_visible()
    if numbers["let_go"]:
        expect(page.get_by_text(f"{numbers['let_go']} let go").first).to_be_visible()
    return numbers


def test_a_sample_first_then_pause_resume_and_cancel(system: System, console, browser):
    with Tab(browser, height=1600) as tab:
        page = tab.page
        page.goto(console.url("/operations"))
        expect(page.get_by_test_id("stMetric").first).to_be_visible(timeout=30_000)
        ticked = shown_ids(system, "true")[:5]
        for row in range(5):
            click_cell(page, row, TICK)
        page.get_by_role("button", name="Retry 5 ticked").click()
        wanted = system.value(
            "SELECT count(*) FROM images WHERE state = 'failed' AND failed_job = ANY(:ids)", ids=ticked
        )
        assert wanted >= 9, "too few failures for this story"
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(f"{wanted} images in")
        dialog.get_by_text("When and how").click()
        dialog.get_by_text("Images an hour", exact=True).click()
        # one each 12 seconds once the first six have begun
        dialog.get_by_role("spinbutton", name="At most so many images an hour").fill("300")
        dialog.get_by_text("Try a sample first").click()
        dialog.get_by_role("spinbutton", name="Images in the sample").fill("3")
        page.keyboard.press("Tab")
        expect(dialog).to_contain_text(
            "3 images first; it goes on by itself if 80 % of them or more come in."
        )
        expect(dialog).to_contain_text("At most 300 images an hour.")
        dialog.get_by_role("button", name=f"Retry {wanted} images").click()
        expect(page.get_by_test_id("stToast")).to_contain_text("Retry queued for 5 operations")
        assert system.value("SELECT count(*) FROM retry_items WHERE sample") == 3
        expect(page.locator(".st-key-retries_running")).to_contain_text(f"0 of {wanted} images")

        page.goto(console.url("/retries?retry=1"))
        expect(page.get_by_text("Sample: 0 of 3 done").first).to_be_visible(timeout=30_000)
        system.start_worker()
        wait_until(lambda: counted(system)["uploaded"], lambda uploaded: uploaded > 3, seconds=60)

        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_text("Paused").first).to_be_visible(timeout=15_000)
        wait_until(lambda: system.uploading() == 0)
        paused = expect_numbers(page, system)
        assert 3 < paused["uploaded"] < wanted

        page.get_by_role("button", name="Resume").click()
        wait_until(
            lambda: counted(system)["uploaded"], lambda uploaded: uploaded > paused["uploaded"], seconds=60
        )
        page.get_by_role("button", name="Cancel").first.click()
        page.get_by_role("button", name="Cancel retry 1").click()
        wait_until(lambda: system.value("SELECT finished_at FROM retry_requests"), seconds=60)
        expect(page.get_by_text("Cancelled").first).to_be_visible(timeout=15_000)
        ended = expect_numbers(page, system)
        assert ended["uploaded"] + ended["let_go"] == wanted
        assert ended["let_go"] > 0

        page.goto(console.url("/"))
        expect(page.get_by_text("No retry is open.")).to_be_visible(timeout=30_000)
        assert tab.complaints == []
    assert system.agree()["failed"] >= ended["let_go"]

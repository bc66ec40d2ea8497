"""Photos that may not be copied, as a person sees them: from the provider itself, with their credit."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from ops_core.work import enrich, showing
from tests.support.browser import Tab
from tests.support.console import running_console
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]


def test_photos_that_may_not_be_copied_are_seen_from_their_provider_with_their_credit(system, browser):
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE providers SET rehosting = 'reference_only'")
        connection.exec_driver_sql("UPDATE providers SET active = (code = 'google_places')")
    (job_id,) = system.enqueue(system.add_venues(4)[-1:])
    with ThreadPoolExecutor(1) as aside:  # the browser keeps an event loop running in this thread
        aside.submit(enrich.run, system.engine, system.settings, [job_id]).result()
    showing._venues.clear()
    total = system.value("SELECT count(*) FROM images WHERE state = 'referenced'")
    url = system.engine.url.render_as_string(hide_password=False)
    with running_console(url, system.folder / "console") as console, Tab(browser) as tab:
        tab.page.goto(console.url(f"/operations?job={job_id}"))
        expect(tab.page.get_by_text(re.compile(rf"^Job {job_id} ·"))).to_be_visible(timeout=30_000)
        # nobody is asked, and nothing is paid, before somebody wants to see them
        assert system.sandbox.log(provider="google_places", kind="resolve") == []
        tab.page.get_by_text(f"Shown from their provider ({total})").click()
        photos = tab.page.get_by_test_id("stImage").locator("img")
        shown = min(total, 8)
        expect(photos).to_have_count(shown)
        wait_until(
            lambda: photos.evaluate_all("images => images.map(image => image.naturalWidth)"),
            lambda widths: len(widths) == shown and min(widths) > 100,
            seconds=20,
        )
        expect(tab.page.get_by_text("Google Maps").first).to_be_visible()
        assert tab.complaints == []
        assert tab.hosts == {f"127.0.0.1:{console.port}", system.sandbox.url.removeprefix("http://")}
    assert system.value("SELECT count(*) FROM attempts") == 0
    assert not list(system.settings.store_path.rglob("*.jpg"))

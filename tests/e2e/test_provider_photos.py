"""Photos that may not be copied, as a person sees them: from the provider itself, with their credit."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image, ImageColor
from playwright.sync_api import expect

from ops_core.analytics import palette
from ops_core.ui.provider_photos import PATH
from ops_core.work import showing
from tests.support.browser import Tab
from tests.support.console import running_console
from tests.support.given_jobs import run_given
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]


def enriched(system, venue_id, provider="google_places"):
    """The job of a venue whose photos are all shown from that provider."""
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE providers SET rehosting = 'reference_only'")
        connection.exec_driver_sql("UPDATE providers SET active = (code = %s)", (provider,))
    (job_id,) = system.enqueue([venue_id])
    with ThreadPoolExecutor(1) as aside:  # the browser keeps an event loop running in this thread
        aside.submit(run_given, system.engine, system.settings, [job_id]).result()
    showing._venues.clear()
    return job_id


def test_photos_that_may_not_be_copied_are_seen_from_their_provider_with_their_credit(system, browser):
    job_id = enriched(system, system.add_venues(4)[-1])
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_gone_or_refused_is_a_card_in_its_place_and_keeps_its_text_for_screen_readers(
    system, browser, scheme
):
    one, other = system.add_venues(4)[-2:]
    gone, refused = enriched(system, one, "wikimedia_commons"), enriched(system, other)
    url = system.engine.url.render_as_string(hide_password=False)
    with running_console(url, system.folder / "console") as console, Tab(browser, scheme=scheme) as tab:

        def frames(job_id):
            tab.page.goto(console.url(f"/operations?job={job_id}"))
            tab.page.get_by_text(re.compile(r"^Shown from their provider")).click()
            found = tab.page.get_by_role("img", name=re.compile(r"^Photo \d, shown from \w+ \w+$"))
            expect(found.first).to_be_visible(timeout=30_000)
            wait_until(lambda: found.evaluate_all("all => all.every(image => image.complete)"))
            return found

        # the provider's own address says so, to the browser alone: the page draws the card
        system.sandbox.set_faults(rates={"not_found": 1.0})
        found = frames(gone)
        assert found.evaluate_all("all => all.map(image => image.naturalWidth)") == [0] * found.count()
        box = found.first.bounding_box()
        assert box["height"] == pytest.approx(box["width"] * 3 / 4, abs=2)
        said = "image => getComputedStyle(image, '::before').content"
        assert found.first.evaluate(said) == '"Does not load"'
        card = colour(found.first)
        # the console knows why: it draws the card, in an answer that is no success
        system.sandbox.set_faults(rates={}, outages={"google_places": 401})
        answers = []
        tab.page.on("response", lambda answer: answers.append(answer) if PATH in answer.url else None)
        found = frames(refused)
        assert found.evaluate_all("all => all.map(image => image.naturalWidth)") == [200] * found.count()
        assert {answer.status for answer in answers} == {502}
        # both have the colour of the theme
        assert colour(found.first) == card
        theme = palette.DARK if scheme == "dark" else palette.LIGHT
        assert card == ImageColor.getrgb(theme.shades["gray"].fill)


def colour(frame):
    """The ground of a card, as it is seen."""
    with Image.open(io.BytesIO(frame.screenshot())) as shot:
        return shot.convert("RGB").getpixel((shot.width // 2, 6))

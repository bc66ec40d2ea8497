"""The Operations page as a person meets it: real server, real browser."""

from __future__ import annotations

import re
import signal
import time
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect
from sqlalchemy import text

from ops_core.analytics import palette
from ops_core.db.engine import make_engine
from ops_core.db.operations import page as page_of
from ops_core.domain.filters import Filters
from ops_core.ui.address import BASE
from tests.support.browser import Tab
from tests.support.console import running_console
from tests.support.factories import make_enrichment
from tests.support.ports import free_port
from tests.support.showcase import draw_stored
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]

#: Where a row of the table of jobs is drawn, pixels from its top left corner: it is a canvas.
HEADER, ROW, TICK, OPEN = 36, 40, 16, 82


@pytest.fixture
def engine(world):
    engine = make_engine(world)
    yield engine
    engine.dispose()


def job_with_photos(engine):
    with engine.connect() as connection:
        return next(row["id"] for row in page_of(connection, Filters()).rows if row["images_uploaded"] >= 8)


def widths(photos):
    """Pixels of each picture as the browser decoded it; 0 for one it could not load."""
    return photos.evaluate_all("images => images.map(image => image.naturalWidth)")


def rgb(colour):
    return "rgb({}, {}, {})".format(*(int(colour[at : at + 2], 16) for at in (1, 3, 5)))


def test_a_cold_deep_link_shows_the_jobs_and_photos_the_browser_really_decoded(console, engine, browser):
    job = job_with_photos(engine)
    with Tab(browser) as tab:
        tab.page.goto(console.url(f"/operations?job={job}"))
        expect(tab.page.get_by_role("heading", name="Operations")).to_be_visible(timeout=30_000)
        expect(tab.page.get_by_test_id("stMetric").first).to_be_visible()
        expect(tab.page.get_by_test_id("stDataFrame").first).to_be_visible()
        expect(tab.page.get_by_text(re.compile(rf"^Job {job} ·"))).to_be_visible()
        photos = tab.page.get_by_test_id("stImage").locator("img")
        expect(photos).to_have_count(8)
        wait_until(lambda: widths(photos), lambda found: found == [200] * 8, seconds=10)
        expect(tab.page.get_by_text(re.compile("Photographer")).first).to_be_visible()
        assert tab.complaints == []
        assert tab.hosts == {f"127.0.0.1:{console.port}"}


def test_tables_offer_no_file_of_their_own_with_cells_that_a_spreadsheet_could_run(console, engine, browser):
    with Tab(browser, height=1600) as tab:
        tab.page.goto(console.url(f"/operations?job={job_with_photos(engine)}"))
        tab.page.locator("summary", has_text="Timeline").click(timeout=30_000)
        table = (
            tab.page.get_by_test_id("stExpander").filter(has_text="Timeline").get_by_test_id("stDataFrame")
        )
        table.hover(timeout=30_000)
        tools = table.get_by_test_id("stElementToolbar")
        expect(tools.get_by_role("button", name=re.compile("^Search"))).to_be_visible()
        expect(tools.locator("[aria-label^='Download']")).to_have_count(1)
        expect(tools.locator("[aria-label^='Download']")).to_be_hidden()


def test_the_time_of_the_data_is_in_the_viewers_zone(console, browser):
    with Tab(browser) as tab:
        tab.page.goto(console.url("/operations"))
        expect(tab.page.get_by_text("(Europe/Warsaw)")).to_be_visible(timeout=30_000)


def test_bare_addresses_lead_to_the_console(console, browser):
    for path in ("/", BASE, f"{BASE}/"):
        with Tab(browser) as tab:
            tab.page.goto(f"http://127.0.0.1:{console.port}{path}")
            expect(tab.page.get_by_role("heading", name="What needs you now")).to_be_visible(timeout=30_000)
            tab.page.get_by_text("See the last operations").click()
            expect(tab.page).to_have_url(console.url("/operations"))
            assert tab.complaints == []


def click(table, row, x):
    table.page.wait_for_timeout(700)  # the canvas draws a moment after its data are there
    table.click(position={"x": x, "y": HEADER + row * ROW + ROW // 2})


def test_ticks_and_open_details_stay_with_their_jobs_when_others_arrive_above(console, engine, browser):
    with engine.connect() as connection:
        third = page_of(connection, Filters()).rows[2]["id"]
    with Tab(browser, height=1600) as tab:
        tab.page.goto(console.url("/operations"))
        table = tab.page.get_by_test_id("stDataFrame").first
        expect(table).to_be_visible(timeout=30_000)
        click(table, 2, TICK)
        expect(tab.page.get_by_role("button", name="Retry 1 ticked")).to_be_visible()
        click(table, 2, OPEN)
        opened = tab.page.get_by_text(re.compile(rf"^Job {third} ·"))
        expect(opened).to_be_visible()
        expect(tab.page).to_have_url(re.compile(rf"\?job={third}$"))
        with engine.begin() as connection:
            newest = make_enrichment(connection, uploaded=1, finished_at=datetime.now(UTC)).id
        operations = tab.page.get_by_test_id("stMetricValue").first
        before = int(operations.inner_text())
        tab.page.get_by_role("button", name="Refresh").click()
        expect(operations).to_have_text(str(before + 1))
        expect(opened).to_be_visible()
        click(table, 0, OPEN)
        expect(tab.page.get_by_text(re.compile(rf"^Job {newest} ·"))).to_be_visible()
        expect(tab.page).to_have_url(re.compile(rf"\?job={third}&job={newest}$"))
        click(table, 3, TICK)
        expect(tab.page.get_by_role("button", name="Retry all")).to_have_count(2)  # nothing is ticked now
        click(table, 3, OPEN)
        expect(opened).to_have_count(0)
        expect(tab.page).to_have_url(re.compile(rf"\?job={newest}$"))


def test_new_operations_are_shown_on_a_click_without_auto_refresh_too(console, engine, browser):
    with Tab(browser, height=1600) as tab:
        page = tab.page
        page.goto(console.url("/operations"))
        operations = page.get_by_test_id("stMetricValue").first
        expect(operations).to_be_visible(timeout=30_000)
        before = int(operations.inner_text())
        with engine.begin() as connection:
            make_enrichment(connection, uploaded=1, finished_at=datetime.now(UTC))
        page.wait_for_timeout(5_500)  # what was read is kept for five seconds
        page.get_by_role("tab", name="Individual venues").click()
        new = page.get_by_role("button", name="+1 new")
        expect(new).to_be_visible()
        new.click()
        expect(new).to_have_count(0)
        page.get_by_role("tab", name="All").click()
        expect(operations).to_have_text(str(before + 1))


def test_auto_refresh_announces_what_is_new_and_moves_nothing(console, engine, browser):
    with Tab(browser, height=1600) as tab:
        page = tab.page
        page.goto(console.url("/operations"))
        operations = page.get_by_test_id("stMetricValue").first
        expect(operations).to_be_visible(timeout=30_000)
        before = int(operations.inner_text())
        page.locator(".st-key-operations_every").get_by_role("combobox").click()
        page.get_by_role("option", name="10 s").click()
        with engine.begin() as connection:
            job = make_enrichment(connection, uploaded=1, finished_at=datetime.now(UTC))
        new = page.get_by_role("button", name="+1 new")
        expect(new).to_be_visible(timeout=30_000)
        assert int(operations.inner_text()) == before
        new.click()
        expect(operations).to_have_text(str(before + 1))
        expect(new).to_have_count(0)
        click(page.get_by_test_id("stDataFrame").first, 0, OPEN)
        expect(page.get_by_text(re.compile(rf"^Job {job.id} ·"))).to_be_visible()
        assert tab.complaints == []


def test_back_in_the_browser_shows_the_view_before(console, browser):
    with Tab(browser) as tab:
        page = tab.page
        page.goto(console.url("/operations?status=partial"))
        shown = page.get_by_text(re.compile(r"^\d+ operations?$"))
        expect(shown).to_be_visible(timeout=30_000)
        partial = shown.inner_text()
        page.get_by_role("link", name="Home").first.click()
        expect(page.get_by_role("heading", name="What needs you now")).to_be_visible()
        page.get_by_role("link", name="Operations").first.click()
        expect(page).to_have_url(console.url("/operations?status=partial"))
        expect(shown).to_have_text(partial)


def test_a_narrow_window_is_usable(console, engine, browser):
    job = job_with_photos(engine)
    with Tab(browser, width=400, height=800) as tab:
        tab.page.goto(console.url(f"/operations?job={job}"))
        expect(tab.page.get_by_text(re.compile(rf"^Job {job} ·"))).to_be_visible(timeout=30_000)
        main = tab.page.get_by_test_id("stMain")
        assert main.evaluate("element => element.scrollWidth - element.clientWidth") == 0
        for part in (
            tab.page.get_by_role("button", name="Refresh"),
            tab.page.get_by_role("button", name="Retry all failed"),
            tab.page.get_by_test_id("stMetric").last,
            tab.page.get_by_test_id("stDataFrame").first,
            tab.page.get_by_test_id("stImage").last,
        ):
            part.scroll_into_view_if_needed()
            box = part.bounding_box()
            assert box
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 400
            assert box["width"] > 90


@pytest.mark.parametrize(("scheme", "theme"), [("light", palette.LIGHT), ("dark", palette.DARK)])
def test_the_page_follows_the_viewers_light_or_dark(console, browser, scheme, theme):
    with Tab(browser, scheme=scheme) as tab:
        tab.page.goto(console.url("/operations"))
        uploaded = tab.page.get_by_test_id("stMetric").nth(1)
        expect(uploaded).to_be_visible(timeout=30_000)
        colour = "element => getComputedStyle(element)"
        assert tab.page.get_by_test_id("stApp").evaluate(f"{colour}.backgroundColor") == rgb(theme.page)
        figure = uploaded.get_by_test_id("stMetricValue").locator("span").first
        assert figure.evaluate(f"{colour}.color") == rgb(theme.shades["green"].text)


def test_a_photo_that_was_not_there_is_not_remembered_as_missing(console, engine, browser):
    with engine.begin() as connection:
        job = make_enrichment(connection, uploaded=2)
    with Tab(browser) as tab:
        tab.page.goto(console.url(f"/operations?job={job.id}"))
        photos = tab.page.get_by_test_id("stImage").locator("img")
        expect(tab.page.get_by_text(re.compile(r"^Photos \(2\)$"))).to_be_visible(timeout=30_000)
        expect(tab.page.get_by_text("not in this store")).to_have_count(2)
        with engine.connect() as connection:
            draw_stored(connection, console.log.parent / "store")
        tab.page.reload()
        wait_until(lambda: widths(photos), lambda found: found == [200] * 2, seconds=10)


@pytest.fixture
def broken(engine):
    """A world in which the page breaks: an error type that no version of the code has written."""
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO job_rollups VALUES ('error_type', 'no_such_error',
                    date_trunc('hour', now() - interval '20 days'), 'enrichment', 'failed',
                    1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
            """)
        )
    yield
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM job_rollups WHERE value = 'no_such_error'"))


def test_a_page_that_breaks_shows_a_reference_and_the_log_has_the_cause(console, broken, browser):
    with Tab(browser) as tab:
        tab.page.goto(console.url("/operations?period=30d"))
        alert = tab.page.get_by_test_id("stAlert").filter(has_text="Something went wrong here")
        expect(alert).to_be_visible(timeout=30_000)
        reference = re.search(r"reference ([0-9a-f]{8})", alert.inner_text())
        assert reference
        assert "Traceback" not in tab.page.content()
        assert "ValueError" not in tab.page.content()
    log = console.log.read_text()
    assert reference[1] in log
    assert "ValueError" in log


def test_with_the_database_away_the_browser_shows_what_to_do(tmp_path, browser):
    with (
        running_console(f"postgresql://127.0.0.1:{free_port()}/gone", tmp_path) as console,
        Tab(browser) as tab,
    ):
        tab.page.goto(console.url("/operations"))
        alert = tab.page.get_by_test_id("stAlert")
        expect(alert).to_contain_text("Database not reachable", timeout=30_000)
        expect(alert).to_contain_text("venue-ops up")
        expect(tab.page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_page_whose_database_was_away_comes_back_by_itself(postgres, tmp_path, browser):
    with running_console(postgres.url_of("later"), tmp_path) as console, Tab(browser) as tab:
        tab.page.goto(console.url("/operations"))
        expect(tab.page.get_by_text("Database not reachable")).to_be_visible(timeout=30_000)
        with postgres.fresh("later"):
            expect(tab.page.get_by_text("No operations yet")).to_be_visible(timeout=30_000)


def test_sigterm_stops_the_console_with_tabs_open(world, tmp_path, browser):
    with running_console(world, tmp_path) as console, Tab(browser) as tab:
        tab.page.goto(console.url("/operations"))
        expect(tab.page.get_by_test_id("stMetric").first).to_be_visible(timeout=30_000)
        console.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        console.process.wait(timeout=15)
        assert time.monotonic() - began < 10
        assert "Traceback" not in console.log.read_text()

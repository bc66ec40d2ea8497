"""An admin's work in a browser: a price is corrected, copies are allowed with a reason, a provider pauses."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine, text

from ops_core.db import provider_rows
from ops_core.db.engine import make_engine
from ops_core.domain.providers import SEED
from tests.support.browser import Tab

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]


@pytest.fixture
def engine(world):
    """The console's database, in which copies are kept where the terms allow them."""
    engine = make_engine(world)
    with engine.begin() as connection:
        for terms in SEED:
            provider_rows.set_rehosting(connection, terms.code, terms.rehosting, None)
        connection.execute(text("UPDATE providers SET paused_until = NULL, paused_reason = NULL"))
        connection.execute(text("DELETE FROM audit"))
    yield engine
    engine.dispose()


def outcomes(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT outcome FROM audit ORDER BY id")))


def opened(page: Page, console, key: str):
    """The dialog behind a button of a provider."""
    page.goto(console.url("/admin"))
    page.locator(f".st-key-provider_{key} button:visible").click(timeout=30_000)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def test_a_price_is_saved_once_however_often_save_is_clicked(console, engine, browser):
    with Tab(browser) as tab:
        dialog = opened(tab.page, console, "google_places_edit")
        price = dialog.get_by_role("spinbutton", name="Photo")
        expect(price).to_have_value("0.007")
        price.fill("0.01875")
        hour = dialog.get_by_role("spinbutton", name="An hour")
        expect(hour).to_have_value("")
        hour.fill("9000")
        dialog.get_by_role("button", name="Save").dblclick()
        expect(tab.page.get_by_test_id("stToast")).to_contain_text("photo price $0.007 → $0.01875")
        expect(dialog).to_have_count(0)
        expect(tab.page.get_by_text("Documented: no limit an hour, photo price $0.007")).to_be_visible()
        assert tab.complaints == []
    saved = [said for said in outcomes(engine) if "->" in said]
    assert saved == ["limit an hour none -> 9,000, photo price $0.007 -> $0.01875"]


def test_a_number_that_cannot_be_is_not_saved_and_locks_nobody_in(console, engine, browser):
    with Tab(browser) as tab:
        dialog = opened(tab.page, console, "google_places_edit")
        priority = dialog.get_by_role("spinbutton", name="Priority")
        priority.fill("500")
        priority.blur()
        dialog.get_by_role("button", name="Save").click()
        expect(dialog.get_by_text("outside the allowed range").first).to_be_attached()
        dialog.get_by_role("button", name="Cancel").click()
        expect(dialog).to_have_count(0)
        assert tab.complaints == []
    assert outcomes(engine) == []


def test_copies_that_terms_forbid_wait_for_a_reason_and_a_confirmation(console, engine, browser):
    with Tab(browser) as tab:
        dialog = opened(tab.page, console, "foursquare_copies")
        expect(dialog.get_by_test_id("stAlert")).to_contain_text("The terms forbid copies")
        link = dialog.get_by_role("link", name="Read the terms")
        expect(link).to_have_attribute(
            "href", "https://docs.foursquare.com/developer/reference/usage-guidelines"
        )
        keep = dialog.get_by_role("button", name="Keep copies")
        expect(keep).to_be_disabled()
        dialog.get_by_text("I have the right to keep copies").click()
        expect(dialog.get_by_role("checkbox")).to_be_checked()
        expect(keep).to_be_disabled()
        # nobody has to leave the field first
        dialog.get_by_role("textbox").press_sequentially("Enterprise contract 7")
        expect(keep).to_be_enabled()
        keep.click()
        expect(tab.page.get_by_text("Copied because: Enterprise contract 7")).to_be_visible()
        assert tab.complaints == []
    (outcome,) = outcomes(engine)
    assert outcome.endswith("the right to do so is confirmed; reason: Enterprise contract 7")


def test_a_narrow_window_shows_all_and_pauses_a_provider(console, engine, browser):
    with Tab(browser, width=400, height=900) as tab:
        page = tab.page
        dialog = opened(page, console, "here_pause")
        dialog.get_by_role("radio", name="15 min").or_(dialog.get_by_text("15 min")).first.click()
        dialog.get_by_role("textbox").press_sequentially("Quota used up")
        dialog.get_by_role("button", name="Pause").click()
        expect(page.get_by_text("Paused until").first).to_be_visible()
        main = page.get_by_test_id("stMain")
        assert main.evaluate("element => element.scrollWidth - element.clientWidth") == 0
        page.locator(".st-key-provider_here_resume button:visible").click()
        expect(page.locator(".st-key-provider_here_pause button:visible")).to_be_visible()
        assert tab.complaints == []
    paused, resumed = outcomes(engine)
    assert paused.endswith("reason: Quota used up")
    assert resumed.startswith("asked again")

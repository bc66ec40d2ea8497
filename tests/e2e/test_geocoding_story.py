"""An operator finds missing ids in a browser and chooses what the search could not, with a real worker."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ops_core.domain.matches import MatchState as M
from tests.support.browser import Tab
from tests.support.console import running_console
from tests.support.finders import add, named, states, venue
from tests.support.system import System

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]


def test_missing_ids_are_found_and_the_unclear_one_is_chosen_by_a_click(
    system: System, browser: Browser, tmp_path: Path
) -> None:
    name = named(foursquare=M.MATCHED, here=M.REVIEW, mapbox=M.NONE)
    (venue_id,) = add(system, venue(name))
    url = system.engine.url.render_as_string(hide_password=False)
    env = {"VENUE_OPS_SANDBOX_URL": system.sandbox.url}
    with running_console(url, tmp_path / "console", env=env) as console, Tab(browser) as tab:
        tab.page.goto(console.url("/geocoding"))
        expect(tab.page.get_by_text("Nothing was searched for yet")).to_be_visible()

        tab.page.get_by_role("button", name="Find missing ids").click()
        expect(tab.page.get_by_text("1 venue lacks an id")).to_be_visible()
        tab.page.get_by_role("button", name="Search for 1 venue").click()
        expect(tab.page.get_by_text("1 search queued")).to_be_visible()

        system.start_dispatcher()
        system.start_worker()
        system.wait_for_jobs()
        assert states(system, venue_id) == {"foursquare": "matched", "here": "review", "mapbox": "none"}
        assert system.value("SELECT count(*) FROM images WHERE provider = 'foursquare'") > 0

        tab.page.get_by_role("button", name=re.compile(r"^\S* ?\+3 new")).click()
        card = tab.page.locator(f".st-key-geo_review_{venue_id}_here")
        expect(card.get_by_text(name).first).to_be_visible()
        card.get_by_role("button", name="This is it").first.dblclick()
        expect(tab.page.get_by_text("No search waits for a person.")).to_be_visible()
        assert states(system, venue_id)["here"] == "confirmed"
        decided = system.rows(
            "SELECT outcome FROM audit WHERE action = 'choose_match' AND outcome !~ 'already'"
        )
        assert len(decided) == 1
        system.wait_for_jobs(100)
        place_id = system.value("SELECT place_id FROM venue_matches WHERE provider = 'here'")
        assert any(place_id in line["key"] for line in system.sandbox.log(provider="here"))
        assert tab.complaints == []

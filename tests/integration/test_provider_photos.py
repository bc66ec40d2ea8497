"""Photos shown from their provider: the console sends browsers on, asks sparingly, and counts it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from threading import Thread
from typing import Any
from xml.etree import ElementTree

import pytest
from starlette.applications import Starlette

from ops_core import actions
from ops_core.domain.access import LOCAL, Actor, Role
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import failed
from ops_core.providers.http import Api
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Download
from ops_core.ui.provider_photos import photo_path
from ops_core.ui.routes import own_routes
from ops_core.ui.security import SecurityHeaders
from ops_core.ui.stand_ins import POLICY
from ops_core.work import showing
from ops_core.work.first_start import sandbox_place_id
from tests.support.asgi import Answer, ask
from tests.support.console import Console, running_console
from tests.support.given_jobs import run_given
from tests.support.system import System

pytestmark = pytest.mark.postgres

GOOGLE, COMMONS = "google_places", "wikimedia_commons"


#: Providers whose photos have no address that may be kept, so that they are asked when one is shown,
#: and what they know a venue of the sandbox by.
ASKED = {
    "google_places": sandbox_place_id("test 3"),
    "foursquare": "5f95a0c1e4b0c0a1b2c3d4e2",
    "here": "here:pds:place:616u33db-0123456789abcdef",
}


def referenced(system: System, **more_ids: str) -> dict[str, list[int]]:
    """Of one venue whose photos are not copied, and which has these ids if given: its images by provider."""
    showing._venues.clear()
    (venue_id,) = system.add_venues(4)[-1:]
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE providers SET rehosting = 'reference_only'")
        if more_ids:
            new = "UPDATE venues SET provider_ids = %(ids)s WHERE id = %(id)s"
            connection.exec_driver_sql(new, {"ids": json.dumps(more_ids), "id": venue_id})
    run_given(system.engine, system.settings, system.enqueue([venue_id]))
    found: dict[str, list[int]] = {}
    for row in system.rows("SELECT id, provider FROM images WHERE state = 'referenced' ORDER BY position"):
        found.setdefault(row.provider, []).append(row.id)
    system.sandbox.reset()
    return found


@pytest.fixture
def references(system: System) -> dict[str, list[int]]:
    """The ids of one venue's images by provider, all of them references."""
    found = referenced(system)
    assert len(found[GOOGLE]) > 1
    return found


@pytest.fixture
def console(system: System, references: dict[str, list[int]]) -> Iterator[Console]:
    url = system.engine.url.render_as_string(hide_password=False)
    with running_console(url, system.folder / "console") as running:
        yield running


def address(system: System, image_id: int, actor: Actor = LOCAL) -> str | None:
    return actions.photo_address(system.engine, image_id, actor=actor)


def spent(system: System) -> tuple[int, Decimal]:
    (row,) = system.rows("SELECT sum(calls) AS calls, sum(cost_usd) AS cost FROM rollups WHERE tries = 0")
    return int(row.calls or 0), row.cost or Decimal(0)


def test_a_browser_is_sent_to_the_providers_own_address_and_the_photo_is_there(
    system: System, console: Console, references: dict[str, list[int]]
) -> None:
    for image_id in (references[GOOGLE][0], references[COMMONS][0]):
        answer, _ = console.ask(photo_path(image_id), headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status == 302
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"].startswith("private")
        location = answer.headers["Location"]
        assert location.startswith(system.sandbox.url)
        assert "sandbox-google-key" not in location
        picture = system.sandbox.get(location, {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"})
        assert (picture.status, picture.headers["content-type"].split("/")[0]) == (200, "image")
        allowed = console.ask("/admin/venue-images/")[0].headers["Content-Security-Policy"]
        assert f" {system.sandbox.url}" in allowed


def test_ten_photos_of_a_venue_ask_for_it_once_and_are_counted(
    system: System, references: dict[str, list[int]]
) -> None:
    threads = [Thread(target=address, args=(system, image_id)) for image_id in references[GOOGLE] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    photos = len(references[GOOGLE])
    assert len(system.sandbox.log(provider=GOOGLE, kind="listing")) == 1
    assert len(system.sandbox.log(provider=GOOGLE, kind="resolve")) == photos
    assert spent(system) == (1 + photos, photos * Decimal("0.007"))
    assert system.value("SELECT count(*) FROM attempts") == 0


def test_an_address_that_may_be_kept_asks_nobody(system: System, references: dict[str, list[int]]) -> None:
    found = [address(system, image_id) for image_id in references[COMMONS]]
    assert all(url and url.startswith(system.sandbox.url) for url in found)
    assert system.sandbox.log() == []
    assert spent(system) == (0, 0)


def said(image_id: int) -> tuple[Answer, str]:
    """What a browser is answered, and what the drawing in it says."""
    answer = ask(SecurityHeaders(Starlette(routes=own_routes())), photo_path(image_id))
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    drawn = ElementTree.fromstring(answer.body)
    return answer, " ".join(text.text or "" for text in drawn.iter("{http://www.w3.org/2000/svg}text"))


@pytest.mark.parametrize("provider", ASKED)
@pytest.mark.parametrize(
    ("outage", "status", "words"),
    [
        (401, 502, "Key is refused An admin can correct it in the settings."),
        (429, 503, "Limit is used up Look again in about 40 s."),
        (503, 503, "Provider is away Look again in about 40 s."),
        (500, 502, "Provider is away It does not answer well. Look again soon."),
    ],
)
def test_what_a_provider_does_not_show_is_said_where_it_would_have_stood(
    system: System, provider: str, outage: int, status: int, words: str
) -> None:
    references = referenced(system, **{provider: ASKED[provider]})
    system.sandbox.set_faults(outages={provider: outage}, retry_after=40)
    answer, found = said(references[provider][0])
    assert (answer.status, found) == (status, words)
    assert answer.headers.get("retry-after") == ("40" if status == 503 else None)


@pytest.mark.parametrize("provider", ASKED)
def test_a_photo_that_is_gone_or_whose_provider_rests_is_said_to_be_so(system: System, provider: str) -> None:
    gone, other = referenced(system, **{provider: ASKED[provider]})[provider][:2]

    def change(statement: str) -> None:
        with system.engine.begin() as connection:
            connection.exec_driver_sql(statement)
        showing._venues.clear()

    change(f"UPDATE images SET provider_ref = 'gone' WHERE id = {gone}")
    answer, found = said(gone)
    assert (answer.status, found) == (
        404,
        "Gone at its provider The provider does not list this photo any more.",
    )
    pause = "paused_until = now() + interval '1 hour', paused_reason = 't'"
    change(f"UPDATE providers SET {pause} WHERE code = '{provider}'")
    answer, found = said(other)
    assert (answer.status, found) == (503, "Not asked now Its provider is paused.")
    change(f"DELETE FROM images WHERE id = {gone}")
    answer, found = said(gone)
    assert (answer.status, found) == (404, "No such photo It is not shown from its provider any more.")


def test_what_a_provider_says_is_text_in_the_drawing_and_nothing_else(
    system: System, references: dict[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hostile(*_: Any, **__: Any) -> Any:
        raise failed(ErrorType.FORBIDDEN, "<script>alert(1)</script> & \x1b[31m\ud800 ]]>")

    monkeypatch.setattr(SOURCES[GOOGLE], "list_photos", hostile)
    answer, found = said(references[GOOGLE][0])
    assert answer.status == 502
    assert found == "Provider refuses <script>alert(1)</script> & [31m ]]>"
    assert b"<script" not in answer.body


def test_the_console_says_why_it_sends_a_browser_nowhere(
    system: System, console: Console, references: dict[str, list[int]]
) -> None:
    system.sandbox.set_faults(outages={GOOGLE: 403})
    answer, body = console.ask(photo_path(references[GOOGLE][0]))
    assert (answer.status, answer.headers["Content-Type"]) == (502, "image/svg+xml")
    assert b"Google" in body
    assert answer.headers.get_all("Content-Security-Policy") == [POLICY]
    assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert console.ask(photo_path(10**9))[0].status == 404


def test_a_used_up_limit_says_when_to_look_again(
    system: System, references: dict[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(showing, "PATIENCE", 0.1)
    with system.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE providers SET per_hour = 1 WHERE code = '{GOOGLE}'")
    with pytest.raises(actions.NotShown, match="limit is used up") as caught:
        [address(system, image_id) for image_id in references[GOOGLE]]
    assert caught.value.again_in is not None
    assert caught.value.again_in > 0


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_no_other_site_makes_a_browser_ask(
    system: System, console: Console, references: dict[str, list[int]], site: str
) -> None:
    answer, _ = console.ask(photo_path(references[GOOGLE][0]), headers={"Sec-Fetch-Site": site})
    assert answer.status == 403
    assert system.sandbox.log() == []


def test_a_photo_that_left_the_listing_or_whose_provider_rests_says_so(
    system: System, references: dict[str, list[int]]
) -> None:
    def change(statement: str, **values: Any) -> None:
        with system.engine.begin() as connection:
            connection.exec_driver_sql(statement, values or None)
        showing._venues.clear()

    change("UPDATE images SET provider_ref = 'AUgone' WHERE id = %(id)s", id=references[GOOGLE][0])
    with pytest.raises(actions.NotShown, match="does not list this photo any more"):
        address(system, references[GOOGLE][0])
    change(
        "UPDATE providers SET paused_until = now() + interval '1 hour', paused_reason = 't' "
        "WHERE code = 'google_places'"
    )
    with pytest.raises(actions.NotShown, match="is paused"):
        address(system, references[GOOGLE][1])
    change("UPDATE venues SET provider_ids = '{}'")
    change("UPDATE providers SET paused_until = NULL, paused_reason = NULL")
    with pytest.raises(actions.NotShown, match="no id at this provider"):
        address(system, references[GOOGLE][1])
    change("UPDATE providers SET capabilities = '[\"search\"]'")
    with pytest.raises(actions.NotShown, match="switched off for photos"):
        address(system, references[GOOGLE][1])


def test_a_listing_that_failed_is_made_once_for_all_frames_and_counts_for_the_breaker(
    system: System, references: dict[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    system.sandbox.set_faults(outages={GOOGLE: 503})
    for image_id in references[GOOGLE]:
        with pytest.raises(actions.NotShown):
            address(system, image_id)
    assert len(system.sandbox.log(provider=GOOGLE)) == 1
    assert system.value("SELECT failures FROM circuits WHERE provider = 'google_places'") == 1
    # after a while it is made again
    monkeypatch.setattr(showing.time, "monotonic", lambda now=showing.time.monotonic: now() + 60)
    system.sandbox.set_faults(outages={})
    assert address(system, references[GOOGLE][0])


def test_a_photo_that_could_not_be_had_is_not_asked_for_at_every_look(
    system: System, references: dict[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(provider_ref: str, fetch_ref: str | None, api: Api) -> Download:
        await api.get_json(f"{api.base('places.googleapis.com')}/v1/nothing")
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr(SOURCES[GOOGLE], "resolve", refused)
        for _ in range(3):
            with pytest.raises(actions.NotShown):
                address(system, references[GOOGLE][0])
    assert spent(system) == (2, Decimal("0.007"))
    # the venue's others are not silenced
    assert address(system, references[GOOGLE][1])


def test_an_address_that_still_serves_is_shown_though_the_listing_fails_by_now(
    system: System, references: dict[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def later(seconds: float) -> None:
        monkeypatch.setattr(showing.time, "monotonic", lambda: real() + seconds)

    real = showing.time.monotonic
    old, newer = references[GOOGLE][:2]
    address(system, old)
    later(showing.KEPT_FOR - 60)
    shown = address(system, newer)
    later(showing.KEPT_FOR + 10)
    system.sandbox.set_faults(outages={GOOGLE: 503})
    with pytest.raises(actions.NotShown):
        address(system, old)
    assert address(system, newer) == shown


def test_whoever_asks_for_silence_is_heard_by_everybody(
    system: System, references: dict[str, list[int]]
) -> None:
    system.sandbox.set_faults(outages={GOOGLE: 429}, retry_after=40)
    with pytest.raises(actions.NotShown):
        address(system, references[GOOGLE][0])
    silent = "SELECT extract(epoch FROM blocked_until - now()) FROM rate_limits WHERE provider = :code"
    assert 30 < system.value(silent, code=GOOGLE) <= 40


def test_a_browser_is_sent_to_no_place_but_the_providers_own(
    system: System, references: dict[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def elsewhere(*_: Any) -> Download:
        return Download(url=f"{system.sandbox.url}/example.org/phish")

    monkeypatch.setattr(SOURCES[GOOGLE], "resolve", elsewhere)
    with pytest.raises(actions.NotShown, match="unknown place"):
        address(system, references[GOOGLE][0])


def test_guests_see_nothing(system: System, references: dict[str, list[int]]) -> None:
    with pytest.raises(actions.NotAllowed):
        address(system, references[GOOGLE][0], Actor("guest", Role.GUEST))

"""The Admin page: what it says of each provider, what can be changed, and what stands in the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from ops_core import actions
from ops_core.db import circuits, provider_rows
from ops_core.domain.access import Actor, Role
from ops_core.domain.circuits import FAILURES_TO_OPEN, after_failure
from ops_core.domain.errors import ErrorType as E
from ops_core.domain.providers import SEED, Rehosting
from ops_core.ui import frame, providers_asked, providers_edit, sign_in
from tests.support.app import open_app, texts
from tests.support.factories import make_image, make_venue

pytestmark = pytest.mark.postgres

PAGE = "pages/admin.py"
P = "google_places"
ADA = Actor("ada@example.org", Role.ADMIN)
FIELD = providers_asked.FIELD


@pytest.fixture(autouse=True)
def as_documented(database):
    """Copies are kept where the terms allow them, as in a new database."""
    with database.begin() as connection:
        for terms in SEED:
            provider_rows.set_rehosting(connection, terms.code, terms.rehosting, None)


def row_of(database, code=P):
    with database.begin() as connection:
        return provider_rows.hold(connection, code)


def save(database, code=P, **values):
    """What another admin does meanwhile."""
    seen = row_of(database, code).edit
    actions.edit_provider(database, code, replace(seen, **values), actor=ADA, seen=seen)


def outcomes(database, action):
    with database.connect() as connection:
        found = text("SELECT outcome FROM audit WHERE action = :action ORDER BY id")
        return list(connection.scalars(found, {"action": action}))


def button(app, key):
    return next((one for one in app.button if one.key == key), None)


def click(app, key):
    app.button(key=key).click().run()
    assert not app.exception
    return app


def opened(key, **query):
    app = click(open_app(PAGE, **query), key)
    assert providers_asked._KEY in app.session_state
    return app


def submit(app, label):
    """A click on a button of the form."""
    next(one for one in app.button if one.label == label).click().run()
    assert not app.exception
    return app


def is_open(app):
    return providers_asked._KEY in app.session_state


def test_each_provider_says_what_it_may_be_asked_for_and_what_the_terms_say(monkeypatch):
    monkeypatch.setenv("VENUE_OPS_WIKIMEDIA_CONTACT", "ops@example.org")
    said = texts(open_app(PAGE))
    assert ":gray[Limits] 50 calls a second, 3,000 a minute" in said
    assert "listing \\$0, photo \\$0\\.007, search \\$0\\.032" in said
    assert "only place ids may be kept" in said
    assert "(https://cloud.google.com/maps-platform/terms)" in said
    assert "VENUE\\_OPS\\_GOOGLE\\_PLACES\\_API\\_KEY" in said
    assert ":gray-badge[:material/key_off: Not set up]" in said
    assert ":green-badge[:material/check_circle: Asked as usual]" in said
    assert ":green-badge[:material/content_copy: Copied]" in said
    assert ":blue-badge[:material/link: Referenced only]" in said
    assert "Documented:" not in said


def test_providers_stand_in_the_order_of_their_priority(database):
    save(database, "unsplash", priority=1)
    save(database, priority=8)
    keys = [one.key for one in open_app(PAGE).button if str(one.key).endswith("_edit")]
    assert keys[0] == "provider_unsplash_edit"
    assert keys[-1] == "provider_google_places_edit"


def test_documented_values_stand_beside_those_that_were_changed(database):
    save(database, photo_usd=Decimal("0.01"), per_hour=9000)
    said = texts(open_app(PAGE))
    assert "photo \\$0\\.01" in said
    assert "Documented: no limit an hour, photo price \\$0\\.007" in said


def test_the_older_interfaces_are_named_with_what_google_charges_there(monkeypatch):
    monkeypatch.setenv("VENUE_OPS_GOOGLE_PLACES_API", "legacy")
    monkeypatch.setenv("VENUE_OPS_FOURSQUARE_API", "v3")
    said = texts(open_app(PAGE)).replace("\\", "")
    assert "Asked through Google's legacy interface (VENUE_OPS_GOOGLE_PLACES_API)" in said
    assert "A listing is documented at $0.017 there; not verified" in said
    assert "Documented: listing price $0.017" in said
    assert "Asked through Foursquare's v3 interface" in said


def test_a_provider_that_may_be_asked_for_venues_only_says_so(monkeypatch):
    monkeypatch.setenv("VENUE_OPS_HERE_API_KEY", "a-key-of-here")
    said = texts(open_app(PAGE))
    assert ":orange-badge[:material/key_off: Asked for venues only]" in said
    assert "VENUE\\_OPS\\_HERE\\_IMAGES" in said
    assert "a-key-of-here" not in said


def test_in_the_sandbox_drawn_photos_are_copied_and_the_page_says_why(monkeypatch):
    monkeypatch.setenv("VENUE_OPS_SANDBOX_URL", "http://127.0.0.1:8502")
    said = texts(open_app(PAGE))
    assert said.count("In the sandbox its photos are copied: they are drawn, nobody's.") == 3


def test_copies_that_are_kept_are_counted(database):
    with database.begin() as connection:
        venue = make_venue(connection)
        for _ in range(3):
            make_image(connection, venue, state="uploaded", provider=P, store="disk")
    said = texts(open_app(PAGE))
    assert "Referenced only] 3 kept" in said
    assert "3 pictures are in it" in said


def test_who_is_no_admin_is_refused_and_led_nowhere(monkeypatch):
    operator = Actor("olga@example.org", Role.OPERATOR)
    monkeypatch.setattr(frame, "visitor", lambda: operator)
    app = open_app(PAGE)
    (error,) = app.error
    assert "needs the role admin; you are operator" in error.value
    assert [one.key for one in app.button] == []
    assert "Admin" not in [link.label for link in app.get("page_link")]


def test_who_lost_the_role_meanwhile_changes_nothing(database, monkeypatch):
    app = opened("provider_google_places_edit")
    monkeypatch.setattr(sign_in, "here", lambda: Actor("ada@example.org", Role.VIEWER))
    app.number_input(key=f"{FIELD}priority").set_value(5)
    submit(app, "Save")
    assert "needs the role admin" in app.error[0].value
    assert row_of(database).edit.priority == 1
    assert outcomes(database, "edit_provider") == ["refused: takes the role admin, has viewer"]


def test_the_dialog_shows_the_row_as_it_is_and_saves_what_stands_in_it(database):
    app = opened("provider_google_places_edit")
    assert app.number_input(key=f"{FIELD}per_second").value == 50
    assert app.number_input(key=f"{FIELD}per_hour").value is None
    assert app.number_input(key=f"{FIELD}photo_usd").value == 0.007
    app.number_input(key=f"{FIELD}photo_usd").set_value(0.01875)
    app.number_input(key=f"{FIELD}per_second").set_value(None)
    app.number_input(key=f"{FIELD}per_hour").set_value(9000)
    app.checkbox(key=f"{FIELD}search").set_value(False)
    app.toggle(key=f"{FIELD}active").set_value(False)
    submit(app, "Save")
    edit = row_of(database).edit
    assert (edit.active, edit.per_second, edit.per_minute, edit.per_hour) == (False, None, 3000, 9000)
    assert (edit.photo_usd, edit.capabilities) == (Decimal("0.01875"), frozenset({"photos"}))
    assert not is_open(app)
    (toast,) = app.toast
    assert "photo price $0.007 → $0.01875" in toast.value.replace("\\", "")
    said = texts(app).replace("\\", "")
    assert "Switched off" in said
    assert "photo price $0.007 → $0.01875" in said
    assert "· local" in said
    (outcome,) = outcomes(database, "edit_provider")
    assert outcome.startswith("switched off, asked for photos and venues -> photos, ")


def test_saving_without_a_change_changes_nothing_and_says_nothing(database):
    before = row_of(database)
    app = submit(opened("provider_foursquare_edit"), "Save")
    assert not is_open(app)
    assert not app.toast
    assert row_of(database) == before
    assert "Nobody has changed a provider so far" in texts(app)


def test_cancel_forgets_what_was_typed(database):
    app = opened("provider_google_places_edit")
    app.number_input(key=f"{FIELD}priority").set_value(7)
    submit(app, "Cancel")
    assert not is_open(app)
    click(app, "provider_google_places_edit")
    assert app.number_input(key=f"{FIELD}priority").value == 1
    assert row_of(database).edit.priority == 1


def test_what_cannot_be_is_said_in_the_dialog_and_keeps_what_was_typed(database):
    app = opened("provider_google_places_edit")
    app.checkbox(key=f"{FIELD}search").set_value(False)
    app.checkbox(key=f"{FIELD}photos").set_value(False)
    app.number_input(key=f"{FIELD}priority").set_value(7)
    submit(app, "Save")
    assert "to ask for nothing, switch the provider off" in app.warning[0].value
    assert app.number_input(key=f"{FIELD}priority").value == 7
    assert row_of(database).edit.priority == 1
    app.checkbox(key=f"{FIELD}photos").set_value(True)
    submit(app, "Save")
    assert not is_open(app)
    assert row_of(database).edit.priority == 7


def test_what_another_admin_changed_meanwhile_is_shown_and_not_written_over(database):
    app = opened("provider_google_places_edit")
    app.number_input(key=f"{FIELD}priority").set_value(4)
    save(database, photo_usd=Decimal("0.01"))
    submit(app, "Save")
    (warning,) = app.warning
    assert "photo price $0.007 → $0.01" in warning.value.replace("\\", "")
    assert "Nothing was saved yet" in warning.value
    assert row_of(database).edit.priority == 1
    # theirs and one's own stand in the fields now
    assert app.number_input(key=f"{FIELD}photo_usd").value == 0.01
    assert app.number_input(key=f"{FIELD}priority").value == 4
    submit(app, "Save")
    assert not is_open(app)
    edit = row_of(database).edit
    assert (edit.priority, edit.photo_usd) == (4, Decimal("0.01"))


def test_the_second_click_of_a_double_click_saves_nothing_more(database, monkeypatch):
    app = opened("provider_google_places_edit")
    original, calls = actions.edit_provider, []

    def twice(*args, **kwargs):
        """Two clicks whose callbacks both see the dialog open."""
        calls.extend(original(*args, **kwargs) for _ in range(2))
        return calls[0]

    monkeypatch.setattr(actions, "edit_provider", twice)
    app.number_input(key=f"{FIELD}priority").set_value(4)
    submit(app, "Save")
    assert calls == [("priority 1 -> 4",), ()]
    assert not app.warning
    assert texts(app).count("priority 1 → 4") == 1


def test_the_callback_of_a_dialog_that_is_done_does_nothing(monkeypatch):
    asked = providers_asked.Asked(providers_asked.Kind.EDIT, row=None)
    monkeypatch.setattr(providers_asked.st, "session_state", {})
    providers_edit._save(asked)
    providers_asked.carry_out(asked, lambda *_: pytest.fail("nothing is to be done"))


def test_a_database_that_goes_away_under_a_click_is_no_traceback(monkeypatch):
    def gone(*_, **__):
        raise OperationalError("SELECT", {}, Exception("gone"))

    app = opened("provider_google_places_edit")
    monkeypatch.setattr(actions, "edit_provider", gone)
    submit(app, "Save")
    assert "Nothing was changed" in app.warning[0].value
    assert is_open(app)


def test_whoever_leaves_the_page_and_comes_back_finds_no_dialog_with_empty_fields():
    app = opened("provider_google_places_edit")
    app.switch_page("pages/retries.py").run()
    app.switch_page(PAGE).run()
    assert not app.exception
    assert button(app, "provider_google_places_edit") is not None
    assert not is_open(app)
    click(app, "provider_google_places_edit")
    assert app.number_input(key=f"{FIELD}per_second").value == 50


def test_copies_that_terms_forbid_take_a_warning_a_reason_and_a_confirmation(database):
    app = opened("provider_google_places_copies")
    (warning,) = app.warning
    assert warning.proto.title == "The terms forbid copies"
    assert "only place ids may be kept" in warning.value
    assert "(https://cloud.google.com/maps-platform/terms)" in warning.value
    assert button(app, "provider_copies_on").disabled
    app.text_input(key=f"{FIELD}reason").set_value("Contract 12").run()
    assert button(app, "provider_copies_on").disabled
    app.checkbox(key=f"{FIELD}right").set_value(True).run()
    assert not button(app, "provider_copies_on").disabled
    app.text_input(key=f"{FIELD}reason").set_value("  ").run()
    assert button(app, "provider_copies_on").disabled
    app.text_input(key=f"{FIELD}reason").set_value("Contract *12*").run()
    click(app, "provider_copies_on")
    row = row_of(database)
    assert (row.rehosting, row.rehosting_reason) == (Rehosting.STORE, "Contract *12*")
    said = texts(app)
    assert ":orange-badge[:material/content_copy: Copied]" in said
    assert r"Copied because: Contract \*12\*" in said
    assert "the right to do so is confirmed; reason: Contract *12*" in outcomes(database, "allow_copies")[0]


def test_terms_that_do_not_say_are_treated_like_those_that_forbid():
    app = opened("provider_mapbox_copies")
    assert app.warning[0].proto.title == "The terms do not say that copies are allowed"
    assert button(app, "provider_copies_on").disabled


def test_copies_that_terms_allow_are_switched_without_a_warning(database):
    actions.forbid_copies(database, "wikimedia_commons", actor=ADA)
    app = opened("provider_wikimedia_commons_copies")
    assert not app.warning
    click(app, "provider_copies_on")
    assert row_of(database, "wikimedia_commons").rehosting is Rehosting.STORE


def test_switching_copies_off_says_what_stays(database):
    with database.begin() as connection:
        venue = make_venue(connection)
        for _ in range(2):
            make_image(connection, venue, state="uploaded", provider="wikimedia_commons")
    app = opened("provider_wikimedia_commons_copies")
    assert "**2** copies are kept and stay" in texts(app)
    app.text_input(key=f"{FIELD}reason").set_value("A trial").run()
    click(app, "provider_copies_off")
    assert row_of(database, "wikimedia_commons").rehosting is Rehosting.REFERENCE_ONLY
    assert outcomes(database, "forbid_copies")[0].endswith("reason: A trial")


def test_a_pause_takes_a_reason_and_is_told_with_its_end(database):
    app = opened("provider_google_places_pause")
    assert button(app, "provider_pause_confirm").disabled
    app.text_input(key=f"{FIELD}reason").set_value("Quota used up").run()
    app.session_state[f"{FIELD}length"] = "4 hours"
    click(app, "provider_pause_confirm")
    row = row_of(database)
    assert (
        timedelta(hours=3, minutes=59) < row.paused_until - datetime.now(UTC) < timedelta(hours=4, minutes=2)
    )
    said = texts(app)
    assert ":orange-badge[:material/pause_circle: Paused]" in said
    assert "Quota used up" in said
    assert button(app, "provider_google_places_pause") is None


def test_resuming_is_one_click_and_a_second_one_says_nothing(database):
    actions.pause_provider(database, P, actor=ADA, minutes=60, reason="Quota")
    app = open_app(PAGE)
    actions.resume_provider(database, P, actor=ADA)
    click(app, "provider_google_places_resume")
    assert not app.warning
    assert button(app, "provider_google_places_pause") is not None
    assert row_of(database).paused_until is None


def test_why_a_click_was_not_carried_out_stands_at_its_provider(database, monkeypatch):
    actions.pause_provider(database, P, actor=ADA, minutes=60, reason="Quota")

    def refused(*_, **__):
        raise actions.Refused("There is no provider “google_places”.")

    app = open_app(PAGE)
    monkeypatch.setattr(actions, "resume_provider", refused)
    click(app, "provider_google_places_resume")
    assert "There is no provider" in app.warning[0].value
    click(app, "refresh")
    assert not app.warning


def test_an_open_breaker_is_told_and_can_be_closed(database):
    with database.begin() as connection:
        for _ in range(FAILURES_TO_OPEN):
            circuits.change(connection, P, lambda circuit, now: after_failure(circuit, E.RATE_LIMITED, now))
    app = open_app(PAGE)
    assert ":red-badge[:material/power_off: Breaker open]" in texts(app)
    click(app, "provider_google_places_close")
    assert "Breaker open" not in texts(app)
    assert "Breaker closed" in texts(app)


def test_recent_changes_tell_who_and_what_newest_first_refusals_too(database):
    save(database, priority=3)
    with pytest.raises(actions.Refused):
        actions.allow_copies(database, P, actor=Actor("o*lga", Role.OPERATOR))
    said = texts(open_app(PAGE))
    refused, edited = said.index("Copies allowed\\: refused"), said.index("priority 1 → 3")
    assert refused < edited
    assert "takes the role admin, has operator" in said
    assert r"o\*lga" in said
    assert "· ada@\u2060example\\.org" in said


def test_recent_changes_are_the_newest_twenty(database):
    for number in range(25):
        save(database, priority=2 + number)
    said = texts(open_app(PAGE))
    assert said.count(":material/edit: Edited") == 20
    assert "priority 25 → 26" in said
    assert "priority 2 → 3" not in said


@pytest.mark.parametrize(
    ("env", "shown"),
    [
        ({}, ["Disk", "/data/store"]),
        (
            {
                "VENUE_OPS_STORE": "s3",
                "VENUE_OPS_S3_BUCKET": "photos",
                "VENUE_OPS_S3_ENDPOINT": "https://account.r2.example.org",
                "VENUE_OPS_S3_ACCESS_KEY_ID": "an-access-key",
                "VENUE_OPS_S3_SECRET_ACCESS_KEY": "a-very-secret-key",
                "VENUE_OPS_S3_PUBLIC_URL": "https://images.example.org",
            },
            ["S3", "bucket photos", "account.r2.example.org", "browsers load from", "images.example.org"],
        ),
        (
            {
                "VENUE_OPS_STORE": "imagekit",
                "VENUE_OPS_IMAGEKIT_PRIVATE_KEY": "private_very-secret-key",
                "VENUE_OPS_IMAGEKIT_URL_ENDPOINT": "https://ik.example.org/ours",
            },
            ["ImageKit", "ik.example.org/ours"],
        ),
    ],
)
def test_the_store_is_named_with_its_place_and_without_secrets(monkeypatch, env, shown):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    app = open_app(PAGE)
    said = texts(app).replace("\\", "").replace("\u2060", "")
    for words in shown:
        assert words in said
    assert "secret" not in said
    assert "an-access-key" not in said
    assert not app.warning


def test_pictures_in_another_store_are_told_with_the_command_that_moves_them(database, monkeypatch):
    with database.begin() as connection:
        make_image(connection, make_venue(connection), state="uploaded", store="s3")
    assert "1 picture is in S3: `venue-ops store move --to disk` moves them." in texts(open_app(PAGE))


def test_a_store_that_is_not_set_up_says_what_to_set(monkeypatch):
    monkeypatch.setenv("VENUE_OPS_STORE", "s3")
    app = open_app(PAGE)
    assert "VENUE_OPS_S3_BUCKET" in app.warning[0].value.replace("\\", "")

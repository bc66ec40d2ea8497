"""The Picture quality page: what repeats, what shows nothing, filters, paging, and its address."""

from __future__ import annotations

import csv
import io
import random

import pytest
from sqlalchemy import text

from ops_core.db import picture_lists
from ops_core.db.picture_lists import Narrowed, Which
from ops_core.domain.access import Actor, Role
from ops_core.domain.pictures import PLACEHOLDER_VENUES
from ops_core.ui import quality_cached, quality_export
from ops_core.work import same_pictures
from tests.integration.db.test_pictures import near, new_hash
from tests.support.app import open_app, texts
from tests.support.factories import make_city, make_enrichment, make_image, make_venue

pytestmark = pytest.mark.postgres

PAGE = "pages/quality.py"
ANN = Actor("ann@example.org", Role.VIEWER)


@pytest.fixture
def seen(database):
    """A card on 14 venues, a photo on two, a photo twice at one, and images that are blank or tiny."""
    chance = random.Random(1)
    card, shared, twice = (new_hash(chance) for _ in range(3))
    with database.begin() as connection:
        krakow = make_city(connection, name="Kraków")
        for number in range(14):
            venue = make_venue(connection, krakow, name=f"Klub *{number}*")
            provider = ("google_places", "wikimedia_commons")[number % 2]
            make_image(connection, venue, perceptual_hash=card, flags=["placeholder"], provider=provider)
        paris = make_city(connection, name="Paris", country="France")
        for number in range(2):
            make_image(
                connection, make_venue(connection, paris), perceptual_hash=near(shared, chance, 2 * number)
            )
        louvre = make_venue(connection, paris, name="Louvre")
        for provider in ("google_places", "wikimedia_commons"):
            make_image(connection, louvre, perceptual_hash=twice, provider=provider)
        make_image(connection, louvre, flags=["blank"])
        make_image(connection, louvre, flags=["tiny"], width=120, height=90, perceptual_hash=new_hash(chance))
    same_pictures.group(database)
    return {"krakow": krakow.id, "paris": paris.id}


def cards(app):
    return {metric.label: metric.value for metric in app.metric}


def images(app):
    """Thumbnails, or what stands for those that are not in this store."""
    return len(app.get("imgs")) + texts(app).count("not in this store")


def test_the_same_picture_on_14_venues_is_reported_first(seen):
    app = open_app(PAGE)
    assert not app.exception
    said = texts(app)
    assert said.index("The same picture on 14 venues") < said.index("The same picture on 2 venues")
    assert ":violet-badge[:material/image_not_supported: Placeholder?]" in said
    assert ":orange-badge[Google Places]" in said
    assert "14 images · first seen" in said
    assert "twice at one venue" not in said
    assert images(app) == 2


def test_the_photo_of_a_closed_card_stands_with_its_credit(seen):
    said = texts(open_app(PAGE, show="twice"))
    assert "Photo: Photographer " in said
    assert " · [Google Maps](https://www.google.com/maps)" in said


def test_cards_count_everything(seen):
    assert cards(open_app(PAGE)) == {
        "Repeated": ":blue[2]",
        "Their venues": "16",
        "Twice at one": "1",
        "Placeholders": ":violet[1]",
        "Blank": ":red[1]",
        "Tiny": ":orange[1]",
    }


def test_twice_at_one_venue_is_told_apart_from_on_several(seen):
    said = texts(open_app(PAGE, show="twice"))
    assert "The same picture twice at one venue" in said
    assert "Louvre, Paris · 2 images · first seen" in said
    assert "14 venues" not in said


@pytest.mark.parametrize(("show", "badge"), [("blank", "Blank"), ("tiny", "Tiny")])
def test_flagged_images_are_shown_with_their_venue_and_what_to_do(seen, show, badge):
    app = open_app(PAGE, show=show)
    assert images(app) == 1
    assert f" {badge}]" in texts(app)
    assert "at its provider" in texts(app)
    (link,) = [link for link in app.page_link if link.label == "Louvre"]
    assert "venue=" in link.proto.query_string
    assert "Paris" in link.proto.help


def test_placeholders_are_a_list_of_their_own(seen):
    said = texts(open_app(PAGE, show="placeholder"))
    assert "14 venues" in said
    assert "2 venues" not in said
    assert f"{PLACEHOLDER_VENUES} or more venues" in said


def test_an_opened_picture_shows_its_venues_and_no_more_than_were_asked_for(seen, monkeypatch):
    monkeypatch.setattr("ops_core.ui.quality_picture.FIRST", 5)
    app = open_app(PAGE)
    picture = quality_cached.page(Which.SEVERAL, Narrowed(), None).rows[0]["picture_id"]
    app.session_state[f"picture_{picture}_images"] = True
    app.run()
    assert not app.exception
    venues = [link.label for link in app.page_link if link.label.startswith("Klub")]
    assert venues == [rf"Klub \*{number}\*" for number in range(5)]
    app.button(key=f"picture_{picture}_more").click().run()
    assert len([link for link in app.page_link if link.label.startswith("Klub")]) == 14


def test_filters_narrow_the_list_and_stand_in_the_address(seen):
    app = open_app(PAGE)
    app.selectbox(key="quality_city").set_value(seen["paris"]).run()
    assert "on 2 venues" in texts(app)
    assert "on 14 venues" not in texts(app)
    assert app.query_params["city"] == str(seen["paris"])
    app.selectbox(key="quality_provider").set_value("wikimedia_commons").run()
    assert "Nothing in this list fits the filters" in texts(app)
    assert app.query_params["provider"] == "wikimedia_commons"
    app.button(key="quality_clear").click().run()
    assert "on 14 venues" in texts(app)
    assert dict(app.query_params) == {}
    assert app.selectbox(key="quality_city").value == 0


def test_a_link_shows_the_same_view(seen):
    app = open_app(PAGE, show="twice", provider="wikimedia_commons", city=str(seen["paris"]))
    assert "twice at one venue" in texts(app)
    assert app.selectbox(key="quality_provider").value == "wikimedia_commons"
    assert app.selectbox(key="quality_city").value == seen["paris"]


def test_nonsense_in_the_address_shows_the_first_page(seen):
    app = open_app(PAGE, show="nothing", city="x", after="y-z")
    assert not app.exception
    assert "on 14 venues" in texts(app)


def test_a_filter_that_names_what_is_not_there_says_so(seen):
    app = open_app(PAGE, provider="nobody", city="999")
    assert not app.exception
    assert "Nothing in this list fits the filters" in texts(app)


def test_pages_go_on_by_key_and_back_to_the_first(seen, monkeypatch):
    monkeypatch.setattr(picture_lists, "PICTURES_PAGE", 1)
    app = open_app(PAGE)
    assert "on 2 venues" not in texts(app)
    assert app.button(key="quality_first").disabled
    app.button(key="quality_next").click().run()
    assert "on 2 venues" in texts(app)
    assert "on 14 venues" not in texts(app)
    assert app.button(key="quality_next").disabled
    assert "on 2 venues" in texts(open_app(PAGE, after=app.query_params["after"]))
    app.button(key="quality_first").click().run()
    assert "on 14 venues" in texts(app)
    assert "after" not in app.query_params


def test_a_filtered_page_that_stopped_looking_offers_to_go_on(seen, monkeypatch):
    monkeypatch.setattr(picture_lists, "LOOK", 1)
    app = open_app(PAGE, city=str(seen["paris"]))
    assert "so far. Next goes on looking" in texts(app)
    app.button(key="quality_next").click().run()
    assert "on 2 venues" in texts(app)


def test_with_nothing_yet_it_says_how_pictures_come_in(database):
    said = texts(open_app(PAGE))
    assert "No picture was looked at yet" in said
    assert "venue-ops venues load" in said
    assert "pictures look" not in said


def test_when_all_is_well_it_says_so(database):
    with database.begin() as connection:
        make_image(connection, perceptual_hash=new_hash(random.Random(2)))
    same_pictures.group(database)
    said = texts(open_app(PAGE))
    assert "No picture is on more than one venue." in said
    assert "looked at yet" not in said


def test_images_that_wait_to_be_compared_are_mentioned(database):
    with database.begin() as connection:
        make_image(connection, perceptual_hash=new_hash(random.Random(3)))
    assert "1 image waits to be compared" in texts(open_app(PAGE))


def test_pictures_that_an_earlier_version_stored_are_mentioned_while_there_are_some(database):
    with database.begin() as connection:
        make_image(connection)
        make_image(connection, state="failed")
    said = texts(open_app(PAGE))
    assert "1 picture was stored before pictures were looked at" in said
    assert "venue-ops pictures look" in said
    assert "venue-ops venues load" not in said
    with database.begin() as connection:
        make_image(connection, perceptual_hash=new_hash(random.Random(5)))
        make_image(connection)
    same_pictures.group(database)
    quality_cached.forget()
    said = texts(open_app(PAGE))
    assert "2 pictures were stored before pictures were looked at" in said
    assert "No picture is on more than one venue." in said
    with database.begin() as connection:
        connection.execute(text("UPDATE images SET flags = '{blank}' WHERE perceptual_hash IS NULL"))
    quality_cached.forget()
    assert "pictures look" not in texts(open_app(PAGE))


def rows(data):
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def test_the_file_has_the_whole_list_and_the_audit_knows(seen, database, monkeypatch):
    monkeypatch.setattr(quality_export, "_PIECE", 1)
    found = rows(quality_export.file(Which.SEVERAL, Narrowed(), ANN))
    assert [(row["venues"], row["images"], row["placeholder"]) for row in found] == [
        ("14", "14", "True"),
        ("2", "2", "False"),
    ]
    assert found[0]["providers"] == "google_places; wikimedia_commons"
    assert found[0]["first_seen"].endswith("Z")
    assert found[0]["city"] == "Kraków"
    (tiny,) = rows(quality_export.file(Which.TINY, Narrowed(city_id=seen["paris"]), ANN))
    assert (tiny["flags"], tiny["width"], tiny["venue"]) == ("tiny", "120", "Louvre")
    assert rows(quality_export.file(Which.BLANK, Narrowed(city_id=seen["krakow"]), ANN)) == []
    with database.connect() as connection:
        audit = connection.execute(text("SELECT actor, action, scope FROM audit ORDER BY id")).all()
    assert [(row.actor, row.action) for row in audit] == [(ANN.name, "export_pictures")] * 3
    assert audit[1].scope["show"] == "tiny"


def test_a_file_has_no_more_rows_than_it_may(seen, monkeypatch):
    monkeypatch.setattr(quality_export, "MOST_ROWS", 1)
    assert len(rows(quality_export.file(Which.SEVERAL, Narrowed(), ANN))) == 1


def test_the_photos_of_a_job_say_what_there_is_against_them(database):
    each = new_hash(random.Random(4))
    with database.begin() as connection:
        job = make_enrichment(connection, uploaded=2)
        connection.execute(
            text("UPDATE images SET perceptual_hash = :hash, flags = '{tiny}' WHERE position = 0"),
            {"hash": each},
        )
        for _ in range(3):
            make_image(connection, perceptual_hash=each)
    same_pictures.group(database)
    app = open_app("pages/operations.py", job=str(job.id))
    assert not app.exception
    said = texts(app)
    assert said.count(":orange-badge[:material/photo_size_select_small: Tiny]") == 1
    assert said.count(":gray-badge[:material/compare: On 3 other venues]") == 1

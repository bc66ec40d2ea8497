"""The Geocoding page: what searches found, what needs a person, and correcting it."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from ops_core import actions
from ops_core.domain.access import Actor, Role
from ops_core.domain.matches import Candidate, Refusal
from ops_core.ui import frame, geocoding_cached, geocoding_list, geocoding_search, sign_in
from ops_core.ui.words_of_time import moment
from ops_core.work import search_details
from tests.support.app import open_app, texts
from tests.support.factories import make_city, make_job, make_job_provider, make_match, make_venue, settle

pytestmark = pytest.mark.postgres

PAGE = "pages/geocoding.py"
ANNA = Actor("anna", Role.OPERATOR)


def button(app, key):
    return next((one for one in app.button if one.key == key), None)


def click(app, key):
    app.button(key=key).click().run()
    assert not app.exception
    return app


def opened(app, key):
    """What a click on a popover does."""
    app.session_state[key] = True
    app.run()
    assert not app.exception
    return app


def again(app):
    geocoding_cached.forget()
    app.run()
    assert not app.exception
    return app


def address(app):
    """What stands in the address bar."""
    return {
        name: values if isinstance(values, str) else values[-1]
        for name, values in ((name, app.query_params[name]) for name in app.query_params)
    }


def card_key(venue, provider="foursquare"):
    return f"geo_review_{venue.id}_{provider}"


def rows(database, question, **values):
    with database.connect() as connection:
        return list(connection.execute(text(question), values))


def state_of(database, venue):
    (row,) = rows(database, "SELECT * FROM venue_matches WHERE venue_id = :id", id=venue.id)
    return row


def table(app):
    return app.dataframe[0].value


@pytest.fixture
def venue(database):
    """A venue whose search waits for a person, with a venue and an id of every other outcome."""
    with database.begin() as connection:
        krakow = make_city(connection, name="Kraków")
        venue = make_venue(connection, krakow, name="Klub *Żaczek*", address="al. 3 Maja 5")
        make_match(connection, venue)
        for state, provider in (
            ("matched", "here"),
            ("none", "mapbox"),
            ("confirmed", "here"),
            ("rejected", "here"),
        ):
            other = make_venue(connection, krakow, name=f"Venue {state}")
            make_match(connection, other, provider, state=state, reason=f"It is {state}.")
        return venue


@pytest.fixture
def viewer(monkeypatch):
    """Somebody who may look and not touch."""
    somebody = Actor("viewer@example.org", Role.VIEWER)
    monkeypatch.setattr(frame, "visitor", lambda: somebody)
    monkeypatch.setattr(sign_in, "here", lambda: somebody)


@pytest.fixture
def sandboxed(monkeypatch):
    """Settings with which every provider can be searched."""
    monkeypatch.setenv("VENUE_OPS_SANDBOX_URL", "http://127.0.0.1:1")


def test_before_any_search_the_page_says_how_to_begin(database):
    app = open_app(PAGE)
    assert not app.exception
    said = texts(app)
    assert "Nothing was searched for yet" in said
    assert "No search waits for a person." in said
    assert not app.dataframe


def test_what_needs_a_person_comes_first_with_all_that_it_takes_to_choose(venue):
    app = open_app(PAGE)
    assert not app.exception
    said = texts(app)
    assert r"**Klub \*Żaczek\*** " in said
    assert r"al\. 3 Maja 5 · Kraków · venue" in said
    assert "Two places are about as likely" in said
    assert "**10 m away** · name **100%** alike" in said
    assert "**20 m away**" in said
    assert "Score 1\\.00" in said
    assert "https://www.openstreetmap.org/?mlat=50.060100&mlon=19.940000" in said
    assert "https://foursquare.com/v/" in said
    assert button(app, f"{card_key(venue)}_0_this").label == "This is it"
    assert button(app, f"{card_key(venue)}_none").label == "None of these"


def test_the_cards_count_searches_by_what_came_of_them(venue, database):
    with database.begin() as connection:
        make_job(connection, venue, kind="geocoding", cost_usd=0.047)
    app = open_app(PAGE)
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures == {
        "To review": ":orange[1]",
        "Matched": ":green[1]",
        "Nothing found": "1",
        "Decided": ":blue[2]",
        "Searches today": "1",
        "Cost today": "\\$0.047",
    }


def test_choosing_a_candidate_gives_the_venue_its_id(venue, database):
    app = click(open_app(PAGE), f"{card_key(venue)}_1_this")
    match = state_of(database, venue)
    assert (match.state, match.decided_by) == ("confirmed", "local")
    assert match.place_id == match.candidates[1]["place_id"]
    (row,) = rows(database, "SELECT provider_ids FROM venues WHERE id = :id", id=venue.id)
    assert row.provider_ids["foursquare"] == match.place_id
    assert len(rows(database, "SELECT id FROM jobs WHERE kind = 'enrichment'")) == 1
    assert "Its photos follow in job" in app.toast[0].value
    assert "No search waits for a person." in texts(app)


def test_a_second_click_on_the_same_button_decides_nothing_more(venue, database):
    app, other_tab = open_app(PAGE), open_app(PAGE)
    click(app, f"{card_key(venue)}_0_this")
    click(other_tab, f"{card_key(venue)}_0_this")
    assert len(rows(database, "SELECT id FROM jobs WHERE kind = 'enrichment'")) == 1
    assert "That was decided already" in other_tab.toast[0].value


def test_who_clicks_on_an_old_screen_is_told_what_changed(venue, database):
    app = open_app(PAGE, match=f"{venue.id}-foursquare")
    actions.choose_match(database, venue.id, "foursquare", "4" * 24, actor=ANNA)
    click(app, "geo_opened_0_this")
    assert "look at it again" in app.warning[0].value
    assert state_of(database, venue).place_id == "4" * 24


def test_none_of_these_sets_the_search_aside(venue, database):
    app = click(open_app(PAGE), f"{card_key(venue)}_none")
    assert state_of(database, venue).state == "rejected"
    assert "None of the places at Foursquare is" in app.toast[0].value


def test_another_id_can_be_typed_and_what_is_no_id_is_said(venue, database):
    key = card_key(venue)
    app = opened(open_app(PAGE), f"{key}_other")
    app.text_input(key=f"{key}_typed").set_value("not an id").run()
    click(app, f"{key}_use")
    assert "is no id of Foursquare: those have 24 digits" in app.warning[0].value.replace("\\", "")
    assert state_of(database, venue).state == "review"

    app.text_input(key=f"{key}_typed").set_value("4b05866cf964a520e0a522e3").run()
    click(app, f"{key}_use")
    assert state_of(database, venue).place_id == "4b05866cf964a520e0a522e3"


def test_a_candidate_that_is_refused_says_why_and_cannot_be_chosen(database):
    with database.begin() as connection:
        venue = make_venue(connection)
        make_match(
            connection,
            venue,
            candidates=[
                Candidate(place_id="1" * 24, name="Fine", score=0.6, name_score=0.6),
                Candidate(place_id="2" * 24, name="Far", score=0.6, refused=Refusal.TOO_FAR, distance_m=4200),
                Candidate(place_id="3" * 24, name="Main Street 1", refused=Refusal.ADDRESS),
                Candidate(place_id="4" * 24, name="Theirs", refused=Refusal.TAKEN, taken_by=77),
            ],
        )
    app = open_app(PAGE)
    said = texts(app)
    assert "4.2 km away" in said
    assert "a plain address, no venue" in said
    assert "venue 77 has this id" in said
    disabled = [button(app, f"{card_key(venue)}_{number}_this").disabled for number in range(4)]
    assert disabled == [False, False, True, True]


def test_words_from_outside_stay_words(database):
    with database.begin() as connection:
        venue = make_venue(connection)
        evil = "[click](https://evil.example) :red[x] `code`"
        make_match(
            connection, venue, candidates=[Candidate(place_id="`" + "1" * 20, name=evil, address=evil)]
        )
    said = texts(open_app(PAGE))
    assert "[click](https://evil.example)" not in said
    assert r"\[click\]" in said
    assert "`'11111111111111111111`" in said


def test_every_search_is_in_the_table_and_filters_choose_among_them(venue):
    app = open_app(PAGE)
    shown = table(app)
    assert len(shown) == 5
    assert {cell[0] for cell in shown["state"]} == {
        "Matched",
        "To review",
        "Nothing found",
        "Confirmed",
        "Rejected",
    }
    app.multiselect(key="geo_states").set_value(["none", "rejected"]).run()
    assert len(table(app)) == 2
    assert "Needs a person" not in [head.value for head in app.subheader]
    app.selectbox(key="geo_provider").set_value("mapbox").run()
    assert [cell[0] for cell in table(app)["state"]] == ["Nothing found"]
    assert app.query_params["state"] == ["none", "rejected"]
    assert address(app)["provider"] == "mapbox"


def test_a_link_shows_the_same_view_and_what_it_cannot_mean_is_left_out(venue):
    app = open_app(PAGE, state="none", provider="mapbox", match=f"{venue.id}-foursquare")
    assert len(table(app)) == 1
    assert r"**Klub \*Żaczek\*** " in texts(app)  # the opened one, whatever the filters say
    assert button(app, "geo_close") is not None
    wrong = open_app(PAGE, state="nonsense", provider="nobody", city="x", match="9-", before="x-1-y")
    assert not wrong.exception
    assert "No search fits these filters." in texts(wrong)
    assert len(table(click(wrong, "geo_clear"))) == 5


def test_a_city_without_searches_says_that_filters_hide_them(venue, database):
    with database.begin() as connection:
        city = make_city(connection, name="Gdańsk")
    app = open_app(PAGE, city=str(city.id))
    said = texts(app)
    assert "No search fits these filters." in said
    assert "Nothing that these filters choose waits for a person." in said


def test_a_match_that_was_taken_can_be_corrected_after_asking_once_more(database):
    with database.begin() as connection:
        venue = make_venue(connection)
        match = make_match(connection, venue, state="matched")
        connection.execute(
            text("UPDATE venues SET provider_ids = jsonb_build_object('foursquare', CAST(:id AS text))"),
            {"id": match.place_id},
        )
    app = open_app(PAGE, match=f"{venue.id}-foursquare")
    assert ":green-badge[:material/check: The venue's id]" in texts(app)
    assert button(app, "geo_opened_0_this") is None
    click(opened(app, "geo_opened_none"), "geo_opened_none_now")
    assert state_of(database, venue).state == "rejected"
    (row,) = rows(database, "SELECT provider_ids FROM venues")
    assert row.provider_ids == {}


def test_an_opened_search_that_there_is_not_says_so(database):
    app = open_app(PAGE, match="77-here")
    assert "Venue 77 was not searched for there" in texts(app)
    click(app, "geo_close")
    assert "match" not in app.query_params


def test_both_lists_are_turned_by_themselves_and_the_address_tells_where(database, monkeypatch):
    monkeypatch.setattr(geocoding_list, "REVIEWED_AT_ONCE", 2)
    monkeypatch.setattr(geocoding_list, "PAGE_SIZE", 3)
    now = datetime.now(UTC)
    with database.begin() as connection:
        venues = [make_venue(connection, name=f"Bar {number}") for number in range(5)]
        for number, each in enumerate(venues):
            make_match(connection, each, searched_at=now - timedelta(minutes=number))
    app = open_app(PAGE)
    assert len(table(app)) == 3
    click(app, "geo_review_older")
    said = [line.value for line in app.markdown if "To review" in line.value]
    assert [line.split("**")[1] for line in said] == ["Bar 2", "Bar 3"]
    assert len(table(app)) == 3
    assert set(app.query_params) == {"review_before"}
    click(app, "geo_all_older")
    assert len(table(app)) == 2
    assert set(app.query_params) == {"review_before", "before"}

    linked = open_app(PAGE, **address(app))
    assert len(table(linked)) == 2
    click(linked, "geo_all_newer")
    assert len(table(linked)) == 3


@pytest.mark.usefixtures("sandboxed")
def test_missing_ids_are_counted_and_priced_before_they_are_searched_for(database):
    with database.begin() as connection:
        for _ in range(2):
            make_venue(connection)
    app = opened(open_app(PAGE), "geo_search")
    said = texts(app)
    assert "**2 venues** lack an id." in said
    assert "2 searches" in said
    assert "About \\$0.03, at one call each." in said
    assert rows(database, "SELECT id FROM jobs") == []
    click(app, "geo_search_now")
    assert [row.kind for row in rows(database, "SELECT kind FROM jobs")] == ["geocoding"] * 2
    assert app.toast[0].value == "2 searches queued."
    assert "2 waiting" in texts(again(app))


@pytest.mark.usefixtures("sandboxed")
def test_the_button_orders_the_venues_that_were_shown_and_a_second_click_none(database, monkeypatch):
    monkeypatch.setattr(geocoding_search, "USUAL_LIMIT", 2)
    with database.begin() as connection:
        for _ in range(5):
            make_venue(connection)
    app = opened(open_app(PAGE), "geo_search")
    assert "**2+ venues** lack an id." in texts(app)
    other = opened(open_app(PAGE), "geo_search")
    shown = list(geocoding_cached.missing(2, None).venues)
    for page in (app, other):
        click(page, "geo_search_now")
    assert [row.venue_id for row in rows(database, "SELECT venue_id FROM jobs ORDER BY id")] == shown
    assert other.toast[0].value == "No search queued, 2 ordered already."


@pytest.mark.usefixtures("sandboxed")
def test_a_look_at_a_part_of_the_venues_says_so_and_can_go_on(database, monkeypatch):
    monkeypatch.setattr(
        actions, "preview_missing_ids", functools.partial(actions.preview_missing_ids, at_most=1)
    )
    known = {"here": "1", "mapbox": "2", "foursquare": "3", "google_places": "4", "wikidata": "5"}
    with database.begin() as connection:
        make_venue(connection, provider_ids=known)
        make_venue(connection)
    app = opened(open_app(PAGE), "geo_search")
    assert "None of the 1 venues looked at lacks an id" in texts(app)
    assert button(app, "geo_search_now") is None
    click(app, "geo_search_next")
    assert "**1 venue** of the 1 looked at lacks an id." in texts(app)
    click(app, "geo_search_now")
    assert app.toast[0].value == "1 search queued."


@pytest.mark.usefixtures("sandboxed")
def test_where_no_id_is_missing_there_is_nothing_to_order(database):
    app = opened(open_app(PAGE), "geo_search")
    assert "No id is missing" in texts(app)
    assert button(app, "geo_search_now") is None


def test_results_that_came_since_are_announced_and_shown_on_request(venue, database):
    app = open_app(PAGE)
    assert button(app, "geo_new") is None
    with database.begin() as connection:
        make_match(connection, make_venue(connection), searched_at=datetime.now(UTC) + timedelta(seconds=1))
    again(app)
    assert button(app, "geo_new").label == "+1 new"
    click(app, "geo_new")
    assert len(table(app)) == 6


@pytest.fixture
def dropped(database):
    """A search that waits for a person and whose details are gone, as the dispatcher leaves it."""
    with database.begin() as connection:
        venue = make_venue(connection, name="Klub *Żaczek*", address="al. 3 Maja 5")
        make_match(connection, venue, searched_at=datetime.now(UTC) - timedelta(days=2))
    assert search_details.drop_overdue(database) == 1
    return venue


def test_until_when_details_are_kept_is_said_where_a_person_must_choose(venue, database):
    (row,) = rows(database, "SELECT searched_at FROM venue_matches WHERE state = 'review'")
    until = moment(row.searched_at + timedelta(days=1), "Europe/Warsaw")
    said = texts(open_app(PAGE))
    assert f"details are kept until {until}" in said
    assert said.count("details are kept until") == 1
    assert "no longer kept" not in said


def test_where_details_are_gone_ids_links_and_scores_are_left_and_the_page_says_why(dropped, database):
    app = open_app(PAGE)
    said = texts(app)
    assert "**Details are no longer kept: Foursquare's terms.**" in app.info[0].value
    assert "To see them, open a place at Foursquare or search again." in app.info[0].value
    match = state_of(database, dropped)
    for candidate in match.candidates:
        assert f"**`{candidate['place_id']}`**" in said
        assert f"[open at Foursquare](https://foursquare.com/v/{candidate['place_id']})" in said
    assert "**10 m away** · name **100%** alike" in said
    assert "details are kept until" not in said
    assert "Main Street" not in said
    assert said.count("on a map]") == 1  # the venue itself
    (line,) = table(app).to_dict("records")
    assert line["place"] == match.candidates[0]["place_id"]
    assert line["page"] == f"https://foursquare.com/v/{match.candidates[0]['place_id']}"
    assert line["details"] == "no longer kept: Foursquare's terms"


def test_a_provider_without_pages_is_searched_again_to_see_what_it_says(database):
    with database.begin() as connection:
        venue = make_venue(connection)
        make_match(connection, venue, "here", searched_at=datetime.now(UTC) - timedelta(days=31))
    search_details.drop_overdue(database)
    app = open_app(PAGE)
    assert "**Details are no longer kept: HERE's terms do not say that they may be.**" in app.info[0].value
    assert "To see them, search again." in app.info[0].value
    assert table(app)["page"].tolist() == [None]


def test_a_candidate_can_be_chosen_though_its_details_are_gone(dropped, database):
    click(open_app(PAGE), f"{card_key(dropped)}_1_this")
    match = state_of(database, dropped)
    assert (match.state, match.place_id) == ("confirmed", match.candidates[1]["place_id"])


@pytest.mark.usefixtures("sandboxed")
def test_searching_again_asks_that_provider_only_and_once(dropped, database):
    app, other_tab = open_app(PAGE), open_app(PAGE)
    again_ = button(app, f"{card_key(dropped)}_again")
    assert again_.label == "Search again at Foursquare"
    assert "About \\$0\\.015, at one call." in again_.help
    click(app, f"{card_key(dropped)}_again")
    (job,) = rows(database, "SELECT * FROM jobs")
    assert (job.kind, job.venue_id, job.args["providers"]) == ("geocoding", dropped.id, ["foursquare"])
    assert job.args["force"] is False
    assert app.toast[0].value == r"A search for Klub \*Żaczek\* at Foursquare is queued."
    click(other_tab, f"{card_key(dropped)}_again")
    assert len(rows(database, "SELECT * FROM jobs")) == 1
    assert other_tab.toast[0].value == r"Klub \*Żaczek\* is being searched for already."


@pytest.mark.usefixtures("sandboxed")
def test_what_was_not_found_can_be_searched_for_again(database):
    with database.begin() as connection:
        venue = make_venue(connection)
        make_match(connection, venue, state="none", candidates=[])
    app = open_app(PAGE, match=f"{venue.id}-foursquare")
    assert button(app, "geo_opened_none").label == "It is not there"
    click(app, "geo_opened_again")
    (job,) = rows(database, "SELECT * FROM jobs")
    assert (job.kind, job.args["providers"], job.args["force"]) == ("geocoding", ["foursquare"], False)


def test_a_place_of_wikimedia_commons_is_opened_at_wikidata(database):
    with database.begin() as connection:
        places = [Candidate(place_id="Q12", name="Blue Note", score=0.6)]
        make_match(connection, make_venue(connection), "wikimedia_commons", candidates=places)
    assert "[open at Wikidata](https://www.wikidata.org/wiki/Q12)" in texts(open_app(PAGE))


def test_why_a_provider_cannot_be_searched_again_is_said_on_its_card(dropped, database):
    app = click(open_app(PAGE), f"{card_key(dropped)}_again")
    said = app.warning[0].value.replace("\\", "")
    assert said == "“foursquare” cannot be searched. Set VENUE_OPS_FOURSQUARE_API_KEY to ask Foursquare."
    assert rows(database, "SELECT * FROM jobs") == []


@pytest.mark.usefixtures("sandboxed")
def test_a_decision_gives_way_to_a_search_that_a_person_orders_after_it(database):
    with database.begin() as connection:
        venue = make_venue(connection)
        make_match(connection, venue, state="rejected", searched_at=datetime.now(UTC) - timedelta(days=2))
    search_details.drop_overdue(database)
    app = open_app(PAGE, match=f"{venue.id}-foursquare")
    assert "What was decided gives way to what is found." in button(app, "geo_opened_again").help
    click(app, "geo_opened_again")
    (job,) = rows(database, "SELECT * FROM jobs")
    assert job.args["force"] is True


def test_what_has_its_id_is_not_searched_for_again(database):
    with database.begin() as connection:
        place_id = "4" * 24
        venue = make_venue(connection, provider_ids={"foursquare": place_id})
        make_match(
            connection,
            venue,
            state="matched",
            candidates=[Candidate(place_id=place_id, name="Blue Note", score=1.0)],
            searched_at=datetime.now(UTC) - timedelta(days=2),
        )
    search_details.drop_overdue(database)
    app = open_app(PAGE, match=f"{venue.id}-foursquare")
    assert app.info[0].value.endswith("To see them, open a place at Foursquare.")
    assert ":green-badge[:material/check: The venue's id]" in texts(app)
    assert button(app, "geo_opened_again") is None


@pytest.mark.usefixtures("viewer")
def test_viewers_see_all_and_can_do_nothing(venue):
    app = open_app(PAGE)
    assert button(app, f"{card_key(venue)}_0_this").disabled
    assert "takes the role operator" in button(app, f"{card_key(venue)}_0_this").help
    assert button(app, f"{card_key(venue)}_none").disabled
    assert len(table(app)) == 5


def test_a_search_is_an_operation_that_tells_of_ids_and_not_of_images(venue, database):
    with database.begin() as connection:
        job = make_job(
            connection,
            venue,
            kind="geocoding",
            status="partial",
            cost_usd=0.015,
            meta={
                "summary": "Id found at foursquare; nothing found at here",
                "ids_found": 1,
                "to_review": 0,
                "not_found": 1,
            },
            settled=False,
        )
        make_job_provider(connection, job, "foursquare", reason="Clearly the best.")
        make_job_provider(connection, job, "here", status="no_images", reason="The provider found nothing.")
        settle(connection, job)
    app = open_app("pages/operations.py", job=str(job.id))
    assert not app.exception
    said = texts(app)
    assert "Geocoding" in said
    assert r"Id found at foursquare; nothing found at here" in said
    assert ":green-badge[:material/check_circle: Id found]" in said
    assert ":gray-badge[:material/search_off: No id taken]" in said
    assert r"The provider found nothing\." in said
    assert "0 discovered" not in said
    assert "listed" not in said
    figures = {metric.label: metric.value for metric in app.metric}
    assert (figures["Ids found"], figures["Not found"], figures["Cost"]) == ("1", "1", "\\$0.015")
    assert "Id found at foursquare; nothing found at here" in list(app.dataframe[0].value["results"])

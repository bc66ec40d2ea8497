"""Ordering searches and deciding what they could not: who may, what is written, what is refused."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ops_core import actions
from ops_core.actions import NotAllowed, Refused, Seen, choose_match
from ops_core.domain.access import Actor, Role
from ops_core.domain.matches import Candidate, MatchState
from tests.support.factories import make_city, make_image, make_job, make_match, make_venue

pytestmark = pytest.mark.postgres

ANNA = Actor("anna", Role.OPERATOR)
GUS = Actor("gus", Role.VIEWER)
PLACE, OTHER = "4" * 24, "5" * 24


def rows(engine: Engine, question: str, **values: Any) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(question), values))


def audited(engine: Engine) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in rows(engine, "SELECT actor, action, outcome FROM audit ORDER BY id")]


def id_of(engine: Engine, venue: Any, key: str = "foursquare") -> str | None:
    (row,) = rows(
        engine, "SELECT provider_ids ->> :key AS id FROM venues WHERE id = :id", key=key, id=venue.id
    )
    return row.id


def match_of(engine: Engine, venue: Any, provider: str = "foursquare") -> Any:
    (row,) = rows(
        engine,
        "SELECT * FROM venue_matches WHERE venue_id = :id AND provider = :provider",
        id=venue.id,
        provider=provider,
    )
    return row


def enrichments(engine: Engine) -> list[Any]:
    return rows(engine, "SELECT * FROM jobs WHERE kind = 'enrichment' ORDER BY id")


def candidates(*place_ids: str) -> list[Candidate]:
    return [Candidate(place_id=each, name=f"Place {each[0]}", score=0.7) for each in place_ids]


@pytest.fixture
def sandboxed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings with which every provider can be searched."""
    monkeypatch.setenv("VENUE_OPS_SANDBOX_URL", "http://127.0.0.1:1")


@pytest.fixture
def venue(database: Engine) -> Any:
    with database.begin() as connection:
        return make_venue(connection, name="Blue Note")


@pytest.fixture
def open_match(database: Engine, venue: Any) -> Any:
    with database.begin() as connection:
        return make_match(connection, venue, candidates=candidates(PLACE, OTHER))


def test_a_candidate_that_is_chosen_becomes_the_venues_id_and_photos_follow(
    database: Engine, venue: Any, open_match: Any
) -> None:
    done = choose_match(
        database,
        venue.id,
        "foursquare",
        PLACE,
        actor=ANNA,
        seen=Seen(state=MatchState.REVIEW, venue_has=None),
    )
    assert id_of(database, venue) == PLACE
    assert id_of(database, venue, "google_places") is not None
    match = match_of(database, venue)
    assert (match.state, match.place_id, match.reason) == ("confirmed", PLACE, f"anna chose {PLACE}.")
    assert (match.decided_by, match.score, match.job_id) == ("anna", 0.7, open_match.job_id)
    assert match.decided_at is not None
    assert match.candidates == open_match.candidates
    (job,) = enrichments(database)
    assert (done.is_new, done.job_id, job.id) == (True, job.id, job.id)
    assert (job.venue_id, job.args["force"], job.actor) == (venue.id, True, "anna")
    # without what Foursquare calls it: audit rows are kept for ever
    assert done.words == f"Blue Note is {PLACE} at Foursquare. Its photos follow in job {job.id}."
    assert audited(database) == [("anna", "choose_match", done.words)]


def test_a_double_click_makes_one_decision(database: Engine, venue: Any, open_match: Any) -> None:
    seen = Seen(state=MatchState.REVIEW, venue_has=None)
    first = choose_match(database, venue.id, "foursquare", PLACE, actor=ANNA, seen=seen)
    again = choose_match(database, venue.id, "foursquare", PLACE, actor=ANNA, seen=seen)
    assert (first.is_new, again.is_new, again.job_id) == (True, False, None)
    assert len(enrichments(database)) == 1
    assert audited(database)[1][2].startswith("That was decided already")


def test_many_who_click_at_once_make_one_decision(database: Engine, venue: Any, open_match: Any) -> None:
    seen = Seen(state=MatchState.REVIEW, venue_has=None)
    results: list[Any] = []

    def click(place_id: str) -> None:
        try:
            results.append(choose_match(database, venue.id, "foursquare", place_id, actor=ANNA, seen=seen))
        except Refused as refused:
            results.append(str(refused))

    threads = [threading.Thread(target=click, args=(each,)) for each in (PLACE, OTHER, PLACE, OTHER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    new = [each for each in results if not isinstance(each, str) and each.is_new]
    assert len(new) == 1
    assert len(enrichments(database)) == 1
    assert sum(isinstance(each, str) and "changed this meanwhile" in each for each in results) == 2


def test_who_decides_by_an_old_screen_is_told_to_look_again(
    database: Engine, venue: Any, open_match: Any
) -> None:
    choose_match(database, venue.id, "foursquare", PLACE, actor=ANNA)
    with pytest.raises(Refused, match="look at it again"):
        choose_match(
            database,
            venue.id,
            "foursquare",
            None,
            actor=ANNA,
            seen=Seen(state=MatchState.REVIEW, venue_has=None),
        )
    assert id_of(database, venue) == PLACE


def test_an_id_may_be_typed_for_a_venue_that_was_never_searched_for(database: Engine, venue: Any) -> None:
    done = choose_match(database, venue.id, "here", "  here:pds:place:616u33db-1  ", actor=ANNA)
    assert id_of(database, venue, "here") == "here:pds:place:616u33db-1"
    match = match_of(database, venue, "here")
    assert (match.state, match.candidates) == ("confirmed", [])
    assert match.reason == "anna chose here:pds:place:616u33db-1, typed in."
    assert done.job_id is not None


@pytest.mark.parametrize(
    ("provider", "typed", "sentence"),
    [
        ("foursquare", "https://foursquare.com/v/x", "is no id of Foursquare: those have 24 digits"),
        ("wikimedia_commons", "File:Tour.jpg", "is no id of Wikimedia Commons: those are a Q and a number"),
        ("google_places", "", "is no id of Google Places"),
        ("unsplash", "blue note", "is no provider at which venues have ids"),
        ("nobody", "x", "“nobody” is no provider"),
    ],
)
def test_what_is_no_id_is_refused_with_a_sentence_that_says_what_one_looks_like(
    database: Engine, venue: Any, provider: str, typed: str, sentence: str
) -> None:
    with pytest.raises(Refused, match=sentence):
        choose_match(database, venue.id, provider, typed, actor=ANNA)
    assert audited(database)[0][2].startswith("refused: ")
    assert rows(database, "SELECT * FROM venue_matches") == []
    assert enrichments(database) == []


def test_a_wikidata_id_is_kept_under_its_own_key(database: Engine, venue: Any) -> None:
    choose_match(database, venue.id, "wikimedia_commons", "Q243", actor=ANNA)
    assert id_of(database, venue, "wikidata") == "Q243"


def test_an_id_that_another_venue_of_the_city_has_is_refused_and_that_venue_named(database: Engine) -> None:
    with database.begin() as connection:
        city = make_city(connection)
        owner = make_venue(connection, city, name="Red Note", provider_ids={"foursquare": PLACE})
        venue = make_venue(connection, city, name="Blue Note")
        elsewhere = make_venue(connection, name="Blue Note")
    with pytest.raises(Refused, match=rf"“Red Note” \(venue #{owner.id}\) has this id already"):
        choose_match(database, venue.id, "foursquare", PLACE, actor=ANNA)
    assert id_of(database, venue) is None
    # the same place may stand in two lists under two names of its city
    choose_match(database, elsewhere.id, "foursquare", PLACE, actor=ANNA)
    assert id_of(database, elsewhere) == PLACE


def test_rejecting_all_takes_away_the_id_that_a_search_had_set(database: Engine, venue: Any) -> None:
    with database.begin() as connection:
        match = make_match(connection, venue, state="matched")
        connection.execute(
            text(
                "UPDATE venues SET provider_ids = "
                "provider_ids || jsonb_build_object('foursquare', CAST(:id AS text))"
            ),
            {"id": match.place_id},
        )
        make_image(connection, venue, provider="foursquare")
    done = choose_match(database, venue.id, "foursquare", None, actor=ANNA)
    assert id_of(database, venue) is None
    row = match_of(database, venue)
    assert (row.state, row.place_id, row.decided_by) == ("rejected", None, "anna")
    assert len(row.candidates) == 2
    assert "was taken away" in done.words
    assert "The 1 image that came with the id before stays as it is" in done.words
    assert enrichments(database) == []


def test_rejecting_all_leaves_an_id_that_came_from_a_list(database: Engine) -> None:
    with database.begin() as connection:
        venue = make_venue(connection, provider_ids={"foursquare": OTHER})
        make_match(connection, venue, state="matched", candidates=candidates(PLACE))
    done = choose_match(database, venue.id, "foursquare", None, actor=ANNA)
    assert id_of(database, venue) == OTHER
    assert "did not come from a search, and stays" in done.words


def test_there_is_nothing_to_reject_where_nothing_was_searched(database: Engine, venue: Any) -> None:
    with pytest.raises(Refused, match="was not searched for at Foursquare"):
        choose_match(database, venue.id, "foursquare", None, actor=ANNA)


def test_correcting_an_id_tells_of_the_images_that_came_with_the_wrong_one(database: Engine) -> None:
    with database.begin() as connection:
        venue = make_venue(connection, name="Blue Note", provider_ids={"foursquare": PLACE})
        make_match(connection, venue, state="matched", candidates=candidates(PLACE, OTHER))
        for _ in range(3):
            make_image(connection, venue, provider="foursquare")
        make_image(connection, venue, provider="google_places")
    done = choose_match(database, venue.id, "foursquare", OTHER, actor=ANNA)
    assert id_of(database, venue) == OTHER
    assert done.words.endswith(
        "The 3 images that came with the id before stay as they are: look whether they show the venue."
    )
    assert [row.n for row in rows(database, "SELECT count(*) AS n FROM images")] == [4]


def test_confirming_what_the_search_took_asks_nobody_again(database: Engine) -> None:
    with database.begin() as connection:
        venue = make_venue(connection, provider_ids={"foursquare": PLACE})
        make_match(connection, venue, state="matched", candidates=candidates(PLACE))
    done = choose_match(database, venue.id, "foursquare", PLACE, actor=ANNA)
    assert done.is_new
    assert match_of(database, venue).state == "confirmed"
    assert enrichments(database) == []


def test_an_enrichment_that_waits_uses_the_new_id(database: Engine, venue: Any) -> None:
    with database.begin() as connection:
        waiting = make_job(connection, venue, state="available", args={"venue_id": venue.id})
    done = choose_match(database, venue.id, "foursquare", PLACE, actor=ANNA)
    assert done.job_id == waiting.id
    assert enrichments(database)[0].args["force"] is True


def test_an_enrichment_that_has_asked_already_is_not_promised(database: Engine, venue: Any) -> None:
    with database.begin() as connection:
        make_job(connection, venue, state="executing", meta={"image_ids": []})
    done = choose_match(database, venue.id, "foursquare", PLACE, actor=ANNA)
    assert done.job_id is None
    assert "follow at the next check" in done.words


def test_viewers_decide_and_search_for_nothing(database: Engine, venue: Any, open_match: Any) -> None:
    for act in (
        lambda: choose_match(database, venue.id, "foursquare", PLACE, actor=GUS),
        lambda: actions.find_venue_ids(database, [venue.id], actor=GUS),
        lambda: actions.find_missing_ids(database, actions.preview_missing_ids(database), actor=GUS),
    ):
        with pytest.raises(NotAllowed, match="takes the role operator"):
            act()
    assert id_of(database, venue) is None
    assert [row[2][:8] for row in audited(database)] == ["refused:"] * 3
    assert rows(database, "SELECT * FROM jobs") == []


def test_a_secret_that_was_pasted_with_an_id_is_kept_nowhere(database: Engine, venue: Any) -> None:
    pasted = (
        "https://maps.googleapis.com/maps/api/place/details/json?place_id=x&key=AIzaSyVerySecretIndeed12345"
    )
    with pytest.raises(Refused) as refused:
        choose_match(database, venue.id, "google_places", pasted, actor=ANNA)
    kept = rows(database, "SELECT scope::text || outcome AS said FROM audit")[0].said
    assert "VerySecretIndeed" not in kept + str(refused.value)


@pytest.mark.usefixtures("sandboxed")
def test_a_search_is_one_job_per_venue_and_open_ones_are_not_doubled(database: Engine) -> None:
    with database.begin() as connection:
        one, other = make_venue(connection), make_venue(connection)
    first = actions.find_venue_ids(database, [one.id], actor=ANNA)
    second = actions.find_venue_ids(database, [one.id, other.id, other.id], actor=ANNA, force=True)
    assert (len(first.job_ids), len(second.job_ids), second.open_ids) == (1, 1, first.job_ids)
    jobs = rows(database, "SELECT * FROM jobs ORDER BY id")
    assert [(job.kind, job.venue_id, job.city_id) for job in jobs] == [
        ("geocoding", one.id, one.city_id),
        ("geocoding", other.id, other.city_id),
    ]
    assert jobs[1].args == {"venue_id": other.id, "force": True}
    assert audited(database)[0] == ("anna", "find_venue_ids", f"1 search queued: job {jobs[0].id}")


@pytest.mark.usefixtures("sandboxed")
@pytest.mark.parametrize(("ids", "sentence"), [([], "at least one venue"), ([999_999], "no venue #999999")])
def test_a_search_for_no_venue_is_refused(database: Engine, ids: list[int], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        actions.find_venue_ids(database, ids, actor=ANNA)
    assert audited(database)[0][2].startswith("refused: ")


@pytest.mark.usefixtures("sandboxed")
def test_a_search_may_be_of_one_provider_only(database: Engine, venue: Any) -> None:
    queued = actions.find_venue_ids(database, [venue.id], actor=ANNA, only=["here", "here"])
    (job,) = rows(database, "SELECT * FROM jobs")
    assert (queued.job_ids, job.args["providers"]) == ((job.id,), ["here"])
    (row,) = rows(database, "SELECT scope FROM audit")
    assert row.scope == {"venue_ids": [venue.id], "force": False, "providers": ["here"]}


@pytest.mark.parametrize(
    ("only", "sentence"),
    [
        ("here", "“here” cannot be searched. .*VENUE_OPS_HERE_API_KEY"),
        ("unsplash", "“unsplash” cannot be searched. It is switched off, or finds no venues."),
        ("nobody", "“nobody” cannot be searched. It is switched off, or finds no venues."),
        ("foursquare", "“foursquare” cannot be searched. It is switched off"),
    ],
)
def test_a_provider_that_cannot_be_searched_is_refused_by_name(
    database: Engine, venue: Any, monkeypatch: pytest.MonkeyPatch, only: str, sentence: str
) -> None:
    monkeypatch.setenv("VENUE_OPS_MAPBOX_ACCESS_TOKEN", "a-token-of-tests")
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE providers SET active = false WHERE code = 'foursquare'")
    with pytest.raises(Refused, match=sentence):
        actions.find_venue_ids(database, [venue.id], actor=ANNA, only=["mapbox", only])
    assert rows(database, "SELECT * FROM jobs") == []
    assert audited(database)[0][2].startswith("refused: ")


def test_where_no_provider_can_be_searched_the_refusal_says_which_setting_is_missing(
    database: Engine, venue: Any
) -> None:
    with pytest.raises(Refused, match=r"No provider can be searched\. .*VENUE_OPS_"):
        actions.find_venue_ids(database, [venue.id], actor=ANNA)
    with pytest.raises(Refused, match="No provider can be searched"):
        actions.find_missing_ids(database, actions.preview_missing_ids(database), actor=ANNA)


@pytest.mark.usefixtures("sandboxed")
def test_missing_ids_are_counted_and_priced_before_anything_is_ordered(database: Engine) -> None:
    with database.begin() as connection:
        for _ in range(3):
            make_venue(connection)
        make_venue(connection, provider_ids={"google_places": "ChIJ" + "x" * 20})
    preview = actions.preview_missing_ids(database, limit=10)
    assert len(preview.venues) == 4
    assert preview.searches == {"wikimedia_commons": 1, "here": 4, "mapbox": 4, "foursquare": 4}
    assert preview.cost_usd == Decimal("0.015") * 4
    assert not preview.more
    assert actions.preview_missing_ids(database, limit=3).more
    assert rows(database, "SELECT * FROM jobs") == []

    queued = actions.find_missing_ids(database, preview, actor=ANNA)
    assert len(queued.job_ids) == 4
    assert rows(database, "SELECT scope FROM audit")[0].scope == {
        "venue_ids": list(preview.venues),
        "searches": preview.searches,
    }
    (first, *_) = rows(database, "SELECT args FROM jobs ORDER BY id")
    assert set(first.args["providers"]) == {"here", "mapbox", "foursquare"}
    nothing = actions.preview_missing_ids(database, limit=10)
    assert nothing.venues == {}
    with pytest.raises(Refused, match="No id is missing, but where it was searched for within 30 days"):
        actions.find_missing_ids(database, nothing, actor=ANNA)


@pytest.mark.usefixtures("sandboxed")
def test_a_second_click_on_the_same_preview_orders_nothing_though_more_venues_lack_an_id(
    database: Engine,
) -> None:
    with database.begin() as connection:
        for _ in range(5):
            make_venue(connection)
    preview = actions.preview_missing_ids(database, limit=2)
    first = actions.find_missing_ids(database, preview, actor=ANNA)
    second = actions.find_missing_ids(database, preview, actor=ANNA)
    assert len(first.job_ids) == 2
    assert (second.job_ids, second.open_ids, second.needless) == ((), first.job_ids, 0)
    assert [row.venue_id for row in rows(database, "SELECT venue_id FROM jobs ORDER BY id")] == list(
        preview.venues
    )
    assert [outcome for _, _, outcome in audited(database)] == [
        f"2 searches queued: jobs {first.job_ids[0]} to {first.job_ids[1]}",
        "none queued; 2 open already",
    ]


@pytest.mark.usefixtures("sandboxed")
def test_a_preview_is_ordered_once_though_its_searches_have_ended_and_failed(
    database: Engine, venue: Any
) -> None:
    preview = actions.preview_missing_ids(database)
    actions.find_missing_ids(database, preview, actor=ANNA)
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET state = 'discarded', finished_at = now()")
    again = actions.find_missing_ids(database, preview, actor=ANNA)
    assert (again.job_ids, again.open_ids, again.needless) == ((), (), 1)
    assert audited(database)[-1][2] == "none queued; 1 need none any more"


@pytest.mark.usefixtures("sandboxed")
def test_two_people_who_order_the_same_preview_at_once_pay_once(database: Engine) -> None:
    with database.begin() as connection:
        for _ in range(20):
            make_venue(connection)
    preview = actions.preview_missing_ids(database)
    done: list[actions.SearchesQueued] = []
    start = threading.Barrier(4)

    def order() -> None:
        start.wait()
        done.append(actions.find_missing_ids(database, preview, actor=ANNA))

    people = [threading.Thread(target=order) for _ in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sorted(len(each.job_ids) for each in done) == [0, 0, 0, 20]
    assert sorted(len(each.open_ids) for each in done) == [0, 20, 20, 20]


@pytest.mark.usefixtures("sandboxed")
def test_only_what_was_shown_and_is_missing_still_is_searched_for(database: Engine) -> None:
    with database.begin() as connection:
        found, decided, lacking = (make_venue(connection) for _ in range(3))
    preview = actions.preview_missing_ids(database)
    with database.begin() as connection:
        late = make_venue(connection)
        connection.execute(
            text(
                "UPDATE venues SET provider_ids = provider_ids"
                ' || \'{"here": "1", "mapbox": "2", "foursquare": "3"}\' WHERE id = :id'
            ),
            {"id": found.id},
        )
        make_match(connection, decided, state="rejected")
        connection.exec_driver_sql("UPDATE providers SET active = false WHERE code = 'mapbox'")
    queued = actions.find_missing_ids(database, preview, actor=ANNA)
    asked = {row.venue_id: row.args["providers"] for row in rows(database, "SELECT venue_id, args FROM jobs")}
    assert asked == {decided.id: ["here"], lacking.id: ["here", "foursquare"]}
    assert late.id not in asked
    assert (len(queued.job_ids), queued.needless) == (2, 1)


@pytest.mark.usefixtures("sandboxed")
def test_a_look_at_a_part_says_so_and_goes_on_where_it_ended(database: Engine) -> None:
    known = {"here": "1", "mapbox": "2", "foursquare": "3", "google_places": "4", "wikidata": "5"}
    with database.begin() as connection:
        for _ in range(3):
            full = make_venue(connection, provider_ids=known)
        lacking = make_venue(connection)
    look = actions.preview_missing_ids(database, at_most=3)
    assert (look.venues, look.looked_at, look.looked_to) == ({}, 3, full.id)
    look = actions.preview_missing_ids(database, after=look.looked_to, at_most=3)
    assert list(look.venues) == [lacking.id]
    assert list(actions.preview_missing_ids(database, at_most=None).venues) == [lacking.id]
    assert actions.preview_missing_ids(database).looked_at is None


@pytest.mark.usefixtures("sandboxed")
def test_a_paused_provider_counts_as_nobody_to_ask(database: Engine, venue: Any) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE providers SET paused_until = now() + interval '1 hour', paused_reason = 'bill' "
            "WHERE code = 'here'"
        )
    assert "here" not in actions.preview_missing_ids(database).searches


@pytest.mark.usefixtures("sandboxed")
@pytest.mark.parametrize("limit", [0, -1, 5_001])
def test_a_limit_that_makes_no_sense_is_refused(database: Engine, limit: int) -> None:
    with pytest.raises(Refused, match="between 1 and 5,000"):
        actions.preview_missing_ids(database, limit=limit)

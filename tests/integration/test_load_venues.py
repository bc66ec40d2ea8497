"""Loading lists of venues into a real database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

import ops_core
from ops_core.importers.venues import CannotRead, LoadReport, load_file

pytestmark = pytest.mark.postgres

CAFE = {
    "name": "Jama Michalika",
    "address": "ul. Floriańska 45",
    "city": "Kraków",
    "country": "Poland",
    "latitude": 50.0644,
    "longitude": 19.9408,
    "provider_ids": {"wikidata": "Q1"},
}


def venue(number: int, **changes: Any) -> dict[str, Any]:
    return CAFE | {"name": f"Bar {number}", "provider_ids": {"wikidata": f"Q{number + 1}"}} | changes


@pytest.fixture
def load(tmp_path: Path, database: Engine):
    def load(*lines: Any, engine: Engine = database) -> LoadReport:
        path = tmp_path / "venues.jsonl"
        path.write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines))
        return load_file(path, engine)

    return load


def venues(database: Engine) -> list[Any]:
    with database.connect() as connection:
        return list(
            connection.execute(
                text(
                    "SELECT v.*, c.name AS city, c.country, c.slug AS city_slug FROM venues v "
                    "JOIN cities c ON c.id = v.city_id ORDER BY v.id"
                )
            )
        )


def counts(report: LoadReport) -> tuple[int, int, int, int]:
    return report.added, report.updated, report.unchanged, len(report.refused)


def test_a_list_loads_and_loading_it_again_changes_nothing(load, database: Engine):
    lines = [venue(number) for number in range(1200)]
    assert counts(load(*lines)) == (1200, 0, 0, 0)
    before = venues(database)
    assert counts(load(*lines)) == (0, 0, 1200, 0)
    assert venues(database) == before
    row = before[7]
    assert (row.name, row.slug, row.city, row.country, row.city_slug) == (
        "Bar 7",
        "bar-7",
        "Kraków",
        "Poland",
        "krakow",
    )
    assert (row.latitude, row.longitude, row.provider_ids) == (50.0644, 19.9408, {"wikidata": "Q8"})


def test_a_changed_address_updates_the_venue(load, database: Engine):
    load(CAFE)
    assert counts(load(CAFE | {"address": "ul. Floriańska 54"})) == (0, 1, 0, 0)
    (row,) = venues(database)
    assert row.address == "ul. Floriańska 54"
    assert row.updated_at >= row.created_at
    assert counts(load(CAFE | {"address": "ul. Floriańska 54"})) == (0, 0, 1, 0)


def test_ids_found_elsewhere_stay_and_a_differing_id_in_the_file_wins(load, database: Engine):
    load(CAFE)
    found = "ChIJ" + "0" * 23
    with database.begin() as connection:
        connection.execute(
            text("UPDATE venues SET provider_ids = provider_ids || CAST(:found AS jsonb)"),
            {"found": json.dumps({"google_places": found})},
        )
    assert counts(load(CAFE)) == (0, 0, 1, 0)
    assert counts(load(CAFE | {"provider_ids": {"wikidata": "Q2"}})) == (0, 1, 0, 0)
    assert venues(database)[0].provider_ids == {"wikidata": "Q2", "google_places": found}


def test_every_refused_line_is_reported_and_the_others_load(load, database: Engine):
    report = load(
        CAFE,
        "{broken",
        {"name": "Nowhere", "city": "Kraków"},
        venue(4, latitude=95),
        venue(5, provider_ids={"yelp": "x"}),
        CAFE,
        CAFE | {"latitude": 51.0},
        venue(8),
    )
    assert counts(report) == (2, 0, 1, 5)
    reasons = {refused.line_number: refused.reason for refused in report.refused}
    assert list(reasons) == [2, 3, 4, 5, 7]
    assert reasons[2].startswith("is not JSON")
    assert reasons[3] == "country is missing"
    assert reasons[4] == "latitude must be between -90 and 90, not 95"
    assert reasons[5].startswith("names an unknown provider, 'yelp'")
    assert reasons[7] == "is the same venue as line 1 but says it differently; keep one of them"
    assert [row.name for row in venues(database)] == ["Jama Michalika", "Bar 8"]


def test_a_duplicate_far_down_the_list_names_the_first_line(load, database: Engine):
    lines = [venue(number) for number in range(700)]
    report = load(*lines, venue(3, address="elsewhere 1"), venue(3))
    assert counts(report) == (700, 0, 1, 1)
    assert report.refused[0].line_number == 701
    assert "line 4 " in report.refused[0].reason
    assert len(venues(database)) == 700


def test_an_id_of_another_venue_is_refused(load, database: Engine):
    load(CAFE, venue(1))
    report = load(CAFE | {"provider_ids": {"wikidata": "Q2"}})
    assert [(refused.line_number, refused.reason) for refused in report.refused] == [
        (1, "has the name and address of one venue and a provider id of another; correct the id")
    ]
    assert venues(database)[0].provider_ids == {"wikidata": "Q1"}


def test_capitals_make_no_second_city(load, database: Engine):
    load(CAFE, venue(1, city="KRAKÓW"), venue(2, city="Kraków", country="poland"))
    assert {row.city for row in venues(database)} == {"Kraków"}


def test_progress_ends_at_the_whole_file(tmp_path: Path, database: Engine):
    path = tmp_path / "venues.csv"
    path.write_text(
        "name,city,country,phone\n" + "".join(f"Bar {number},Kraków,Poland,1\n" for number in range(1100))
    )
    seen: list[tuple[int, int]] = []
    report = load_file(path, database, progress=lambda done, total: seen.append((done, total)))
    size = path.stat().st_size
    assert len(seen) == 3
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert {total for _, total in seen} == {size}
    assert seen[-1] == (size, size)
    assert (report.added, report.ignored_columns) == (1100, ["phone"])


def test_a_file_that_cannot_be_read_loads_nothing(tmp_path: Path, database: Engine):
    with pytest.raises(CannotRead, match="does not exist"):
        load_file(tmp_path / "venues.csv", database)
    assert venues(database) == []


def test_the_shipped_list_loads_wholly_and_again_without_change(database: Engine):
    shipped = Path(ops_core.__file__).with_name("data") / "venues.jsonl"
    first = load_file(shipped, database)
    assert (first.added, first.refused, first.ignored_columns) == (100, [], [])
    assert counts(load_file(shipped, database)) == (0, 0, 100, 0)

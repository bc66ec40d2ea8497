"""The sandbox speaks the search of Wikidata as documented, over real sockets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

import ops_core
from ops_core.domain.places import metres_between
from ops_core.sandbox.places import FAR, found
from tests.support.sandbox import Answer, SandboxProcess
from tests.support.sandbox_world import AGENT

API = "/www.wikidata.org/w/api.php?format=json&"
#: A venue that is found by its name, and not alone.
NAME = next(f"Venue{n}" for n in range(99) if len(found(7, "wikidata", f"Venue{n}", None, None)) == 3)
SHIPPED = [
    json.loads(line)
    for line in (Path(ops_core.__file__).parent / "data" / "venues.jsonl").read_text("utf-8").splitlines()
]


def ask(sandbox: SandboxProcess, action: str, **words: str) -> Answer:
    return sandbox.get(API + urlencode({"action": action, **words}), AGENT)


def search(sandbox: SandboxProcess, name: str, **words: str) -> list[dict[str, Any]]:
    reply = ask(sandbox, "wbsearchentities", search=name, language="en", **words).json
    assert (reply["success"], reply["searchinfo"]) == (1, {"search": name})
    return reply["search"]


def entities(sandbox: SandboxProcess, *ids: str, **words: str) -> dict[str, Any]:
    return ask(sandbox, "wbgetentities", ids="|".join(ids), **words).json["entities"]


def spot(entity: dict[str, Any]) -> tuple[float, float] | None:
    stated = entity["claims"].get("P625")
    value = stated[0]["mainsnak"]["datavalue"]["value"] if stated else None
    return (value["latitude"], value["longitude"]) if value else None


def test_what_is_found_has_a_label_and_a_match_and_its_entity_the_same_name(sandbox: SandboxProcess) -> None:
    hits = search(sandbox, NAME)
    assert hits[0]["label"] == hits[0]["match"]["text"] == NAME
    assert hits[0]["url"] == f"//www.wikidata.org/wiki/{hits[0]['id']}"
    described = entities(sandbox, *(hit["id"] for hit in hits))
    assert list(described) == [hit["id"] for hit in hits]
    assert [each["labels"]["en"]["value"] for each in described.values()] == [hit["label"] for hit in hits]
    kinds = [each["claims"]["P31"][0]["mainsnak"]["datavalue"]["value"]["id"] for each in described.values()]
    assert kinds == ["Q33506", "Q33506", "Q79007"]


def test_no_more_is_found_than_asked_for(sandbox: SandboxProcess) -> None:
    whole = search(sandbox, NAME)
    assert len(whole) > 1
    assert search(sandbox, NAME, limit="1") == whole[:1]


def test_venues_that_come_with_the_product_are_found_where_they_are_and_some_have_no_place(
    sandbox: SandboxProcess,
) -> None:
    distances = []
    unplaced = 0
    for venue in SHIPPED:
        hits = search(sandbox, venue["name"])
        for each in entities(sandbox, *(hit["id"] for hit in hits)).values() if hits else ():
            where = spot(each)
            unplaced += where is None
            if where is not None:
                distances.append(metres_between((venue["latitude"], venue["longitude"]), where))
    assert len(distances) > len(SHIPPED)
    assert max(distances) < FAR + 10
    assert 0 < unplaced < len(distances) // 4


def test_only_the_props_asked_for_are_shown_and_any_id_is_an_entity(sandbox: SandboxProcess) -> None:
    assert entities(sandbox, "Q243", props="labels")["Q243"] == {
        "type": "item",
        "id": "Q243",
        "labels": {"en": {"language": "en", "value": "Sandbox Q243"}},
    }
    assert spot(entities(sandbox, "Q243")["Q243"]) is None


@pytest.mark.parametrize(
    ("action", "words", "code"),
    [
        ("wbsearchentities", {"language": "en"}, "missingparam"),
        ("wbsearchentities", {"search": "A"}, "missingparam"),
        ("wbsearchentities", {"search": "A", "language": "en", "limit": "51"}, "badinteger"),
        ("wbgetentities", {}, "param-missing"),
        ("wbgetentities", {"ids": "Q1|Eiffel"}, "no-such-entity"),
        ("wbgetentities", {"ids": "|".join(f"Q{number}" for number in range(1, 52))}, "toomanyvalues"),
        ("wbeditentity", {}, "badvalue"),
    ],
)
def test_errors_are_http_200_with_an_error_object(
    sandbox: SandboxProcess, action: str, words: dict[str, str], code: str
) -> None:
    answer = ask(sandbox, action, **words)
    assert (answer.status, answer.json["error"]["code"]) == (200, code)
    assert sandbox.log()[0]["outcome"] == "refused"


def test_a_search_fails_at_the_rates_of_listings_and_its_second_call_does_not(
    sandbox: SandboxProcess,
) -> None:
    hits = search(sandbox, NAME)
    sandbox.set_faults(listing_rates={"server_error": 1.0}, recover_tries=1)
    assert ask(sandbox, "wbsearchentities", search=NAME, language="en").status == 500
    assert search(sandbox, NAME) == hits
    assert ask(sandbox, "wbgetentities", ids=hits[0]["id"]).status == 200


def test_a_client_without_a_contact_is_refused(sandbox: SandboxProcess) -> None:
    path = API + urlencode({"action": "wbsearchentities", "search": "A", "language": "en"})
    assert sandbox.get(path, {"User-Agent": "python"}).status == 403

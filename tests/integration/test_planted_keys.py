"""No key is found afterwards: not those that providers planted wherever they can, and not our own.

A hostile server plays all providers and both stores. Real work runs over it; then everything that keeps,
shows or says something is searched, for the keys as they are, percent-encoded and in base64.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import streamlit as st
from sqlalchemy import Engine
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest

from ops_core import actions, cli
from ops_core.db.engine import get_engine, make_engine
from ops_core.domain import known_secrets, redact
from ops_core.domain.access import Actor, Role
from ops_core.logs import redact_logs
from ops_core.settings import get_settings
from ops_core.ui.address import BASE
from ops_core.ui.provider_photos import photo_path
from ops_core.ui.routes import own_routes
from ops_core.work import showing
from tests.support.app import ENTRY, open_app
from tests.support.asgi import ask
from tests.support.hostile_providers import INTERFACES, Scenario
from tests.support.hostile_scenarios import (
    answers_of_imagekit,
    answers_of_s3,
    in_every_refusal,
    in_every_text,
    nothing_hostile,
)
from tests.support.hostile_world import HostileWorld, hostile_world
from tests.support.planted import OURS, marks

pytestmark = pytest.mark.postgres

ADMIN = Actor("ada", Role.ADMIN)
#: Parts of a job's details.
SECTIONS = ("started", "failed", "photos", "references", "timeline", "raw")
PAGES = [None, *(f"pages/{file.name}" for file in sorted((ENTRY.parent / "pages").glob("*.py")))]


def all_kinds() -> Iterator[tuple[str, str]]:
    """Every kind of reply of every interface."""
    for name, interface in INTERFACES.items():
        yield from ((name, kind) for kind in (*interface.listing, *interface.search))


def listed(scenarios: Iterable[Scenario]) -> list[Scenario]:
    """Those that are about venues whose photos are listed."""
    return [scenario for scenario in scenarios if not scenario.searched]


def work_over(world: HostileWorld, *, styles: int) -> None:
    """All there is to do, with everything hostile about it."""
    planter = world.server.planter
    texts = list(in_every_text(planter, styles=styles))
    refusals = list(in_every_refusal(planter))
    world.play([*texts, *refusals])
    # people paste keys into reasons
    pasted = f"the log says key={planter.key('a reason')} and {OURS['here_api_key']}"
    world.retry_all(reason=pasted)
    actions.pause_provider(world.engine, "here", actor=ADMIN, reason=pasted, minutes=1)
    actions.resume_provider(world.engine, "here", actor=ADMIN)
    store_pictures(world)
    # addresses are asked for where photos are shown from their provider
    world.set_policy("reference_only")
    world.play(listed(texts))


def store_pictures(world: HostileWorld) -> None:
    """Put pictures into stores that refuse them in all words, or give them addresses with keys."""
    server = world.server
    imagekit = {
        "store": "imagekit",
        "imagekit_api_url": f"{server.url}/store/imagekit",
        "imagekit_url_endpoint": "https://ik.imagekit.io/team",
    }
    s3 = {"store": "s3", "s3_bucket": "pictures", "s3_endpoint": f"{server.url}/store/s3"}
    for answers, settings in ((answers_of_imagekit, imagekit), (answers_of_s3, s3)):
        server.store_answers, server.store_asked = answers(server.planter), 0
        world.play([nothing_hostile("foursquare") for _ in server.store_answers], **settings)
        assert server.store_asked >= len(server.store_answers)


@pytest.fixture(scope="module")
def world(postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileWorld]:
    redact_logs()
    showing._venues.clear()
    with postgres.fresh() as url:
        engine = make_engine(url)
        with hostile_world(engine, tmp_path_factory.mktemp("hostile")) as made:
            work_over(made, styles=3)
            yield made
        engine.dispose()


@pytest.fixture
def console(world: HostileWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The settings of that world, for pages and commands in this process."""
    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    get_engine.cache_clear()
    get_settings()
    yield get_engine()
    get_engine().dispose()
    get_engine.cache_clear()


def assert_clean(world: HostileWorld, said: str) -> None:
    found = marks(said)
    assert not found, "\n".join(world.server.planter.told(found))


def test_the_world_was_as_hostile_as_it_was_meant_to_be(world: HostileWorld) -> None:
    server = world.server
    asked_when_shown = {("google", "resolve"), ("google_legacy", "resolve")}
    missed = [
        scenario.where
        for number, scenario in server.scenarios.items()
        if number not in server.done
        and scenario.kind != "none"
        and (scenario.interface, scenario.kind) not in asked_when_shown
    ]
    assert missed == []
    assert {(each.interface, each.kind) for each in server.scenarios.values()} >= set(all_kinds())
    # every key that goes to a provider went there
    assert server.heard >= {interface.key for interface in INTERFACES.values() if interface.key}
    assert len(server.planter.planted) > 5_000


def test_no_key_is_in_the_database(world: HostileWorld) -> None:
    said = world.dump()
    for table in ("images", "attempts", "jobs", "job_providers", "venue_matches", "retry_requests", "audit"):
        assert f"public.{table}: " in said
    assert said.count("REDACTED") > 500
    assert_clean(world, said)


def test_no_key_is_in_the_log(world: HostileWorld) -> None:
    assert "could not be reported" in world.log.getvalue()
    assert_clean(world, world.log.getvalue())


@pytest.mark.parametrize("page", PAGES)
def test_no_key_is_on_a_page(world: HostileWorld, console: Engine, page: str | None) -> None:
    query = {"period": "ever"} if page == "pages/operations.py" else {}
    app = open_app(page, **query)
    assert not app.exception
    assert_clean(world, shown(app))


def test_no_key_is_in_the_details_of_a_job(world: HostileWorld, console: Engine) -> None:
    jobs = world.rows("""
        SELECT DISTINCT ON (job_providers.provider, jobs.kind, jobs.status, job_providers.error_type) jobs.id
        FROM jobs JOIN job_providers ON job_providers.job_id = jobs.id WHERE finished_at IS NOT NULL
        UNION SELECT max(id) FROM jobs WHERE kind = 'retry'
    """)
    assert len(jobs) > 30
    quoted = ""
    for start in range(0, len(jobs), 5):
        ids = [row.id for row in jobs[start : start + 5]]
        sections = {f"job_{id_}_{name}" for id_ in ids for name in SECTIONS}
        app = opened("pages/operations.py", sections, job=ids)
        quoted += shown(app)
    assert "REDACTED" in quoted
    assert_clean(world, quoted)


def test_no_key_is_in_the_details_of_a_retry(world: HostileWorld, console: Engine) -> None:
    (request,) = world.rows("SELECT id FROM retry_requests")
    sections = {f"retry_{request.id}_{name}" for name in ("images", "course", "raw")}
    said = shown(opened("pages/retries.py", sections, retry=[request.id]))
    assert "the log says key=REDACTED and REDACTED" in said
    assert_clean(world, said)


def test_no_key_is_in_what_was_found_of_a_venue(world: HostileWorld, console: Engine) -> None:
    matches = world.rows("SELECT DISTINCT ON (provider, state) venue_id, provider FROM venue_matches")
    assert len(matches) > 8
    said = ""
    for match in matches:
        said += shown(opened("pages/geocoding.py", set(), match=[f"{match.venue_id}-{match.provider}"]))
    assert "REDACTED" in said
    assert_clean(world, said)


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_no_key_is_in_an_export(world: HostileWorld, console: Engine, kind: str) -> None:
    answer = ask(app_of_routes(), f"{BASE}/export/operations.{kind}", query="period=ever")
    assert answer.status == 200
    assert answer.body.count(b"enrichment") > 300
    assert_clean(world, answer.body.decode())


def test_no_key_goes_to_a_browser_that_is_sent_on_to_a_photo(world: HostileWorld, console: Engine) -> None:
    images = world.rows("SELECT id, provider FROM images WHERE state = 'referenced' ORDER BY id")
    assert {image.provider for image in images} == {interface.code for interface in INTERFACES.values()}
    statuses: dict[int, int] = {}
    for image in images:
        answer = ask(app_of_routes(), photo_path(image.id))
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        assert_clean(world, f"{answer.headers} {answer.body.decode()}")
    # some are shown; of others the provider gave no address that may be shown
    assert statuses[302] > 50
    assert statuses[502] >= 3
    assert_clean(world, world.dump())


@pytest.mark.parametrize(
    "words",
    [
        *("doctor", "settings", "retries list", "retries list --json", "retries show 1"),
        *("retries show 1 --json", "providers", "providers --json"),
    ],
)
def test_no_key_is_in_what_a_command_prints(
    world: HostileWorld,
    console: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["venue-ops", *words.split()])
    with pytest.raises(SystemExit):
        cli.main()
    found = capsys.readouterr()
    assert found.out
    assert_clean(world, found.out + found.err)


def test_the_keys_are_found_where_nothing_is_redacted(
    postgres, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes the others worth something: without redaction, keys of every interface are everywhere."""
    monkeypatch.setattr(redact, "_redact", lambda text, steps: text)
    monkeypatch.setattr(redact, "_OPAQUE", redact.re.compile(r"(?!)"))
    monkeypatch.setattr(known_secrets, "hide", lambda text: text)
    with postgres.fresh() as url:
        engine = make_engine(url)
        with hostile_world(engine, tmp_path) as world:
            planter = world.server.planter
            world.play([*in_every_text(planter, styles=1), *list(in_every_refusal(planter))[::3]])
            store_pictures(world)
            kept = marks(world.dump())
        engine.dispose()
    told = "\n".join(planter.told(kept))
    assert "c0nfg" in kept
    for name, kind in all_kinds():
        if kind != "report":  # what is answered to a report is in the log alone
            assert f": {name}, {kind}, " in told, f"{name}, {kind}"
    assert ": imagekit, " in told


def opened(page: str, sections: set[str], **query: list[Any]) -> AppTest:
    """A page with these details open, in all their sections."""
    st.cache_data.clear()
    app = AppTest.from_file(ENTRY, default_timeout=60)
    app.context = {"timezone": "Europe/Warsaw"}
    app.switch_page(page)
    for section in sections:
        app.session_state[section] = True
    for name, values in query.items():
        app.query_params[name] = [str(value) for value in values]
    app.run()
    assert not app.exception
    return app


def shown(app: AppTest) -> str:
    """All that a page sends to the browser, the data of its tables and charts too."""
    return "\n".join(_protos(app._tree))


def _protos(node: Any) -> Iterator[str]:
    proto = getattr(node, "proto", None)
    if proto is not None:
        yield str(proto)
    for child in getattr(node, "children", {}).values():
        yield from _protos(child)


def app_of_routes() -> Starlette:
    """The console's own addresses."""
    return Starlette(routes=own_routes())

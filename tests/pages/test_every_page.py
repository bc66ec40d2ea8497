"""What holds for each page: no data, data, database away, tables missing, no right to be there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops_core.db.engine import get_engine
from ops_core.domain.access import Actor, Role
from ops_core.settings import get_settings
from ops_core.ui import frame
from tests.support.app import ENTRY, open_app, texts
from tests.support.openid import OpenIdProvider
from tests.support.ports import free_port
from tests.support.retry_factories import make_request
from tests.support.showcase import fill

PAGES = [None, *(f"pages/{file.name}" for file in sorted((ENTRY.parent / "pages").glob("*.py")))]
#: What it takes to see a page, where that is not the role viewer.
ROLES = {"pages/admin.py": "admin"}
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: Path(page or "home").stem)


@every_page
@pytest.mark.postgres
def test_a_page_with_an_empty_database_stands(database, page):
    app = open_app(page)
    assert not app.exception
    assert not app.error
    assert app.title


@every_page
@pytest.mark.postgres
def test_a_page_with_data_stands_and_asks_for_nothing_that_is_missing(database, tmp_path, page):
    with database.begin() as connection:
        fill(connection, tmp_path / "data" / "store")
        make_request(connection)
    app = open_app(page)
    assert not app.exception
    assert not app.error
    assert not app.warning
    assert app.metric or app.get("progress") or page in ROLES


@every_page
def test_a_database_that_is_away_is_a_calm_screen_with_what_to_do(monkeypatch, page):
    monkeypatch.setenv("DATABASE_URL", f"postgresql://nobody:secret@127.0.0.1:{free_port()}/gone")
    app = open_app(page)
    assert not app.exception
    (error,) = app.error
    assert error.proto.title == "Database not reachable"
    assert "venue-ops up" in error.value
    assert "venue-ops doctor" in error.value
    assert "secret" not in texts(app)
    assert app.button(key="try_again").label == "Try again"


@every_page
def test_no_database_at_all_says_which_setting_is_missing(page):
    app = open_app(page)
    assert not app.exception
    (error,) = app.error
    assert error.proto.title == "No database is running"
    assert "DATABASE_URL" in error.value


@every_page
@pytest.mark.postgres
def test_a_database_without_tables_says_to_migrate(postgres, monkeypatch, page):
    with postgres.empty() as url:
        monkeypatch.setenv("DATABASE_URL", url)
        app = open_app(page)
        assert not app.exception
        (error,) = app.error
        assert "venue-ops migrate" in error.value
        get_engine().dispose()


@every_page
@pytest.mark.postgres
def test_the_page_is_back_after_the_database_is(database, monkeypatch, page):
    url = get_settings().require_database_url()
    monkeypatch.setenv("DATABASE_URL", f"postgresql://127.0.0.1:{free_port()}/gone")
    get_settings.cache_clear()
    get_engine.cache_clear()
    app = open_app(page)
    assert app.error
    monkeypatch.setenv("DATABASE_URL", url)
    get_settings.cache_clear()
    get_engine.cache_clear()
    app.button(key="try_again").click().run()
    assert not app.exception
    assert not app.error


@every_page
def test_a_visitor_below_the_pages_role_sees_one_sentence_and_no_data(monkeypatch, page):
    # without a database: a page that read anything before the check would say so
    monkeypatch.setattr(frame, "visitor", lambda: Actor("guest", Role.GUEST))
    app = open_app(page)
    assert not app.exception
    (error,) = app.error
    assert f"needs the role {ROLES.get(page, 'viewer')}" in error.value
    assert not app.metric
    assert not app.dataframe


@every_page
def test_who_is_signed_out_sees_the_sign_in_screen_alone(monkeypatch, page):
    # without a database, as above
    for name, value in OpenIdProvider(port=1).console_env(8501).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VENUE_OPS_DEFAULT_ROLE", "viewer")
    app = open_app(page, user={"is_logged_in": False})
    assert not app.exception
    assert not app.error
    assert [button.label for button in app.button] == ["Sign in"]
    assert not app.page_link
    assert not app.metric
    assert not app.dataframe


@every_page
def test_who_is_signed_in_is_named_with_their_role_and_may_sign_out(monkeypatch, page):
    for name, value in OpenIdProvider(port=1).console_env(8501).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VENUE_OPS_DEFAULT_ROLE", "viewer")
    app = open_app(page, user={"is_logged_in": True, "email": "a*nn@example.org"})
    assert not app.exception
    assert [text.value for text in app.sidebar.text] == ["You are a*nn@example.org, viewer"]
    assert app.button(key="sign_out").label == "Sign out"


@every_page
def test_the_navigation_leads_to_every_page(page):
    links = {link.value: link.proto.page for link in open_app(page).page_link}
    assert {label for label, _, _ in frame.PAGES} <= set(links)

"""The charts section: closed it asks nothing, open it draws one chart, a click says what stands behind it."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import streamlit as st
from sqlalchemy import event
from streamlit.testing.v1 import AppTest

from ops_core.analytics.chart_frames import provider_failures, providers_of
from ops_core.db.engine import get_engine
from ops_core.domain.errors import ErrorType
from ops_core.ui import chart_tables
from ops_core.ui.charts import OPEN, TAB, Pick, pick_of
from tests.support.factories import make_enrichment, make_provider

pytestmark = pytest.mark.postgres

TABS = ["Success rate", "Uploaded and failed", "Providers", "Cost"]
EDGES = [datetime(2026, 11, day, tzinfo=UTC) for day in (20, 21, 22)]
HOSTILE = '=HYPERLINK("http://x")<i>'


def page() -> None:
    from datetime import UTC, datetime, timedelta

    import streamlit as st

    from ops_core.domain.filters import Filters
    from ops_core.ui import cached
    from ops_core.ui.charts import charts_section

    now = st.session_state.setdefault("now", datetime.now(UTC))
    filters = Filters(since=now - timedelta(days=7), until=now, text=st.session_state.get("text", ""))
    charts_section(
        filters, zone="Europe/Warsaw", now=now, names=cached.provider_names(), on_pick=lambda pick: None
    )


def opened(tab: str | None = None, **state: object) -> AppTest:
    st.cache_data.clear()  # another test's database must not answer
    app = AppTest.from_function(page, default_timeout=30)
    if tab:
        app.session_state[OPEN], app.session_state[TAB] = True, tab
    for key, value in state.items():
        app.session_state[key] = value
    app.run()
    assert not app.exception
    return app


def figure(app: AppTest) -> dict:
    (chart,) = app.get("plotly_chart")
    return json.loads(chart.proto.spec)


@pytest.fixture
def some_operations(database):
    with database.begin() as connection:
        make_provider(connection, code="here", name=HOSTILE)
        make_enrichment(connection, uploaded=3, failures=[ErrorType.NOT_FOUND])
        make_enrichment(
            connection, uploaded=1, provider="here", finished_at=datetime.now(UTC) - timedelta(days=2)
        )


@pytest.mark.usefixtures("some_operations")
def test_closed_charts_ask_the_database_nothing():
    asked: list[str] = []
    event.listen(get_engine(), "before_cursor_execute", lambda *args: asked.append(args[2]))
    app = opened()
    assert [expander.label for expander in app.expander] == ["Charts"]
    assert not app.get("plotly_chart")
    assert [statement for statement in asked if "jobs" in statement] == []


@pytest.mark.usefixtures("some_operations")
@pytest.mark.parametrize("tab", TABS)
def test_an_open_tab_draws_its_chart_alone_and_says_what_is_counted(tab):
    app = opened(tab)
    assert [found.label for found in app.tabs] == TABS
    assert figure(app)["data"]
    assert len(app.caption) == 1
    assert [button.label for button in app.get("download_button")] == ["CSV"]


@pytest.mark.usefixtures("some_operations")
@pytest.mark.parametrize("tab", [tab for tab in TABS if tab != "Providers"])
def test_the_data_of_a_chart_is_shown_on_request(tab):
    app = opened(tab)
    assert not app.dataframe
    app.toggle[0].set_value(True).run()
    assert not app.exception
    assert len(app.dataframe) == 1


@pytest.mark.usefixtures("some_operations")
def test_providers_stand_in_a_table_with_their_failures_in_words():
    (table,) = opened("Providers").dataframe
    rows = {row["provider"]: row for row in table.value.to_dict("records")}
    assert rows["google_places"]["failures"] == "❓ Not found 1"
    assert (rows["google_places"]["uploaded"], rows["google_places"]["rate"]) == (3, 0.75)
    assert rows["here"]["name"] == HOSTILE


@pytest.mark.usefixtures("some_operations")
def test_a_hostile_name_is_no_html_in_a_chart():
    spec = json.dumps(figure(opened("Providers")), ensure_ascii=False)
    assert "&lt;i&gt;" in spec
    assert "<i>" not in spec


def test_the_file_is_what_the_table_shows_with_formulas_made_harmless():
    row = {"provider": "here", "jobs": 2, "fetched": 4, "uploaded": 0, "failed": 1}
    rows = providers_of([row | {"median_ms": None, "cost_usd": Decimal("0.25")}])
    failures = provider_failures([{"bucket": 1, "provider": "here", "error_type": "not_found", "images": 1}])
    table = chart_tables.providers(rows, failures, {"here": HOSTILE})
    head, line = csv.reader(table.csv().decode("utf-8-sig").splitlines())
    assert dict(zip(head, line, strict=True)) == {
        "provider": "here",
        "name": f"'{HOSTILE}",
        "operations": "2",
        "fetched": "4",
        "uploaded": "0",
        "failed": "1",
        "rate": "0.0",
        "low": "0.0",
        "high": "0.7934506856227626",
        "median_seconds": "",
        "cost_usd": "0.25",
        "cost_per_image": "",
        "failures": "❓ Not found 1",
    }


@pytest.mark.usefixtures("some_operations")
@pytest.mark.parametrize("tab", TABS)
def test_no_match_is_a_calm_sentence(tab):
    app = opened(tab, text="nothing is called this")
    assert [info.value for info in app.info] == ["Nothing to draw for these filters."]
    assert not app.get("plotly_chart")


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("tab", TABS)
def test_an_empty_database_is_a_calm_sentence(tab):
    assert len(opened(tab).info) == 1


def test_a_click_on_a_bar_is_its_time_and_error_type():
    picked = pick_of([{"customdata": [1, "not_found"]}], EDGES, ())
    assert picked == Pick(since=EDGES[1], until=EDGES[2], error_type=ErrorType.NOT_FOUND)


@pytest.mark.parametrize("word", ["", "other"])
def test_a_click_on_a_mark_of_no_one_type_is_its_time(word):
    assert pick_of([{"customdata": [0, word]}], EDGES, ()) == Pick(since=EDGES[0], until=EDGES[1])


def test_a_click_on_a_provider_leaves_the_dates():
    assert pick_of([{"customdata": [None, "here"]}], (), ["here"]) == Pick(provider="here")


@pytest.mark.parametrize(
    "points",
    [
        [],
        [{}],
        [{"customdata": None}],
        [{"customdata": [2, ""]}],
        [{"customdata": [-1, ""]}],
        [{"customdata": ["0", ""]}],
        [{"customdata": [0, 7]}],
        [{"customdata": [None, "nobody"]}],
        [{"customdata": [[0], {}]}],
        [{"customdata": "here"}],
    ],
)
def test_what_is_no_mark_of_ours_picks_nothing(points):
    assert pick_of(points, EDGES, ["here"]) is None

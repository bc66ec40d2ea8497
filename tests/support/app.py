"""The console's pages in this process, without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.testing.v1 import AppTest

ENTRY = Path(__file__).parents[2] / "streamlit_app.py"


def open_app(page: str | None = None, *, user: dict[str, Any] | None = None, **query: str) -> AppTest:
    """The app, run once: its home, or the page in the file `page`, with `query` in the address.

    `user` is what the sign-in provider says of who is there, with `is_logged_in`.
    """
    st.cache_data.clear()  # another test's database must not answer
    app = AppTest.from_file(ENTRY, default_timeout=30)
    app.context = {"timezone": "Europe/Warsaw"}
    if user is not None:
        app.user = user
    if page:
        app.switch_page(page)
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def texts(app: AppTest) -> str:
    """Everything the page says, in one string."""
    found = (*app.title, *app.subheader, *app.caption, *app.markdown)
    alerts = (*app.error, *app.warning, *app.info, *app.success)
    return "\n".join(
        [str(element.value) for element in (*found, *alerts)] + [alert.proto.title for alert in alerts]
    )

"""The console as a web server: Streamlit's pages, our own addresses, safe headers.

`venue-ops web` calls `serve`; `uvicorn ops_core.ui.server:app` works as well.
"""

from __future__ import annotations

import gc
import logging
import secrets
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from ops_core.settings import Settings
from ops_core.ui.address import BASE, serve_media, why_not_listen
from ops_core.ui.routes import own_routes
from ops_core.ui.security import SecurityHeaders

log = logging.getLogger(__name__)

#: The script behind every page.
SCRIPT = Path(__file__).parents[2] / "streamlit_app.py"


class CannotServe(Exception):
    """The console cannot start as it is set up; the message says what to change."""


@asynccontextmanager
async def _lifespan(app: st.App) -> AsyncIterator[None]:
    # what pages import is loaded and frozen first: Streamlit collects garbage after every run, and
    # walking these objects each time made a run three times slower
    import pandas
    import plotly.graph_objects  # noqa: F401

    import ops_core.ui.details  # noqa: F401

    log.debug("pages run on pandas %s", pandas.__version__)
    serve_media()
    gc.collect()
    gc.freeze()
    yield


def _on_script_error(error: Exception) -> bool:
    reference = secrets.token_hex(4)
    log.error("page failed, reference %s", reference, exc_info=error)
    st.error(
        f"The page could not be drawn to its end. Try again; if it stays, give whoever runs the console "
        f"the reference **{reference}**: the log has the cause under it.",
        title="Something went wrong here",
        icon=":material/error:",
    )
    return True


app = st.App(
    SCRIPT,
    lifespan=_lifespan,
    routes=own_routes(),
    middleware=[Middleware(SecurityHeaders)],
    on_script_error=_on_script_error,
)


def serve(settings: Settings) -> None:
    """Serve the console until SIGTERM or SIGINT. Raises `CannotServe` if it may not or cannot listen."""
    host, port = settings.console_host, settings.console_port
    _check_address(host, port)
    # Streamlit looks for .streamlit/config.toml beside the script named here, wherever we were started
    sys.argv = [str(SCRIPT)]
    app.run(
        config={
            "server.address": host,
            "server.port": port,
            "server.baseUrlPath": BASE.strip("/"),
            "server.headless": True,
        }
    )


def _check_address(host: str, port: int) -> None:
    refusal = why_not_listen(host)
    if refusal:
        raise CannotServe(refusal)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotServe(
                f"The console cannot listen on {host}:{port} ({error.strerror}): stop what uses the port, "
                "or set VENUE_OPS_CONSOLE_PORT to another."
            ) from error

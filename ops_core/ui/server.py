"""The console as a web server: Streamlit's pages, our own addresses, safe headers.

`venue-ops web` calls `serve`; `uvicorn --factory ops_core.ui.server:make_app` works as well.
"""

from __future__ import annotations

import gc
import logging
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from ops_core.settings import Settings, get_settings
from ops_core.ui.address import BASE, serve_media, why_not_listen
from ops_core.ui.return_to import ReturnTo
from ops_core.ui.routes import own_routes
from ops_core.ui.security import SecureCookies, SecurityHeaders, ThisMachineOnly
from ops_core.ui.sign_in import streamlit_secrets

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


def make_app(settings: Settings | None = None) -> st.App:
    """The console as an ASGI application."""
    settings = settings or get_settings()
    middleware = [Middleware(SecurityHeaders)]
    if settings.public_url is None:
        middleware.append(Middleware(ThisMachineOnly))
    else:
        middleware.append(Middleware(ReturnTo, origin=settings.public_url))
        if settings.public_url.startswith("https:"):
            middleware.insert(0, Middleware(SecureCookies))
    return st.App(
        SCRIPT,
        lifespan=_lifespan,
        routes=own_routes(),
        middleware=middleware,
        on_script_error=_on_script_error,
        secrets=streamlit_secrets(settings),
    )


def serve(settings: Settings) -> None:
    """Serve the console until SIGTERM or SIGINT. Raises `CannotServe` if it may not or cannot listen."""
    host, port = settings.console_host, settings.console_port
    _check_address(settings)
    config: dict[str, object] = {
        "server.address": host,
        "server.port": port,
        "server.baseUrlPath": BASE.strip("/"),
        "server.headless": True,
    }
    if settings.cookie_secret and settings.public_url:
        # read before the app has its secrets, to sign what a sign-in under way needs to be recognised by:
        # left to chance it would differ from console to console, and after every start
        os.environ["STREAMLIT_SERVER_COOKIE_SECRET"] = settings.cookie_secret.get_secret_value()
        # a proxy may ask us under another host name than the one people see
        config["server.corsAllowedOrigins"] = [settings.public_url]
    # Streamlit looks for .streamlit/config.toml beside the script named here, wherever we were started
    sys.argv = [str(SCRIPT)]
    make_app(settings).run(config=config)


def _check_address(settings: Settings) -> None:
    host, port = settings.console_host, settings.console_port
    refusal = why_not_listen(host, sign_in=settings.sign_in)
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

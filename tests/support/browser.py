"""A real Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect, sync_playwright

#: What a Chromium on the PATH is called, as in the Makefile.
_NAMES = ("chromium", "chromium-browser", "google-chrome")

_QUIET = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """The Chromium on PATH, or else Playwright's own."""
    # a page is told to be ready in a second or two; a machine that also runs the whole system needs more
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, _NAMES)), None)
        browser = playwright.chromium.launch(executable_path=found, args=_QUIET)
        yield browser
        browser.close()


class Tab:
    """A page with what went wrong in it."""

    def __init__(
        self, browser: Browser, *, width: int = 1400, height: int = 1200, scheme: str = "light"
    ) -> None:
        self._context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            timezone_id="Europe/Warsaw",
        )
        self.page: Page = self._context.new_page()
        self.complaints: list[str] = []  #: Errors of scripts, and what the browser refused to load.
        self.hosts: set[str] = set()  #: Where the page sent requests.
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._listen)
        self.page.on("request", self._note)

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def _listen(self, message: object) -> None:
        text = getattr(message, "text", "")
        # Streamlit looks for its base path by asking under each part of the address first
        if getattr(message, "type", "") == "error" and "404" not in text:
            self.complaints.append(text)

    def _note(self, request: object) -> None:
        scheme, _, rest = str(getattr(request, "url", "")).partition("://")
        if scheme in ("http", "https", "ws", "wss"):
            self.hosts.add(rest.partition("/")[0])

"""The retry that somebody is about to order, kept in the session until it is ordered or given up.

So its dialog outlives refreshes. Its token is made once: clicking twice makes one request.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlsplit
from uuid import uuid4

import streamlit as st

from ops_core import actions
from ops_core.actions import Preview
from ops_core.db import retry_scope
from ops_core.db.engine import get_engine
from ops_core.domain.off_peak import OffPeak
from ops_core.domain.retries import Scope
from ops_core.domain.retry_options import Options
from ops_core.domain.retry_plan import RetryPlan, SkipReason
from ops_core.ui import cached, retry_modes

_KEY = "retry_asked"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for, and what its dialog showed last."""

    scope: Scope
    words: str  #: What is retried: "venue #12".
    token: str
    job_id: int | None = None  #: The operation whose button was clicked.
    page: str = ""  #: Where it was asked for: the path of its address.
    preview: Preview | None = None
    options: Options = Options()  #: What the preview is for.
    by_the_rules: RetryPlan | None = None  #: The plan without an override.
    off_peak: OffPeak | None = None
    note: str = ""  #: What became of the last click, as Markdown.

    @property
    def is_scan(self) -> bool:
        """Whether it is the plain order to scan all venues, and no request of its own."""
        return self.scope.everything and self.options == Options()

    def showing(self, preview: Preview, options: Options) -> Asked:
        """The same with these numbers."""
        by_the_rules = self.by_the_rules if options.override else preview.plan
        return replace(self, preview=preview, options=options, by_the_rules=by_the_rules)


def ask(scope: Scope, words: str | None = None) -> None:
    """For callbacks: open the dialog for `scope` at the next run."""
    _open(Asked(scope, words or scope.in_words(), uuid4().hex))


def ask_for_job(job_id: int) -> None:
    """For callbacks: open the dialog for the failures of one operation, or of its venue if it has one."""
    scope = Scope(jobs=(job_id,))
    _open(Asked(scope, scope.in_words(), uuid4().hex, job_id))


def is_open() -> bool:
    """Whether a dialog waits for an answer: nothing may redraw the page under it."""
    return _KEY in st.session_state


def current() -> Asked | None:
    """What is asked for now."""
    asked: Asked | None = st.session_state.get(_KEY)
    return asked


def keep(asked: Asked) -> Asked:
    """Remember it for the next run; hands it back."""
    st.session_state[_KEY] = asked
    return asked


def leave_behind() -> None:
    """Close the dialog if it was asked for on another page: whoever went Back does not expect it here."""
    asked = current()
    if asked is not None and asked.page not in ("", _page()):
        give_up()


def give_up() -> None:
    """For callbacks: close the dialog."""
    st.session_state.pop(_KEY, None)


def with_numbers(asked: Asked, options: Options) -> Asked:
    """The same with numbers that hold for `options`: those it has, or else those of now."""
    if asked.preview is not None and _same_numbers(asked.options, options):
        return replace(asked, options=options)
    if asked.job_id is not None:
        mark = cached.retry_marks((asked.job_id,)).get(asked.job_id)
        if mark and mark.venue_id is not None:
            scope = Scope(venues=(mark.venue_id,))
            asked = replace(asked, scope=scope, words=scope.in_words())
    return asked.showing(actions.preview_retry(get_engine(), asked.scope, options), options)


def open_request(asked: Asked) -> int | None:
    """The newest open retry that has images of this one, where nothing is left to order."""
    plan = asked.preview.plan if asked.preview else None
    if plan is None or plan.images or SkipReason.IN_FLIGHT not in plan.skipped:
        return None
    with get_engine().connect() as connection:
        found = retry_scope.open_requests(connection, asked.scope)
    return found[-1] if found else None


def find_off_peak() -> OffPeak:
    """The off-peak hour for what is asked; looked for once."""
    asked = current()
    assert asked is not None
    assert asked.preview is not None
    if asked.off_peak is None:
        found = actions.choose_off_peak(get_engine(), asked.preview.plan)
        keep(replace(asked, off_peak=found))
        return found
    return asked.off_peak


def _open(asked: Asked) -> None:
    retry_modes.forget()
    keep(replace(asked, page=_page()))


def _page() -> str:
    return urlsplit(st.context.url or "").path


def _same_numbers(one: Options, other: Options) -> bool:
    # the begin changes no number
    return all(
        getattr(one, name) == getattr(other, name)
        for name in ("override", "per_hour", "usd_per_day", "sample")
    )

"""The dialog before every retry: what will happen, what will not, and what it costs; then the order itself.

What is asked for is kept in the session until it is ordered or given up, so that the dialog outlives
refreshes. Its token is made once: clicking twice makes one request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import uuid4

import pandas as pd
import streamlit as st
from sqlalchemy.exc import SQLAlchemyError

from ops_core import actions
from ops_core.db.engine import get_engine, is_unavailable
from ops_core.domain.retries import Scope
from ops_core.domain.retry_plan import RetryPlan, SkipReason
from ops_core.ui import badges, cached, cached_detail, notices, sign_in
from ops_core.ui.address import BASE
from ops_core.ui.frame import database
from ops_core.ui.markdown import plain

_ASKED = "retry_asked"

#: Why images are left out, as a person reads it in the dialog.
_SKIPPED: dict[SkipReason, str] = {
    SkipReason.PERMANENT: "cannot succeed: their error is permanent, such as not found",
    SkipReason.AMBIGUOUS: "need a decision: their error could be temporary or final",
    SkipReason.LIMIT: "have used up their 3 automatic retries",
    SkipReason.RECOVERED: "are in the store already",
    SkipReason.IN_FLIGHT: "are being retried already",
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A retry that somebody is about to order."""

    scope: Scope
    words: str  #: What is retried: "venue #12".
    token: str
    job_id: int | None = None  #: The operation whose button was clicked.
    plan: RetryPlan | None = None  #: What the dialog showed last.
    note: str = ""  #: What became of the last click.

    @property
    def scans(self) -> bool:
        """Whether it is the order to scan all venues."""
        return self.scope.everything


def ask(scope: Scope, words: str | None = None) -> None:
    """For callbacks: open the dialog for `scope` at the next run."""
    st.session_state[_ASKED] = _Asked(scope, words or scope.in_words(), uuid4().hex)


def ask_for_job(job_id: int) -> None:
    """For callbacks: open the dialog for the failures of one operation, or of its venue if it has one."""
    scope = Scope(jobs=(job_id,))
    st.session_state[_ASKED] = _Asked(scope, scope.in_words(), uuid4().hex, job_id)


def is_open() -> bool:
    """Whether a dialog waits for an answer: nothing may redraw the page under it."""
    return _ASKED in st.session_state


def draw(names: Mapping[str, str]) -> None:
    """Draw the dialog if one was asked for; to be called once, at the end of the page."""
    if is_open():
        asked: _Asked = st.session_state[_ASKED]
        if asked.plan is None:
            asked = st.session_state[_ASKED] = _planned(asked)
        title = "Retry all failed images" if asked.scans else f"Retry {plain(asked.words)}"
        st.dialog(title, width="medium", icon=":material/replay:", on_dismiss=_give_up)(_body)(names)


def _body(names: Mapping[str, str]) -> None:
    asked: _Asked | None = st.session_state.get(_ASKED)
    if asked is None:
        st.rerun()
        return
    with database():
        if asked.plan is None:
            asked = _planned(asked)
            st.session_state[_ASKED] = asked
    plan = asked.plan
    assert plan is not None
    if asked.scope.filters is not None:
        st.caption("All failed images of these operations, whichever provider or error the filter names.")
    if asked.note:
        st.warning(asked.note, icon=":material/info:")
    _plan(plan, names)
    if asked.scans and plan.images:
        st.caption(
            "A scan looks at every venue with failures once more and queues what is eligible then. "
            "Permanent failures are only counted; ambiguous ones wait for a person."
        )
    confirm, cancel = st.columns(2)
    confirm.button(
        _label(plan, scans=asked.scans),
        key="retry_confirm",
        type="primary",
        width="stretch",
        disabled=not plan.images,
        on_click=_order,
        args=(asked,),
    )
    cancel.button("Cancel", key="retry_cancel", width="stretch", on_click=_give_up)


def _planned(asked: _Asked) -> _Asked:
    scope, words = asked.scope, asked.words
    if asked.job_id is not None:
        mark = cached.retry_marks((asked.job_id,)).get(asked.job_id)
        if mark and mark.venue_id is not None:
            scope = Scope(venues=(mark.venue_id,))
            words = scope.in_words()
    return replace(asked, scope=scope, words=words, plan=actions.preview_retry(get_engine(), scope))


def _label(plan: RetryPlan, *, scans: bool) -> str:
    if scans and plan.images:
        return "Scan and retry all"
    return f"Retry {_count(plan.images, 'image')}" if plan.images else "Nothing to retry"


def _plan(plan: RetryPlan, names: Mapping[str, str]) -> None:
    if plan.images:
        st.markdown(
            f"**{_count(plan.images, 'image')}** in **{_count(plan.venues, 'venue')}** will be tried again."
        )
        st.dataframe(
            pd.DataFrame(
                {
                    "provider": [[names.get(share.provider, share.provider)] for share in plan.by_provider],
                    "images": [share.images for share in plan.by_provider],
                    "calls": [share.calls for share in plan.by_provider],
                    "cost": [float(share.cost_usd) for share in plan.by_provider],
                }
            ),
            hide_index=True,
            column_config={
                "provider": badges.provider_column(names, "Provider"),
                "images": st.column_config.NumberColumn("Images"),
                "calls": st.column_config.NumberColumn(
                    "Calls expected", help="Paid or counted calls to the provider's API, one try each"
                ),
                "cost": st.column_config.NumberColumn("Cost expected", format="$%.3f"),
            },
            alt="What is tried, by provider",
        )
        st.markdown(
            f"Expected beside the downloads: **{_count(plan.calls, 'provider call')}**, "
            f"**\\${plan.cost_usd:.3f}** in all."
        )
    elif plan.in_scope:
        st.info("None of these images can be retried now.", icon=":material/block:")
    else:
        st.success("No failed image here: there is nothing to retry.", icon=":material/check_circle:")
    if plan.skipped:
        lines = [f"- **{count:,}** {_SKIPPED[reason]}" for reason, count in plan.skipped.items()]
        st.markdown(f"Left out, {_count(sum(plan.skipped.values()), 'image')}:\n" + "\n".join(lines))


def _order(asked: _Asked) -> None:
    """The click itself: the core checks, writes and tells; nothing is drawn between."""
    # who is here now, not who was when the dialog was drawn
    actor = sign_in.here()
    if actor is None:
        _give_up()
        return
    try:
        if asked.scans:
            queued = actions.retry_all_failed(get_engine(), actor=actor, token=asked.token)
            message = "Batch retry queued: scanning all venues" if queued.is_new else "A scan runs already"
            job_id: int | None = queued.job_id
        else:
            done = actions.submit_retry(
                get_engine(), asked.scope, actor=actor, token=asked.token, expected=asked.plan
            )
            if not done.is_new:
                # the other click of a double click has said it
                _give_up()
                return
            message = f"Retry queued for {plain(asked.words)}"
            job_id = cached.first_job_of_request(done.request_id)
    except actions.Changed as changed:
        st.session_state[_ASKED] = replace(
            asked,
            plan=changed.plan,
            note="Things changed while you were reading: nothing was started. These are the numbers now.",
        )
        return
    except SQLAlchemyError as error:
        if not is_unavailable(error):
            raise
        st.session_state[_ASKED] = replace(
            asked,
            note="The database cannot be reached. Try again in a minute: however often you click, "
            "it is ordered only once.",
        )
        return
    except actions.Refused as refused:
        st.session_state[_ASKED] = replace(asked, plan=None, note=plain(str(refused)))
        return
    finally:
        cached.read_again()
        cached_detail.forget()
    link = f" · [See it]({BASE}/operations?job={job_id})" if job_id else ""
    notices.keep(message + link)
    _give_up()


def _give_up() -> None:
    st.session_state.pop(_ASKED, None)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

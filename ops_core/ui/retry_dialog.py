"""The dialog before every retry: what will happen, what will not, what to expect; then the order itself.

The usual case is one glance and one click: what can be chosen is folded away until it is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import streamlit as st

from ops_core.domain.retry_options import When
from ops_core.domain.retry_plan import counted
from ops_core.ui import retry_asked, retry_modes, retry_order, retry_preview, retry_sentences
from ops_core.ui.frame import database
from ops_core.ui.markdown import plain
from ops_core.ui.retry_asked import Asked, ask, ask_for_job, is_open
from ops_core.ui.viewer import zone_name

__all__ = ["ask", "ask_for_job", "draw", "is_open"]


def draw(names: Mapping[str, str]) -> None:
    """Draw the dialog if one was asked for; to be called once, at the end of the page."""
    retry_asked.leave_behind()
    asked = retry_asked.current()
    if asked is None:
        return
    if asked.preview is None:
        # before the title: an operation's scope is its venue's
        asked = retry_asked.keep(retry_asked.with_numbers(asked, asked.options))
    title = "Retry all failed images" if asked.scope.everything else f"Retry {plain(asked.words)}"
    st.dialog(title, width="medium", icon=":material/replay:", on_dismiss=retry_asked.give_up)(_body)(names)


def _body(names: Mapping[str, str]) -> None:
    asked = retry_asked.current()
    if asked is None:
        st.rerun()
        return
    zone, now = zone_name(), datetime.now(UTC)
    with database():
        choice = retry_modes.chosen(asked.off_peak, now=now, zone=zone)
        asked = retry_asked.keep(retry_asked.with_numbers(asked, choice.options or asked.options))
        assert asked.preview is not None
        if asked.scope.filters is not None:
            st.caption("All failed images of these operations, whichever provider or error the filter names.")
        if asked.note:
            st.warning(asked.note, icon=":material/info:")
        retry_preview.draw(asked.preview, asked.options, names)
        _link_to_open(asked)
        _override(asked)
        images = asked.preview.plan.images
        if images:
            with st.expander("When and how", key="retry_how"):
                retry_modes.draw(images, retry_asked.find_off_peak, now=now, zone=zone)
                # the off-peak hour may have been found in this very run
                asked = retry_asked.current() or asked
                choice = retry_modes.chosen(asked.off_peak, now=now, zone=zone)
                asked = retry_asked.keep(retry_asked.with_numbers(asked, choice.options or asked.options))
                if choice.problem:
                    st.warning(plain(choice.problem), icon=":material/schedule:")
        _foot(asked, zone, can_be_ordered=images > 0 and choice.options is not None)


def _link_to_open(asked: Asked) -> None:
    request_id = retry_asked.open_request(asked)
    if request_id is not None and st.button(
        f"See retry #{request_id}", key="retry_see_open", icon=":material/arrow_forward:"
    ):
        # no link: the dialog would go along
        retry_asked.give_up()
        st.switch_page("pages/retries.py", query_params={"retry": str(request_id)})


def _override(asked: Asked) -> None:
    """The door to what the rules leave out, if they leave something out."""
    plan, preview = asked.by_the_rules, asked.preview
    if plan is None or preview is None:
        return
    final = sum(plan.skipped.get(reason, 0) for reason in retry_sentences.FINAL)
    if final:
        with st.expander("Also try final failures", key="retry_final", type="compact"):
            retry_modes.draw_override(final, preview.plan.images - plan.images)


def _foot(asked: Asked, zone: str, *, can_be_ordered: bool) -> None:
    """What was chosen in a sentence, and the two buttons."""
    assert asked.preview is not None
    images = asked.preview.plan.images
    said = retry_sentences.how(asked.options, images, zone) if can_be_ordered else ""
    if said:
        st.markdown(said)
    elif asked.is_scan and images:
        st.caption(
            "A scan looks at every venue with failures once more and queues what is eligible then. "
            "Permanent failures are only counted; ambiguous ones wait for a person."
        )
    confirm, cancel = st.columns(2)
    confirm.button(
        _label(asked, images),
        key="retry_confirm",
        type="primary",
        width="stretch",
        disabled=not can_be_ordered,
        on_click=retry_order.order,
        args=(asked,),
    )
    cancel.button("Cancel", key="retry_cancel", width="stretch", on_click=retry_asked.give_up)


def _label(asked: Asked, images: int) -> str:
    if not images:
        return "Nothing to retry"
    if asked.is_scan:
        return "Scan and retry all"
    verb = "Retry" if asked.options.when is When.NOW else "Schedule"
    return f"{verb} {counted(images, 'image')}"

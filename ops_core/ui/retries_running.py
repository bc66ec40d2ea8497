"""The strip on other pages that says which retries are open: one line each, as long as there are any."""

from __future__ import annotations

import streamlit as st

from ops_core.analytics.retry_frames import ended_share, sample_of
from ops_core.db.retries import Request
from ops_core.ui import cached, retries_cached
from ops_core.ui.frame import database
from ops_core.ui.markdown import plain
from ops_core.ui.retries_cached import Seen
from ops_core.ui.retries_pace import pace
from ops_core.ui.retries_words import done_words, sample_words, scope_words, standing_badge
from ops_core.ui.viewer import zone_name

#: Seconds between two looks, and lines that are drawn at most.
STRIP_SECONDS, MOST_LINES = 3, 4


@st.fragment(run_every=f"{STRIP_SECONDS}s")
def running_strip(may_retry: bool) -> None:
    """The open retries, newest first; nothing when none is open. Looks again by itself.

    The link of each line leads to its controls for whoever `may_retry`, for others to its course.
    """
    with database():
        seen = retries_cached.all_open()
        if not seen.requests:
            return
        with st.container(border=True, gap="small", key="retries_running"):
            for request in list(seen.requests.values())[:MOST_LINES]:
                _line(request, seen, may_retry=may_retry)
            more = len(seen.requests) - MOST_LINES
            if more > 0:
                some = (
                    f"{retries_cached.MOST_OPEN:,}+"
                    if len(seen.requests) >= retries_cached.MOST_OPEN
                    else more
                )
                st.page_link("pages/retries.py", label=f"{some} more open", icon=":material/more_horiz:")


def _line(request: Request, seen: Seen, *, may_retry: bool) -> None:
    names, zone = cached.provider_names(), zone_name()
    words = scope_words(request.scope, seen.names, names, zone)
    facts = [done_words(request), *pace(request, seen, names)]
    sample = sample_of(request)
    if sample:
        facts.append(sample_words(sample))
    what, bar, link = st.columns([6, 6, 2], vertical_alignment="center")
    what.markdown(
        f":material/replay: {plain(words)} {standing_badge(request, seen.now, zone)}",
    )
    bar.progress(ended_share(request), text=f":small[{plain(' · '.join(facts))}]")
    link.page_link(
        "pages/retries.py",
        label="Steer" if may_retry else "Watch",
        icon=":material/arrow_forward:",
        query_params={"retry": str(request.id)},
    )

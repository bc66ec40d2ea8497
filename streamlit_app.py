"""Home: what needs a person now."""

import streamlit as st

from ops_core.domain.access import Role
from ops_core.ui import cards, retries_running
from ops_core.ui.frame import open_page
from ops_core.ui.viewer import zone_name

with open_page("Home") as person:
    st.title("What needs you now")
    st.caption(
        "Open failures by what can be done about them, what else waits, and whether the system is at work."
    )
    cards.running_now()
    retries_running.running_strip(may_retry=person.role >= Role.OPERATOR)
    cards.overview(zone_name())
    st.page_link("pages/operations.py", label="See the last operations", icon=":material/arrow_forward:")

"""The last finished jobs: what each did, what failed and why, and the photos it brought in."""

import streamlit as st

from ops_core.analytics.frames import figures
from ops_core.ui import cached, cards, details, tables
from ops_core.ui.frame import open_page

with open_page("Operations"):
    zone = cards.zone_name()
    heading, corner = st.columns([4, 1], vertical_alignment="bottom")
    heading.title("Operations")
    heading.caption("What the last finished jobs did for every venue and image, newest first.")
    corner.button("Refresh", icon=":material/refresh:", on_click=cached.read_again, width="stretch")

    recent = cached.recent_jobs()
    names = cached.provider_names()
    corner.caption(cards.read_at_line(recent))

    cards.underway_strip()
    if recent.jobs.empty:
        st.info(
            "Load venues with `venue-ops venues load FILE`. Each job that a worker finishes appears here.",
            title="No operations yet",
            icon=":material/photo_library:",
        )
        st.stop()

    cards.figure_cards(figures(recent.jobs))
    picked = tables.job_table(recent.jobs, names, zone)
    if picked is None:
        st.caption("Tick a row to see the job's providers, failed images and photos.")
    else:
        details.job_panel(picked, names, zone)

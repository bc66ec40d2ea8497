"""Small gray print that everybody can read."""

from __future__ import annotations

import streamlit as st


def fine_print(*lines: str, help_text: str | None = None) -> None:
    """Lines of Markdown, small and gray. `st.caption` fades links and words below a contrast of 4.5."""
    st.markdown("  \n".join(f":small[:gray[{line}]]" for line in lines), help=help_text)

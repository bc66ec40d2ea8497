"""The little that themes cannot say: margins, readable fine print, retry buttons, photos that do not load."""

from __future__ import annotations

import streamlit as st

from ops_core.analytics import palette
from ops_core.ui import stand_ins

#: Keys of the buttons that order a retry for more than one row.
ORANGE = ("retry_all", "retry_confirm")


def apply() -> None:
    """Add it to the page."""
    theme = palette.DARK if st.context.theme.type == "dark" else palette.LIGHT
    fill = theme.shades["orange"].mark
    buttons = ", ".join(f".st-key-{key} button:not(:disabled)" for key in ORANGE)
    margin = "clamp(1rem, 2.5vw, 2.5rem)"
    st.html(
        f"""<style>
        [data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] :is(p, li, strong) {{
            color: {theme.shades["gray"].text}; opacity: 1; }}
        [data-testid="stCaptionContainer"] a {{ color: {theme.shades["blue"].text}; opacity: 1; }}
        /* its file would hold one page only */
        .st-key-operations_table [data-testid="stElementToolbar"] {{ display: none; }}
        /* cells that a spreadsheet could run would be in these files as they are */
        [data-testid="stElementToolbar"] [aria-label^="Download as CSV"] {{ display: none; }}
        /* in a narrow column, what a badge or the name of a venue says is read to its end */
        [data-testid="stMain"] [data-testid="stMarkdownContainer"] .stMarkdownBadge {{ white-space: normal; }}
        [data-testid="stMain"] [data-testid="stPageLink-NavLink"] [data-testid="stMarkdownContainer"],
        [data-testid="stMain"] [data-testid="stPageLink-NavLink"] [data-testid="stMarkdownContainer"] p {{
            white-space: normal; line-height: 1.4; }}
        .stMainBlockContainer {{ padding-left: {margin}; padding-right: {margin}; }}
        {buttons} {{ background: {fill}; border-color: {fill}; color: {theme.page}; }}
        {buttons.replace("disabled)", "disabled):hover")} {{ filter: brightness(0.92); color: {theme.page}; }}
        {stand_ins.style(theme)}
        </style>"""
    )

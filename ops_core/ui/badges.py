"""Badges, in Markdown and in table cells, coloured by the palette."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from ops_core.analytics import palette
from ops_core.analytics.frames import outcome_label
from ops_core.domain.errors import ERRORS
from ops_core.domain.images import ImageState
from ops_core.domain.jobs import JobState, JobStatus, ProviderStatus
from ops_core.ui.markdown import plain

#: Streamlit has no colour of this name; both themes read this one well.
_PINK = palette.LIGHT.shades["pink"].mark


def badge(label: str, colour: str) -> str:
    """A badge as Markdown; its label is shown as it is."""
    return f":{colour}-badge[{plain(label)}]"


def words(value: str) -> str:
    """An enum value as people read it: `no_images` is "No images"."""
    return value.replace("_", " ").capitalize()


def outcome_colour(state: str, status: str | None) -> str:
    """The colour of a finished job."""
    if state == JobState.COMPLETED and status:
        return palette.STATUS[JobStatus(status)]
    return palette.STATE.get(JobState(state), "gray")


def outcome_badge(state: str, status: str | None) -> str:
    """How a finished job ended, as Markdown."""
    return badge(outcome_label(state, status), outcome_colour(state, status))


def outcome_column() -> Any:
    """The column for how jobs ended: cells are lists of one `outcome_label`."""
    colours = {outcome_label("completed", status): palette.STATUS[status] for status in JobStatus}
    colours |= {words(state): colour for state, colour in palette.STATE.items()}
    return _column("Status", colours, "How the job ended")


def provider_column(names: Mapping[str, str], label: str) -> Any:
    """The column for providers: cells are lists of names."""
    colours = {name: palette.provider_colour(code) for code, name in names.items()}
    return _column(label, colours)


def provider_status_column() -> Any:
    """The column for how a provider did: cells are lists of one word."""
    return _column("Result", {words(status): palette.PROVIDER_STATUS[status] for status in ProviderStatus})


def error_column() -> Any:
    """The column for error types: cells are lists of one icon and label."""
    return _column("Error", {f"{row.icon} {row.label}": row.colour for row in ERRORS.values()})


def image_state_column(label: str) -> Any:
    """The column for the state of images: cells are lists of one word."""
    return _column(label, {words(state): palette.IMAGE_STATE[state] for state in ImageState})


def cells(values: pd.Series) -> pd.Series:
    """Each value as a list of one, which is what a column of badges shows; nothing stays nothing."""
    return pd.Series(
        [[] if pd.isna(value) else [value] for value in values], dtype="object", index=values.index
    )


def _column(label: str, colours: Mapping[str, str], help_text: str | None = None) -> Any:
    return st.column_config.MultiselectColumn(
        label,
        options=list(colours),
        color=[_PINK if colour == "pink" else colour for colour in colours.values()],
        help=help_text,
    )

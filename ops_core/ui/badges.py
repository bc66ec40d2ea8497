"""Badges, in Markdown and in table cells, coloured by the palette."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from ops_core.analytics import palette
from ops_core.analytics.frames import outcome_label
from ops_core.analytics.job_frames import NOW
from ops_core.domain.errors import ERRORS, info
from ops_core.domain.images import AttemptOutcome
from ops_core.domain.jobs import JobOutcome, JobState
from ops_core.domain.retries import ItemState, RequestState
from ops_core.ui.markdown import plain


def words(value: str) -> str:
    """An enum value as people read it: `no_images` is "No images"."""
    return value.replace("_", " ").capitalize()


#: Statuses of jobs and providers, and states that say more: the Material icon of each.
_ICONS: dict[str, str] = {
    JobOutcome.SUCCESS: "check_circle",
    JobOutcome.PARTIAL: "rule",
    JobOutcome.FAILED: "error",
    JobOutcome.NO_IMAGES: "hide_image",
    JobOutcome.ERROR: "error",
    JobOutcome.SKIPPED: "skip_next",
    JobOutcome.DISCARDED: "cancel",
    JobOutcome.CANCELLED: "block",
    JobState.AVAILABLE: "schedule",
    JobState.EXECUTING: "autorenew",
    JobState.RETRYABLE: "schedule",
}
#: States of jobs that have not ended, as people read them, and their colours.
_OPEN: dict[str, tuple[str, str]] = {
    JobState.AVAILABLE: ("Waiting", "gray"),
    JobState.EXECUTING: ("Running", "blue"),
    JobState.RETRYABLE: ("Waiting for another run", "orange"),
}
_RESULTS: dict[str, tuple[str, str]] = {
    **{str(word): (words(word), colour) for word, colour in palette.STATUS.items()},
    **{str(word): (words(word), colour) for word, colour in palette.STATE.items()},
    **_OPEN,
}
#: How runs and tries end, and jobs: word and colour.
_EVENTS: dict[str, tuple[str, str]] = _RESULTS | {
    AttemptOutcome.UPLOADED: ("Uploaded", "green"),
    AttemptOutcome.LOST: ("Worker lost", "gray"),
    "broke": ("Broke", "red"),
}
_RETRIES: dict[str, str] = {
    RequestState.RUNNING: "blue",
    RequestState.COMPLETED: "green",
    ItemState.UPLOADED: "green",
    ItemState.FAILED: "red",
}


def badge(label: str, colour: str, icon: str = "") -> str:
    """A badge as Markdown; its label is shown as it is, after `icon` (a Material name) if given."""
    text = f":material/{icon}: {plain(label)}" if icon else plain(label)
    if colour == "pink":
        shade = _pink()
        return f':small[:color[{text}]{{foreground="{shade.text}" background="{shade.fill}"}}]'
    return f":{colour}-badge[{text}]"


def provider_badge(code: str, names: Mapping[str, str]) -> str:
    """A provider as Markdown, in its own colour."""
    return badge(names.get(code, code), palette.provider_colour(code))


def error_badge(error_type: str, times: int | None = None) -> str:
    """An error type as Markdown, with its icon, and how often it happened if given."""
    row = info(error_type)
    label = f"{row.icon} {row.label}"
    return badge(label if times is None else f"{times:,} × {label}", row.colour)


def result_badge(word: str) -> str:
    """How a job or a provider did, as Markdown: the word of its status, or of its state if it is open."""
    label, colour = _RESULTS.get(word, (words(word), "gray"))
    return badge(label, colour, _ICONS.get(word, ""))


def retry_badge(word: str) -> str:
    """The state of a retry request or of an image in it, as Markdown."""
    return badge(words(word), _RETRIES.get(word, "gray"))


def outcome_column() -> Any:
    """The column for how jobs ended: cells are lists of one `outcome_label`."""
    colours = {outcome_label(outcome): _RESULTS[outcome][1] for outcome in JobOutcome}
    return _column("Status", colours, "How the operation ended")


def standing_column() -> Any:
    """The column for what became of a job's failures: cells are lists of one `standing`."""
    words = (
        "What its failed images are now. Failed again: a later operation tried them and holds them. "
        "Failed before: this one did not try them."
    )
    return _column("Failures", palette.STANDING, words, width=100)


def provider_column(names: Mapping[str, str], label: str) -> Any:
    """The column for providers: cells are lists of names."""
    colours = {name: palette.provider_colour(code) for code, name in names.items()}
    return _column(label, colours)


def error_column() -> Any:
    """The column for error types: cells are lists of one icon and label."""
    return _column("Error", {f"{row.icon} {row.label}": row.colour for row in ERRORS.values()})


def now_column(label: str, help_text: str) -> Any:
    """The column for what failed images are now: cells are lists of one word of `job_frames.NOW`."""
    colours = {NOW[state]: palette.IMAGE_STATE[state] for state in NOW}
    return _column(label, colours, help_text)


def event_column(label: str) -> Any:
    """The column for how a run or a try ended: cells are lists of one word of `event_word`."""
    return _column(label, dict(_EVENTS.values()))


def event_word(result: str) -> str:
    """How a run, a try or a job ended, as people read it."""
    return _EVENTS[result][0] if result in _EVENTS else words(result)


def cells(values: pd.Series) -> pd.Series:
    """Each value as a list of one, which is what a column of badges shows; nothing stays nothing."""
    return pd.Series(
        [[] if pd.isna(value) else [value] for value in values], dtype="object", index=values.index
    )


def _column(
    label: str, colours: Mapping[str, str], help_text: str | None = None, width: int | None = None
) -> Any:
    return st.column_config.MultiselectColumn(
        label,
        options=list(colours),
        color=[_pink().fill if colour == "pink" else colour for colour in colours.values()],
        help=help_text,
        width=width,
    )


def _pink() -> palette.Shade:
    """Streamlit has no colour of this name."""
    return (palette.DARK if st.context.theme.type == "dark" else palette.LIGHT).shades["pink"]

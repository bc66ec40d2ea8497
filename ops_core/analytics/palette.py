"""The one palette: what colour a status, an error or a provider has, and the hex values of each.

The names are Streamlit's colour names (pink is ours); `.streamlit/config.toml` gives the theme the
same hex values, so that a badge in a table, a number in a card and a bar in a chart agree.
"""

from __future__ import annotations

from dataclasses import dataclass

from ops_core.analytics import frames
from ops_core.domain.errors import ERRORS, Classification, ErrorType
from ops_core.domain.images import ImageState
from ops_core.domain.jobs import JobState, JobStatus, ProviderStatus


@dataclass(frozen=True, slots=True)
class Shade:
    """One colour in one theme: `text` is readable on `fill` and on the page, `mark` is for chart marks."""

    text: str
    fill: str
    mark: str


@dataclass(frozen=True, slots=True)
class Theme:
    """The surfaces of one theme, and its colours by name."""

    page: str
    panel: str  #: Sidebar, inputs.
    ink: str  #: Body text.
    line: str  #: Borders, and the grid behind charts.
    shades: dict[str, Shade]


LIGHT = Theme(
    page="#ffffff",
    panel="#f5f7fa",
    ink="#1b2430",
    line="#dde3ea",
    shades={
        "green": Shade("#116329", "#dcf5e3", "#1a7f37"),
        "red": Shade("#a40e26", "#ffe5e3", "#cf222e"),
        "orange": Shade("#8f3b00", "#ffead9", "#c45100"),
        "yellow": Shade("#6b5200", "#fdf3c4", "#9a6700"),
        "blue": Shade("#0a4aa5", "#dfeeff", "#1f6fd6"),
        "violet": Shade("#5b32a8", "#efe7ff", "#7c4fd6"),
        "pink": Shade("#97216b", "#ffe6f3", "#bf3989"),
        "gray": Shade("#4a5565", "#e9edf2", "#6b7686"),
    },
)
DARK = Theme(
    page="#10151c",
    panel="#171e27",
    ink="#e6ebf2",
    line="#2b3540",
    shades={
        "green": Shade("#6fdd8b", "#12331e", "#3fb950"),
        "red": Shade("#ff9a93", "#43191c", "#f85149"),
        "orange": Shade("#ffab66", "#402310", "#f0883e"),
        "yellow": Shade("#e8c04f", "#372d0c", "#d29922"),
        "blue": Shade("#8cc2ff", "#132a4a", "#4f9bf5"),
        "violet": Shade("#c9aefc", "#2b1f4b", "#a371f7"),
        "pink": Shade("#ff9fd0", "#3d1732", "#db61a2"),
        "gray": Shade("#b4bfcc", "#27303b", "#8b97a6"),
    },
)

STATUS: dict[JobStatus, str] = {
    JobStatus.SUCCESS: "green",
    JobStatus.PARTIAL: "yellow",
    JobStatus.FAILED: "red",
    JobStatus.ERROR: "red",
    JobStatus.NO_IMAGES: "gray",
    JobStatus.SKIPPED: "gray",
}
#: How a job ended where its state says more than its status.
STATE: dict[JobState, str] = {JobState.DISCARDED: "red", JobState.CANCELLED: "gray"}
PROVIDER_STATUS: dict[ProviderStatus, str] = {
    ProviderStatus.SUCCESS: "green",
    ProviderStatus.FAILED: "red",
    ProviderStatus.NO_IMAGES: "gray",
    ProviderStatus.SKIPPED: "gray",
}
IMAGE_STATE: dict[ImageState, str] = {
    ImageState.DISCOVERED: "gray",
    ImageState.UPLOADING: "blue",
    ImageState.UPLOADED: "green",
    ImageState.FAILED: "orange",
    ImageState.PERMANENTLY_FAILED: "red",
    ImageState.REFERENCED: "blue",
}
#: What became of the images a job left failed (`frames.standing`).
STANDING: dict[str, str] = {
    frames.QUEUED: "blue",
    frames.RETRYABLE: "orange",
    frames.RECOVERED: "green",
    frames.FAILED_LATER: "gray",
    frames.FAILED_BEFORE: "gray",
    frames.STILL_FAILED: "red",
}
CLASSIFICATION: dict[Classification, str] = {
    Classification.TRANSIENT: "orange",
    Classification.PERMANENT: "red",
    Classification.AMBIGUOUS: "gray",
}
#: Patterns in bars: all shapes on the colour, then all in the colour.
_SHAPES, _FILLS = ("", "/", "x", ".", "-", "\\", "+", "|"), ("overlay", "replace")
_PROVIDER = {"google_places": "orange", "foursquare": "pink", "here": "violet", "mapbox": "blue"}


def provider_colour(code: str) -> str:
    """The colour name of a provider; those without one of their own are gray."""
    return _PROVIDER.get(code, "gray")


def error_pattern(error_type: ErrorType) -> tuple[str, str]:
    """Shape and fill mode (as Plotly names them) that set bars of errors of one colour apart."""
    alike = [kind for kind, row in ERRORS.items() if row.colour == ERRORS[error_type].colour]
    place = alike.index(error_type)
    return _SHAPES[place % len(_SHAPES)], _FILLS[place // len(_SHAPES)]

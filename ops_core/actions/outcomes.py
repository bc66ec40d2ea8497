"""How an action ends: what it queued, or why it was not carried out."""

from __future__ import annotations

from dataclasses import dataclass

from ops_core.domain.forecast import Forecast
from ops_core.domain.retry_plan import RetryPlan


class Refused(Exception):
    """The action was not carried out; the message says why and what to do."""


class NotAllowed(Refused):
    """The actor's role does not allow the action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a retry would do, and what it is expected to come to."""

    plan: RetryPlan
    forecast: Forecast


class Changed(Refused):
    """What would be done is not what the person was shown; `preview` is what it would be now."""

    def __init__(self, preview: Preview) -> None:
        super().__init__("The failures changed meanwhile: look at the new numbers and confirm again.")
        self.preview = preview


class AlreadyOpen(Refused):
    """Nothing is left to order: the open retry `request_id` has these images."""

    def __init__(self, request_id: int, message: str) -> None:
        super().__init__(message)
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class Queued:
    """The job that carries an action out, and whether it was there already."""

    job_id: int
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A retry request, and whether it was there already (a second click of the same dialog)."""

    request_id: int
    is_new: bool
    images: int  #: That are tried.
    venues: int  #: That these belong to.
    plan: RetryPlan  #: As submitted.

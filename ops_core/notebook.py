"""Retries from Python notebooks, in a person's words; the command line speaks them too.

    import ops_core

    preview = ops_core.preview_retry(provider="foursquare", error_type="rate_limited", since="7d")
    preview                                   # what it would do, and what to expect
    retry = ops_core.submit_retry(preview)    # exactly that, or `Changed`
    retry.wait()

Plan, checks and audit are those of the console; the actor is `local`, the user of this machine.
"""

from __future__ import annotations

import html
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from ops_core import actions
from ops_core.actions import Changed, Refused, Submitted
from ops_core.db import names, retries
from ops_core.db.engine import get_engine
from ops_core.db.retries import Request
from ops_core.domain import retry_wishes
from ops_core.domain.access import LOCAL
from ops_core.domain.forecast import Forecast
from ops_core.domain.off_peak import OffPeak
from ops_core.domain.retries import RequestState, Scope
from ops_core.domain.retry_options import Options, When
from ops_core.domain.retry_plan import RetryPlan
from ops_core.domain.retry_texts import plan_lines
from ops_core.domain.retry_wishes import Moment, Unclear, Wish

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Changed", "Refused", "Retry", "RetryPreview", "Unclear", "preview_retry", "submit_retry"]

Ids = int | Iterable[int]
Words = str | Iterable[str]

#: Seconds between two looks of `Retry.wait`.
_PAUSE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RetryPreview:
    """A retry that nobody has ordered yet: what it would do, and what to expect of it."""

    scope: Scope
    options: Options
    plan: RetryPlan
    forecast: Forecast
    off_peak: OffPeak | None = None  #: How the hour was chosen, if it was asked for.

    def __repr__(self) -> str:
        return "\n".join(plan_lines(self.scope, self.options, self.plan, self.forecast, self.off_peak))

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"

    def frame(self) -> pd.DataFrame:
        """A row for each provider and error type: images, and the share expected to come in (0 to 1)."""
        import pandas as pd

        expected = {(kind.provider, kind.error_type): kind for kind in self.forecast.kinds}
        rows = []
        for kind in self.plan.kinds:
            known = expected.get((kind.provider, kind.error_type))
            rows.append(
                {
                    "provider": kind.provider,
                    "error_type": kind.error_type and kind.error_type.value,
                    "images": kind.images,
                    "history": known.tries if known else 0,
                    "expected": known.share if known else None,
                    "low": known.low if known else None,
                    "high": known.high if known else None,
                }
            )
        types = {"provider": "str", "error_type": "str", "images": "int64", "history": "int64"}
        types |= dict.fromkeys(("expected", "low", "high"), "float64")
        return pd.DataFrame(rows, columns=list(types)).astype(types)


class Retry:
    """A retry that was ordered. `Retry(7)` is the one with that id, whoever ordered it."""

    def __init__(
        self, request_id: int, *, engine: Engine | None = None, submitted: Submitted | None = None
    ) -> None:
        self.id = request_id
        self.submitted = submitted  #: What was ordered, if it was ordered here.
        self._engine = engine or get_engine()

    def __repr__(self) -> str:
        found = self.status()
        return (
            f"Retry #{self.id} of {found.scope.in_words()}, {found.state.value}: {found.images:,} images, "
            f"{found.uploaded:,} uploaded, {found.failed:,} failed, {found.open:,} open"
        )

    def status(self) -> Request:
        """The retry as it is now. Raises `Refused` if there is none with this id."""
        with self._engine.connect() as connection:
            found = retries.request(connection, self.id)
        if found is None:
            raise Refused(f"There is no retry #{self.id}.")
        return found

    def wait(self, seconds: float | None = None) -> Request:
        """Wait until it has ended or is paused, for at most `seconds`; the retry as it is then.

        Raises `TimeoutError`. Interrupting the wait does not stop the retry.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            found = self.status()
            if found.finished_at is not None or found.state is RequestState.PAUSED:
                return found
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"Retry #{self.id} has not ended within {seconds:g} s; it goes on.")
            time.sleep(_PAUSE)

    def pause(self) -> Request:
        """Hand out nothing more; what workers have begun finishes. Raises `Refused`."""
        return actions.pause_retry(self._engine, self.id, actor=LOCAL)

    def resume(self) -> Request:
        """Go on after a pause. Raises `Refused`."""
        return actions.resume_retry(self._engine, self.id, actor=LOCAL)

    def cancel(self) -> Request:
        """End it: what workers have begun finishes, the rest is let go. Raises `Refused`."""
        return actions.cancel_retry(self._engine, self.id, actor=LOCAL)

    def rerun(self) -> Retry:
        """Order what failed in it once more. Raises `Refused`."""
        done = actions.rerun_failed(self._engine, self.id, actor=LOCAL, token=uuid4().hex)
        return Retry(done.request_id, engine=self._engine, submitted=done)


def preview_retry(
    *,
    venue: Ids = (),
    venues: Ids = (),
    image: Ids = (),
    images: Ids = (),
    job: Ids = (),
    jobs: Ids = (),
    request: int | None = None,
    provider: Words = (),
    providers: Words = (),
    error_type: Words = (),
    error_types: Words = (),
    city: Words | Ids = (),
    cities: Words | Ids = (),
    since: Moment | None = None,
    until: Moment | None = None,
    all: bool = False,
    at: Moment | None = None,
    off_peak: bool = False,
    zone: str | None = None,
    per_hour: int | None = None,
    usd_per_day: str | float | Decimal | None = None,
    sample: int | None = None,
    sample_share: float | None = None,
    override: bool = False,
    engine: Engine | None = None,
) -> RetryPreview:
    """What a retry would do now; changes nothing.

    What: ids of venues, images or operations (`jobs`), what failed in an earlier retry (`request`), or all;
    or failures by provider code, error type, city (id or name), venue and time of the last try, together.
    Times are datetimes, "24h", "7d", "2026-11-23"; without a zone of their own they are those of `zone`,
    or else of this machine's clock.

    How: begin `at` ("02:00", a datetime) or off-peak, images an hour, dollars a day, a `sample` of images
    first that must come in by `sample_share` (0 to 1), and `override` for final failures.

    Raises `Unclear`, with a sentence, for what makes no sense.
    """
    engine = engine or get_engine()
    now, clock = datetime.now(UTC), _zone(zone)
    wish = Wish(
        venues=_ids(venue, venues),
        images=_ids(image, images),
        jobs=_ids(job, jobs),
        request=request,
        providers=_words(provider, providers),
        error_types=_words(error_type, error_types),
        cities=_words(city, cities),
        since=since,
        until=until,
        everything=all,
    )
    if at is not None and off_peak:
        raise Unclear("Begin at a time or off-peak, not both.")
    options = retry_wishes.options(
        now=now,
        zone=clock,
        at=at,
        per_hour=per_hour,
        usd_per_day=usd_per_day,
        sample=sample,
        sample_share=sample_share,
        override=override,
    )
    with engine.connect() as connection:
        scope = names.scope_of(connection, wish, now=now, zone=clock)
    found = actions.preview_retry(engine, scope, options)
    hour = None
    if off_peak and found.plan.images:
        hour = actions.choose_off_peak(engine, found.plan)
        options = replace(options, when=When.OFF_PEAK, at=hour.start)
        found = actions.preview_retry(engine, scope, options)
    return RetryPreview(scope=scope, options=options, plan=found.plan, forecast=found.forecast, off_peak=hour)


def submit_retry(
    preview: RetryPreview | None = None,
    /,
    *,
    reason: str = "",
    token: str | None = None,
    engine: Engine | None = None,
    **words: Any,
) -> Retry:
    """Order a retry: exactly what `preview` showed, or what the same words as for `preview_retry` say.

    The same `token` never makes a second one. Raises `Changed` if it is no longer what `preview` showed,
    `AlreadyOpen` and `Refused` as the console does, and `Unclear`.
    """
    engine = engine or get_engine()
    if preview is not None and words:
        raise Unclear("Give a preview, or say what to retry: not both.")
    wanted = preview or preview_retry(engine=engine, **words)
    done = actions.submit_retry(
        engine,
        wanted.scope,
        actor=LOCAL,
        token=token or uuid4().hex,
        options=wanted.options,
        expected=preview.plan if preview else None,
        reason=reason,
    )
    return Retry(done.request_id, engine=engine, submitted=done)


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # a name that is no file name, too long, or not there
        raise Unclear(f'There is no time zone "{name}": write one such as Europe/Warsaw, or UTC.') from None


def _ids(*given: Ids) -> tuple[int, ...]:
    return tuple(int(each) for ids in given for each in ((ids,) if isinstance(ids, int) else ids))


def _words(*given: Words | Ids) -> tuple[str, ...]:
    return tuple(
        str(each) for words in given for each in ((words,) if isinstance(words, str | int) else words)
    )

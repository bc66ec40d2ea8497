"""Finding venues at providers: search by name near the coordinates, judge what is found, take a clear id.

Each answer is judged and kept at once, so that a provider that answered is never asked (and paid) again
by the same job. What is not clear waits for a person; what a person decided stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from ops_core.db import job_providers, jobs, matches, places, searches
from ops_core.db.job_providers import ProviderResult
from ops_core.db.jobs import ClaimedJob
from ops_core.db.matches import Match
from ops_core.db.places import VenueContext
from ops_core.db.providers import ActiveProvider
from ops_core.domain.jobs import ProviderStatus
from ops_core.domain.matches import judge
from ops_core.domain.places import Venue
from ops_core.providers.http import Api
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Place, PlaceFinder
from ops_core.settings import Settings
from ops_core.work import report, search_report
from ops_core.work.asking import Asked, ask_all
from ops_core.work.job_runs import IN_OTHER_HANDS, TakenOver, TryAgain
from ops_core.work.rate_limits import PutOff
from ops_core.work.session import Session

#: Places that one search asks for: what comes after these is not the venue.
MOST_PLACES = 8
#: What a provider must be able to do, as in `providers.capabilities`.
SEARCH = "search"


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of one provider's answer, and the id to give to the venue, if any."""

    result: ProviderResult
    key: str = ""
    place_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """Whom a job asks, and whom it does not and why."""

    ask: list[str] = field(default_factory=list)
    left: list[ProviderResult] = field(default_factory=list)


def finder(code: str) -> PlaceFinder | None:
    """The source of that provider, if it can find venues."""
    source = SOURCES.get(code)
    return source if isinstance(source, PlaceFinder) else None


def searchable(active: Mapping[str, ActiveProvider], settings: Settings) -> dict[str, str]:
    """The providers that can be searched, with the key that an id at each is kept under."""
    return {
        code: source.id_key
        for code, provider in active.items()
        if SEARCH in provider.capabilities
        and (source := finder(code)) is not None
        and source.cannot_search(settings) is None
    }


def why_not_searchable(active: Collection[str], settings: Settings) -> list[str]:
    """Why those of the `active` providers that find venues cannot be searched; each names the setting."""
    whys = [source.cannot_search(settings) for code in active if (source := finder(code)) is not None]
    return [why for why in whys if why is not None]


async def run(session: Session, job: ClaimedJob) -> None:
    """Work one search off. Raises `PutOff`, `TryAgain` and `TakenOver`."""
    context = await asyncio.to_thread(_venue, session, job)
    if context is None:
        await asyncio.to_thread(_finish_without_venue, session, job)
        return
    known = await asyncio.to_thread(_known, session, context.id)
    plan = _plan(session, job, context.venue, known)
    asked = await ask_all(session, plan.ask, _question(context.venue), lambda provider: provider.search_usd)
    later = _later(job, asked)
    await asyncio.to_thread(_keep, session, job, asked, plan.left, later)
    if later:
        raise later


def _venue(session: Session, job: ClaimedJob) -> VenueContext | None:
    with session.engine.connect() as connection:
        return places.venue_context(connection, job.venue_id) if job.venue_id else None


def _context(connection: Connection, job: ClaimedJob) -> VenueContext:
    """The venue as it is now. Raises `TakenOver` if it is gone: then there is nothing to say of it."""
    context = places.venue_context(connection, job.venue_id) if job.venue_id else None
    if context is None:
        raise TakenOver
    return context


def _known(session: Session, venue_id: int) -> dict[str, Match]:
    with session.engine.connect() as connection:
        return matches.of_venue(connection, venue_id)


def _plan(session: Session, job: ClaimedJob, venue: Venue, known: Mapping[str, Match]) -> _Plan:
    only: list[str] | None = job.args.get("providers")
    answered: list[str] = job.meta.get("answered", [])
    plan = _Plan()
    for code, key in searchable(session.providers, session.settings).items():
        if key in venue.provider_ids or code in answered or (only is not None and code not in only):
            continue
        match = known.get(code)
        if match is not None and match.state.by_person and not job.args.get("force"):
            plan.left.append(_left(code, f"{match.decided_by or 'a person'} decided: {match.state}"))
        else:
            plan.ask.append(code)
    return plan


def _left(code: str, reason: str) -> ProviderResult:
    return ProviderResult(provider=code, status=ProviderStatus.SKIPPED, reason=reason)


def _question(venue: Venue) -> Callable[[str, Api], Any]:
    async def question(code: str, api: Api) -> list[Place]:
        source = finder(code)
        assert source is not None
        return await source.find_places(venue, api, limit=MOST_PLACES)

    return question


def _later(job: ClaimedJob, asked: Asked[Place]) -> Exception | None:
    """Why the job must come back to ask who could not answer; None if it need not."""
    if asked.wait:
        return PutOff(asked.wait)
    late = asked.may_answer_later if job.attempt < job.max_attempts else []
    if late:
        return TryAgain("; ".join(f"{line.provider} could not search: {line.reason}" for line in late))
    return None


def _keep(
    session: Session,
    job: ClaimedJob,
    asked: Asked[Place],
    left: Sequence[ProviderResult],
    later: Exception | None,
) -> None:
    """Judge what was answered and keep it; end the job unless it must come back."""
    wait = 0.0
    with session.engine.begin() as connection:
        # two venues of one name must not both take one id, and nobody decides meanwhile
        places.hold_places(connection)
        context = _context(connection, job)
        answers = [_judged(connection, job, context, line, asked) for line in asked.results]
        job_providers.save(connection, job.id, [*left, *(answer.result for answer in answers)])
        ids = {answer.key: answer.place_id for answer in answers if answer.place_id is not None}
        meta = {**job.meta, "answered": [*job.meta.get("answered", []), *asked.found]}
        if ids or meta.get("photos_wait"):
            followed = _photos_follow(connection, session, job, context)
            meta["photos_wait"] = not followed
            wait = 0.0 if followed or later else IN_OTHER_HANDS
        if later or wait:
            if not jobs.save_meta(connection, job, meta):
                raise TakenOver
        else:
            _write_end(connection, _facts(connection, job, context))
        # the venue's row comes last, as for everybody who locks rows of jobs too
        for key, place_id in ids.items():
            matches.add_id(connection, context.id, key, place_id)
    if wait:
        raise PutOff(wait)


def _judged(
    connection: Connection, job: ClaimedJob, context: VenueContext, line: ProviderResult, asked: Asked[Place]
) -> _Answer:
    """What comes of one provider's answer; its match is kept, its id is to be given to the venue."""
    source, found = finder(line.provider), asked.found.get(line.provider)
    if source is None or found is None:
        return _Answer(line)
    key = source.id_key
    if key in context.venue.provider_ids:
        return _Answer(replace(line, status=ProviderStatus.SKIPPED, reason="The venue got an id meanwhile."))
    owners = matches.owners(connection, key, [place.place_id for place in found], but=context.id)
    taken = {place_id: owner.id for place_id, owner in owners.items()}
    decision = judge(context.venue, found, key=key, taken=taken)
    kept = matches.keep(
        connection,
        context.id,
        line.provider,
        decision,
        job_id=job.id,
        asked_at=job.inserted_at,
        force=bool(job.args.get("force")),
    )
    if not kept:
        return _Answer(replace(line, status=ProviderStatus.SKIPPED, reason="A person decided meanwhile."))
    status = ProviderStatus.SUCCESS if decision.chosen else ProviderStatus.NO_IMAGES
    return _Answer(
        replace(line, status=status, reason=decision.reason),
        key,
        decision.chosen.place_id if decision.chosen else None,
    )


def _photos_follow(connection: Connection, session: Session, job: ClaimedJob, context: VenueContext) -> bool:
    """Have the providers asked for photos with the ids that were found.

    False if that cannot be arranged yet: an enrichment that runs may have asked already, and there is never
    a second one.
    """
    made = jobs.enqueue_enrichments(
        connection,
        [context.id],
        actor=job.actor,
        force=True,
        parent_id=job.id,
        max_attempts=session.settings.job_max_attempts,
    )
    return bool(made) or searches.enrichment_will_ask(connection, context.id)


def _facts(connection: Connection, job: ClaimedJob, context: VenueContext) -> search_report.Facts:
    return search_report.Facts(
        job=job,
        context=context,
        results=job_providers.load(connection, job.id),
        matches=matches.found_by(matches.of_venue(connection, context.id), job.id),
        now=datetime.now(UTC),
    )


def _write_end(connection: Connection, facts: search_report.Facts) -> None:
    if not jobs.finish(connection, facts.job, search_report.result(facts)):
        raise TakenOver


def discard(session: Session, job: ClaimedJob, error: str) -> None:
    """End a job that cannot go on, with what it did until then."""
    with session.engine.begin() as connection:
        facts = _facts(connection, job, _context(connection, job))
        if not jobs.finish(connection, job, report.broken(search_report.result(facts), error)):
            raise TakenOver


def _finish_without_venue(session: Session, job: ClaimedJob) -> None:
    with session.engine.begin() as connection:
        jobs.finish(connection, job, search_report.without_venue(job, datetime.now(UTC)))

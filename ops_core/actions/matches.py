"""Deciding which place at a provider a venue is, or that none of those found is it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from ops_core.actions.outcomes import Refused
from ops_core.actions.steps import require, tell
from ops_core.db import audit, jobs, matches, places, providers, searches
from ops_core.db.matches import Match
from ops_core.db.places import VenueContext
from ops_core.domain.access import Actor, Role
from ops_core.domain.jobs import JobKind
from ops_core.domain.matches import MatchState, id_key
from ops_core.domain.places import IDENTIFYING, PROVIDER_ID_SHAPES
from ops_core.settings import get_settings
from ops_core.work.reasons import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a person was shown of a match when they decided."""

    state: MatchState | None  #: None: there was no search.
    venue_has: str | None  #: The id that the venue had at the provider.


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a decision came to."""

    is_new: bool  #: Whether it changed anything; a second click does not.
    words: str  #: A sentence for people.
    job_id: int | None = None  #: The enrichment that asks for photos with the id.


def choose_match(
    engine: Engine,
    venue_id: int,
    provider: str,
    place_id: str | None,
    *,
    actor: Actor,
    seen: Seen | None = None,
) -> Decided:
    """Say that the venue is the place `place_id` at `provider`, or with None that it is none of those found.

    The place need not be one that a search found. Whatever id the venue had there gives way; with None, an
    id that a search or a decision had given is taken away, one from a list stays. Raises `Refused`: also
    when somebody decided something else since the person was shown `seen`.
    """
    wanted = None if place_id is None else clean(place_id)
    scope = {"venue_id": venue_id, "provider": provider, "place_id": wanted}
    require(engine, actor, Role.OPERATOR, "choose_match", scope)
    try:
        with engine.begin() as connection:
            decided = _choose(connection, venue_id, provider, wanted, actor, seen)
            audit.write(
                connection, actor=actor.name, action="choose_match", scope=scope, outcome=decided.words
            )
    except Refused as refused:
        with engine.begin() as connection:
            outcome = f"refused: {refused}"
            audit.write(connection, actor=actor.name, action="choose_match", scope=scope, outcome=outcome)
        raise
    if decided.job_id is not None:
        tell(engine, JobKind.ENRICHMENT, [decided.job_id])
    return decided


def _choose(
    connection: Connection,
    venue_id: int,
    provider: str,
    wanted: str | None,
    actor: Actor,
    seen: Seen | None,
) -> Decided:
    name, key = providers.name_of(connection, provider), id_key(provider)
    if name is None or key not in IDENTIFYING:
        raise Refused(f"“{provider}” is no provider at which venues have ids.")
    match = matches.hold(connection, venue_id, provider)
    context = places.venue_context(connection, venue_id)
    if context is None:
        raise Refused(f"There is no venue #{venue_id}.")
    has: str | None = context.venue.provider_ids.get(key)
    if (
        match is not None
        and match.state.by_person
        and match.place_id == wanted
        and (wanted is None or has == wanted)
    ):
        return Decided(is_new=False, words=f"That was decided already: {match.reason}")
    if seen is not None and (seen.state, seen.venue_has) != (match.state if match else None, has):
        raise Refused("Somebody or a search changed this meanwhile: look at it again, then decide.")
    if wanted is None:
        return _reject(connection, context, provider, name, match, has, actor)
    return _confirm(connection, context, provider, name, match, has, wanted, actor)


def _confirm(
    connection: Connection,
    context: VenueContext,
    provider: str,
    name: str,
    match: Match | None,
    has: str | None,
    wanted: str,
    actor: Actor,
) -> Decided:
    key = id_key(provider)
    if not PROVIDER_ID_SHAPES[key].fullmatch(wanted):
        raise Refused(f"“{wanted[:60]}” is no id of {name}: {_EXAMPLES[key]}")
    owner = matches.owners(connection, key, [wanted], but=context.id).get(wanted)
    if owner is not None and owner.city_id == context.city_id:
        raise Refused(
            f"“{owner.name}” (venue #{owner.id}) has this id already: two venues of a city cannot be one "
            f"place. Correct that venue first, if it is wrong there."
        )
    candidate = next((each for each in (match.candidates if match else ()) if each.place_id == wanted), None)
    typed = "" if candidate else ", typed in"
    matches.decide(
        connection,
        context.id,
        provider,
        place_id=wanted,
        score=candidate.score if candidate else None,
        # not what the provider calls it: audit rows and reasons are kept for ever
        reason=f"{actor.name} chose {wanted}{typed}.",
        decided_by=actor.name,
    )
    if has == wanted:
        return Decided(is_new=True, words=f"{context.venue.name} is {wanted} at {name}, as it was.")
    job_id = _ask_for_photos(connection, context.id, actor)
    matches.set_id(connection, context.id, key, wanted)
    follow = f" Its photos follow in job {job_id}." if job_id else " Its photos follow at the next check."
    words = f"{context.venue.name} is {wanted} at {name}.{follow}"
    return Decided(
        is_new=True, words=words + _left_over(connection, context.id, provider, has), job_id=job_id
    )


def _reject(
    connection: Connection,
    context: VenueContext,
    provider: str,
    name: str,
    match: Match | None,
    has: str | None,
    actor: Actor,
) -> Decided:
    if match is None:
        raise Refused(f"{context.venue.name} was not searched for at {name}: there is nothing to reject.")
    matches.decide(
        connection,
        context.id,
        provider,
        place_id=None,
        score=None,
        reason=f"{actor.name} said that none of them is the venue.",
        decided_by=actor.name,
    )
    words = f"None of the places at {name} is {context.venue.name}."
    if has is not None and has == match.place_id:
        matches.set_id(connection, context.id, id_key(provider), None)
        words += f" Its id {has} was taken away." + _left_over(connection, context.id, provider, has)
    elif has is not None:
        words += f" Its id {has} did not come from a search, and stays."
    return Decided(is_new=True, words=words)


def _left_over(connection: Connection, venue_id: int, provider: str, had: str | None) -> str:
    """What to know of the images that came with the id that the venue `had`."""
    count = matches.images_of(connection, venue_id, provider) if had is not None else 0
    if not count:
        return ""
    noun = "image that came" if count == 1 else "images that came"
    stay = "stays as it is" if count == 1 else "stay as they are"
    return f" The {count:,} {noun} with the id before {stay}: look whether they show the venue."


def _ask_for_photos(connection: Connection, venue_id: int, actor: Actor) -> int | None:
    """The enrichment that will use the new id; None if one runs that may have asked already."""
    made = jobs.enqueue_enrichments(
        connection,
        [venue_id],
        actor=actor.name,
        force=True,
        max_attempts=get_settings().job_max_attempts,
    )
    if made:
        return made[0]
    if searches.enrichment_will_ask(connection, venue_id):
        return jobs.open_enrichment(connection, venue_id)
    return None


#: What ids look like, for those who typed another one.
_EXAMPLES = {
    "google_places": "those are long, such as ChIJD7fiBh9u5kcRYJSMaMOCCwQ.",
    "foursquare": "those have 24 digits and letters a to f, such as 4b05866cf964a520e0a522e3.",
    "here": "those begin with here:, such as here:pds:place:616u33db-0ba1.",
    "mapbox": "those are letters and digits, such as dXJuOm1ieHBvaTo0ZDk0.",
    "wikidata": "those are a Q and a number, such as Q195311.",
    "osm": "those are N, W or R and a number, such as W4040000.",
    "geoapify": "those are long and of letters and digits.",
}

"""Who may do what. The check stands where the action happens (`ops_core.actions`), not at its button."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TypeGuard


class Role(IntEnum):
    """What a person may do; each role may do what those below it may."""

    GUEST = 0  #: Nothing yet.
    VIEWER = 1  #: Look.
    OPERATOR = 2  #: Retry, pause, triage.
    ADMIN = 3  #: Change settings, rules and roles.

    @property
    def word(self) -> str:
        """The role as people read it: "operator"."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for an action; `name` goes into audit rows."""

    name: str
    role: Role


#: Commands on this machine, notebooks, and the console without sign-in: who reaches them owns the machine.
LOCAL = Actor("local", Role.ADMIN)

#: Longest e-mail address there can be, characters.
MAX_EMAIL = 320
#: A person in more groups than this has their groups unread.
MAX_GROUPS = 1000
_MAX_NAME = 200
_END_OF_TIME = 1e11  # seconds; what lies beyond is no time

_EMAIL = re.compile(r"[^\s@*,]+@[^\s@*,]+")
_DOMAIN = re.compile(r"@[^\s@*,]+")
_GROUP = re.compile(r"group:(?! )[^,\n]+(?<! )")
_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


class Kind(StrEnum):
    """What a rule looks at."""

    EMAIL = "email"
    DOMAIN = "domain"
    GROUP = "group"


#: One thing that a rule names and that may be true of a person.
Trait = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Rules:
    """Which role belongs to which trait."""

    roles: Mapping[Trait, Role] = field(default_factory=dict)
    default: Role = Role.GUEST  #: Of people who are signed in and whom no rule names.
    groups_claim: str = "groups"  #: The claim that lists a person's groups.


def parse_traits(text: str) -> list[Trait]:
    """What a comma separated list such as `ann@example.org, @example.com, group:ops` names.

    Raises `ValueError` with what to write instead.
    """
    return [_trait(entry.strip()) for entry in text.split(",") if entry.strip()]


def role_for(claims: Mapping[str, object], rules: Rules) -> Role:
    """The highest role that any rule gives the person with these claims; never raises.

    The e-mail address counts unless the provider says that it is not verified: many providers leave
    `email_verified` out, and they are the ones whose word was chosen to be taken. Letters A to Z compare
    without case, all others exactly, so that no look-alike is folded into somebody else.
    """
    named = (rules.roles[trait] for trait in _traits(claims, rules) if trait in rules.roles)
    return max(named, default=rules.default)


def actor_for(claims: Mapping[str, object], rules: Rules) -> Actor:
    """The person with these claims: called by their e-mail address, or else by the provider's id of them."""
    return Actor(_name(claims), role_for(claims, rules))


def is_over(claims: Mapping[str, object], *, now: float, hours: float | None) -> bool:
    """Whether a sign-in has run out at `now`, Unix seconds.

    It lasts `hours` from when the token was issued, or, without `hours`, as long as the token itself says.
    A time that is no number is over.
    """
    if hours is not None and "iat" in claims:
        issued = claims["iat"]
        return not (_is_time(issued) and now < issued + hours * 3600)
    if "exp" in claims:
        expires = claims["exp"]
        return not (_is_time(expires) and now < expires)
    return False


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _END_OF_TIME


def _trait(entry: str) -> Trait:
    if _GROUP.fullmatch(entry):
        return Kind.GROUP, entry.removeprefix("group:")
    lowered = _lower(entry)
    if _EMAIL.fullmatch(lowered):
        return Kind.EMAIL, lowered
    if _DOMAIN.fullmatch(lowered):
        return Kind.DOMAIN, lowered.removeprefix("@")
    raise ValueError(
        f'"{entry}" names nobody: write e-mail addresses (ann@example.org), domains (@example.org) '
        "or groups (group:name), with commas between them"
    )


def _traits(claims: Mapping[str, object], rules: Rules) -> Iterator[Trait]:
    email = _email(claims)
    if email:
        yield Kind.EMAIL, email
        yield Kind.DOMAIN, email.rpartition("@")[2]
    groups = claims.get(rules.groups_claim)
    if isinstance(groups, str):
        groups = [groups]
    if isinstance(groups, list | tuple) and len(groups) <= MAX_GROUPS:
        yield from ((Kind.GROUP, group) for group in groups if isinstance(group, str))


def _email(claims: Mapping[str, object]) -> str | None:
    email, verified = claims.get("email"), claims.get("email_verified")
    if not isinstance(email, str) or len(email) > MAX_EMAIL:
        return None
    # some providers send the words "true" and "false"
    if not (
        verified is None or verified is True or (isinstance(verified, str) and _lower(verified) == "true")
    ):
        return None
    before, _, domain = email.rpartition("@")
    return _lower(email) if before and domain and email.isprintable() and " " not in email else None


def _name(claims: Mapping[str, object]) -> str:
    email = _email(claims)
    if email:
        return email
    subject = claims.get("sub")
    if isinstance(subject, str) and subject.strip() and subject.isprintable():
        # no name of a person may read like "local" or the name of a schedule
        return f"id {subject.strip()[:_MAX_NAME]}"
    return "somebody without a name"


def _lower(text: str) -> str:
    return text.translate(_ASCII_LOWER)

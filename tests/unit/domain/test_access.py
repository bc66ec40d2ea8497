"""Which role belongs to whom."""

from __future__ import annotations

import string
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ops_core.domain.access import (
    MAX_EMAIL,
    MAX_GROUPS,
    Kind,
    Role,
    Rules,
    actor_for,
    is_over,
    parse_traits,
    role_for,
)


def rules(*, viewers="", operators="", admins="", default=Role.GUEST):
    lists = ((Role.VIEWER, viewers), (Role.OPERATOR, operators), (Role.ADMIN, admins))
    roles = {trait: role for role, text in lists for trait in parse_traits(text)}
    return Rules(roles, default)


RULES = rules(
    viewers="@example.org, group:staff", operators="ben@example.org, group:Ops", admins="ann@example.com"
)

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
junk = plain | st.lists(plain, max_size=4) | st.dictionaries(st.text(max_size=5), plain, max_size=3)
words = st.text(string.ascii_letters + string.digits + ".-_", min_size=1, max_size=12)
emails = st.builds(lambda name, domain: f"{name}@{domain}", words, words)


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"email": "ann@example.com"}, Role.ADMIN),
        ({"email": "ANN@Example.COM"}, Role.ADMIN),
        ({"email": "ann@example.com", "email_verified": True}, Role.ADMIN),
        ({"email": "ann@example.com", "email_verified": "true"}, Role.ADMIN),
        ({"email": "ann@example.com", "email_verified": None}, Role.ADMIN),
        ({"email": "ann@example.com", "email_verified": False}, Role.GUEST),
        ({"email": "ann@example.com", "email_verified": "false"}, Role.GUEST),
        ({"email": "ann@example.com", "email_verified": "no"}, Role.GUEST),
        ({"email": "ann@example.com", "email_verified": []}, Role.GUEST),
        ({"email": "eve@example.com"}, Role.GUEST),
        ({"email": "eve@example.org"}, Role.VIEWER),
        ({"email": "ben@example.org"}, Role.OPERATOR),
        ({"email": "eve@sub.example.org"}, Role.GUEST),
        ({"email": "eve@example.org.elsewhere.example"}, Role.GUEST),
        ({"email": "eve@notexample.org"}, Role.GUEST),
        ({"email": "ann@example.com@elsewhere.example"}, Role.GUEST),
        ({"email": "eve@elsewhere.example@example.org"}, Role.VIEWER),
        ({"email": "@example.org"}, Role.GUEST),
        ({"email": "eve@example.org "}, Role.GUEST),
        ({"email": "eve@\nexample.org"}, Role.GUEST),
        ({"email": ["ann@example.com"]}, Role.GUEST),
        ({"preferred_username": "ann@example.com", "sub": "ann@example.com"}, Role.GUEST),
        ({"groups": ["staff"]}, Role.VIEWER),
        ({"groups": "Ops"}, Role.OPERATOR),
        ({"groups": ["ops"]}, Role.GUEST),
        ({"groups": ["staff", "Ops"]}, Role.OPERATOR),
        ({"groups": [None, 3, {"name": "Ops"}, ["Ops"]]}, Role.GUEST),
        ({"groups": {"Ops": True}}, Role.GUEST),
        ({"groups": "staff,Ops"}, Role.GUEST),
        ({"email": "ben@example.org", "email_verified": False, "groups": ["staff"]}, Role.VIEWER),
        ({}, Role.GUEST),
    ],
)
def test_a_role_comes_from_the_highest_rule_that_names_the_person(claims, role):
    assert role_for(claims, RULES) is role


@pytest.mark.parametrize(
    ("email", "role"), [("eve@elsewhere.example", Role.VIEWER), ("ann@example.com", Role.ADMIN)]
)
def test_the_default_is_for_those_whom_nothing_names(email, role):
    found = rules(admins="ann@example.com", default=Role.VIEWER)
    assert role_for({"email": email}, found) is role


def test_a_default_does_not_lift_those_who_are_named_lower():
    found = rules(viewers="ann@example.com", default=Role.OPERATOR)
    assert role_for({"email": "ann@example.com"}, found) is Role.VIEWER


def test_groups_are_read_from_the_claim_that_is_set():
    found = Rules({(Kind.GROUP, "ops"): Role.OPERATOR}, groups_claim="roles")
    assert role_for({"roles": ["ops"]}, found) is Role.OPERATOR
    assert role_for({"groups": ["ops"]}, found) is Role.GUEST


def test_more_groups_than_anybody_is_in_give_nothing():
    assert role_for({"groups": ["Ops"] * MAX_GROUPS}, RULES) is Role.OPERATOR
    assert role_for({"groups": ["Ops"] * (MAX_GROUPS + 1)}, RULES) is Role.GUEST


def test_a_group_is_not_taken_for_an_address_nor_an_address_for_a_group():
    found = rules(admins="group:ann@example.com, eve@example.org")
    assert role_for({"email": "group:ann@example.com"}, found) is Role.GUEST
    assert role_for({"email": "ann@example.com"}, found) is Role.GUEST
    assert role_for({"groups": ["eve@example.org", "@example.org"]}, found) is Role.GUEST


@pytest.mark.parametrize(
    ("look_alike", "somebody"),
    [
        ("mar\u212a@example.org", "mark@example.org"),
        ("stra\u00dfe@example.org", "strasse@example.org"),
        ("i\u0130@example.org", "ii\u0307@example.org"),
    ],
)
def test_a_look_alike_is_somebody_else(look_alike, somebody):
    assert role_for({"email": look_alike}, rules(admins=somebody)) is Role.GUEST
    assert role_for({"email": look_alike}, rules(admins=look_alike)) is Role.ADMIN


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["email", "email_verified", "groups", "sub", "exp", "iat"]), junk))
@example({"email": "a" * MAX_EMAIL + "@example.org"})
@example({"exp": 10**400, "iat": 10**400})
@example({"exp": float("nan")})
def test_hostile_claims_give_nothing_and_never_raise(claims):
    unguessable = uuid4().hex
    found = rules(admins=f"{unguessable}@example.org, @{unguessable}.example, group:{unguessable}")
    actor = actor_for(claims, found)
    assert actor.role is Role.GUEST
    assert actor.name.strip()
    assert actor.name.isprintable()
    assert len(actor.name) <= MAX_EMAIL
    assert is_over(claims, now=2e9, hours=None) in (True, False)
    assert is_over(claims, now=2e9, hours=1) in (True, False)


@given(emails, st.sampled_from(list(Role)[1:]), st.data())
def test_a_named_address_has_its_role_in_any_case_of_its_letters(email, role, data):
    found = rules(**{f"{role.word}s": email})
    shown = "".join(data.draw(st.sampled_from([letter.lower(), letter.upper()])) for letter in email)
    assert role_for({"email": shown}, found) is role
    assert role_for({"email": f"x{shown}"}, found) is Role.GUEST
    assert role_for({"email": shown, "email_verified": False}, found) is Role.GUEST


@given(emails, emails)
def test_a_domain_rule_names_exactly_its_domain(mine, other):
    domain = mine.partition("@")[2]
    found = rules(viewers=f"@{domain}")
    assert role_for({"email": mine}, found) is Role.VIEWER
    same = other.partition("@")[2].lower() == domain.lower()
    assert role_for({"email": other}, found) is (Role.VIEWER if same else Role.GUEST)


@given(st.lists(words, max_size=5), st.lists(words, max_size=5), st.lists(words, max_size=5))
def test_more_rules_never_take_a_role_away(viewers, operators, mine):
    def found(names, role):
        return {(Kind.GROUP, name): role for name in names}

    fewer = Rules(found(viewers, Role.VIEWER))
    more = Rules(found(viewers, Role.VIEWER) | found(operators, Role.OPERATOR))
    claims = {"groups": mine}
    assert role_for(claims, fewer) <= role_for(claims, more)


def test_a_person_is_called_by_their_address_or_by_the_providers_id():
    assert actor_for({"email": "Ann@Example.org", "sub": "1"}, RULES).name == "ann@example.org"
    assert actor_for({"email": "ann@example.org", "email_verified": False, "sub": "1"}, RULES).name == "id 1"


@pytest.mark.parametrize("name", ["local", "schedule", "dispatcher", " local "])
def test_nobody_can_be_called_like_a_part_of_the_system(name):
    assert actor_for({"sub": name}, RULES).name != name
    assert actor_for({"sub": name}, RULES).name.startswith("id ")
    assert actor_for({"email": name}, RULES).name == "somebody without a name"


@pytest.mark.parametrize(
    "text", ["", " , ,", "ann@example.org", "@example.org , group:the ops", "group:/venues/ops"]
)
def test_a_list_may_be_empty_and_spaced(text):
    assert len(parse_traits(text)) == len([entry for entry in text.split(",") if entry.strip()])


@pytest.mark.parametrize(
    "entry",
    ["ann", "@", "ann@", "*@example.org", "*", "group:", "group: ops", "ann @example.org", "a@b@c", "@a@b"],
)
def test_an_entry_that_names_nobody_is_refused_with_what_to_write(entry):
    with pytest.raises(ValueError, match="names nobody: write e-mail addresses") as refusal:
        parse_traits(f"ben@example.org, {entry}")
    assert f'"{entry}"' in str(refusal.value)


@pytest.mark.parametrize(
    ("claims", "hours", "over"),
    [
        ({"exp": 1001}, None, False),
        ({"exp": 1000}, None, True),
        ({"exp": 1000.5}, None, False),
        ({"exp": "1001"}, None, True),
        ({"exp": None}, None, True),
        ({"exp": True}, None, True),
        ({"exp": float("inf")}, None, True),
        ({}, None, False),
        ({"iat": 0, "exp": 10}, 1, False),
        ({"iat": -3600, "exp": 2000}, 1, True),
        ({"iat": 1000 - 3600, "exp": 2000}, 1, True),
        ({"iat": 1001 - 3600 + 3600, "exp": 10}, 1, False),
        ({"iat": "0", "exp": 2000}, 1, True),
        ({"exp": 1001}, 1, False),
        ({"exp": 1000}, 1, True),
    ],
)
def test_a_sign_in_lasts_as_long_as_its_token_or_the_hours_that_are_set(claims, hours, over):
    assert is_over(claims, now=1000, hours=hours) is over

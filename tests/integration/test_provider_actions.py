"""Changing provider rows: who may, what it does, what is written, and what workers see of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ops_core import actions
from ops_core.actions import NotAllowed, Refused, RowChanged
from ops_core.actions.providers import NOTHING_NEW
from ops_core.db import provider_rows, stored_counts
from ops_core.db.provider_rows import ProviderRow
from ops_core.domain.access import Actor, Role
from ops_core.domain.permits import Limits
from ops_core.domain.provider_edits import ProviderEdit
from ops_core.domain.providers import SEED, Copies, Rehosting
from ops_core.settings import get_settings
from ops_core.work import session
from tests.integration.test_circuit_actions import make_job
from tests.support.factories import make_image, make_venue
from tests.support.waiting import wait_until

pytestmark = pytest.mark.postgres

ADA = Actor("ada", Role.ADMIN)
ANNA = Actor("anna", Role.OPERATOR)
P = "google_places"


@pytest.fixture(autouse=True)
def as_documented(database: Engine) -> None:
    """Copies are kept where the terms allow them, as in a new database."""
    with database.begin() as connection:
        for terms in SEED:
            provider_rows.set_rehosting(connection, terms.code, terms.rehosting, None)


def row_of(engine: Engine, code: str = P) -> ProviderRow:
    with engine.begin() as connection:
        row = provider_rows.hold(connection, code)
    assert row is not None
    return row


def audited(engine: Engine) -> list[tuple]:
    with engine.connect() as connection:
        return [
            tuple(row)
            for row in connection.execute(text("SELECT actor, action, scope, outcome FROM audit ORDER BY id"))
        ]


def due(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT id FROM jobs WHERE scheduled_at <= now() ORDER BY id")))


def save(engine: Engine, code: str = P, *, actor: Actor = ADA, **values: Any) -> tuple[str, ...]:
    seen = row_of(engine, code).edit
    return actions.edit_provider(engine, code, replace(seen, **values), actor=actor, seen=seen)


def test_rows_begin_with_the_documented_values_first_priority_first(database: Engine) -> None:
    with database.connect() as connection:
        rows = provider_rows.all_rows(connection)
    assert [row.code for row in rows] == [terms.code for terms in sorted(SEED, key=lambda t: t.priority)]
    google = rows[0]
    assert google.edit == ProviderEdit(
        active=True,
        priority=1,
        capabilities=frozenset({"photos", "search"}),
        per_second=50,
        per_minute=3000,
        photo_usd=Decimal("0.007"),
        search_usd=Decimal("0.032"),
    )
    assert (google.rehosting, google.copies) == (Rehosting.REFERENCE_ONLY, Copies.FORBIDDEN)
    assert google.terms_url.startswith("https://cloud.google.com/")


def test_an_edit_is_saved_and_audited_with_old_and_new_values(database: Engine) -> None:
    done = save(database, photo_usd=Decimal("0.01"), per_hour=9000, capabilities=frozenset({"photos"}))
    assert done == (
        "asked for photos and venues -> photos",
        "limit an hour none -> 9,000",
        "photo price $0.007 -> $0.01",
    )
    after = row_of(database).edit
    assert (after.photo_usd, after.per_hour, after.capabilities) == (
        Decimal("0.01"),
        9000,
        frozenset({"photos"}),
    )
    assert audited(database) == [("ada", "edit_provider", {"provider": P}, ", ".join(done))]


def test_one_provider_is_changed_and_no_other(database: Engine) -> None:
    before = row_of(database, "foursquare")
    save(database, active=False, priority=9)
    assert row_of(database, "foursquare") == before


@pytest.mark.parametrize(
    "act",
    [
        lambda engine, actor: save(engine, actor=actor, priority=2),
        lambda engine, actor: actions.allow_copies(engine, P, actor=actor, reason="mine", confirmed=True),
        lambda engine, actor: actions.forbid_copies(engine, "wikimedia_commons", actor=actor),
    ],
)
def test_rows_are_changed_by_admins_only_and_the_attempt_is_audited(
    database: Engine, act: Callable[[Engine, Actor], object]
) -> None:
    with database.connect() as connection:
        before = provider_rows.all_rows(connection)
    with pytest.raises(NotAllowed, match="role admin"):
        act(database, ANNA)
    with database.connect() as connection:
        assert provider_rows.all_rows(connection) == before
    ((actor, _, _, outcome),) = audited(database)
    assert (actor, outcome) == ("anna", "refused: takes the role admin, has operator")


@pytest.mark.parametrize("act", [actions.resume_provider, actions.pause_provider])
def test_pausing_takes_an_operator(database: Engine, act: Callable[..., object]) -> None:
    more = {"reason": "quota", "minutes": 5} if act is actions.pause_provider else {}
    with pytest.raises(NotAllowed, match="role operator"):
        act(database, P, actor=Actor("vera", Role.VIEWER), **more)
    assert audited(database)[0][3] == "refused: takes the role operator, has viewer"
    act(database, P, actor=ANNA, **more)


def test_values_that_cannot_be_are_refused_in_sentences_and_audited(database: Engine) -> None:
    with pytest.raises(Refused, match=r"Give a priority from 1 to 99.*Give from 1 to 10,000 calls a second"):
        save(database, priority=0, per_second=0)
    assert row_of(database).edit.priority == 1
    assert audited(database)[0][3].startswith("refused: Give a priority from 1 to 99")


def test_a_provider_that_is_not_there_is_refused_and_audited(database: Engine) -> None:
    edit = row_of(database).edit
    with pytest.raises(Refused, match="There is no provider “flickr”"):
        actions.edit_provider(database, "flickr", edit, actor=ADA, seen=edit)
    assert audited(database)[0][2:] == ({"provider": "flickr"}, "refused: There is no provider “flickr”.")


def test_what_somebody_else_changed_meanwhile_is_not_written_over(database: Engine) -> None:
    seen = row_of(database).edit
    save(database, photo_usd=Decimal("0.01"))
    with pytest.raises(RowChanged, match=r"Google Places was changed meanwhile \(photo price") as conflict:
        actions.edit_provider(database, P, replace(seen, priority=4), actor=ADA, seen=seen)
    now = row_of(database).edit
    assert conflict.value.now == now == replace(seen, photo_usd=Decimal("0.01"))
    assert audited(database)[-1][3].startswith("refused: Google Places was changed meanwhile")


def test_saving_twice_changes_once(database: Engine) -> None:
    seen = row_of(database).edit
    wanted = replace(seen, priority=4)
    assert actions.edit_provider(database, P, wanted, actor=ADA, seen=seen) == ("priority 1 -> 4",)
    assert actions.edit_provider(database, P, wanted, actor=ADA, seen=seen) == ()
    assert [row[3] for row in audited(database)] == ["priority 1 -> 4", NOTHING_NEW]


def test_of_many_who_save_at_once_one_changes_the_row_and_the_others_are_told(database: Engine) -> None:
    seen = row_of(database).edit
    ends: list[str] = []
    begin = threading.Barrier(6)

    def one(priority: int) -> None:
        begin.wait()
        try:
            actions.edit_provider(database, P, replace(seen, priority=priority), actor=ADA, seen=seen)
        except RowChanged:
            ends.append("refused")
        else:
            ends.append("saved")

    threads = [threading.Thread(target=one, args=(10 + number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["refused"] * 5 + ["saved"]


def test_copies_that_terms_forbid_take_a_reason_and_a_confirmation(database: Engine) -> None:
    with pytest.raises(Refused, match="confirm that you have the right"):
        actions.allow_copies(database, P, actor=ADA, reason="we have it in writing")
    with pytest.raises(Refused, match="give a reason"):
        actions.allow_copies(database, P, actor=ADA, reason="  ", confirmed=True)
    assert row_of(database).rehosting is Rehosting.REFERENCE_ONLY
    assert actions.allow_copies(
        database, P, actor=ADA, reason=" contract 12, key=AIzaSyD-1234567890abcdefghij ", confirmed=True
    )
    row = row_of(database)
    assert row.rehosting is Rehosting.STORE
    assert row.rehosting_reason == "contract 12, key=REDACTED"
    outcomes = [outcome for _, action, _, outcome in audited(database) if action == "allow_copies"]
    assert [outcome.startswith("refused: ") for outcome in outcomes] == [True, True, False]
    assert "though its terms forbid it; the right to do so is confirmed; reason: contract 12" in outcomes[-1]
    assert "AIza" not in str(audited(database))


def test_copies_that_terms_allow_take_no_words(database: Engine) -> None:
    assert actions.forbid_copies(database, "wikimedia_commons", actor=ADA, reason="a trial")
    row = row_of(database, "wikimedia_commons")
    assert (row.rehosting, row.rehosting_reason) == (Rehosting.REFERENCE_ONLY, None)
    assert actions.allow_copies(database, "wikimedia_commons", actor=ADA)
    assert row_of(database, "wikimedia_commons").rehosting is Rehosting.STORE
    assert "copies that are kept stay; reason: a trial" in audited(database)[0][3]


def test_switching_copies_twice_changes_once(database: Engine) -> None:
    assert not actions.forbid_copies(database, P, actor=ADA)
    assert actions.allow_copies(database, P, actor=ADA, reason="a contract", confirmed=True)
    assert not actions.allow_copies(database, P, actor=ADA, reason="another", confirmed=True)
    assert row_of(database).rehosting_reason == "a contract"


def test_copies_that_are_kept_stay_and_are_counted(database: Engine) -> None:
    with database.begin() as connection:
        venue = make_venue(connection)
        for _ in range(3):
            make_image(connection, venue, state="uploaded", provider="wikimedia_commons")
        make_image(connection, venue, state="discovered", provider="wikimedia_commons")
    actions.forbid_copies(database, "wikimedia_commons", actor=ADA)
    with database.connect() as connection:
        kept = stored_counts.by_provider(connection)
    assert kept == {terms.code: 3 if terms.code == "wikimedia_commons" else 0 for terms in SEED}


def test_a_pause_ends_at_a_full_minute_and_keeps_its_reason_without_secrets(database: Engine) -> None:
    before = datetime.now(UTC)
    until = actions.pause_provider(
        database, P, actor=ANNA, minutes=15, reason="quota of api_key=abcdef0123456789"
    )
    assert timedelta(minutes=15) <= until - before < timedelta(minutes=16, seconds=5)
    row = row_of(database)
    assert row.paused_until == until
    assert row.paused_reason == "quota of api_key=REDACTED"
    ((actor, action, scope, outcome),) = audited(database)
    assert (actor, action, scope) == ("anna", "pause_provider", {"provider": P})
    assert outcome.startswith(f"paused until {until:%Y-%m-%d %H:%M} UTC; reason: quota")


def test_pausing_until_a_moment_twice_is_one_pause(database: Engine) -> None:
    until = datetime.now(UTC) + timedelta(days=2)
    first = actions.pause_provider(database, P, actor=ANNA, until=until, reason="new contract")
    assert actions.pause_provider(database, P, actor=ANNA, until=until, reason="new contract") == first
    assert [row[3] == NOTHING_NEW for row in audited(database)] == [False, True]
    # a longer one takes its place
    later = actions.pause_provider(
        database, P, actor=ANNA, until=until + timedelta(days=1), reason="new contract"
    )
    assert row_of(database).paused_until == later > first


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"minutes": 5, "reason": " "}, "Give a reason"),
        ({"minutes": 0, "reason": "quota"}, "still to come"),
        ({"minutes": float("nan"), "reason": "quota"}, "still to come"),
        ({"minutes": 1e9, "reason": "quota"}, "at most 366 days"),
        ({"until": datetime(2020, 1, 1, tzinfo=UTC), "reason": "quota"}, "still to come"),
        ({"until": datetime(2030, 1, 1), "reason": "quota"}, "time zone"),  # noqa: DTZ001
        ({"reason": "quota"}, "for how many minutes"),
        (
            {"reason": "quota", "minutes": 5, "until": datetime(2030, 1, 1, tzinfo=UTC)},
            "for how many minutes",
        ),
    ],
)
def test_a_pause_that_makes_no_sense_is_refused_and_audited(database: Engine, how: dict, said: str) -> None:
    with pytest.raises(Refused, match=said):
        actions.pause_provider(database, P, actor=ANNA, **how)
    assert row_of(database).paused_until is None
    assert audited(database)[0][3].startswith("refused: ")


def pause(engine: Engine) -> None:
    actions.pause_provider(engine, P, actor=ANNA, minutes=60, reason="quota")


def test_resuming_lets_the_work_begin_that_was_put_off(database: Engine) -> None:
    pause(database)
    with database.begin() as connection:
        waits = make_job(connection, providers=[P], seconds=100)
        other = make_job(connection, providers=["wikimedia_commons"], seconds=100)
    assert actions.resume_provider(database, P, actor=ANNA)
    row = row_of(database)
    assert (row.paused_until, row.paused_reason) == (None, None)
    assert waits in due(database)
    assert other not in due(database)
    assert audited(database)[-1][3].startswith("asked again; it was paused until ")


def test_resuming_what_is_not_paused_changes_nothing(database: Engine) -> None:
    assert not actions.resume_provider(database, P, actor=ANNA)
    pause(database)
    with database.begin() as connection:
        connection.execute(
            text("UPDATE providers SET paused_until = now() - interval '1 min' WHERE code = :code"),
            {"code": P},
        )
    assert not actions.resume_provider(database, P, actor=ANNA)
    assert [outcome for _, action, _, outcome in audited(database) if action == "resume_provider"] == [
        NOTHING_NEW,
        NOTHING_NEW,
    ]


@pytest.mark.parametrize(
    ("before", "after", "begins"),
    [
        ({"active": False}, {"active": True}, True),
        ({"per_hour": 10}, {"per_hour": 1000}, True),
        ({"per_hour": 10}, {"per_hour": None}, True),
        ({"per_hour": 1000}, {"per_hour": 10}, False),
        ({}, {"photo_usd": Decimal("0.5")}, False),
    ],
)
def test_an_edit_that_opens_something_lets_the_work_begin_that_was_put_off(
    database: Engine, before: dict, after: dict, begins: bool
) -> None:
    if before:
        save(database, **before)
    with database.begin() as connection:
        waits = make_job(connection, providers=[P], seconds=100)
    save(database, **after)
    assert (waits in due(database)) == begins


def test_workers_follow_limits_prices_policy_and_pauses_while_they_run(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "FRESH_FACTS", 0.05)

    async def follow() -> None:
        async with session.open_session(database, get_settings()) as running:

            async def soon(is_so: Callable[[], bool]) -> None:
                await asyncio.to_thread(wait_until, is_so, seconds=10, every=0.02)

            def limits() -> Limits | None:
                return running.permits._limits.get(P)

            assert limits() == Limits(per_second=50, per_minute=3000)
            assert not running.may_copy(P)
            await asyncio.to_thread(save, database, photo_usd=Decimal("0.02"), per_second=7, per_hour=900)
            await soon(lambda: limits() == Limits(per_second=7, per_minute=3000, per_hour=900))
            await soon(lambda: running.providers[P].photo_usd == Decimal("0.02"))
            await asyncio.to_thread(
                lambda: actions.allow_copies(database, P, actor=ADA, reason="a contract", confirmed=True)
            )
            await soon(lambda: running.may_copy(P))
            await asyncio.to_thread(pause, database)
            await soon(lambda: running.providers[P].paused_for > 0)
            await asyncio.to_thread(save, database, active=False)
            await soon(lambda: P not in running.providers)

    asyncio.run(follow())


def test_whether_a_provider_can_be_asked_names_the_missing_setting(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENUE_OPS_WIKIMEDIA_CONTACT", "ops@example.org")
    found = actions.ready([P, "wikimedia_commons", "flickr"])
    assert "VENUE_OPS_GOOGLE_PLACES_API_KEY" in str(found[P].photos)
    assert found["wikimedia_commons"].photos is None
    assert found["flickr"].photos == "This version has no source for it."

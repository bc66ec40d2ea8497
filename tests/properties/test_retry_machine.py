"""Whatever order people, workers, deaths and redeliveries come in, no image is stored or counted twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, text

from ops_core import actions
from ops_core.db import attempts, images, jobs
from ops_core.db.attempts import Stored, Tried
from ops_core.db.images import ClaimedImage
from ops_core.db.jobs import ClaimedJob
from ops_core.domain.access import Actor, Role
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure
from ops_core.domain.images import MAX_RETRIES
from ops_core.domain.retries import Scope
from ops_core.domain.retry_options import Options
from ops_core.settings import get_settings
from ops_core.work import release, retry
from tests.support.factories import make_image, make_venue

pytestmark = pytest.mark.postgres

ANNA = Actor("anna", Role.OPERATOR)
ERRORS = st.sampled_from(
    [ErrorType.NETWORK_TIMEOUT, ErrorType.RATE_LIMITED, ErrorType.NOT_FOUND, ErrorType.SERVER_ERROR]
)
VENUES, PER_VENUE = 3, 3


@dataclass
class Run:
    """One worker at one job: what it holds. It may die at any moment, and not know it."""

    job: ClaimedJob
    owner: str
    held: list[ClaimedImage] = field(default_factory=list)


class Retries(RuleBasedStateMachine):
    """Rules are what people, workers and the dispatcher do, one transaction each."""

    engine: Engine
    runs = Bundle("runs")

    @initialize(errors=st.lists(ERRORS, min_size=VENUES * PER_VENUE, max_size=VENUES * PER_VENUE))
    def begin(self, errors: list[ErrorType]) -> None:
        tables = (
            "retry_items, attempts, images, jobs, retry_requests, rollups, job_rollups, retry_rollups, "
            "job_providers, venues, cities, audit, circuits"
        )
        with self.engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
            for place in range(VENUES):
                venue = make_venue(connection)
                for error in errors[place * PER_VENUE : (place + 1) * PER_VENUE]:
                    make_image(connection, venue, state="failed", error_type=error, tries=1)
        self.order(0, 0, 1.0, True)

    # people

    @rule(
        venue=st.integers(0, VENUES),
        sample=st.integers(0, 3),
        share=st.sampled_from([0.0, 0.6, 1.0]),
        override=st.booleans(),
    )
    def order(self, venue: int, sample: int, share: float, override: bool) -> None:
        scope = Scope(venues=(venue,)) if venue else Scope(everything=True)
        options = Options(sample=sample, sample_share=share, override=override)
        plan = actions.preview_retry(self.engine, scope, options).plan
        in_scope = self.value(
            "SELECT count(*) FROM images WHERE state <> 'uploaded' AND error_type IS NOT NULL"
            + (f" AND venue_id = {venue}" if venue else "")
        )
        assert plan.in_scope == in_scope
        try:
            done = actions.submit_retry(
                self.engine,
                scope,
                actor=ANNA,
                token=uuid4().hex,
                options=options,
                expected=plan,
                reason="because",
            )
        except actions.Refused:
            assert plan.images == 0
            return
        frozen = self.value(f"SELECT count(*) FROM retry_items WHERE request_id = {done.request_id}")
        assert done.images == plan.images == frozen > 0

    @rule(action=st.sampled_from(["pause", "resume", "cancel"]), which=st.integers(0, 9))
    def steer(self, action: str, which: int) -> None:
        ids = self.ids("SELECT id FROM retry_requests WHERE finished_at IS NULL ORDER BY id")
        if ids:
            do = {
                "pause": actions.pause_retry,
                "resume": actions.resume_retry,
                "cancel": actions.cancel_retry,
            }[action]
            try:
                do(self.engine, ids[which % len(ids)], actor=ANNA)
            except actions.Refused:
                return

    # the dispatcher

    @rule()
    def hand_out(self) -> None:
        release.hand_out(self.engine, get_settings())

    @rule(what=st.sampled_from([("images",), ("jobs",), ("images", "jobs")]))
    def everybody_seems_dead(self, what: tuple[str, ...]) -> None:
        """Nobody gives signs of life any more, and the dispatcher frees what they hold."""
        with self.engine.begin() as connection:
            for table in what:
                connection.execute(
                    text(
                        f"UPDATE {table} SET claimed_until = now() - interval '1 s' "
                        "WHERE claimed_by IS NOT NULL"
                    )
                )
            images.release_expired(connection, max_lost_claims=3)
            jobs.release_expired(connection)

    # workers

    @rule(target=runs, owner=st.sampled_from(["one", "two"]))
    def take(self, owner: str) -> Any:
        """A message, or the same message again: whatever is open is asked for, and begun."""
        waiting = self.ids("SELECT id FROM jobs WHERE kind = 'retry' AND finished_at IS NULL")
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE jobs SET scheduled_at = now() WHERE scheduled_at < '2900-01-01'"))
            claimed = jobs.claim(connection, waiting, owner=owner, lease_seconds=60)
        return multiple(*(self._start(Run(job, owner)) for job in claimed))

    def _start(self, run: Run) -> Run:
        ids = retry._begin(SimpleNamespace(engine=self.engine), run.job)
        for suspects in (False, True):
            with self.engine.begin() as connection:
                run.held += images.claim(
                    connection,
                    ids or [],
                    owner=run.owner,
                    job_id=run.job.id,
                    lease_seconds=60,
                    suspects=suspects,
                    at_once=True,
                    override=bool(run.job.args.get("override")),
                )
        return run

    @rule(run=runs, uploads=st.booleans(), error=ERRORS)
    def record(self, run: Run, uploads: bool, error: ErrorType) -> None:
        if run.held:
            self._record(run, run.held.pop(), None if uploads else error)

    @rule(run=runs)
    def put_an_image_back(self, run: Run) -> None:
        if run.held:
            with self.engine.begin() as connection:
                images.put_off(connection, run.held.pop(), 0.0)

    @rule(run=consumes(runs))
    def end(self, run: Run) -> None:
        while run.held:
            self._record(run, run.held.pop(), None)
        self._end(run)

    def _record(self, run: Run, image: ClaimedImage, error: ErrorType | None) -> None:
        now = datetime.now(UTC)
        stored = Stored(
            store="disk",
            key=f"venues/{image.id}.jpg",
            url="/x",
            thumbnail_key="t",
            thumbnail_url="/t",
            content_type="image/jpeg",
            content_hash="0",
            width=10,
            height=10,
            bytes=5,
        )
        tried = Tried(
            image=image,
            started_at=now,
            finished_at=now,
            job_id=run.job.id,
            worker=run.owner,
            stored=None if error else stored,
            failure=Failure(error, "it failed") if error else None,
        )
        with self.engine.begin() as connection:
            attempts.record(connection, [tried])

    def _end(self, run: Run) -> None:
        session = SimpleNamespace(engine=self.engine)
        try:
            wait = retry._finish(session, run.job, {}, {})
            if wait is not None:
                with self.engine.begin() as connection:
                    jobs.put_off(connection, run.job, wait)
        except retry.TakenOver:
            return

    # what always holds

    @invariant()
    def nothing_is_stored_or_counted_twice(self) -> None:
        assert not self.ids(
            "SELECT image_id FROM attempts WHERE outcome = 'uploaded' GROUP BY 1 HAVING count(*) > 1"
        )
        uploaded = self.value("SELECT count(*) FROM images WHERE state = 'uploaded'")
        assert self.value("SELECT count(*) FROM attempts WHERE outcome = 'uploaded'") == uploaded
        assert self.value("SELECT coalesce(sum(uploaded_images), 0) FROM venues") == uploaded
        assert self.value("SELECT coalesce(sum(uploaded), 0) FROM retry_rollups") == uploaded
        assert self.value("SELECT coalesce(sum(images_uploaded), 0) FROM jobs") <= uploaded
        assert self.value("SELECT count(*) FROM retry_items WHERE state = 'uploaded'") <= uploaded

    @invariant()
    def no_image_is_tried_too_often_by_itself(self) -> None:
        assert self.value("SELECT coalesce(max(retry_count), 0) FROM images") <= MAX_RETRIES

    @invariant()
    def no_image_is_in_two_open_requests(self) -> None:
        assert not self.ids(
            "SELECT image_id FROM retry_items WHERE state IN ('queued', 'running') "
            "GROUP BY 1 HAVING count(*) > 1"
        )

    @invariant()
    def requests_say_what_their_items_are(self) -> None:
        wrong = """
            SELECT r.id FROM retry_requests r LEFT JOIN LATERAL (
                SELECT count(*) AS images, count(*) FILTER (WHERE state = 'uploaded') AS uploaded,
                    count(*) FILTER (WHERE state = 'failed') AS failed,
                    count(*) FILTER (WHERE state = 'skipped') AS skipped,
                    count(*) FILTER (WHERE state = 'released') AS let_go,
                    count(*) FILTER (WHERE state IN ('queued', 'running')) AS open
                FROM retry_items WHERE request_id = r.id) AS i ON true
            WHERE (r.images, r.uploaded, r.failed, r.skipped, r.let_go)
                  IS DISTINCT FROM (i.images, i.uploaded, i.failed, i.skipped, i.let_go)
               OR (r.finished_at IS NOT NULL) <> (i.open = 0)
        """
        assert not self.ids(wrong)

    def teardown(self) -> None:
        """Given time and one worker, everything comes to its end."""
        if not self.value("SELECT count(*) FROM images"):
            return
        for _ in range(12):
            self.everybody_seems_dead(("images", "jobs"))
            for request_id in self.ids("SELECT id FROM retry_requests WHERE state = 'paused'"):
                actions.resume_retry(self.engine, request_id, actor=ANNA)
            self.hand_out()
            waiting = self.ids("SELECT id FROM jobs WHERE kind = 'retry' AND finished_at IS NULL")
            with self.engine.begin() as connection:
                connection.execute(
                    text("UPDATE jobs SET scheduled_at = now() WHERE scheduled_at < '2900-01-01'")
                )
                claimed = jobs.claim(connection, waiting, owner="last", lease_seconds=60)
            for job in claimed:
                run = self._start(Run(job, "last"))
                while run.held:
                    self._record(run, run.held.pop(), None)
                self._end(run)
        assert self.ids("SELECT id FROM retry_requests WHERE finished_at IS NULL") == []
        assert self.value("SELECT count(*) FROM images WHERE state = 'uploading'") == 0
        self.nothing_is_stored_or_counted_twice()
        self.requests_say_what_their_items_are()
        # every job's report agrees with the tries it made
        assert self.value("SELECT coalesce(sum(images_uploaded), 0) FROM jobs") == self.value(
            "SELECT count(*) FROM images WHERE state = 'uploaded'"
        )

    def value(self, question: str) -> Any:
        with self.engine.connect() as connection:
            return connection.scalar(text(question))

    def ids(self, question: str) -> list[int]:
        with self.engine.connect() as connection:
            return list(connection.scalars(text(question)))


def test_no_order_of_events_stores_or_counts_an_image_twice(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENUE_OPS_GOOGLE_PLACES_API_KEY", "sandbox")
    monkeypatch.setenv("VENUE_OPS_SANDBOX_URL", "http://127.0.0.1:9")
    get_settings.cache_clear()
    machine = type("Retries", (Retries,), {"engine": database})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            deadline=None,
            phases=(Phase.explicit, Phase.generate),  # to shrink takes longer than to read the log
            suppress_health_check=list(HealthCheck),
        ),
    )

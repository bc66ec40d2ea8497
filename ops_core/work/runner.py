"""A worker session: begins with the jobs of one message, and goes on with what else is due.

One message tells of few jobs, and a process that waited for the last of them before it took the next
message would idle at the end of each. So a session keeps its lanes filled from the table, for a usual
time; then it finishes what it has, so that messages of other kinds get a process too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import due_jobs
from ops_core.db.engine import is_unavailable
from ops_core.db.jobs import ClaimedJob
from ops_core.domain.jobs import JobKind
from ops_core.settings import Settings
from ops_core.work import enrich, geocode, job_runs, retry
from ops_core.work.job_runs import Discard, Work
from ops_core.work.session import STOP_GRACE, Session, end_within, open_session

log = logging.getLogger(__name__)

#: The kinds of which a session runs many at once: how one is worked off, and ended when it cannot go on.
KINDS: Mapping[JobKind, tuple[Work, Discard]] = {
    JobKind.ENRICHMENT: (enrich.run, enrich.discard),
    JobKind.RETRY: (retry.run, retry.discard),
    JobKind.GEOCODING: (geocode.run, geocode.discard),
}

#: Seconds for which a session takes on work.
USUAL_TIME = 20.0
#: Seconds it then gives the rest to end, before it takes on more beside it, unless other kinds wait.
DRAG = 3.0
#: Most jobs in their beginnings at once: what they need is not known before they have claimed their images.
BEGINNING = 8
#: Fewest jobs that are worth a question to the table while others run.
FEW = BEGINNING // 2
#: Seconds after which a job that still begins is a slow one, which keeps no other from beginning.
SLOW_START = 1.0
#: Most jobs at once, for each download at once: more than can wait in the lanes (`lanes.CROWD`).
JOBS_PER_DOWNLOAD = 6
#: Seconds between looks at the table while nothing is due.
LOOK_AGAIN = 0.3
#: Seconds between probes: while the lanes in use are full, some job may still have work for an idle one.
PROBE = 1.0
#: Seconds between looks at the lanes.
TICK = 0.05


def run(
    engine: Engine,
    settings: Settings,
    job_ids: Sequence[int],
    *,
    is_stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Run those of `job_ids` that are due and free, then others that are due; how many in all.

    When `is_stopping` becomes true, what is not done within `STOP_GRACE` seconds is given back.
    """
    return asyncio.run(_run(engine, settings, job_ids, is_stopping))


async def _run(
    engine: Engine, settings: Settings, job_ids: Sequence[int], is_stopping: Callable[[], bool]
) -> int:
    if is_stopping():
        return 0
    async with open_session(engine, settings) as session:
        shift = _Shift(session)
        try:
            shift.begin(await asyncio.to_thread(job_runs.claim, session, job_ids))
            while not is_stopping():
                await shift.take_on()
                if not shift.running:
                    break
                await shift.wait()
        finally:
            if is_stopping():
                session.recorder.hurry(STOP_GRACE)
            await end_within(shift.running.keys(), STOP_GRACE)
        return shift.begun


@dataclass(frozen=True, slots=True)
class _Running:
    job_id: int
    since: float


class _Shift:
    """The jobs of one session, and whether it takes on more."""

    def __init__(self, session: Session) -> None:
        self.running: dict[asyncio.Task[None], _Running] = {}
        self.begun = 0
        self._session = session
        self._most = JOBS_PER_DOWNLOAD * session.settings.downloads_per_process
        now = _now()
        # a message may be handed out a second time after the visibility timeout
        self._latest = now + session.settings.visibility_timeout / 2
        self._until = min(now + USUAL_TIME, self._latest)
        self._look_at = now
        self._probe_at = now

    def begin(self, claimed: Sequence[ClaimedJob]) -> None:
        """Start the work on these jobs."""
        for job in claimed:
            work, discard = KINDS[job.kind]
            task = asyncio.create_task(job_runs.run_one(self._session, job, work, discard))
            self.running[task] = _Running(job.id, _now())
        self.begun += len(claimed)

    async def wait(self) -> None:
        """Until a job has ended, or it is time to look at the lanes again."""
        done, _ = await asyncio.wait(self.running, timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            self._session.underway.discard(self.running.pop(task).job_id)
            task.result()

    async def take_on(self) -> None:
        """Begin further jobs that are due, if there is room and time for them."""
        room = self._room()
        if self.running and (room < FEW or _now() < self._look_at):
            return
        # with all done it asks once more: what had no room a moment ago may have some now
        if room < 1 or not await self._has_time():
            return
        probes = self._probes()
        try:
            claimed = await asyncio.to_thread(
                self._claim_due,
                room,
                self._kinds(probes),
                self._session.lanes.full(),
                only_known=not (probes or not self.running or self._session.lanes.have_room),
            )
        except SQLAlchemyError as error:
            if not is_unavailable(error):
                raise
            log.warning("nothing can be taken on: the database is away (%s)", type(error).__name__)
            claimed = []
        self.begin(claimed)
        if len(claimed) < room:
            self._look_at = _now() + LOOK_AGAIN

    def _room(self) -> int:
        lanes = self._session.lanes
        if not lanes.have_room and not lanes.have_idle:
            return 0
        now = _now()
        beginning = sum(
            job.job_id not in self._session.underway and now - job.since < SLOW_START
            for job in self.running.values()
        )
        return min(BEGINNING - beginning, self._most - len(self.running))

    def _probes(self) -> bool:
        """Whether it is time to take on jobs of which it is not known whom they need, full lanes or not."""
        if _now() < self._probe_at:
            return False
        self._probe_at = _now() + PROBE
        return True

    def _kinds(self, probes: bool) -> list[JobKind]:
        # a retry of some provider's images needs no listing and no search
        listings = self._session.listings
        all_of_them = listings.have_room or (probes and listings.have_idle)
        return [kind for kind in KINDS if all_of_them or kind is JobKind.RETRY]

    async def _has_time(self) -> bool:
        now = _now()
        if now < self._until:
            return True
        if now < self._until + DRAG or now >= self._latest:
            return False
        # what is left drags on; with nobody else waiting for this process, it is put to use meanwhile
        others_wait = await asyncio.to_thread(self._others_wait)
        self._until = now if others_wait else min(now + USUAL_TIME, self._latest)
        return not others_wait

    def _claim_due(
        self, limit: int, kinds: Sequence[JobKind], saturated: Sequence[str], *, only_known: bool
    ) -> list[ClaimedJob]:
        with self._session.engine.begin() as connection:
            return due_jobs.claim_due(
                connection,
                kinds,
                limit=limit,
                owner=self._session.owner,
                lease_seconds=self._session.settings.lease_seconds,
                saturated=saturated,
                only_known=only_known,
            )

    def _others_wait(self) -> bool:
        with self._session.engine.connect() as connection:
            return due_jobs.others_wait(connection, KINDS.keys())


def _now() -> float:
    return asyncio.get_running_loop().time()

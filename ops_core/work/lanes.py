"""Lanes: a share of one process's connections for each provider, so that none waits for another's.

Pure asyncio: nothing here knows what a lane is used for. Who enters waits for a place in their own
provider's lane only. A lane that would keep them waiting for long sends them away (`PutOff`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ops_core.work.rate_limits import PutOff

#: A lane with so many times its size inside and waiting has enough to do: no more is looked for.
ENOUGH = 2
#: A lane with so many times its size waiting sends others away, if they would wait for `PATIENCE` seconds.
CROWD = 4
PATIENCE = 8.0
#: Longest wait for a place, seconds; also the longest for which a crowded lane sends somebody away.
LONGEST_WAIT = 15.0
#: Shortest time for which a lane sends somebody away, seconds.
SOONEST = 2.0
#: Longest a lane stays shut once its provider made somebody wait, seconds: then it is tried anew.
LONGEST_SHUT = 5.0
#: Weight of the newest stay in the running mean.
_NEWEST = 0.2


@dataclass(slots=True, eq=False)
class _Waiting:
    tag: object
    #: None: come in. A number: go away, and come back in so many seconds.
    answer: asyncio.Future[float | None]


@dataclass(slots=True, eq=False)
class _Lane:
    size: int
    inside: dict[_Waiting, float] = field(default_factory=dict)  #: Since when, by the loop's clock.
    waiting: deque[_Waiting] = field(default_factory=deque)
    mean_stay: float = 0.0
    opens_at: float = 0.0  #: Shut until then.
    ready_at: float = 0.0  #: When its provider can be asked again, as far as was said.

    @property
    def load(self) -> int:
        return len(self.inside) + len(self.waiting)

    def expected_wait(self, now: float) -> float:
        """Seconds until somebody who came now would get a place."""
        # from a lane that came to a halt nobody leaves: only the stays so far tell of it
        so_far = sum(now - since for since in self.inside.values()) / max(len(self.inside), 1)
        return (len(self.waiting) + 1) * max(self.mean_stay, so_far) / self.size

    def let_in(self, now: float) -> None:
        while self.waiting and len(self.inside) < self.size:
            who = self.waiting.popleft()
            if not who.answer.done():
                self.inside[who] = now
                who.answer.set_result(None)

    def leave(self, who: _Waiting, now: float) -> None:
        stay = now - self.inside.pop(who)
        self.mean_stay += _NEWEST * (stay - self.mean_stay) if self.mean_stay else stay
        self.let_in(now)


class Lanes:
    """The lanes of all providers: `size` places in all, divided among those that `share` names."""

    def __init__(self, size: int, providers: Collection[str] = ()) -> None:
        self._places = size
        self._size = size
        self._lanes: dict[str, _Lane] = {}
        self.share(providers)

    def share(self, providers: Collection[str]) -> None:
        """Divide the places anew. Who is inside stays inside."""
        self._size = max(1, self._places // max(1, len(providers)))
        for code in providers:
            self._lane(code)
        now = _now()
        for lane in self._lanes.values():
            lane.size = self._size
            lane.let_in(now)
        self._sharing = frozenset(providers)

    @asynccontextmanager
    async def enter(self, provider: str, *, tag: object = None) -> AsyncIterator[None]:
        """Hold a place in the lane of `provider`.

        Raises `PutOff` when that would take long; for 0 seconds when those with this `tag` were
        called back while they waited.
        """
        lane = self._lane(provider)
        who = await _place(lane, tag)
        try:
            yield
        finally:
            lane.leave(who, _now())

    def call_back(self, tag: object) -> None:
        """Send everybody away who waits with this `tag`; who is inside stays inside."""
        for lane in self._lanes.values():
            for who in lane.waiting:
                if who.tag == tag and not who.answer.done():
                    who.answer.set_result(0.0)

    def shut(self, provider: str, seconds: float) -> None:
        """`provider` makes everybody wait for `seconds`: let nobody in for the first half of it."""
        lane, now = self._lane(provider), _now()
        lane.ready_at = max(lane.ready_at, now + seconds)
        # permits are given out some time ahead: who asks only when all is used up leaves a gap
        lane.opens_at = max(lane.opens_at, now + min(seconds / 2, LONGEST_SHUT))

    def full(self) -> list[str]:
        """The providers whose lanes have enough to do, or are shut."""
        now = _now()
        return [
            code
            for code, lane in self._lanes.items()
            if lane.opens_at > now or lane.load >= ENOUGH * lane.size
        ]

    @property
    def have_room(self) -> bool:
        """Whether more work is welcome in the lane of any provider that shares the places."""
        return not self._sharing or not self._sharing <= set(self.full())

    def _lane(self, provider: str) -> _Lane:
        return self._lanes.setdefault(provider, _Lane(self._size))


async def _place(lane: _Lane, tag: object) -> _Waiting:
    loop = asyncio.get_running_loop()
    now = loop.time()
    if lane.opens_at > now:
        raise PutOff(max(lane.ready_at - now, SOONEST))
    expected = lane.expected_wait(now)
    if len(lane.waiting) >= CROWD * lane.size and expected > PATIENCE:
        raise PutOff(min(max(expected, SOONEST), LONGEST_WAIT))
    who = _Waiting(tag, loop.create_future())
    lane.waiting.append(who)
    lane.let_in(now)
    timer = loop.call_later(LONGEST_WAIT, _send_away, who)
    try:
        seconds = await who.answer
    except asyncio.CancelledError:
        if who in lane.inside:  # it was let in and cancelled in the same turn of the loop
            lane.leave(who, loop.time())
        raise
    finally:
        timer.cancel()
        if who not in lane.inside and who in lane.waiting:
            lane.waiting.remove(who)
    if seconds is not None:
        raise PutOff(seconds)
    return who


def _send_away(who: _Waiting) -> None:
    if not who.answer.done():
        who.answer.set_result(SOONEST)


def _now() -> float:
    return asyncio.get_running_loop().time()

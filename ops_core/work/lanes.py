"""Lanes: a share of one process's connections for each provider, so that none waits for another's.

Pure asyncio: nothing here knows what a lane is used for. Who enters waits for a place in their own
provider's lane only. A lane that would keep them waiting for long sends them away (`PutOff`).

What a lane does not use is lent to the others. It may claim its share back at any time, and is not kept
waiting until those who borrowed have left: for that moment more places than there are may be taken, but
never twice as many. Only where providers outnumber places may it be more, since each has one at least.
"""

from __future__ import annotations

import asyncio
import math
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
#: Seconds after which a lane that nobody came to counts as idle: its room says nothing of the work at hand.
RECENT = 5.0
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
    inside: dict[_Waiting, float] = field(default_factory=dict)  #: Since when, by the loop's clock.
    waiting: deque[_Waiting] = field(default_factory=deque)
    mean_stay: float = 0.0
    opens_at: float = 0.0  #: Shut until then.
    ready_at: float = 0.0  #: When its provider can be asked again, as far as was said.
    used_at: float = -math.inf  #: When somebody last came or left.

    @property
    def load(self) -> int:
        return len(self.inside) + len(self.waiting)

    def expected_wait(self, places: int, now: float) -> float:
        """Seconds until somebody who came now would get one of the lane's `places`."""
        # from a lane that came to a halt nobody leaves: only the stays so far tell of it
        so_far = sum(now - since for since in self.inside.values()) / max(len(self.inside), 1)
        return (len(self.waiting) + 1) * max(self.mean_stay, so_far) / places

    def let_one_in(self, now: float) -> bool:
        """Give a place to whoever waits longest; whether somebody did."""
        while self.waiting:
            who = self.waiting.popleft()
            if not who.answer.done():
                self.inside[who] = now
                who.answer.set_result(None)
                return True
        return False

    def left(self, who: _Waiting, now: float) -> None:
        stay = now - self.inside.pop(who)
        self.mean_stay += _NEWEST * (stay - self.mean_stay) if self.mean_stay else stay
        self.used_at = now


class Lanes:
    """The lanes of all providers: `size` places in all, shared equally by those that `share` names."""

    def __init__(self, size: int, providers: Collection[str] = ()) -> None:
        self._places = size
        self._share = size
        self._lanes: dict[str, _Lane] = {}
        self.share(providers)

    def share(self, providers: Collection[str]) -> None:
        """Divide the places anew. Who is inside stays inside."""
        self._share = max(1, self._places // max(1, len(providers)))
        for code in providers:
            self._lane(code)
        self._sharing = frozenset(providers)
        self._let_in(_now())

    @asynccontextmanager
    async def enter(self, provider: str, *, tag: object = None) -> AsyncIterator[None]:
        """Hold a place in the lane of `provider`.

        Raises `PutOff` when that would take long; for 0 seconds when those with this `tag` were
        called back while they waited.
        """
        lane = self._lane(provider)
        who = await self._place(lane, tag)
        try:
            yield
        finally:
            self._leave(lane, who)

    def call_back(self, tag: object) -> None:
        """Send everybody away who waits with this `tag`; who is inside stays inside."""
        for lane in self._lanes.values():
            for who in lane.waiting:
                if who.tag == tag and not who.answer.done():
                    who.answer.set_result(0.0)

    def shut(self, provider: str, seconds: float) -> None:
        """`provider` makes everybody wait for `seconds`: who comes in the first half of it is sent away."""
        lane, now = self._lane(provider), _now()
        lane.ready_at = max(lane.ready_at, now + seconds)
        # permits are given out some time ahead: who asks only when all is used up leaves a gap
        lane.opens_at = max(lane.opens_at, now + min(seconds / 2, LONGEST_SHUT))

    def full(self) -> list[str]:
        """The providers whose lanes have enough to do, or are shut."""
        now, free = _now(), self._free
        return [
            code
            for code, lane in self._lanes.items()
            if lane.opens_at > now or lane.load >= ENOUGH * self._most(lane, free)
        ]

    @property
    def have_room(self) -> bool:
        """Whether work for anybody is welcome: a lane in use has too little to do, or none is in use."""
        in_use = self._sharing - self._idle()
        return not in_use or not in_use <= set(self.full())

    @property
    def have_idle(self) -> bool:
        """Whether some provider's lane has nothing to do: work that is known to be for it is welcome."""
        return not self._idle() <= set(self.full())

    def _idle(self) -> frozenset[str]:
        since = _now() - RECENT
        return frozenset(
            code for code in self._sharing if not self._lanes[code].load and self._lanes[code].used_at < since
        )

    def _lane(self, provider: str) -> _Lane:
        return self._lanes.setdefault(provider, _Lane())

    @property
    def _free(self) -> int:
        """Places that nobody has."""
        return max(0, self._places - sum(len(lane.inside) for lane in self._lanes.values()))

    def _most(self, lane: _Lane, free: int) -> int:
        """The most places a lane could have now, of the `free` ones too."""
        return max(self._share, len(lane.inside) + free)

    def _let_in(self, now: float) -> None:
        for lane in self._lanes.values():
            while len(lane.inside) < self._share and lane.let_one_in(now):
                pass
        free = self._free
        while free and (waiting := [lane for lane in self._lanes.values() if lane.waiting]):
            # who borrowed least comes first
            free -= min(waiting, key=lambda lane: len(lane.inside)).let_one_in(now)

    def _leave(self, lane: _Lane, who: _Waiting) -> None:
        now = _now()
        lane.left(who, now)
        self._let_in(now)

    async def _place(self, lane: _Lane, tag: object) -> _Waiting:
        loop = asyncio.get_running_loop()
        lane.used_at = now = loop.time()
        if lane.opens_at > now:
            raise PutOff(max(lane.ready_at - now, SOONEST))
        most = self._most(lane, self._free)
        expected = lane.expected_wait(most, now)
        if len(lane.waiting) >= CROWD * most and expected > PATIENCE:
            raise PutOff(min(max(expected, SOONEST), LONGEST_WAIT))
        who = _Waiting(tag, loop.create_future())
        lane.waiting.append(who)
        self._let_in(now)
        timer = loop.call_later(LONGEST_WAIT, _send_away, who)
        try:
            seconds = await who.answer
        except asyncio.CancelledError:
            if who in lane.inside:  # it was let in and cancelled in the same turn of the loop
                self._leave(lane, who)
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

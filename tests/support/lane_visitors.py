"""People who come to the lanes of a process and leave again, at a time that tests set."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ops_core.work.lanes import Lanes
from ops_core.work.rate_limits import PutOff

#: Turns of the loop after which everybody is where they will be until something else happens.
_TURNS = 10


class _Loop(asyncio.SelectorEventLoop):
    """Its clock stands still until a test moves it: how fast the machine is plays no part."""

    now = 1000.0

    def time(self) -> float:
        return self.now


class Visitors:
    """People in the lanes: who is inside, who was sent away and for how long."""

    def __init__(self, lanes: Lanes, loop: _Loop) -> None:
        self.lanes = lanes
        self.inside: list[str] = []
        self.away: dict[str, float] = {}
        self.doors: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._loop = loop

    @property
    def now(self) -> float:
        """What the lanes' clock says."""
        return self._loop.time()

    def send(self, provider: str, name: str, tag: object = None) -> None:
        """Let somebody come, who arrives with the next turn of the loop."""
        self.doors[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._stay(provider, name, tag))

    async def come(self, provider: str, *names: str, tag: object = None) -> None:
        for name in names:
            self.send(provider, name, tag)
        await settle()

    async def _stay(self, provider: str, name: str, tag: object) -> None:
        try:
            async with self.lanes.enter(provider, tag=tag):
                self.inside.append(name)
                try:
                    await self.doors[name].wait()
                finally:
                    self.inside.remove(name)
        except PutOff as error:
            self.away[name] = error.seconds

    async def go(self, *names: str) -> None:
        for name in names:
            self.doors[name].set()
        await settle()

    async def later(self, seconds: float) -> None:
        """Let time pass."""
        self._loop.now += seconds
        await settle()


async def settle() -> None:
    """Until everybody is where they will be."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def with_lanes(size: int, providers: list[str], story: Callable[[Visitors], Awaitable[None]]) -> None:
    """Tell a story of people who come to such lanes."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, _Loop)
        visitors = Visitors(Lanes(size, providers), loop)
        try:
            await story(visitors)
        finally:
            for task in visitors.tasks.values():
                task.cancel()
            await asyncio.gather(*visitors.tasks.values(), return_exceptions=True)

    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(run())

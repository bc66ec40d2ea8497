"""Whatever people do in the lanes, no place is lost or taken twice, and nobody waits before a free one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ops_core.work.lanes import ENOUGH, LONGEST_SHUT, LONGEST_WAIT
from tests.support.lane_visitors import Visitors, settle, with_lanes

PROVIDERS = ["one", "two", "three", "four"]
TAGS = [1, 2]

#: What happens, and to whom; a number says which of those who could be meant.
which = st.integers(0, 60)
steps = (
    st.tuples(st.just("come"), st.sampled_from(PROVIDERS), st.sampled_from(TAGS), st.integers(1, 8))
    | st.tuples(st.just("leave"), which)
    | st.tuples(st.just("break off"), which)
    | st.tuples(st.just("give up"), which)
    | st.tuples(st.just("call back"), st.sampled_from(TAGS))
    | st.tuples(st.just("shut"), st.sampled_from(PROVIDERS), st.floats(0, 20))
    | st.tuples(st.just("turn"), st.integers(1, 3))
    | st.tuples(st.just("later"), st.floats(0.1, LONGEST_WAIT + 5))
)
shares = st.tuples(st.just("share"), st.lists(st.sampled_from(PROVIDERS), unique=True))
Step = tuple[Any, ...]


def chapters_of(step: st.SearchStrategy[Step]) -> st.SearchStrategy[list[list[Step]]]:
    return st.lists(st.lists(step, min_size=1, max_size=5), min_size=1, max_size=16)


@dataclass(slots=True)
class Story:
    """What came of some steps; what is checked is what the people themselves see."""

    people: Visitors
    places: int
    providers: Sequence[str]
    came: dict[str, str] = field(default_factory=dict)  #: Name -> provider, in the order of coming.
    begun: set[str] = field(default_factory=set)  #: Whoever was ever inside.
    shut_until: dict[str, float] = field(default_factory=dict)
    fixed: bool = True  #: Whether the shares are those of the beginning.

    @property
    def share(self) -> int:
        return max(1, self.places // max(1, len(self.providers)))

    def waiting(self) -> list[str]:
        inside = set(self.people.inside)
        return [name for name in self.came if name not in inside and not self.people.tasks[name].done()]

    async def take(self, step: Step) -> None:
        people, inside, waiting = self.people, self.people.inside, self.waiting()
        match step:
            case ("come", provider, tag, count):
                for _ in range(count):
                    name = f"{provider} {len(self.came)}"
                    self.came[name] = provider
                    people.send(provider, name, tag)
            case ("leave", number) if inside:
                people.doors[inside[number % len(inside)]].set()
            case ("break off", number) if inside:
                people.tasks[inside[number % len(inside)]].cancel()
            case ("give up", number) if waiting:
                people.tasks[waiting[number % len(waiting)]].cancel()
            case ("call back", tag):
                people.lanes.call_back(tag)
            case ("shut", provider, seconds):
                people.lanes.shut(provider, seconds)
                until = people.now + min(seconds / 2, LONGEST_SHUT)
                self.shut_until[provider] = max(self.shut_until.get(provider, 0.0), until)
            case ("turn", count):
                for _ in range(count):
                    await asyncio.sleep(0)
            case ("later", seconds):
                await people.later(seconds)
            case ("share", providers):
                self.providers, self.fixed = providers, False
                people.lanes.share(providers)

    def check(self) -> None:
        inside, waiting = self.people.inside, self.waiting()
        held = Counter(self.came[name] for name in inside)
        free = max(0, self.places - len(inside))
        assert len(set(inside)) == len(inside)
        for name in waiting:
            assert held[self.came[name]] >= self.share, f"{name} waits though its share is free"
            assert not free, f"{name} waits though there is a free place"
        # as long as nobody divides the places anew, and nobody comes who has no share
        if (
            self.fixed
            and set(self.came.values()) <= set(self.providers)
            and len(self.providers) <= self.places
        ):
            assert len(inside) < 2 * self.places
        self.begun |= set(inside)
        order = list(self.came)
        for provider in PROVIDERS:
            first = [order.index(name) for name in waiting if self.came[name] == provider]
            last = [order.index(name) for name in self.begun if self.came[name] == provider]
            assert not first or not last or min(first) > max(last), "somebody was passed over"
        load = held + Counter(self.came[name] for name in waiting)
        assert set(self.people.lanes.full()) == {
            provider
            for provider in PROVIDERS
            if self.shut_until.get(provider, 0.0) > self.people.now
            or load[provider] >= ENOUGH * max(self.share, held[provider] + free)
        }

    async def end(self) -> None:
        """All leave. Then there are as many places as in the beginning, whoever comes."""
        for task in self.people.tasks.values():
            task.cancel()
        await self.people.later(100)
        assert self.people.inside == []
        last = [f"last {number}" for number in range(self.places + 1)]
        await self.people.come(PROVIDERS[-1], *last)
        assert self.people.inside == last[: self.places]


def told(places: int, providers: Sequence[str], chapters: Sequence[Sequence[Step]]) -> None:
    """The steps of a chapter happen in as few turns of the loop as they may."""

    async def story(people: Visitors) -> None:
        all_of = Story(people, places, providers)
        for chapter in chapters:
            for step in chapter:
                await all_of.take(step)
            await settle()
            all_of.check()
        await all_of.end()

    with_lanes(places, list(providers), story)


ALL_COME: list[Step] = [("come", name, 1, 8) for name in PROVIDERS]


@settings(max_examples=100, derandomize=True)
@given(st.integers(1, 9), chapters_of(steps))
@example(4, [ALL_COME])
# given a place and gone in the same turn of the loop
@example(1, [[("come", "one", 1, 4)], [("leave", 0), ("turn", 1), ("give up", 0)]])
@example(1, [[("come", "one", 1, 4)], [("give up", 0), ("call back", 1)]])
def test_no_place_is_lost_or_taken_twice_and_nobody_waits_before_a_free_one(
    places: int, chapters: list[list[Step]]
) -> None:
    told(places, PROVIDERS, chapters)


@settings(max_examples=100, derandomize=True)
@given(
    st.integers(1, 9),
    st.lists(st.sampled_from(PROVIDERS), unique=True),
    chapters_of(steps | shares),
)
@example(8, PROVIDERS, [ALL_COME, [("share", ["one", "two"])]])
def test_so_it_is_when_the_places_are_divided_anew(
    places: int, providers: list[str], chapters: list[list[Step]]
) -> None:
    told(places, providers, chapters)

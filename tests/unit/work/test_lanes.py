"""Lanes: everybody waits for a place in their own provider's lane only, and never for long."""

from __future__ import annotations

import asyncio

from ops_core.work import lanes
from tests.support.lane_visitors import Visitors, settle, with_lanes


def test_a_provider_whose_places_are_taken_keeps_nobody_from_another() -> None:
    async def story(people: Visitors) -> None:
        await people.come("quick", "d", "e", "f")
        await people.come("slow", "a", "b", "c")
        assert people.inside == ["d", "e", "f", "a", "b"]
        await people.go("d")
        assert people.inside == ["e", "f", "a", "b"], "what was lent is given back first"
        await people.go("e")
        assert people.inside == ["f", "a", "b", "c"]

    with_lanes(4, ["slow", "quick"], story)


def test_what_others_do_not_use_is_lent_and_claimed_back_at_once() -> None:
    async def story(people: Visitors) -> None:
        await people.come("one", *"abcdefgh")
        assert people.inside == [*"abcdef"]
        await people.come("two", *"uvw")
        assert people.inside == [*"abcdefuv"], "its share is there, whoever borrowed it"
        await people.go("a", "b")
        assert people.inside == [*"cdefuv"], "who borrowed leaves before anybody borrows again"
        await people.go("u", "v")
        assert people.inside == [*"cdefwg"]

    with_lanes(6, ["one", "two", "three"], story)


def test_who_borrowed_least_borrows_first() -> None:
    async def story(people: Visitors) -> None:
        await people.come("one", *"abcdef")
        await people.come("two", *"uvw")
        assert people.inside == [*"abcdeu"]
        await people.go("a", "b")
        assert people.inside == [*"cdeuv"]
        await people.go("c")
        assert people.inside == [*"deuvf"]
        await people.go("d")
        assert people.inside == [*"euvfw"]

    with_lanes(5, ["one", "two", "three", "four", "five"], story)


def test_never_twice_as_many_are_inside_as_there_are_places() -> None:
    async def story(people: Visitors) -> None:
        for provider in ("one", "two", "three", "four"):
            await people.come(provider, *(f"{provider} {number}" for number in range(20)))
        assert len(people.inside) == 8 + 3 * 2
        await people.go(*(f"one {number}" for number in range(8)))
        assert len(people.inside) == 8

    with_lanes(8, ["one", "two", "three", "four"], story)


def test_the_places_are_divided_among_those_who_share_them_now() -> None:
    async def story(people: Visitors) -> None:
        await people.come("one", "a", "b", "c", "d", "e")
        assert people.inside == ["a", "b", "c", "d"]
        people.lanes.share(["one", "two"])
        await people.go("a", "b", "c")
        assert people.inside == ["d", "e"]
        await people.come("two", "f", "g", "h")
        assert people.inside == ["d", "e", "f", "g"]
        people.lanes.share(["two"])
        await settle()
        assert people.inside == ["d", "e", "f", "g", "h"]

    with_lanes(4, ["one"], story)


def test_more_providers_than_places_have_one_each() -> None:
    async def story(people: Visitors) -> None:
        await people.come("one", "a", "b", "d")
        await people.come("two", "e", "f")
        await people.come("three", "c")
        assert people.inside == ["a", "b", "e", "c"]

    with_lanes(2, ["one", "two", "three"], story)


def test_who_came_first_goes_in_first() -> None:
    async def story(people: Visitors) -> None:
        await people.come("one", "a", "b", "c", "d")
        for name, following in (("a", "b"), ("b", "c"), ("c", "d")):
            await people.go(name)
            assert people.inside == [following]

    with_lanes(1, ["one"], story)


def test_a_crowd_before_a_lane_that_does_not_move_is_sent_away() -> None:
    async def story(people: Visitors) -> None:
        await people.come("other", "other's own")
        await people.come("slow", "inside", *map(str, range(lanes.CROWD)))
        await people.later(lanes.PATIENCE)
        await people.come("slow", "late")
        await people.come("quick", "another's")
        assert people.away == {"late": lanes.LONGEST_WAIT}
        assert people.inside == ["other's own", "inside", "another's"]

    with_lanes(2, ["slow", "quick", "other"], story)


def test_a_crowd_before_a_lane_that_moves_quickly_waits() -> None:
    async def story(people: Visitors) -> None:
        await people.come("quick", "first")
        await people.later(0.1)
        await people.go("first")
        names = [str(number) for number in range(10 * lanes.CROWD)]
        await people.come("quick", *names)
        assert people.away == {}
        await people.go(*names)
        assert people.away == {}

    with_lanes(1, ["quick"], story)


def test_nobody_waits_for_ever() -> None:
    async def story(people: Visitors) -> None:
        await people.come("slow", "a", "b")
        await people.later(lanes.LONGEST_WAIT - 0.1)
        assert people.away == {}
        await people.later(0.1)
        assert people.away == {"b": lanes.SOONEST}
        assert people.inside == ["a"]

    with_lanes(1, ["slow"], story)


def test_those_called_back_leave_at_once_and_those_inside_stay() -> None:
    async def story(people: Visitors) -> None:
        await people.come("one", "a", "b", tag=7)
        await people.come("one", "c", tag=8)
        people.lanes.call_back(7)
        await settle()
        assert people.away == {"b": 0.0}
        await people.go("a")
        assert people.inside == ["c"]

    with_lanes(1, ["one"], story)


def test_a_place_is_never_lost_to_somebody_who_gave_up() -> None:
    async def story(people: Visitors) -> None:
        await people.come("one", "a", "b", "c")
        people.tasks["b"].cancel()
        await people.go("a")
        assert people.inside == ["c"]
        # given a place and cancelled in the same turn of the loop
        await people.come("one", "d", "e")
        people.doors["c"].set()
        await asyncio.sleep(0)
        people.tasks["d"].cancel()
        await settle()
        assert people.inside == ["e"]
        await people.go("e")
        await people.come("one", "f")
        assert people.inside == ["f"]

    with_lanes(1, ["one"], story)


def test_a_lane_whose_provider_made_somebody_wait_is_shut_for_a_while() -> None:
    async def story(people: Visitors) -> None:
        people.lanes.shut("one", 0.2)
        await people.come("one", "a")
        await people.come("two", "b")
        assert people.inside == ["b"]
        assert people.away["a"] == lanes.SOONEST
        assert people.lanes.full() == ["one"]
        await people.later(0.11)
        assert people.lanes.full() == []
        await people.come("one", "c")
        assert people.inside == ["b", "c"]

    with_lanes(2, ["one", "two"], story)


def test_there_is_room_while_any_lane_in_use_has_too_little_to_do() -> None:
    async def story(people: Visitors) -> None:
        assert people.lanes.have_room
        await people.come("two", "z")
        await people.come("one", *"abcdefghij")
        assert (people.lanes.full(), people.lanes.have_room) == (["one"], True)
        await people.come("two", *"uvw")
        assert people.lanes.full() == ["one", "two"]
        assert not people.lanes.have_room
        await people.go("z", "u")
        assert people.lanes.have_room

    with_lanes(4, ["one", "two"], story)


def test_the_room_of_a_lane_that_nobody_comes_to_says_nothing() -> None:
    async def story(people: Visitors) -> None:
        assert people.lanes.have_room, "nothing is known yet"
        await people.come("two", "z")
        await people.come("one", *"abcdefghij")
        await people.go("z")
        assert people.lanes.have_room, "somebody left a moment ago: others like him may come"
        await people.later(lanes.RECENT + 0.1)
        assert (people.lanes.full(), people.lanes.have_room, people.lanes.have_idle) == (["one"], False, True)
        await people.come("two", "y")
        assert (people.lanes.have_room, people.lanes.have_idle) == (True, False)

    with_lanes(4, ["one", "two"], story)


def test_without_any_provider_there_is_room() -> None:
    async def story(people: Visitors) -> None:
        assert people.lanes.have_room

    with_lanes(4, [], story)

"""What is asked for in one turn of the event loop is done together: stage by stage, in order, each with its own result."""

import asyncio
from dataclasses import dataclass, field

import pytest

from emulator.service.together import Together


@dataclass
class Item:
    number: int
    done: list[str] = field(default_factory=list)


async def test_stage_by_stage_in_the_order_of_asking() -> None:
    course: list[tuple[str, int]] = []

    def first(item: Item) -> None:
        course.append(("first", item.number))
        if item.number % 2:
            raise ValueError(f"{item.number} is odd")

    def second(item: Item) -> None:
        course.append(("second", item.number))

    together = Together(first, second)
    found = await asyncio.gather(*(together(Item(number)) for number in range(6)), return_exceptions=True)
    assert course == [*(("first", number) for number in range(6)), *(("second", number) for number in (0, 2, 4))]
    assert found[::2] == [None, None, None]
    assert [str(error) for error in found[1::2]] == ["1 is odd", "3 is odd", "5 is odd"]


async def test_no_more_at_once_than_is_good_for_others() -> None:
    course: list[str] = []
    together = Together[int](lambda item: course.append(f"one {item}"), lambda item: course.append(f"two {item}"), at_once=2)
    asked = [asyncio.create_task(together(number)) for number in range(5)]
    await asyncio.gather(*asked)
    assert course == ["one 0", "one 1", "two 0", "two 1", "one 2", "one 3", "two 2", "two 3", "one 4", "two 4"]


async def test_who_has_gone_holds_up_nobody() -> None:
    done: list[int] = []
    together = Together(done.append)
    gone, stays = asyncio.create_task(together(1)), asyncio.create_task(together(2))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    assert done == [2]
    with pytest.raises(asyncio.CancelledError):
        await gone

"""What is asked for in one turn of the event loop is done together: in order, each with its own result or error."""

import asyncio

import pytest

from emulator.service.together import Together


async def test_everybody_gets_their_own_in_the_order_of_asking() -> None:
    done: list[int] = []

    def halve(number: int) -> int:
        done.append(number)
        if number % 2:
            raise ValueError(f"{number} is odd")
        return number // 2

    together = Together(halve)
    found = await asyncio.gather(*(together(number) for number in range(6)), return_exceptions=True)
    assert done == list(range(6))
    assert found[::2] == [0, 1, 2]
    assert [str(error) for error in found[1::2]] == ["1 is odd", "3 is odd", "5 is odd"]


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

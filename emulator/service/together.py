"""Work that is done for everybody who asks for it in one turn of the event loop, one after the other.

The stages of a request are more than a processor keeps at hand: one stage for many requests costs less than all stages as many
times over (measured: docs/explanation/performance.md).
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Together(Generic[Item, Result]):
    """``await together(item)`` gives ``work(item)``, in the order in which it was asked for."""

    def __init__(self, work: Callable[[Item], Result]) -> None:
        """``work`` must not wait for anything."""
        self._work = work
        self._asked: list[tuple[Item, asyncio.Future[Result]]] = []

    async def __call__(self, item: Item) -> Result:
        """The result; raises what ``work`` raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._do)
        self._asked.append((item, future))
        return await future

    def _do(self) -> None:
        asked, self._asked = self._asked, []
        for item, future in asked:
            if future.done():
                continue  # who asked has gone
            try:
                future.set_result(self._work(item))
            except Exception as error:
                future.set_exception(error)

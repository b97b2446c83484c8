"""Work that is done for everybody who asks for it in one turn of the event loop, stage by stage.

The stages of a request are more than a processor keeps at hand: one stage for many requests, then the next, costs less than all
stages as many times over (measured: docs/explanation/performance.md).
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

AT_ONCE = 32
"""Items that are taken through the stages before others get a turn of the event loop; the rest follow in the next one."""


class Together(Generic[Item]):
    """``await together(item)`` returns when all stages have been done for the item, in the order in which it was asked for."""

    def __init__(self, *stages: Callable[[Item], None], at_once: int = AT_ONCE) -> None:
        """A stage keeps what it finds in the item; it must not wait for anything."""
        self._stages = stages
        self._at_once = at_once
        self._asked: list[tuple[Item, asyncio.Future[None]]] = []

    async def __call__(self, item: Item) -> None:
        """Take an item through the stages; raises what a stage raises, and the later ones are not done for this item."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._do)
        self._asked.append((item, future))
        await future

    def _do(self) -> None:
        going, self._asked = self._asked[: self._at_once], self._asked[self._at_once :]
        if self._asked:
            asyncio.get_running_loop().call_soon(self._do)
        for stage in self._stages:
            for item, future in going:
                if future.done():
                    continue  # it has failed, or who asked has gone
                try:
                    stage(item)
                except Exception as error:
                    future.set_exception(error)
        for _, future in going:
            if not future.done():
                future.set_result(None)

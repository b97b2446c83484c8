"""What becomes of requests that may come: the engine decides, the answer is written, both go into the log.

Requests that come in the same turn of the event loop go through these stages together (:mod:`emulator.service.together`). The log
has them in the order in which the engine had them, and so does a replay: nothing else that happens in the world gets between.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from emulator.dsp.inputs import DuisInput
from emulator.pki.keystore import KeyStore
from emulator.service.persistence.contract import Body
from emulator.service.pump import Pump, Turn
from emulator.service.recorder import Recorder, Written
from emulator.service.together import Together


@dataclass(slots=True)
class Exchange:
    """A request on its way to its answer."""

    item: DuisInput
    body: Body
    keys_number: int
    """The content of the certificate registry by which it was read."""
    stale: bool = False
    """Whether that was no longer the content when its turn came: nothing was done, and it is to be read again."""
    problem: str = ""
    """Why the world could not take it when its turn came; nothing was done."""
    turn: Turn | None = None
    written: Written | None = None
    durable: asyncio.Future[None] | None = None
    """Ends when the answer may leave."""


class Decisions:
    """The requests of one world, from being read to being logged."""

    def __init__(self, pump: Pump, recorder: Recorder, keys: KeyStore, unavailable: Callable[[], str | None]) -> None:
        """``unavailable`` says why no input can be taken now."""
        self._pump = pump
        self._recorder = recorder
        self._keys = keys
        self._unavailable = unavailable
        self._together = Together(self._decide, self._write, self._note)
        self._decided: deque[Exchange] = deque()
        """What the log does not have yet, in the order of the engine."""

    async def carry_out(self, exchange: Exchange) -> None:
        """Take a request through the stages, in the order in which they were given."""
        await self._together(exchange)

    def settle(self) -> None:
        """Log all that was decided, because something follows that happened later."""
        while self._decided:
            exchange = self._decided.popleft()
            self._write(exchange)
            assert exchange.turn is not None
            assert exchange.written is not None
            exchange.durable = self._recorder.duis(exchange.turn, exchange.item, exchange.body, exchange.written)

    def _decide(self, exchange: Exchange) -> None:
        exchange.problem = self._unavailable() or ""
        exchange.stale = exchange.keys_number != self._keys.number
        if not exchange.problem and not exchange.stale:
            exchange.turn = self._pump.submit(exchange.item)
            self._decided.append(exchange)

    def _write(self, exchange: Exchange) -> None:
        if exchange.turn is not None and exchange.written is None:
            exchange.written = self._recorder.write(exchange.turn)

    def _note(self, exchange: Exchange) -> None:
        self.settle()

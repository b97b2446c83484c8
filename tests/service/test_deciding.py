"""Requests of one turn are decided together, and the log has everything in the order in which it happened."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from emulator.client.requests import read_inventory
from emulator.domain.vocabulary import WebService
from emulator.dsp.effects import Answer
from emulator.dsp.inputs import DuisInput
from emulator.duis.messages import Signer
from emulator.duis.schema import SchemaSet
from emulator.duis.signature import SignaturePolicy
from emulator.pki.keystore import KeyStore
from emulator.service.config import Storage
from emulator.service.deciding import Decisions, Exchange
from emulator.service.edge import Edge
from emulator.service.persistence.contract import InputKind, LastNumbers
from emulator.service.persistence.memory_log import MemoryLog
from emulator.service.pump import Pump, Turn
from emulator.service.recorder import Recorder
from emulator.service.service_state import ServiceState
from emulator.simulation.clock import Clock, ClockMode
from emulator.simulation.draws import Ratio
from tests.service.conftest import ESME, SUPPLIER
from tests.service.scripted_engine import ScriptedEngine

ITEM = DuisInput(WebService.NON_DEVICE, read_inventory(SUPPLIER, ESME), Signer(SUPPLIER, 2, 1, "CN=Z1"))
POLICY = SignaturePolicy(check_role=True, check_dates=True, check_chain=True)
STEP_MS = 600


class SlowEngine(ScriptedEngine):
    """Wall time goes on while it decides."""

    def __init__(self, wall: list[int]) -> None:
        super().__init__(1_000)
        self._wall = wall

    def submit(self, item: DuisInput, at_ms: int) -> Answer:
        self._wall[0] += STEP_MS
        return super().submit(item, at_ms)


@dataclass
class Bench:
    engine: SlowEngine
    log: MemoryLog
    recorder: Recorder
    decisions: Decisions
    keys: KeyStore
    problem: str | None = None

    def exchange(self) -> Exchange:
        return Exchange(ITEM, b"<request/>", self.keys.number)

    async def carry_out(self, *exchanges: Exchange) -> None:
        await asyncio.gather(*map(self.decisions.carry_out, exchanges))
        await asyncio.gather(*(exchange.durable for exchange in exchanges if exchange.durable is not None))

    async def logged(self) -> list[tuple[int, InputKind, int]]:
        return [(row.seq, row.kind, row.at_ms) async for row in self.log.inputs_after(0)]


@pytest.fixture
def bench(world_keys: KeyStore) -> Bench:
    wall = [0]
    engine, log = SlowEngine(wall), MemoryLog("default", Storage())
    log.on_durable = lambda step: None
    recorder = Recorder(
        log, Edge(world_keys, SchemaSet(), POLICY), LastNumbers(), wall_ms=lambda: wall[0], expect=lambda count: None
    )
    made: Bench

    def time_passed(turn: Turn) -> None:
        made.decisions.settle()
        recorder.mark(turn)

    pump = Pump(
        engine,
        ServiceState(Clock(ClockMode.REAL_TIME, 1_000, 0, Ratio(1, 1))),
        wall_ms=lambda: wall[0],
        on_turn=time_passed,
        may_move=lambda: True,
        quiet=lambda: True,
    )
    made = Bench(engine, log, recorder, Decisions(pump, recorder, world_keys, lambda: made.problem), world_keys)
    return made


async def test_what_happens_between_two_requests_is_logged_between_them(bench: Bench) -> None:
    bench.engine.at(1_500, bench.engine.note)
    await bench.carry_out(*(bench.exchange() for _ in range(3)))
    assert await bench.logged() == [
        (1, InputKind.DUIS, 1_000),
        (2, InputKind.MARK, 1_600),
        (3, InputKind.DUIS, 1_600),
        (4, InputKind.DUIS, 2_200),
    ]


async def test_each_gets_the_answer_of_its_own_turn(bench: Bench) -> None:
    exchanges = [bench.exchange() for _ in range(3)]
    await bench.carry_out(*exchanges)
    answers = [exchange.written for exchange in exchanges]
    assert all(answer is not None and answer.writing is not None and not answer.fault for answer in answers)
    assert len({answer.writing.xml for answer in answers if answer is not None and answer.writing is not None}) == 3


async def test_what_was_read_with_other_certificates_is_not_decided(bench: Bench) -> None:
    stale, good = Exchange(ITEM, b"", bench.keys.number - 1), bench.exchange()
    await bench.carry_out(stale, good)
    assert (stale.stale, stale.turn, stale.durable) == (True, None, None)
    assert not good.stale
    assert len(await bench.logged()) == 1


async def test_nothing_is_decided_that_cannot_be_taken_any_more(bench: Bench) -> None:
    first, second = bench.exchange(), bench.exchange()
    submit: Callable[[DuisInput, int], Answer] = bench.engine.submit

    def last(item: DuisInput, at_ms: int) -> Answer:
        bench.problem = "the world ends"
        return submit(item, at_ms)

    bench.engine.submit = last  # type: ignore[method-assign]
    await bench.carry_out(first, second)
    assert first.durable is not None
    assert (second.problem, second.durable) == ("the world ends", None)
    assert len(await bench.logged()) == 1

"""A world of its own for every test, all of them in one emulator: fast, isolated, on time that jumps.

A test names users and devices as scenarios do: ``supplier``, ``ESME@central``.
"""

import asyncio
import itertools
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from emulator.client.blocking import BlockingClient
from emulator.client.control import ControlClient
from emulator.domain.identifiers import Eui64
from emulator.duis.datetimes import format_datetime
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.pki.keystore import KeyStore
from emulator.scenarios.address import Address
from emulator.scenarios.library import find
from emulator.scenarios.names import Names
from emulator.scenarios.reading import read_scenario
from emulator.scenarios.report import Report
from emulator.scenarios.runner import run_scenario
from emulator.scenarios.steps.faults import AddFault
from emulator.testing.harness import RunningEmulator

_numbers = itertools.count(1)

USUAL_SEED = 1
"""Seed of a test that names none: its keys and chance are the same on every run."""
JOURNAL_ENTRIES = 20
"""Entries of the journal that a failing test shows."""


@dataclass(slots=True)
class Dcc:
    """One world: its clients, its clock, its faults, and what happened in it."""

    server: RunningEmulator
    world: str
    seed: int
    names: Names
    scenario: str = ""
    """Id or file of the scenario with whose estate it began; empty for the default estate."""
    _stack: ExitStack = field(default_factory=ExitStack)
    _keys: KeyStore | None = None

    @property
    def duis(self) -> str:
        """Root of its DUIS services."""
        return f"{self.server.duis.rstrip('/')}/worlds/{self.world}"

    @property
    def keys(self) -> KeyStore:
        """The organisations' certificates and test keys."""
        if self._keys is None:
            self._keys = self.ask("key_store")
        return self._keys

    def user(self, name: str) -> Eui64:
        """The User ID that a name of the estate or an EUI stands for; :class:`Malformed` with the names that there are."""
        return self.names.user(name, "user")

    def device(self, name: str) -> Eui64:
        """The device that a selector such as ``ESME@central`` stands for; :class:`Malformed` when it is not one."""
        return self.names.device(name, "device")

    def client(self, user: str = "supplier") -> BlockingClient:
        """A client of this user, to whose endpoint its messages go from now on; it is closed with the world."""
        client = self._stack.enter_context(BlockingClient(self.duis, self.user(user), self.keys))
        self.ask("set_endpoint", self.user(user), client.endpoint)
        return client

    def ask(self, operation: str, *args: Any, **options: Any) -> Any:
        """An operation of :class:`~emulator.client.control.ControlClient` by its name: ``dcc.ask("device", eui)``."""

        async def run() -> Any:
            async with ControlClient(self.server.control, self.world) as control:
                return await getattr(control, operation)(*args, **options)

        return asyncio.run(run())

    def fault(self, kind: str, device: str = "", **options: Any) -> int:
        """Plan a fault (docs/reference/faults.md); its number. ``device`` is a name as for :meth:`device`."""
        number: int = self.ask("add_fault", kind, self.device(device) if device else None, **options)
        return number

    def run_until_idle(self) -> bool:
        """Let time jump until nobody waits for anything; False when that took too long."""
        idle: bool = self.ask("run_until_idle")
        return idle

    def journal(self, last: int = JOURNAL_ENTRIES, **query: Any) -> list[dict[str, Any]]:
        """The latest entries, oldest first."""
        entries: list[dict[str, Any]] = self.ask("journal", **query)
        return entries[-last:]

    def run_scenario(self) -> Report:
        """Run the scenario that the marker names, in a world of its own, and give its report."""
        if not self.scenario:
            raise ValueError('the test has no scenario: mark it with @pytest.mark.dcc(scenario="S-10-guard-on")')
        scenario = read_scenario(find([self.scenario])[0], seed=self.seed)
        return asyncio.run(run_scenario(scenario, Address(self.server.control, self.server.duis)))

    def story(self) -> str:
        """What somebody needs who looks into a failure: seed, clock and the latest of the journal."""
        lines = [f"world {self.world}, seed {self.seed}" + (f", scenario {self.scenario}" if self.scenario else "")]
        for entry in self.journal():
            device = f" {entry['device']}" if entry.get("device") else ""
            lines.append(f"  {format_datetime(entry['at_ms'])} {entry['kind']}{device}: {entry['summary']}")
        return "\n".join(lines)


@contextmanager
def world_of(
    server: RunningEmulator,
    name: str,
    *,
    seed: int = USUAL_SEED,
    estate: str | None = None,
    scenario: str = "",
    start_ms: int | None = None,
) -> Iterator[Dcc]:
    """A world for the time of a ``with`` block.

    ``estate`` is TOML, None the default estate; ``scenario`` an id or file whose estate and faults it begins with instead.
    """
    faults: list[dict[str, Any]] = []
    if scenario:
        read = read_scenario(find([scenario])[0], seed=seed)
        estate, names, start_ms = read.estate_toml, read.names, read.start_ms
        planned = [each.step for each in read.steps if each.number == 0]
        faults = [step.body(names, start_ms, start_ms) for step in planned if isinstance(step, AddFault)]
    else:
        names = Names.of(load_estate(default_estate_toml() if estate is None else estate, source="estate"), {}, {})
    world = f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')[:40]}-{next(_numbers)}"
    origin = {"name": world, "estate": estate, "seed": seed, "start_ms": start_ms}
    dcc = Dcc(server, world, seed, names, scenario)
    dcc.ask("call", "POST", "/control/v1/worlds", body={key: value for key, value in origin.items() if value is not None})
    try:
        dcc.ask("autojump")
        for fault in faults:
            dcc.ask("plan_fault", fault)
        with dcc._stack:
            yield dcc
    finally:
        dcc.ask("call", "DELETE", f"/control/v1/worlds/{world}")
